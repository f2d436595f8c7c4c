"""Error cache: replies from memory while the service would refuse every call."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import anyio
import pytest
from attrs import define, field
from sim import cancel_everywhere
from step_kit import (
    ABUSE,
    NOBODY,
    QUOTA,
    Ends,
    Record,
    ScriptedService,
    a_call,
    chained,
    refused,
    reply,
    sleep_until,
    throttled,
)

from bing_images_async._pipeline.call import Call, Send
from bing_images_async._pipeline.circuit_breaker import CircuitBreaker
from bing_images_async._pipeline.concurrency import ConcurrencyLimiter
from bing_images_async._pipeline.deadline import Deadline
from bing_images_async._pipeline.error_cache import ErrorCache
from bing_images_async._pipeline.rate_limit import RateLimit, RateLimiter
from bing_images_async._pipeline.retry import Retry, RetryBudget, RetryPolicy
from bing_images_async._pipeline.signals import Signals
from bing_images_async._protocol.credentials import ApiKey
from bing_images_async._protocol.error_mapping import api_error
from bing_images_async._protocol.messages import Reply
from bing_images_async.events import Dispatcher, LatchChanged

DENIED = reply(401, b'{"error": {"code": "401", "message": "Access denied due to invalid subscription key."}}')


@define
class Keys:
    """A key that changes, and the time it takes to get it."""

    now: str = "first"
    takes: float = 0.0
    asked: int = field(default=0, init=False)

    def current(self) -> ApiKey:
        return ApiKey(self.now)

    async def __call__(self) -> ApiKey:
        self.asked += 1
        if self.takes:
            await anyio.sleep(self.takes)
        return self.current()


@define
class CachedErrors:
    """An error cache in front of a scripted service."""

    service: ScriptedService
    keys: Keys = field(factory=Keys)
    record: Record = field(factory=Record)
    cache: ErrorCache = field(init=False)
    send: Send = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.service.key = self.keys.current
        self.cache = ErrorCache(self.keys, longest_pause=60.0, events=Dispatcher([self.record]))
        self.send = chained(self.cache, self.cache.guard, to=self.service)

    @property
    def changes(self) -> list[tuple[float, str | None, float | None]]:
        return [(event.at, event.error, event.retry_after) for event in self.record.of(LatchChanged)]


def said(answer: Reply) -> tuple[int, bytes]:
    """Return a reply without its headers, because `Retry-After` decreases."""
    return answer.status, answer.body


LASTING = [
    (DENIED, "AuthenticationError", 60.0),
    (QUOTA, "QuotaExhaustedError", 60.0),
    (ABUSE, "SuspectedAbuseError", 60.0),
    (throttled(61), "RateLimitedError", 61.0),
    (throttled(3600, status=503), "ServerError", 3600.0),
    (throttled(7, status=401), "AuthenticationError", 7.0),
    (
        reply(403, b'{"statusCode": 403, "message": "Out of quota. Quota will be replenished in 1.00:00:10."}'),
        "QuotaExhaustedError",
        86_410.0,
    ),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("answer", "name", "period"), LASTING)
async def test_lasting_error_is_returned_without_sending(answer: Reply, name: str, period: float) -> None:
    """Until `Retry-After` or a minute is over; then one call probes, and its success clears the cache."""
    it = CachedErrors(ScriptedService([answer, reply()]))
    await it.send(a_call())
    assert it.cache.error == name
    for _ in range(3):
        call = a_call()
        assert said(await it.send(call)) == said(answer)
        assert call.state.sent is None
    await sleep_until(period - 0.1)
    again = await it.send(a_call())
    assert said(again) == said(answer)
    assert again.headers.get("retry-after") in {None, "1"}
    await sleep_until(period)
    assert await it.send(a_call()) == reply()
    await it.send(a_call())
    assert it.service.times == pytest.approx([0.0, period, period])
    assert it.changes == [(0.0, name, period), (pytest.approx(period), None, None)]
    assert it.cache.error is None


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [reply(400), reply(403), reply(404), reply(410), reply(500), throttled(60), reply()])
async def test_other_replies_are_not_cached(answer: Reply) -> None:
    """They concern one request only, or pass soon."""
    it = CachedErrors(ScriptedService([answer]))
    for _ in range(3):
        await it.send(a_call())
    assert (len(it.service.sent), it.cache.error, it.changes) == (3, None, [])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "releases"), [(DENIED, True), (QUOTA, True), (ABUSE, False), (throttled(61), False)]
)
async def test_another_key_clears_errors_about_the_key(answer: Reply, releases: bool) -> None:
    """Abuse and pauses concern more than the key."""
    it = CachedErrors(ScriptedService([answer, reply()]))
    await it.send(a_call())
    it.keys.now = "second"
    expected = reply() if releases else answer
    assert await it.send(a_call()) == expected
    assert it.changes == [(0.0, it.changes[0][1], it.changes[0][2]), *([(0.0, None, None)] if releases else [])]


@pytest.mark.anyio
async def test_slow_key_clears_the_cache_once() -> None:
    """Several calls may find the new key at the same time."""
    it = CachedErrors(ScriptedService([DENIED, reply()]))
    await it.send(a_call())
    it.keys.now, it.keys.takes = "second", 1.0
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(it.send, a_call())
    assert it.changes == [(0.0, "AuthenticationError", 60.0), (1.0, None, None)]
    assert len(it.service.sent) == 4


@pytest.mark.anyio
async def test_one_event_per_error() -> None:
    """Also if many requests in flight get it; a failed probe emits another event."""
    it = CachedErrors(ScriptedService([DENIED], latency=1.0))
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(it.send, a_call())
    await sleep_until(61.0)
    await it.send(a_call())
    assert it.changes == [(1.0, "AuthenticationError", 60.0), (62.0, "AuthenticationError", 60.0)]


@pytest.mark.anyio
async def test_one_probe_at_a_time() -> None:
    """Other calls get the cached error; if the probe gets it too, the period starts again."""
    it, ends = CachedErrors(ScriptedService([DENIED], latency=1.0)), Ends()
    await it.send(a_call())
    await sleep_until(61.0)
    calls = [a_call() for _ in range(10)]
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, it.send, call)
    assert it.service.times == pytest.approx([0.0, 61.0])
    assert [ends[call] for call in calls] == [DENIED] * 10
    await sleep_until(121.9)
    await it.send(a_call())
    assert len(it.service.sent) == 2
    await sleep_until(122.0)
    await it.send(a_call())
    assert len(it.service.sent) == 3


@pytest.mark.anyio
@pytest.mark.parametrize("inconclusive", [reply(500), reply(400), refused(), ValueError("mine")])
async def test_probe_without_result_keeps_the_error(inconclusive: Any) -> None:
    """The next call is the probe."""
    it, ends = CachedErrors(ScriptedService([DENIED, inconclusive, reply()])), Ends()
    await it.send(a_call())
    await sleep_until(60.0)
    await ends.collect(it.send, a_call())
    assert it.cache.error == "AuthenticationError"
    assert await it.send(a_call()) == reply()
    assert it.cache.error is None


@pytest.mark.anyio
async def test_cancelled_probe_is_replaced_by_the_next_call() -> None:
    """It has no result."""
    it = CachedErrors(ScriptedService([ABUSE, reply()]))
    await it.send(a_call())
    it.service.latency = None
    await sleep_until(60.0)
    with anyio.move_on_after(1):
        await it.send(a_call())
    it.service.latency = 0.0
    assert await it.send(a_call()) == reply()
    assert it.service.times == pytest.approx([0.0, 60.0, 61.0])


@pytest.mark.anyio
async def test_success_sent_before_the_error_does_not_clear_it() -> None:
    """It says nothing about the time after the error."""
    it = CachedErrors(ScriptedService(latency=1.0))
    late = a_call()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.send, late)
        await anyio.sleep(0.5)
        it.service.script, it.service.latency = [ABUSE], 0.0
        await it.send(a_call())
    assert it.cache.error == "SuspectedAbuseError"
    assert await it.send(a_call()) is ABUSE
    assert len(it.service.sent) == 2


@pytest.mark.anyio
async def test_waiting_calls_wait_for_the_end_of_suspected_abuse() -> None:
    """With their clocks paused; one probes, then all are sent."""
    it, ends = CachedErrors(ScriptedService([ABUSE, ABUSE, reply()])), Ends()
    await it.send(a_call())
    send = chained(Deadline(), *[it.cache, it.cache.guard], to=it.service)
    calls = [a_call(on_outage="wait", timeout=5) for _ in range(5)]
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, send, call)
        await anyio.sleep(1)
        assert it.cache.waiting == 5
        assert await send(a_call(timeout=5)) is ABUSE
    # The first probe fails, and its call gets the error; the second succeeds, and the others are sent.
    assert it.service.times == pytest.approx([0.0, 60.0, *[120.0] * 4])
    assert sorted(ends[call] is ABUSE for call in calls) == [False] * 4 + [True]
    assert it.cache.waiting == 0


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [DENIED, QUOTA])
async def test_waiting_calls_do_not_wait_for_errors_about_the_key(answer: Reply) -> None:
    """A key does not become valid by waiting."""
    it = CachedErrors(ScriptedService([answer]))
    await it.send(a_call())
    assert said(await it.send(a_call(on_outage="wait"))) == said(answer)
    assert (len(it.service.sent), anyio.current_time()) == (1, 0.0)


@pytest.mark.anyio
async def test_long_pause_is_probed_by_waiting_calls_after_a_minute() -> None:
    """Other calls get the 429 at once."""
    it = CachedErrors(ScriptedService([throttled(120), reply()]))
    await it.send(a_call())
    assert (await it.send(a_call())).status == 429
    assert await it.send(a_call(on_outage="wait")) == reply()
    assert anyio.current_time() == pytest.approx(60.0)


@pytest.mark.anyio
async def test_long_pause_is_not_probed_by_failing_calls() -> None:
    """They are sent after the pause, and not before."""
    it = CachedErrors(ScriptedService([throttled(3600), reply()]))
    await it.send(a_call())
    for minutes in range(1, 60):
        await sleep_until(60.0 * minutes)
        answer = await it.send(a_call())
        assert (answer.status, answer.headers["retry-after"]) == (429, str(3600 - 60 * minutes))
    await sleep_until(3600.0)
    assert await it.send(a_call()) == reply()
    assert len(it.service.sent) == 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [
        throttled(999_999_999),
        throttled(999_999_999, status=503),
        reply(429, retry_after="Fri, 31 Dec 9999 23:59:59 GMT"),
        reply(429, retry_after="9" * 12),
        reply(429, b'{"statusCode": 429, "message": "Try again in 999999999 seconds."}'),
    ],
)
async def test_very_long_pause_is_probed_with_doubling_gaps(answer: Reply) -> None:
    """From 60 s to 30 minutes, through the whole chain; failed probes cost no retry tokens.

    A pause above the cap counts as an hour, so each failed probe starts another hour.
    """
    back = 3 * 3600.0
    record, budget = Record(), RetryBudget()
    service = ScriptedService(lambda _: answer if anyio.current_time() < back else reply())
    limiter = RateLimiter(RateLimit(10), random=lambda: 0.0, events=NOBODY, longest_pause=60.0)
    cache = ErrorCache(
        Keys(), longest_pause=60.0, events=Dispatcher([record]), signals=Signals(abort_waiting=limiter.abort)
    )
    retry = Retry(RetryPolicy(), budget, random=lambda: 0.5, events=NOBODY)
    send = chained(Deadline(), retry, cache, limiter, cache.guard, to=service)
    assert await send(a_call(timeout=30, on_outage="wait")) == reply()
    gaps = [60.0, 120.0, 240.0, 480.0, 960.0, *[1800.0] * 6]
    assert [round(b - a) for a, b in pairwise(service.times)] == gaps[: len(service.times) - 1]
    assert back <= service.times[-1] <= back + 1800.0
    changes = record.of(LatchChanged)
    assert [(change.retry_after, change.next_probe) for change in changes[:-1]] == [
        (3600.0, gap) for gap in gaps[: len(changes) - 1]
    ]
    assert (changes[-1].error, changes[-1].next_probe) == (None, None)
    assert budget.tokens == RetryBudget.SIZE - RetryBudget.THROTTLE + 1  # the first rejection only


@pytest.mark.anyio
async def test_probe_gap_starts_again_with_the_next_pause() -> None:
    """After the service has answered."""
    it = CachedErrors(ScriptedService([throttled(3600), throttled(3600), reply(), throttled(3600), reply()]))
    for _ in range(4):
        await it.send(a_call(on_outage="wait"))
    await it.send(a_call(on_outage="wait"))
    assert [round(time) for time in it.service.times] == [0, 60, 180, 180, 240]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [
        reply(429, b'{"statusCode": 429, "message": "Rate limit is exceeded. Try again in 300 seconds."}'),
        reply(403, b'{"statusCode": 403, "message": "Out of quota. Quota will be replenished in 00:05:00."}'),
        throttled(300),
        throttled(300, status=503),
        throttled(300, status=401),
    ],
)
async def test_cached_error_has_the_remaining_retry_after(answer: Reply) -> None:
    """Wherever the service named the wait."""
    it = CachedErrors(ScriptedService([answer]))
    assert api_error(await it.send(a_call())).retry_after == 300.0
    for now in (0.0, 100.0, 299.5):
        await sleep_until(now)
        assert api_error(await it.send(a_call())).retry_after == math.ceil(300.0 - now)
    assert len(it.service.sent) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [DENIED, QUOTA, ABUSE])
async def test_cached_error_without_retry_after_gets_none(answer: Reply) -> None:
    """The service did not say how long it lasts."""
    it = CachedErrors(ScriptedService([answer]))
    await it.send(a_call())
    assert api_error(await it.send(a_call())).retry_after is None


@pytest.mark.anyio
async def test_quota_error_ends_waiting_for_a_pause() -> None:
    """No call waits for the new error."""
    it = CachedErrors(ScriptedService([ABUSE, QUOTA]))
    late: list[Reply] = []

    async def wait() -> None:
        late.append(await it.send(a_call(on_outage="wait")))

    await it.send(a_call())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        tasks.start_soon(wait)
    assert [said(answer) for answer in late] == [said(QUOTA)] * 2
    assert (len(it.service.sent), anyio.current_time()) == (2, pytest.approx(60.0))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "limit"),
    [
        *[(answer, limit) for answer in (DENIED, QUOTA, ABUSE) for limit in (None, RateLimit(5))],
        (throttled(3600), RateLimit(5)),
    ],
)
async def test_thousand_waiting_calls_are_not_sent_after_an_error(answer: Reply, limit: RateLimit | None) -> None:
    """Whether they wait for a permit or for a slot."""
    service, ends, keys = ScriptedService([answer], latency=0.5), Ends(), Keys()
    service.key = keys.current
    permits = ConcurrencyLimiter(16, service.in_flight, NOBODY)
    limiter = RateLimiter(limit, random=lambda: 0.5, events=NOBODY, longest_pause=60)

    def abort_waiting() -> None:
        permits.abort()
        limiter.abort()

    cache = ErrorCache(keys, longest_pause=60, events=NOBODY, signals=Signals(abort_waiting=abort_waiting))
    breaker = CircuitBreaker(
        service.in_flight, random=lambda: 0.5, events=NOBODY, signals=Signals(abort_waiting=abort_waiting)
    )
    send = chained(cache, breaker, permits, limiter, cache.guard, breaker.guard, to=service)
    calls = [a_call() for _ in range(1_000)]
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, send, call)
        await anyio.sleep(0.49)
        in_flight = service.in_flight.requests
    assert len(service.sent) == in_flight <= 16
    assert all(ends[call] == answer for call in calls)
    assert anyio.current_time() == pytest.approx(0.5 if limit is None else 0.95, abs=0.5)
    assert (permits.in_use, permits.waiting, limiter.waiting) == (0, 0, 0)


@pytest.mark.anyio
async def test_error_aborts_calls_right_before_they_are_sent() -> None:
    """They start again and get the cached error."""
    it = CachedErrors(ScriptedService([ABUSE]))

    async def slowly(call: Call, send: Send) -> Reply:
        await anyio.sleep(1)
        return await send(call)

    send = chained(it.cache, slowly, it.cache.guard, to=it.service)
    ends, calls = Ends(), [a_call(), a_call()]
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, send, call)
            await anyio.sleep(0.5)
    assert [ends[call] for call in calls] == [ABUSE, ABUSE]
    assert len(it.service.sent) == 1


@pytest.mark.anyio
async def test_probe_of_the_cache_is_no_probe_of_the_breaker() -> None:
    """It has the whole attempt timeout, and its failure opens no breaker."""
    service, keys = ScriptedService([DENIED, reply()]), Keys()
    service.key = keys.current
    cache = ErrorCache(keys, longest_pause=60, events=NOBODY)
    breaker = CircuitBreaker(service.in_flight, random=lambda: 0.5, events=NOBODY)
    send = chained(cache, breaker, cache.guard, breaker.guard, to=service)
    await send(a_call())
    await sleep_until(60.0)
    service.latency = 9.0
    assert await send(a_call()) == reply()
    assert anyio.current_time() == pytest.approx(69.0)


@asynccontextmanager
async def _held() -> AsyncIterator[Any]:
    it = CachedErrors(ScriptedService([ABUSE, reply()], latency=0.1))
    await it.send(a_call())
    other, ends = a_call(on_outage="wait"), Ends()

    class Scenario:
        async def run(self) -> None:
            await it.send(a_call(on_outage="wait"))

        async def check(self, outcome: str) -> None:
            await anyio.sleep(100)
            assert ends[other] == reply()
            assert (it.cache.waiting, it.cache.error, it.service.in_flight.requests) == (0, None, 0)

    async def behind() -> None:
        await anyio.sleep(1)
        await ends.collect(it.send, other)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(behind)
        yield Scenario()


@pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])
def test_cancellation_at_any_step_leaves_no_probe_behind(backend: Any, by: Any) -> None:
    """The next waiting call becomes the probe."""
    assert cancel_everywhere(_held, by=by, backend=backend) >= 4
