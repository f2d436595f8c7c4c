"""What counts against a quota is when requests are sent: the record of send times, and the hooks that fill it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import anyio
import pytest
from attrs import define, field
from hypothesis import given, settings, strategies as st
from step_kit import Ends, ScriptedService, a_call, block, chained, most_in_a_window, reply, throttled

from bing_images_async._pipeline.call import AttemptAborted, Call
from bing_images_async._pipeline.deadline import Deadline
from bing_images_async._pipeline.rate_limit import RateLimit, RateLimiter
from bing_images_async._pipeline.send_times import SendTimes
from bing_images_async._protocol.messages import Reply
from bing_images_async.errors import DeadlineExceededError
from bing_images_async.events import Dispatcher
from bing_images_async.testing import run

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def limiter(limit: RateLimit | None, draw: float = 0.5) -> RateLimiter:
    return RateLimiter(limit, random=lambda: draw, events=Dispatcher(), longest_pause=60.0)


@define
class Transport:
    """The end of a chain: makes a connection in `connects` seconds, if not `None`, and calls the hooks on the way."""

    connects: Any = None
    """Seconds, or a function of the call."""
    latency: float = 0.0
    script: list[Reply] = field(factory=lambda: [reply()])
    sent: list[tuple[float, Call]] = field(factory=list)
    started: list[float] = field(factory=list)

    async def __call__(self, call: Call) -> Reply:
        self.started.append(anyio.current_time())
        seconds = self.connects(call) if callable(self.connects) else self.connects
        assert call.state.on_connecting is not None
        assert call.state.on_sending is not None
        if seconds is not None:
            call.state.on_connecting()
            await anyio.sleep(seconds)
        await call.state.on_sending()
        call.state.sent = anyio.current_time()
        self.sent.append((call.state.sent, call))
        answer = self.script[min(len(self.sent), len(self.script)) - 1]
        await anyio.sleep(self.latency)
        return answer

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.sent]


# --- the record


def test_next_is_a_window_after_the_first_of_the_latest_requests() -> None:
    """As long as fewer were sent than a window allows, the next may be sent at any time."""
    times = SendTimes(3, 1.0)
    assert times.next() == -math.inf
    for now in (0.0, 0.2, 0.4):
        times.add(now)
    assert times.next() == 1.0
    times.add(1.1)
    assert times.next() == pytest.approx(1.2)


def test_discard_makes_room() -> None:
    """A request that was not sent does not count, and may be discarded twice."""
    times = SendTimes(2, 1.0)
    first, second = times.add(0.0), times.add(0.1)
    times.discard(first)
    times.discard(first)
    assert times.next() == -math.inf
    times.add(0.2)
    assert times.next() == pytest.approx(1.1)
    times.discard(second)
    assert times.next() == -math.inf


def test_add_keeps_the_latest_window_only() -> None:
    """Memory is bounded by the requests of one window."""
    times = SendTimes(10, 1.0)
    for number in range(1_000):
        times.add(number * 0.01)
    assert len(times._latest) == 10
    times.add(1e3)
    assert len(times._latest) == 1


def test_reject_returns_the_requests_accepted_in_the_window_before() -> None:
    """Rejected ones are not among them, also if they were rejected after the request was sent."""
    times = SendTimes(math.inf, 1.0)
    sent = [times.add(0.5 + number * 0.01) for number in range(6)]
    assert [times.reject(late) for late in sent[3:]] == [3, 3, 3]
    assert times.reject(times.add(1.52)) == 1  # 0.52 is in the window; 0.53 to 0.55 were rejected


# --- the hooks


@pytest.mark.anyio
async def test_on_connecting_gives_the_slot_back() -> None:
    """Requests on open connections use the quota while another request waits for its connection."""
    transport = Transport(connects=lambda call: 5.0 if call is slow else None)
    step, slow = limiter(RateLimit(10, jitter=0)), a_call()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(step, slow, transport)
        await anyio.wait_all_tasks_blocked()
        for _ in range(40):
            tasks.start_soon(step, a_call(), transport)
    times = [time for time, call in transport.sent if call is not slow]
    assert times[-1] == pytest.approx(4.0, abs=0.01)  # a start each 0.1 s, as without the slow one
    assert transport.sent[-1] == (pytest.approx(5.0), slow)


@pytest.mark.anyio
async def test_connections_are_made_at_the_pace_of_the_requests() -> None:
    """Not all at once: a session with a low quota would open more connections than it can use."""
    transport, step = Transport(connects=0.5), limiter(RateLimit(5, jitter=0))
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(step, a_call(), transport)
    assert transport.started == pytest.approx([number * 0.2 for number in range(20)], abs=0.001)
    assert transport.times == pytest.approx([0.5 + number * 0.2 for number in range(20)], abs=0.001)


@settings(max_examples=60, deadline=None)
@given(
    requests=st.integers(1, 8),
    jitter=st.floats(0, 0.1),
    burst=st.integers(1, 3),
    connects=st.lists(st.none() | st.floats(0, 3), min_size=1, max_size=40),
)
@BACKENDS
def test_no_window_holds_more_than_the_quota_however_long_connecting_takes(
    backend: Any, requests: int, jitter: float, burst: int, connects: list[float | None]
) -> None:
    """Also when it takes several windows: the first and the last of N + 1 requests are W + J apart."""
    limit = RateLimit(requests, jitter=jitter, burst=min(burst, requests))

    async def main() -> list[float]:
        seconds = iter(connects)
        step, transport = limiter(limit), Transport(connects=lambda _: next(seconds))
        async with anyio.create_task_group() as tasks:
            for _ in connects:
                tasks.start_soon(step, a_call(), transport)
        assert (step.waiting, step._without_slot) == (0, 0)
        return transport.times

    times = run(main, backend=backend)
    assert times == sorted(times)
    gaps = [b - a for a, b in zip(times, times[requests:], strict=False)]
    assert min(gaps, default=9.0) >= 1.0 + jitter - 1e-6


@pytest.mark.anyio
async def test_connected_requests_are_sent_in_the_order_of_call_numbers() -> None:
    """Bulk after interactive, as when they wait to start."""
    bulk, first, second, *others = [a_call(priority="bulk"), *(a_call() for _ in range(4))]
    connects = {bulk: 4.5, first: 3.5, second: 2.5}  # all three at 4.5 s
    transport, step = Transport(connects=connects.get), limiter(RateLimit(1, jitter=0))
    async with anyio.create_task_group() as tasks:
        for call in (bulk, first, second, *others):
            tasks.start_soon(step, call, transport)
            await anyio.wait_all_tasks_blocked()
    assert [call for _, call in transport.sent] == [*others, first, second, bulk]
    assert transport.times == pytest.approx([3.0, 4.0, 5.0, 6.0, 7.0], abs=0.01)


@pytest.mark.anyio
async def test_wait_to_send_beyond_the_deadline_is_refused_at_once() -> None:
    """Like the wait to start."""
    transport = Transport(connects=lambda call: 0.5 if call is late else None)
    step, late = limiter(RateLimit(1, per=10.0, jitter=0)), a_call(timeout=5)
    ends = Ends()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ends.collect, chained(Deadline(), step, to=transport), late)
        await anyio.wait_all_tasks_blocked()
        step._starts.tat = 0.0
        await anyio.sleep(0.1)
        await step(a_call(), transport)
    assert isinstance(ends[late], DeadlineExceededError)
    assert anyio.current_time() == pytest.approx(0.5)
    assert step._without_slot == 0


@pytest.mark.anyio
async def test_wait_to_send_takes_no_time_of_calls_whose_queueing_does_not_count() -> None:
    """Their clock stands still, as while they wait to start."""
    transport = Transport(connects=lambda call: 0.5 if call is late else None)
    step, late = limiter(RateLimit(1, per=10.0, jitter=0)), a_call(timeout=5, counts_queueing=False)
    ends = Ends()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ends.collect, chained(Deadline(), step, to=transport), late)
        await anyio.wait_all_tasks_blocked()
        step._starts.tat = 0.0
        await anyio.sleep(0.1)
        await step(a_call(), transport)
    assert ends[late] == reply()
    assert late.state.waited["rate_limit"] == pytest.approx(9.6)
    assert late.deadline == pytest.approx(5 + 9.6)


@pytest.mark.anyio
async def test_pause_holds_requests_that_are_connecting_or_connected() -> None:
    """After a rejection nothing is sent before the pause is over, and then one spacing apart."""
    transport = Transport(connects=0.3, latency=0.1, script=[throttled(3), reply()])
    step = limiter(RateLimit(10, jitter=0), draw=0.0)
    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(step, a_call(), transport)
    before = [time for time in transport.times if time < 0.4]
    after = [time for time in transport.times if time >= 0.4 + 1e-6]
    assert len(before) + len(after) >= 11
    assert after[0] >= 3.4
    assert [b - a for a, b in pairwise(after)] == pytest.approx([0.1] * (len(after) - 1), abs=1e-3)


@pytest.mark.anyio
async def test_abort_ends_attempts_that_are_connecting() -> None:
    """Nothing is sent by an attempt that started before a gate was shut."""
    transport, step, ends = Transport(connects=1.0), limiter(RateLimit(10, jitter=0)), Ends()
    calls = [a_call() for _ in range(5)]
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, chained(step, to=transport), call)
        await anyio.sleep(0.7)
        step.abort()
    assert all(isinstance(ends[call], AttemptAborted) for call in calls)
    assert transport.sent == []
    await step(a_call(), ScriptedService())
    assert step._without_slot == 0


@pytest.mark.anyio
async def test_cancelled_connection_leaves_nothing_behind() -> None:
    """Neither while it is made nor while the request waits on it."""
    step, transport = limiter(RateLimit(1, per=10.0, jitter=0)), Transport(connects=0.5)
    with anyio.move_on_after(0.2):
        await step(a_call(), transport)
    assert (step._without_slot, step.waiting) == (0, 0)
    step._starts.tat = 0.0
    await step(a_call(), Transport())
    assert anyio.current_time() == pytest.approx(0.2)  # the slot was free
    step._starts.tat = 0.0
    with anyio.move_on_after(1.0):
        await step(a_call(), transport)
    assert (step._without_slot, step.waiting) == (0, 0)
    await step(a_call(), Transport())
    assert anyio.current_time() == pytest.approx(10.2, abs=0.001)


@pytest.mark.anyio
async def test_second_on_sending_moves_the_send_time() -> None:
    """After a CONNECT request; the next window is counted from the request itself."""
    step = limiter(RateLimit(1, jitter=0))

    async def through_a_proxy(call: Call) -> Reply:
        assert call.state.on_connecting is not None
        assert call.state.on_sending is not None
        call.state.on_connecting()
        await call.state.on_sending()
        await anyio.sleep(0.5)
        call.state.on_connecting()
        await call.state.on_sending()
        return reply()

    await step(a_call(), through_a_proxy)
    assert anyio.current_time() == pytest.approx(0.5)
    await step(a_call(), Transport())
    assert anyio.current_time() == pytest.approx(1.5)


@pytest.mark.anyio
async def test_slot_that_comes_too_late_is_replaced() -> None:
    """When something other than a connection delays a request, such as a function that gets the key."""
    step, times = limiter(RateLimit(2, jitter=0)), list[float]()

    async def delayed(call: Call) -> Reply:
        assert call.state.on_sending is not None
        await anyio.sleep_until(3.0)
        await call.state.on_sending()
        times.append(anyio.current_time())
        return reply()

    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(step, a_call(), delayed)
    assert most_in_a_window(times, 1.0, 0.0) <= 2
    assert times[-1] <= 6.0


@pytest.mark.anyio
async def test_abort_ends_attempts_that_were_granted_and_have_not_run_yet() -> None:
    """A busy event loop grants several slots together; what the first finds out holds for the others."""
    step, sent, ends = limiter(RateLimit(10, jitter=2.0)), list[Call](), Ends()
    calls = [a_call() for _ in range(3)]

    async def send(call: Call) -> Reply:
        assert call.state.on_connecting is not None
        assert call.state.on_sending is not None
        call.state.on_connecting()
        await anyio.sleep_until(0.65 + 0.01 * calls.index(call))
        await call.state.on_sending()
        sent.append(call)
        if call is calls[1]:
            step.abort()
        return reply()

    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, chained(step, to=send), call)
        await anyio.sleep(0.7)
        block(0.9)
    assert sent == calls[:2]
    assert isinstance(ends[calls[2]], AttemptAborted)
    assert (step.waiting, step._without_slot) == (0, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("reuses", [False, True])
async def test_connections_that_take_up_to_a_second_leave_the_quota_used(reuses: bool) -> None:
    """50/s, 64 callers, up to 0.9 s for a connection: 90 % at least is used, and no second holds more than 50."""
    draw, idle = iter(range(1_000_000)), 0

    def connects(_: Call) -> float | None:
        nonlocal idle
        if reuses and idle:
            idle -= 1
            return None
        return 0.9 * ((next(draw) * 0.618034) % 1.0)

    transport, step = Transport(connects=connects, latency=0.05), limiter(RateLimit(50))

    async def caller() -> None:
        nonlocal idle
        while anyio.current_time() < 20.0:
            await step(a_call(), transport)
            idle += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(64):
            tasks.start_soon(caller)
    used = sum(time < 20.0 for time in transport.times) / (50 * 20)
    print(
        f"\n  connecting takes up to 0.9 s, connections {'kept' if reuses else 'closed each time'}: {used:.1%}",
        end="",
    )
    assert used >= 0.9
    assert most_in_a_window(transport.times, 1.0, 0.03) <= 50
