"""The rate limiter: the quota holds in every window and is used up, and one pause holds for all calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from attrs import evolve, frozen
from hypothesis import given, settings, strategies as st
from sim import cancel_everywhere
from step_kit import (
    NOBODY,
    Ends,
    Record,
    ScriptedService,
    a_call,
    block,
    chained,
    most_in_a_window,
    refused,
    reply,
    sleep_until,
    throttled,
)

from bing_images_async._pipeline.call import AttemptAborted, Call
from bing_images_async._pipeline.deadline import Deadline
from bing_images_async._pipeline.rate_limit import RateLimit, RateLimiter
from bing_images_async._pipeline.signals import Signals
from bing_images_async.errors import DeadlineExceededError, InvalidRequestError
from bing_images_async.events import Dispatcher, RateChanged, Throttled
from bing_images_async.testing import run

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def limiter(limit: RateLimit | None, **options: Any) -> RateLimiter:
    return RateLimiter(limit, **{"random": lambda: 0.5, "events": NOBODY, "longest_pause": 60.0, **options})


# --- the quota


@frozen
class Arrival:
    at: float
    priority: str = "interactive"
    patience: float | None = None
    """Seconds after which it is cancelled."""
    connects: float | None = None
    """Seconds that its connection takes; `None` if one is open."""
    is_sent: bool = True
    """False: it ends before it is sent."""
    is_throttled: bool = False


ARRIVALS = st.lists(
    st.builds(
        Arrival,
        at=st.floats(0, 5).map(lambda at: round(at, 3)),
        priority=st.sampled_from(["interactive", "bulk"]),
        patience=st.none() | st.floats(0, 3),
        connects=st.none() | st.floats(0, 2),
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


async def _play(step: RateLimiter, arrivals: list[Arrival]) -> list[tuple[float, Call]]:
    """Return when which call was sent."""
    sent: list[tuple[float, Call]] = []

    async def arrive(arrival: Arrival) -> None:
        async def send(call: Call) -> Any:
            if arrival.connects is not None:
                assert call.state.on_connecting is not None
                call.state.on_connecting()
                await anyio.sleep(arrival.connects)
            if not arrival.is_sent:
                raise ValueError("not sent")
            if call.state.on_sending is not None:
                await call.state.on_sending()
            call.state.sent = anyio.current_time()
            sent.append((call.state.sent, call))
            await anyio.sleep(0.02)
            return throttled(1) if arrival.is_throttled else reply()

        await sleep_until(arrival.at)
        with anyio.move_on_after(arrival.patience):
            try:
                await step(a_call(priority=arrival.priority), send)
            except ValueError:
                assert not arrival.is_sent

    async with anyio.create_task_group() as tasks:
        for arrival in arrivals:
            tasks.start_soon(arrive, arrival)
    assert (step.waiting, step._without_slot) == (0, 0)
    return sent


@BACKENDS
@settings(deadline=None, max_examples=150)
@given(limit=LIMITS, arrivals=ARRIVALS, draw=st.floats(0, 0.999))
def test_limiter_keeps_the_quota_in_every_window(
    backend: Any, limit: RateLimit, arrivals: list[Arrival], draw: float
) -> None:
    """Whatever is cancelled, connects, ends unsent or is throttled: no window at the server holds more than N."""
    step = limiter(limit, random=lambda: draw)
    sent = run(_play, step, arrivals, backend=backend)
    assert most_in_a_window([time for time, _ in sent], limit.per, limit.jitter) <= limit.requests


@BACKENDS
@settings(deadline=None, max_examples=60)
@given(limit=LIMITS, arrivals=ARRIVALS)
def test_limiter_grants_in_the_order_of_call_numbers(backend: Any, limit: RateLimit, arrivals: list[Arrival]) -> None:
    """Among calls of one priority, whichever is cancelled in between, while connections are open."""
    arrivals = [evolve(arrival, connects=None) for arrival in arrivals]
    sent = run(_play, limiter(limit), arrivals, backend=backend)
    for priority in ("interactive", "bulk"):
        numbers = [call.number for _, call in sent if call.priority == priority]
        assert numbers == sorted(numbers)


@BACKENDS
@settings(deadline=None, max_examples=60)
@given(limit=LIMITS, patience=st.lists(st.none() | st.floats(0, 100), min_size=2, max_size=60))
def test_cancelled_waiters_lose_no_slot(backend: Any, limit: RateLimit, patience: list[float | None]) -> None:
    """While calls wait each slot is used: the others are sent one spacing apart, whichever is cancelled."""
    sent = run(_play, limiter(limit), [Arrival(0.0, patience=left) for left in patience], backend=backend)
    times = [time for time, _ in sent][limit.burst - 1 :]
    assert times == pytest.approx([number * limit.spacing for number in range(len(times))], abs=1e-6)


@BACKENDS
@pytest.mark.parametrize(("requests", "per", "jitter"), [(3, 1.0, 0.03), (250, 1.0, 0.005), (100, 60.0, 0.5)])
def test_limiter_uses_up_the_quota(backend: Any, requests: int, per: float, jitter: float) -> None:
    """While calls wait, 1 / (1 + J/W) of the quota is sent (less one part in 10,000)."""
    step = limiter(RateLimit(requests, per, jitter=jitter))
    sent = run(_play, step, [Arrival(0.0)] * (5 * requests + 1), backend=backend)
    rate = 5 * requests / sent[-1][0]
    assert rate >= 0.9997 * requests / per / (1 + jitter / per)


@BACKENDS
def test_burst_is_sent_at_once_after_an_idle_time(backend: Any) -> None:
    """After that one request per spacing, which is longer than without a burst."""
    limit = RateLimit(10, burst=4, jitter=0.03)
    sent = run(_play, limiter(limit), [Arrival(100.0)] * 7, backend=backend)
    times = [time - 100.0 for time, _ in sent]
    assert times == pytest.approx([0, 0, 0, 0, 0.147, 0.294, 0.441], abs=0.001)


# --- order


@pytest.mark.anyio
async def test_retry_is_granted_before_later_calls() -> None:
    """The order is that of call numbers, not that of arrival."""
    step, service = limiter(RateLimit(1, jitter=0)), ScriptedService()
    first, second, third = a_call(), a_call(), a_call()
    async with anyio.create_task_group() as tasks:
        for call in (second, third, first):
            tasks.start_soon(step, call, service)
            await anyio.sleep(0.01)
    assert service.calls == [second, first, third]


@pytest.mark.anyio
async def test_new_call_takes_no_slot_that_a_waiting_call_is_due() -> None:
    """Even if the task of the waiting call has not run yet."""
    step, service = limiter(RateLimit(1, jitter=0)), ScriptedService()
    first, second, third = (a_call() for _ in range(3))
    async with anyio.create_task_group() as tasks:
        for call in (first, second):
            tasks.start_soon(step, call, service)
            await anyio.sleep(0.25)
        block(1.0)
        await step(third, service)
    assert service.calls == [first, second, third]


@pytest.mark.anyio
async def test_interactive_calls_pass_bulk_calls() -> None:
    """But every tenth slot goes to a bulk call as long as one waits."""
    step, service = limiter(RateLimit(10)), ScriptedService()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(step, a_call(priority="bulk"), service)
        await anyio.sleep(0.01)
        for _ in range(40):
            tasks.start_soon(step, a_call(), service)
    order = "".join(call.priority[0] for call in service.calls)
    assert order == "b" + 2 * ("i" * 9 + "b") + "i" * 22


class _Cancelled:
    """A call that waits for its slot between two others, and is cancelled."""

    def __init__(self) -> None:
        self.step, self.service = limiter(RateLimit(1, jitter=0)), ScriptedService()
        self.calls = [a_call() for _ in range(4)]

    async def run(self) -> None:
        await self.step(self.calls[2], self.service)

    async def check(self, outcome: str) -> None:
        await anyio.sleep(10)
        expected = [call for call in self.calls if call is not self.calls[2] or call in self.service.calls]
        assert self.service.calls == expected
        assert self.service.times == pytest.approx([0, 1, 2, 3][: len(expected)], abs=0.01)
        assert self.step.waiting == 0


@asynccontextmanager
async def _between_others() -> AsyncIterator[_Cancelled]:
    scenario = _Cancelled()
    async with anyio.create_task_group() as tasks:
        for number in (0, 1, 3):
            tasks.start_soon(scenario.step, scenario.calls[number], scenario.service)
            await anyio.wait_all_tasks_blocked()
        yield scenario


@pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])
def test_cancelling_at_any_step_loses_no_slot(backend: Any, by: Any) -> None:
    """The calls before and behind are sent at the same times and in the same order as without it."""
    assert cancel_everywhere(_between_others, by=by, backend=backend) > 3


# --- late timers


@pytest.mark.anyio
@pytest.mark.parametrize("requests", [50, 250])
async def test_late_timers_cost_their_lateness_once(requests: int) -> None:
    """A timer that is always a millisecond late costs one millisecond in all, not one per request."""
    limit = RateLimit(requests, jitter=0.03)
    step, service = limiter(limit), ScriptedService()

    async def busy() -> None:
        while len(service.sent) < 2 * requests:
            await sleep_until(step._start_due() - 0.0002)
            block(0.0012)
            await anyio.sleep(0.0001)

    async with anyio.create_task_group() as tasks:
        for _ in range(2 * requests):
            tasks.start_soon(step, a_call(), service)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(busy)
    last = (2 * requests - 1) * limit.spacing
    assert last - 0.002 <= service.times[-1] <= last + 0.002


@pytest.mark.anyio
async def test_blocked_event_loop_loses_the_slots_that_passed() -> None:
    """They are not made up for with a burst."""
    limit = RateLimit(20, jitter=0.03)
    step, service = limiter(limit), ScriptedService()

    async def busy() -> None:
        await anyio.sleep(1.001)
        block(0.5)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(busy)
        for _ in range(60):
            tasks.start_soon(step, a_call(), service)
    assert most_in_a_window(service.times, limit.per, limit.jitter) <= 20
    gaps = [after - before for before, after in zip(service.times, service.times[1:], strict=False)]
    assert max(gaps) > 0.45
    assert min(gaps) >= limit.spacing - 0.015 - 1e-9  # up to half of the jitter is made up for


# --- unused slots


@pytest.mark.anyio
async def test_unsent_request_gives_its_slot_back() -> None:
    """The next call gets it. A request that fails after it was sent has used it."""
    step = limiter(RateLimit(1, jitter=0))
    service = ScriptedService([refused(), reply()], unsent=[0])
    with pytest.raises(ValueError, match="not sent"):
        await step(a_call(), service)
    with pytest.raises(Exception, match="refused"):
        await step(a_call(), service)
    await step(a_call(), service)
    assert service.times == pytest.approx([0.0, 1.0], abs=0.001)


@pytest.mark.anyio
async def test_slot_that_is_given_back_late_is_lost() -> None:
    """Once a later slot was taken, two requests could be sent together if it were used again."""
    step, service = limiter(RateLimit(2, per=2.0, jitter=0)), ScriptedService()

    async def slow(call: Call) -> Any:
        await anyio.sleep(1.5)
        raise ValueError("not sent")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Ends().collect, lambda call: step(call, slow), a_call())
        await anyio.sleep(0.1)
        tasks.start_soon(step, a_call(), service)
        tasks.start_soon(step, a_call(), service)
    assert service.times == pytest.approx([1.0, 2.0], abs=0.001)


# --- deadlines


@pytest.mark.anyio
async def test_wait_beyond_the_deadline_is_refused_at_once() -> None:
    """Without waiting, and without a change for the calls that wait."""
    step, service = limiter(RateLimit(1, jitter=0)), ScriptedService()
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(step, a_call(), service)
        await anyio.sleep(0.5)
        with pytest.raises(DeadlineExceededError, match="timeout=None") as caught:
            await step(a_call(timeout=3.4), service)
        assert caught.value.waited_for == "rate_limit"
        assert anyio.current_time() == pytest.approx(0.5)
        tasks.start_soon(step, a_call(timeout=3.6), service)
    assert service.times == pytest.approx([0, 1, 2, 3, 4], abs=0.001)


@pytest.mark.anyio
async def test_estimated_wait_of_an_interactive_call_ignores_bulk_calls() -> None:
    """Interactive calls pass them."""
    step, service = limiter(RateLimit(1, jitter=0)), ScriptedService()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(step, a_call(priority="bulk"), service)
        await anyio.sleep(0.5)
        await step(a_call(timeout=0.6), service)
        with pytest.raises(DeadlineExceededError):
            await step(a_call(timeout=3.0, priority="bulk"), service)


@pytest.mark.anyio
async def test_call_whose_queueing_does_not_count_is_never_refused() -> None:
    """Calls of a fan-out are neither refused for the length of the queue nor aborted by a pause."""
    step, service, ends = (
        limiter(RateLimit(1, jitter=0)),
        ScriptedService([throttled(10), reply()], latency=0.1),
        Ends(),
    )
    send = chained(Deadline(), step, to=service)
    calls = [a_call(timeout=2, counts_queueing=False) for _ in range(6)]
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, send, call)
            await anyio.wait_all_tasks_blocked()
    assert [ends[call] for call in calls] == [throttled(10), *[reply()] * 5]


@pytest.mark.anyio
async def test_pause_aborts_the_waiting_calls_that_it_would_make_late() -> None:
    """They get their error now; the others keep waiting."""
    step, service, ends = (
        limiter(RateLimit(1, jitter=0)),
        ScriptedService([throttled(10), reply()], latency=0.1),
        Ends(),
    )
    first, hasty, patient = a_call(), a_call(timeout=5), a_call(timeout=50)
    async with anyio.create_task_group() as tasks:
        for call in (first, hasty, patient):
            tasks.start_soon(ends.collect, chained(step, to=service), call)
            await anyio.sleep(0.01)
        await anyio.sleep(0.1)
        assert isinstance(ends[hasty], AttemptAborted)
        assert ends[patient] is None
    assert ends[patient] == reply()


@pytest.mark.anyio
async def test_abort_aborts_every_waiting_call() -> None:
    """No slot is lost."""
    step, service, ends = limiter(RateLimit(1, jitter=0)), ScriptedService(), Ends()
    calls = [a_call() for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, lambda call: step(call, service), call)
        await anyio.sleep(0.5)
        assert step.waiting == 2
        step.abort()
        assert step.waiting == 0
        await anyio.sleep(0.1)
        await step(a_call(), service)
    assert sum(isinstance(ends[call], AttemptAborted) for call in calls) == 2
    assert service.times == pytest.approx([0.0, 1.0], abs=0.001)


# --- rejections


@pytest.mark.anyio
@pytest.mark.parametrize(("answer", "hint"), [(throttled(5), 5), (throttled(None), 1), (throttled(5, status=503), 5)])
@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
async def test_rejection_pauses_all_calls(answer: Any, hint: float, draw: float) -> None:
    """After a 429, or a 503 with a hint, nothing is sent for the hint plus U(0, max(10 % of it, 1/r))."""
    step, service = limiter(RateLimit(10, jitter=0), random=lambda: draw), ScriptedService([answer, reply()])
    await step(a_call(), service)
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(step, a_call(), service)
    pause = hint + draw * max(0.1 * hint, 1 / 10)
    assert service.times[1] == pytest.approx(pause, abs=1e-3)
    assert service.times[1] >= hint
    assert service.times[2] - service.times[1] == pytest.approx(0.1, rel=0.02)


@pytest.mark.anyio
async def test_503_without_a_hint_is_no_rejection() -> None:
    """It is a fault of the service, and the pace stays."""
    step, service = limiter(RateLimit(10, jitter=0)), ScriptedService([reply(503), reply()])
    await step(a_call(), service)
    await step(a_call(), service)
    assert (service.times[1], step.throttled) == (pytest.approx(0.1, abs=1e-3), 0)


@pytest.mark.anyio
async def test_burst_that_is_rejected_restarts_one_spacing_apart() -> None:
    """50 rejections at once make one pause and one cut; afterwards no window holds more than the quota."""
    record = Record()
    limit = RateLimit(50, burst=50, jitter=0)
    step = limiter(limit, events=Dispatcher([record]))
    service = ScriptedService(lambda call: throttled(2) if anyio.current_time() < 0.5 else reply(), latency=0.05)
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(step, a_call(), service)
    assert [event.at for event in record.of(Throttled)] == [pytest.approx(0.05)] * 50
    [change] = record.of(RateChanged)
    assert change.previous == 50.0
    assert 25.0 <= change.rate <= 0.95 * 50.0  # whichever answer arrives first
    async with anyio.create_task_group() as tasks:
        for _ in range(150):
            tasks.start_soon(step, a_call(), service)
    restart = service.times[50:]
    assert restart[0] >= 2.05
    assert most_in_a_window(restart, 1.0, 0.0) <= 50
    assert restart[1] - restart[0] > 0.9 * limit.spacing * 50 / change.rate


@pytest.mark.anyio
async def test_single_rejection_changes_no_pace() -> None:
    """It may be random; only the pause follows."""
    record = Record()
    step = limiter(RateLimit(10), events=Dispatcher([record]))
    await step(a_call(), ScriptedService([throttled(1)]))
    assert step.rate == 10.0
    assert record.of(RateChanged) == []


@settings(deadline=None, max_examples=60)
@given(throttles=st.lists(st.floats(0.1, 30), max_size=8), wait=st.floats(0, 60))
@BACKENDS
def test_rate_is_positive_and_at_most_the_quota(backend: Any, throttles: list[float], wait: float) -> None:
    """However often it is cut."""

    async def main() -> None:
        step = limiter(RateLimit(40))
        for gap in throttles:
            for _ in range(4):
                await step(a_call(), ScriptedService([throttled(1)]))
                assert step.rate is not None
                assert 0 < step.rate <= 40
            await anyio.sleep(gap)
        await anyio.sleep(wait)
        assert step.rate is not None
        assert 0 < step.rate <= 40

    run(main, backend=backend)


@pytest.mark.anyio
async def test_session_without_a_quota_is_paced_after_a_rejection() -> None:
    """Before it nothing waits; the pace becomes 95 % of the second before, grows, and ends after a minute and more."""
    step, service = limiter(None, random=lambda: 0.0), ScriptedService()
    assert step.rate is None
    for second in range(3):
        await sleep_until(second * 1.1)
        for _ in range(20):
            await step(a_call(), service)
    assert service.times == [0.0] * 20 + [1.1] * 20 + [2.2] * 20
    await step(a_call(), ScriptedService([throttled(1)]))
    assert step.rate == pytest.approx(0.95 * 20)
    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(step, a_call(), service)
    after = service.times[60:]
    assert after[0] >= 3.2
    assert most_in_a_window(after, 1.0, 0.03) <= 19
    await sleep_until(3.2 + 20.0 + 10.0)
    assert step.rate == pytest.approx(0.95 * 20 * 1.2**10, rel=0.01)
    await sleep_until(3.2 + 20.0 + 61.0)
    assert step.rate is None


@pytest.mark.anyio
async def test_retry_is_not_refused_for_the_calls_behind_it() -> None:
    """Its estimated wait counts only what is ahead of its number."""
    step = limiter(RateLimit(1, jitter=0.0), random=lambda: 0.0)
    service, first = ScriptedService(), a_call()
    async with anyio.create_task_group() as tasks:
        await step(a_call(), service)
        for _ in range(10):
            tasks.start_soon(step, a_call(), service)
        await anyio.sleep(0.5)
        first.state.deadline = 2.0
        await step(first, service)
    assert first.state.sent == pytest.approx(1.0, abs=0.01)


@pytest.mark.anyio
async def test_pause_is_capped_at_the_longest_pause() -> None:
    """A longer hint is kept by the error cache, which ends it for a new key."""
    step = limiter(RateLimit(10), random=lambda: 0.0, longest_pause=30.0)
    await step(a_call(), ScriptedService([throttled(86_400)]))
    service = ScriptedService()
    await step(a_call(), service)
    assert service.times == [pytest.approx(30.0, abs=0.01)]


@pytest.mark.anyio
async def test_each_second_of_a_pause_is_reported_once() -> None:
    """However many answers ask for it: `Signals.paused` moves deadlines by what it is given."""
    told: list[float] = []
    step = limiter(RateLimit(100, burst=100), random=lambda: 0.0, signals=Signals(paused=told.append))
    answers = iter([throttled(5), throttled(5), throttled(3), throttled(9)])
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(step, a_call(), ScriptedService(lambda _: next(answers), latency=0.1))
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
def test_rate_limit_with_a_wrong_value_raises_invalid_request_error(make: Callable[[], RateLimit]) -> None:
    """Before anything starts."""
    with pytest.raises(InvalidRequestError, match="is not allowed"):
        make()


@given(LIMITS)
def test_spacing_keeps_the_quota(limit: RateLimit) -> None:
    """A burst and then one request per spacing, for a window and the jitter: N at most."""
    assert limit.burst + (limit.per + limit.jitter) / limit.spacing < limit.requests + 1


@pytest.mark.anyio
async def test_pause_moves_the_deadlines_of_calls_that_wait_for_outages() -> None:
    """After the pause they have as much time left as before."""
    deadline = Deadline()
    step = limiter(RateLimit(10), random=lambda: 0.0, signals=Signals(paused=deadline.pause))
    service, ends = (
        ScriptedService(lambda call: throttled(20) if anyio.current_time() < 1 else reply(), latency=0.1),
        Ends(),
    )
    send = chained(deadline, step, to=service)
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
