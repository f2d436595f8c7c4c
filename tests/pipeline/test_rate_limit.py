"""The limiter keeps a quota at the far end, whatever happens on the way, and uses it up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from attrs import frozen
from hypothesis import given, settings, strategies as st
from link_kit import (
    NOBODY,
    Ends,
    FarEnd,
    Record,
    a_call,
    block,
    chained,
    most_in_a_window,
    refused,
    reply,
    sleep_until,
    throttled,
)
from sim import cancel_everywhere

from bing_images_async._pipeline.call import AttemptAborted, Call
from bing_images_async._pipeline.deadline import Deadline
from bing_images_async._pipeline.rate_limit import RateLimit, RateLimiter
from bing_images_async.errors import DeadlineExceededError, InvalidRequestError
from bing_images_async.events import Hub, RateChanged, Throttled
from bing_images_async.testing import run

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def limiter(limit: RateLimit | None, **options: Any) -> RateLimiter:
    return RateLimiter(limit, **{"random": lambda: 0.5, "hub": NOBODY, "longest_pause": 60.0, **options})


# --- the quota


@frozen
class Arrival:
    at: float
    priority: str = "interactive"
    patience: float | None = None
    """Seconds after which it is cancelled."""
    is_sent: bool = True
    """Or it gives its slot back."""
    is_throttled: bool = False


ARRIVALS = st.lists(
    st.builds(
        Arrival,
        at=st.floats(0, 5).map(lambda at: round(at, 3)),
        priority=st.sampled_from(["interactive", "bulk"]),
        patience=st.none() | st.floats(0, 3),
        is_sent=st.integers(0, 4).map(bool),
        is_throttled=st.integers(0, 9).map(lambda n: n == 0),
    ),
    min_size=1,
    max_size=40,
)
LIMITS = st.builds(
    lambda requests, per, burst, jitter: RateLimit(requests, per, min(burst, requests), jitter),
    st.integers(1, 30),
    st.sampled_from([0.1, 1.0, 10.0, 60.0]),
    st.sampled_from([1, 1, 2, 5, 30]),
    st.sampled_from([0.0, 0.002, 0.03, 0.5]),
)


async def _play(link: RateLimiter, arrivals: list[Arrival]) -> list[tuple[float, Call]]:
    """Who was sent, and when."""
    sent: list[tuple[float, Call]] = []

    async def arrive(arrival: Arrival) -> None:
        async def send(call: Call) -> Any:
            if not arrival.is_sent:
                raise ValueError("not sent")
            call.sent = anyio.current_time()
            sent.append((call.sent, call))
            await anyio.sleep(0.02)
            return throttled(1) if arrival.is_throttled else reply()

        await sleep_until(arrival.at)
        with anyio.move_on_after(arrival.patience):
            try:
                await link(a_call(priority=arrival.priority), send)
            except ValueError:
                assert not arrival.is_sent

    async with anyio.create_task_group() as tasks:
        for arrival in arrivals:
            tasks.start_soon(arrive, arrival)
    assert link.waiting == 0
    return sent


@BACKENDS
@settings(deadline=None, max_examples=150)
@given(limit=LIMITS, arrivals=ARRIVALS, draw=st.floats(0, 0.999))
def test_the_quota_is_a_ceiling(backend: Any, limit: RateLimit, arrivals: list[Arrival], draw: float) -> None:
    """Whatever comes, is cancelled, gives its slot back or is throttled: no window at the server holds more than N."""
    link = limiter(limit, random=lambda: draw)
    sent = run(_play, link, arrivals, backend=backend)
    assert most_in_a_window([time for time, _ in sent], limit.per, limit.jitter) <= limit.requests


@BACKENDS
@settings(deadline=None, max_examples=60)
@given(limit=LIMITS, arrivals=ARRIVALS)
def test_first_come_first_served(backend: Any, limit: RateLimit, arrivals: list[Arrival]) -> None:
    """Among calls of one priority slots go by the number of the call, whoever gives up in between."""
    sent = run(_play, limiter(limit), arrivals, backend=backend)
    for priority in ("interactive", "bulk"):
        numbers = [call.number for _, call in sent if call.priority == priority]
        assert numbers == sorted(numbers)


@BACKENDS
@settings(deadline=None, max_examples=60)
@given(limit=LIMITS, patience=st.lists(st.none() | st.floats(0, 100), min_size=2, max_size=60))
def test_cancelling_loses_no_slot(backend: Any, limit: RateLimit, patience: list[float | None]) -> None:
    """While anybody waits each slot is used: those who stay are served one spacing apart, whoever leaves."""
    sent = run(_play, limiter(limit), [Arrival(0.0, patience=left) for left in patience], backend=backend)
    times = [time for time, _ in sent][limit.burst - 1 :]
    assert times == pytest.approx([number * limit.spacing for number in range(len(times))], abs=1e-6)


@BACKENDS
@pytest.mark.parametrize(("requests", "per", "jitter"), [(3, 1.0, 0.03), (250, 1.0, 0.005), (100, 60.0, 0.5)])
def test_the_quota_is_used(backend: Any, requests: int, per: float, jitter: float) -> None:
    """With calls always waiting, 1 / (1 + J/W) of the quota is sent (less one part in 10,000)."""
    link = limiter(RateLimit(requests, per, jitter=jitter))
    sent = run(_play, link, [Arrival(0.0)] * (5 * requests + 1), backend=backend)
    rate = 5 * requests / sent[-1][0]
    assert rate >= 0.9997 * requests / per / (1 + jitter / per)


@BACKENDS
def test_a_burst_is_what_was_allowed(backend: Any) -> None:
    """After a rest `burst` leave at once; then one per spacing, which is longer for it."""
    limit = RateLimit(10, burst=4, jitter=0.03)
    sent = run(_play, limiter(limit), [Arrival(100.0)] * 7, backend=backend)
    times = [time - 100.0 for time, _ in sent]
    assert times == pytest.approx([0, 0, 0, 0, 0.147, 0.294, 0.441], abs=0.001)


# --- the waiting line


@pytest.mark.anyio
async def test_a_retry_keeps_its_place() -> None:
    """Places go by the number of the call, not by when it joined."""
    link, end = limiter(RateLimit(1, jitter=0)), FarEnd()
    first, second, third = a_call(), a_call(), a_call()
    async with anyio.create_task_group() as tasks:
        for call in (second, third, first):
            tasks.start_soon(link, call, end)
            await anyio.sleep(0.01)
    assert end.calls == [second, first, third]


@pytest.mark.anyio
async def test_nobody_slips_in_before_the_line() -> None:
    """A slot that is due belongs to who waits for it, even if that one has not woken up yet."""
    link, end = limiter(RateLimit(1, jitter=0)), FarEnd()
    first, second, third = (a_call() for _ in range(3))
    async with anyio.create_task_group() as tasks:
        for call in (first, second):
            tasks.start_soon(link, call, end)
            await anyio.sleep(0.25)
        block(1.0)
        await link(third, end)
    assert end.calls == [first, second, third]


@pytest.mark.anyio
async def test_interactive_calls_pass_bulk_ones() -> None:
    """But one slot in ten stays with bulk calls as long as they wait."""
    link, end = limiter(RateLimit(10)), FarEnd()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(link, a_call(priority="bulk"), end)
        await anyio.sleep(0.01)
        for _ in range(40):
            tasks.start_soon(link, a_call(), end)
    order = "".join(call.priority[0] for call in end.calls)
    assert order == "b" + 2 * ("i" * 9 + "b") + "i" * 22


class _Cancelled:
    """A call that waits for its slot between two others; it is cancelled at any step."""

    def __init__(self) -> None:
        self.link, self.end = limiter(RateLimit(1, jitter=0)), FarEnd()
        self.calls = [a_call() for _ in range(4)]

    async def run(self) -> None:
        await self.link(self.calls[2], self.end)

    async def check(self, outcome: str) -> None:
        await anyio.sleep(10)
        expected = [call for call in self.calls if call is not self.calls[2] or call in self.end.calls]
        assert self.end.calls == expected
        assert self.end.times == pytest.approx([0, 1, 2, 3][: len(expected)], abs=0.01)
        assert self.link.waiting == 0


@asynccontextmanager
async def _between_others() -> AsyncIterator[_Cancelled]:
    scenario = _Cancelled()
    async with anyio.create_task_group() as tasks:
        for number in (0, 1, 3):
            tasks.start_soon(scenario.link, scenario.calls[number], scenario.end)
            await anyio.wait_all_tasks_blocked()
        yield scenario


@pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])
def test_cancelling_at_any_step_loses_no_slot(backend: Any, by: Any) -> None:
    """Those before and behind are served at the same times as ever, in the same order."""
    assert cancel_everywhere(_between_others, by=by, backend=backend) > 3


# --- timers are late


@pytest.mark.anyio
@pytest.mark.parametrize("requests", [50, 250])
async def test_lateness_does_not_add_up(requests: int) -> None:
    """A timer that is always a millisecond late costs one millisecond in all, not one per request."""
    limit = RateLimit(requests, jitter=0.03)
    link, end = limiter(limit), FarEnd()

    async def busy() -> None:
        while len(end.sent) < 2 * requests:
            await sleep_until(link._due() - 0.0002)
            block(0.0012)
            await anyio.sleep(0.0001)

    async with anyio.create_task_group() as tasks:
        for _ in range(2 * requests):
            tasks.start_soon(link, a_call(), end)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(busy)
    last = (2 * requests - 1) * limit.spacing
    assert last - 0.002 <= end.times[-1] <= last + 0.002


@pytest.mark.anyio
async def test_what_is_far_too_late_is_not_made_up_for() -> None:
    """After the event loop was blocked for long, the slots that passed are gone."""
    limit = RateLimit(20, jitter=0.03)
    link, end = limiter(limit), FarEnd()

    async def busy() -> None:
        await anyio.sleep(1.001)
        block(0.5)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(busy)
        for _ in range(60):
            tasks.start_soon(link, a_call(), end)
    assert most_in_a_window(end.times, limit.per, limit.jitter) <= 20
    gaps = [after - before for before, after in zip(end.times, end.times[1:], strict=False)]
    assert max(gaps) > 0.45
    assert min(gaps) >= limit.spacing - 0.015 - 1e-9  # half of the jitter is what may be made up


# --- slots that were not used


@pytest.mark.anyio
async def test_an_unsent_request_gives_its_slot_back() -> None:
    """The next call has it; one that fails after it was sent has used it."""
    link = limiter(RateLimit(1, jitter=0))
    end = FarEnd([refused(), reply()], unsent=[0])
    with pytest.raises(ValueError, match="not sent"):
        await link(a_call(), end)
    with pytest.raises(Exception, match="refused"):
        await link(a_call(), end)
    await link(a_call(), end)
    assert end.times == pytest.approx([0.0, 1.0], abs=0.001)


@pytest.mark.anyio
async def test_a_slot_given_back_late_is_gone() -> None:
    """Once another slot followed it, two requests could meet if it were used again."""
    link, end = limiter(RateLimit(2, per=2.0, jitter=0)), FarEnd()

    async def slow(call: Call) -> Any:
        await anyio.sleep(1.5)
        raise ValueError("not sent")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Ends().collect, lambda call: link(call, slow), a_call())
        await anyio.sleep(0.1)
        tasks.start_soon(link, a_call(), end)
        tasks.start_soon(link, a_call(), end)
    assert end.times == pytest.approx([1.0, 2.0], abs=0.001)


@pytest.mark.anyio
async def test_a_slot_given_back_after_a_cut_is_no_more_than_it_was() -> None:
    """A cut makes spacings longer; what goes back is the spacing that was taken."""
    link, end = limiter(RateLimit(2, per=10.0, burst=2, jitter=0), random=lambda: 0.0), FarEnd()

    async def unsent(call: Call) -> Any:
        await anyio.sleep(2)
        raise ValueError("not sent")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link, a_call(), FarEnd([throttled(0)], latency=1.0))
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(Ends().collect, lambda call: link(call, unsent), a_call())
    await link(a_call(), end)
    await link(a_call(), end)
    assert end.times == pytest.approx([2.0, 10.0 / 0.725], abs=0.001)


# --- deadlines


@pytest.mark.anyio
async def test_a_wait_that_cannot_end_in_time_is_refused() -> None:
    """At once, without waiting, and without disturbing those who wait."""
    link, end = limiter(RateLimit(1, jitter=0)), FarEnd()
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(link, a_call(), end)
        await anyio.sleep(0.5)
        with pytest.raises(DeadlineExceededError, match="timeout=None") as caught:
            await link(a_call(timeout=3.4), end)
        assert caught.value.waited_for == "rate_limit"
        assert anyio.current_time() == pytest.approx(0.5)
        tasks.start_soon(link, a_call(timeout=3.6), end)
    assert end.times == pytest.approx([0, 1, 2, 3, 4], abs=0.001)


@pytest.mark.anyio
async def test_bulk_calls_do_not_count_against_interactive_ones() -> None:
    """Those who will be passed are not waited for."""
    link, end = limiter(RateLimit(1, jitter=0)), FarEnd()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(link, a_call(priority="bulk"), end)
        await anyio.sleep(0.5)
        await link(a_call(timeout=0.6), end)
        with pytest.raises(DeadlineExceededError):
            await link(a_call(timeout=3.0, priority="bulk"), end)


@pytest.mark.anyio
async def test_queueing_may_be_nobodys_time() -> None:
    """Calls of a fan-out are never refused for the length of the line, nor turned back by a pause."""
    link, end, ends = limiter(RateLimit(1, jitter=0)), FarEnd([throttled(10), reply()], latency=0.1), Ends()
    send = chained(Deadline(), link, to=end)
    calls = [a_call(timeout=2, queueing_counts=False) for _ in range(6)]
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, send, call)
            await anyio.wait_all_tasks_blocked()
    assert [ends[call] for call in calls] == [throttled(10), *[reply()] * 5]


@pytest.mark.anyio
async def test_what_counts_is_when_a_request_leaves() -> None:
    """The first of a session wait for their connections; those a window later keep their distance from that."""
    limit, departures = RateLimit(3, jitter=0), list[float]()

    async def send(call: Call) -> Any:
        call.sent = anyio.current_time()
        if len(departures) < 3:
            await anyio.sleep(0.3)
        assert call.on_departure is not None
        call.on_departure()
        departures.append(anyio.current_time())
        return reply()

    link = limiter(limit)
    async with anyio.create_task_group() as tasks:
        for _ in range(9):
            tasks.start_soon(link, a_call(), send)
    assert most_in_a_window(departures, 1.0, 0.0) <= 3
    assert departures[0] == pytest.approx(0.3)


@pytest.mark.anyio
async def test_a_pause_turns_back_those_it_would_make_late() -> None:
    """They can be told now; the others stay."""
    link, end, ends = limiter(RateLimit(1, jitter=0)), FarEnd([throttled(10), reply()], latency=0.1), Ends()
    first, hasty, patient = a_call(), a_call(timeout=5), a_call(timeout=50)
    async with anyio.create_task_group() as tasks:
        for call in (first, hasty, patient):
            tasks.start_soon(ends.collect, chained(link, to=end), call)
            await anyio.sleep(0.01)
        await anyio.sleep(0.1)
        assert isinstance(ends[hasty], AttemptAborted)
        assert ends[patient] is None
    assert ends[patient] == reply()


@pytest.mark.anyio
async def test_the_gate_can_turn_everybody_back() -> None:
    """`dismiss` sends the waiting away; no slot is lost."""
    link, end, ends = limiter(RateLimit(1, jitter=0)), FarEnd(), Ends()
    calls = [a_call() for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, lambda call: link(call, end), call)
        await anyio.sleep(0.5)
        assert link.waiting == 2
        link.dismiss()
        assert link.waiting == 0
        await anyio.sleep(0.1)
        await link(a_call(), end)
    assert sum(isinstance(ends[call], AttemptAborted) for call in calls) == 2
    assert end.times == pytest.approx([0.0, 1.0], abs=0.001)


# --- throttled


@pytest.mark.anyio
@pytest.mark.parametrize(("answer", "hint"), [(throttled(5), 5), (throttled(None), 1), (throttled(5, status=503), 5)])
@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
async def test_a_pause_for_all(answer: Any, hint: float, draw: float) -> None:
    """After a 429, or a 503 that says when, nothing leaves before the time is up, plus U(0, max(10 %, 1/r))."""
    link, end = limiter(RateLimit(10, jitter=0), random=lambda: draw), FarEnd([answer, reply()])
    await link(a_call(), end)
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(link, a_call(), end)
    pause = hint + draw * max(0.1 * hint, 1 / 7)
    assert end.times[1] == pytest.approx(pause, abs=1e-3)
    assert end.times[1] >= hint
    assert end.times[2] - end.times[1] == pytest.approx(0.1 / 0.7, rel=0.02)


@pytest.mark.anyio
async def test_a_503_that_names_no_time_is_no_throttle() -> None:
    """It is the service's own trouble, and the pace stays."""
    link, end = limiter(RateLimit(10, jitter=0)), FarEnd([reply(503), reply()])
    await link(a_call(), end)
    await link(a_call(), end)
    assert (end.times[1], link.throttled) == (pytest.approx(0.1, abs=1e-3), 0)


@pytest.mark.anyio
async def test_fifty_throttled_at_once_restart_spaced() -> None:
    """One pause, one cut, and afterwards no window with more than the quota."""
    record = Record()
    limit = RateLimit(50, burst=50, jitter=0)
    link = limiter(limit, hub=Hub([record]))
    end = FarEnd(lambda call: throttled(2) if anyio.current_time() < 0.5 else reply(), latency=0.05)
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(link, a_call(), end)
    assert [event.at for event in record.of(Throttled)] == [pytest.approx(0.05)] * 50
    assert [event.rate for event in record.of(RateChanged)] == [pytest.approx(35.0)]
    async with anyio.create_task_group() as tasks:
        for _ in range(150):
            tasks.start_soon(link, a_call(), end)
    restart = end.times[50:]
    assert restart[0] >= 2.05
    assert most_in_a_window(restart, 1.0, 0.0) <= 50
    assert restart[1] - restart[0] > 0.9 * limit.spacing / 0.7


@pytest.mark.anyio
async def test_one_cut_per_epoch() -> None:
    """Only a request that was sent after the last cut can cause another."""
    record = Record()
    link = limiter(RateLimit(10, jitter=0), hub=Hub([record]))
    end = FarEnd(lambda call: throttled(0), latency=0.35)
    async with anyio.create_task_group() as tasks:
        for _ in range(4):  # the last is sent before the first is answered
            tasks.start_soon(link, a_call(), end)
    assert len(record.of(Throttled)) == 4
    assert [(change.previous, change.rate) for change in record.of(RateChanged)] == [(10.0, pytest.approx(7.0))]
    await link(a_call(), end)
    assert [change.rate for change in record.of(RateChanged)][1:] == [pytest.approx(4.9, rel=0.1)]


@pytest.mark.anyio
async def test_the_rate_recovers() -> None:
    """From 0.7 in a line to 0.95 of the old rate in 10 s after the pause, then 0.5 % of the ceiling per second."""
    link = limiter(RateLimit(100, jitter=0), random=lambda: 0.0)
    await link(a_call(), FarEnd([throttled(3)]))
    rates = []
    for since in (-3, 0, 5, 10, 12, 20, 25):
        await sleep_until(3.0 + since)
        rates.append(link.rate)
    assert rates == pytest.approx([70.0, 70.0, 82.5, 95.0, 96.0, 100.0, 100.0])


@settings(deadline=None, max_examples=60)
@given(throttles=st.lists(st.floats(0.1, 30), max_size=8), wait=st.floats(0, 60))
@BACKENDS
def test_the_rate_stays_below_its_ceiling(backend: Any, throttles: list[float], wait: float) -> None:
    """However often it is cut, it is above 0, and never above the limit."""

    async def main() -> None:
        link = limiter(RateLimit(40))
        for gap in throttles:
            await link(a_call(), FarEnd([throttled(1)]))
            assert link.rate is not None
            assert 0 < link.rate < 40
            await anyio.sleep(gap)
        await anyio.sleep(wait)
        assert link.rate is not None
        assert 0 < link.rate <= 40

    run(main, backend=backend)


@pytest.mark.anyio
async def test_an_unpaced_session_learns() -> None:
    """Without a limit nothing waits; after a 429 it takes the pace of the second before, and more and more of it."""
    link, end = limiter(None, random=lambda: 0.0), FarEnd()
    assert link.rate is None
    for second in range(3):
        await sleep_until(float(second))
        for _ in range(20):
            await link(a_call(), end)
    assert end.times == [0.0] * 20 + [1.0] * 20 + [2.0] * 20
    await link(a_call(), FarEnd([throttled(1)]))
    assert link.rate == pytest.approx(0.7 * 21)
    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(link, a_call(), end)
    after = end.times[60:]
    assert after[0] >= 3.0
    assert most_in_a_window(after, 1.0, 0.03) <= 21
    await sleep_until(3.0 + 20.0)
    assert link.rate == pytest.approx(2 * 0.95 * 21, rel=0.01)
    await sleep_until(3.0 + 61.0)
    assert link.rate is None


@pytest.mark.anyio
async def test_a_retry_is_not_refused_for_those_behind_it() -> None:
    """What a call would have to wait for is what is ahead of its number."""
    link = limiter(RateLimit(1, jitter=0.0), random=lambda: 0.0)
    end, first = FarEnd(), a_call()
    async with anyio.create_task_group() as tasks:
        await link(a_call(), end)
        for _ in range(10):
            tasks.start_soon(link, a_call(), end)
        await anyio.sleep(0.5)
        first.deadline = 2.0
        await link(first, end)
    assert first.sent == pytest.approx(1.0, abs=0.01)


@pytest.mark.anyio
async def test_a_long_retry_after_is_not_the_limiters_business() -> None:
    """What is above the cap latches; here the pause ends at the cap, so that a new key need not wait."""
    link = limiter(RateLimit(10), random=lambda: 0.0, longest_pause=30.0)
    await link(a_call(), FarEnd([throttled(86_400)]))
    end = FarEnd()
    await link(a_call(), end)
    assert end.times == [pytest.approx(30.0, abs=0.01)]


@pytest.mark.anyio
async def test_a_pause_stops_the_clock_of_calls_that_wait_for_outages() -> None:
    """The pause is told to who keeps the clocks: each second of it once, however many answers ask for it."""
    told: list[float] = []
    link = limiter(RateLimit(100, burst=100), random=lambda: 0.0, on_pause=told.append)
    answers = iter([throttled(5), throttled(5), throttled(3), throttled(9)])
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(link, a_call(), FarEnd(lambda _: next(answers), latency=0.1))
    assert sum(told) == pytest.approx(9.0)


# --- the setting


@pytest.mark.parametrize(
    "make",
    [
        lambda: RateLimit(0),
        lambda: RateLimit(-1),
        lambda: RateLimit(float("nan")),
        lambda: RateLimit(float("inf")),
        lambda: RateLimit(True),
        lambda: RateLimit(None),  # type: ignore[arg-type]  # wrong on purpose
        lambda: RateLimit("3"),  # type: ignore[arg-type]  # wrong on purpose
        lambda: RateLimit(3, per=0),
        lambda: RateLimit(3, per=None),  # type: ignore[arg-type]  # wrong on purpose
        lambda: RateLimit(3, burst=0),
        lambda: RateLimit(3, burst=4),
        lambda: RateLimit(3, burst=1.5),  # type: ignore[arg-type]  # wrong on purpose
        lambda: RateLimit(3, burst=None),  # type: ignore[arg-type]  # wrong on purpose
        lambda: RateLimit(3, jitter=-0.1),
        lambda: RateLimit(3, jitter=None),  # type: ignore[arg-type]  # wrong on purpose
    ],
)
def test_a_limit_that_cannot_be_is_refused(make: Callable[[], RateLimit]) -> None:
    """With our own error, before anything starts."""
    with pytest.raises(InvalidRequestError, match="is not allowed"):
        make()


@given(LIMITS)
def test_the_spacing_keeps_the_quota(limit: RateLimit) -> None:
    """A burst, and then one per spacing for a window and the jitter: N at most."""
    assert limit.burst + (limit.per + limit.jitter) / limit.spacing < limit.requests + 1


@pytest.mark.anyio
async def test_deadlines_move_with_the_pause() -> None:
    """A call that waits for outages has after a pause as much time left as before."""
    deadline = Deadline()
    link = limiter(RateLimit(10), random=lambda: 0.0, on_pause=deadline.pause)
    end, ends = FarEnd(lambda call: throttled(20) if anyio.current_time() < 1 else reply(), latency=0.1), Ends()
    send = chained(deadline, link, to=end)
    patient, hasty = a_call(timeout=3, on_outage="wait"), a_call(timeout=3)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send, a_call())
        await anyio.sleep(0.05)
        for call in (patient, hasty):
            tasks.start_soon(ends.collect, send, call)
            await anyio.sleep(0.01)
    assert ends[patient] == reply()
    assert isinstance(ends[hasty], AttemptAborted)
    late = a_call(timeout=3, on_outage="wait")
    assert await send(late) == reply()
