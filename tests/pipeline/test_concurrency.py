"""Concurrency limit: never exceeded, granted in order, adapted to congestion."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from attrs import frozen
from hypothesis import given, settings, strategies as st
from sim import cancel_everywhere
from step_kit import NOBODY, Ends, Record, ScriptedService, a_call, chained, refused, reply, throttled

from bing_images_async._pipeline.call import AttemptAborted, Call, InFlight
from bing_images_async._pipeline.concurrency import ConcurrencyLimiter
from bing_images_async._pipeline.deadline import Deadline
from bing_images_async._pipeline.wait_queue import WaitQueue
from bing_images_async.errors import ConnectionFailedError, DeadlineExceededError
from bing_images_async.events import ConcurrencyChanged, Dispatcher
from bing_images_async.testing import run

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
WAYS = pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])


def limiter(number: int, service: ScriptedService, events: Dispatcher = NOBODY) -> ConcurrencyLimiter:
    return ConcurrencyLimiter(number, service.in_flight, events)


# --- the limit and the queue


@frozen
class Arrival:
    at: float
    priority: str
    patience: float | None
    lasts: float
    fails: bool


ARRIVALS = st.lists(
    st.builds(
        Arrival,
        at=st.integers(0, 20).map(lambda tenths: tenths / 10),
        priority=st.sampled_from(["interactive", "bulk"]),
        patience=st.none() | st.floats(0, 2),
        lasts=st.floats(0, 1),
        fails=st.integers(0, 5).map(lambda n: n == 0),
    ),
    max_size=40,
)


@BACKENDS
@settings(deadline=None, max_examples=80)
@given(limit=st.integers(1, 12), arrivals=ARRIVALS)
def test_limit_is_never_exceeded_and_permits_are_returned(backend: Any, limit: int, arrivals: list[Arrival]) -> None:
    """Whatever mix of calls comes, fails or is cancelled; in order of call numbers."""
    granted: list[Call] = []
    busy = 0

    async def main() -> None:
        step = ConcurrencyLimiter(limit, InFlight(), NOBODY)

        async def arrive(arrival: Arrival) -> None:
            async def send(call: Call) -> Any:
                nonlocal busy
                granted.append(call)
                busy += 1
                assert busy <= step.in_use <= limit
                call.state.sent = anyio.current_time()
                try:
                    await anyio.sleep(arrival.lasts)
                finally:
                    busy -= 1
                if arrival.fails:
                    raise refused()
                return reply()

            await anyio.sleep(arrival.at)
            with anyio.move_on_after(arrival.patience):
                try:
                    await step(a_call(priority=arrival.priority), send)
                except ConnectionFailedError:
                    assert arrival.fails

        async with anyio.create_task_group() as tasks:
            for arrival in arrivals:
                tasks.start_soon(arrive, arrival)
        assert (step.in_use, step.waiting) == (0, 0)

    run(main, backend=backend)
    for priority in ("interactive", "bulk"):
        # Calls that were granted at the same time start in any order (trio shuffles them).
        kind = sorted((call.state.sent or 0.0, call.number) for call in granted if call.priority == priority)
        numbers = [number for _, number in kind]
        assert numbers == sorted(numbers)


@pytest.mark.anyio
async def test_retry_keeps_its_place_in_the_queue() -> None:
    """The queue is ordered by call number."""
    service = ScriptedService(latency=1.0)
    step = limiter(1, service)
    first, second, third, fourth = (a_call() for _ in range(4))
    async with anyio.create_task_group() as tasks:
        for call in (fourth, third, first, second):
            tasks.start_soon(step, call, service)
            await anyio.sleep(0.01)
        assert step.waiting == 3
    assert service.calls == [fourth, first, second, third]


class _WaitingScenario:
    """A call that waits for the only permit, between two others."""

    def __init__(self) -> None:
        self.service = ScriptedService(latency=1.0)
        self.step = limiter(1, self.service)
        self.calls = [a_call() for _ in range(3)]

    async def run(self) -> None:
        await self.step(self.calls[1], self.service)

    async def check(self, outcome: str) -> None:
        await anyio.sleep(10)
        assert (self.step.in_use, self.step.waiting) == (0, 0)
        assert self.service.calls == [
            call for call in self.calls if call is not self.calls[1] or call in self.service.calls
        ]
        assert self.calls[2] in self.service.calls


@asynccontextmanager
async def _between_others() -> AsyncIterator[_WaitingScenario]:
    scenario = _WaitingScenario()
    async with anyio.create_task_group() as tasks:
        for number in (0, 2):
            tasks.start_soon(scenario.step, scenario.calls[number], scenario.service)
            await anyio.wait_all_tasks_blocked()
        yield scenario


@WAYS
def test_cancellation_at_any_step_loses_no_permit(backend: Any, by: Any) -> None:
    """Also at the moment of the grant."""
    for seed in range(5):
        assert cancel_everywhere(_between_others, by=by, backend=backend, seed=seed) >= 3


async def _ten_thousand_give_up() -> float:
    service = ScriptedService(latency=None)
    step = limiter(4, service)
    async with anyio.create_task_group() as tasks:
        for _ in range(10_000):
            tasks.start_soon(step, a_call(), service)
        await anyio.sleep(1)
        assert (step.in_use, step.waiting) == (4, 9_996)
        began = time.perf_counter()
        tasks.cancel_scope.cancel()
    assert (step.in_use, step.waiting) == (0, 0)
    return time.perf_counter() - began


@BACKENDS
def test_cancelling_ten_thousand_waiters_takes_linear_steps(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue must not be searched once for each."""
    tidied: list[int] = []
    compact = WaitQueue._compact

    def counting(queue: WaitQueue) -> None:
        before = len(queue._interactive)
        compact(queue)
        if len(queue._interactive) < before:
            tidied.append(before)

    monkeypatch.setattr(WaitQueue, "_compact", counting)
    run(_ten_thousand_give_up, backend=backend)
    assert sum(tidied) < 40_000


@pytest.mark.slow
@BACKENDS
def test_cancelling_ten_thousand_waiters_takes_a_second_at_most(backend: Any) -> None:
    """Measured in processor time."""
    seconds = min(run(_ten_thousand_give_up, backend=backend) for _ in range(3))
    print(f"10,000 queued calls cancelled on {backend}: {seconds:.2f} s")
    assert seconds < 1.0


@pytest.mark.anyio
async def test_abort_ends_waiting_calls_only() -> None:
    """Calls with a permit are already past this step."""
    service, ends = ScriptedService(latency=1.0), Ends()
    step = limiter(2, service)
    calls = [a_call() for _ in range(5)]
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, chained(step, to=service), call)
        await anyio.sleep(0.5)
        step.abort()
    assert sum(isinstance(ends[call], AttemptAborted) for call in calls) == 3
    assert (step.in_use, step.waiting, len(service.sent)) == (0, 0, 2)


@pytest.mark.anyio
async def test_deadline_error_names_the_permit() -> None:
    """The message tells which limit is too low."""
    service = ScriptedService(latency=10.0)
    step = limiter(1, service)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(step, a_call(), service)
        await anyio.sleep(1)
        late = a_call(timeout=3)
        with pytest.raises(DeadlineExceededError) as caught:
            await chained(Deadline(), step, to=service)(late)
        assert (caught.value.waited_for, late.state.waited) == ("permit", {"permit": pytest.approx(3.0)})
        tasks.cancel_scope.cancel()


# --- priorities


@pytest.mark.anyio
@pytest.mark.parametrize(("limit", "for_bulk"), [(8, 7), (7, 7), (1, 1)])
async def test_one_permit_of_eight_is_reserved_for_interactive_calls(limit: int, for_bulk: int) -> None:
    """An interactive call then starts at once while bulk calls use all others."""
    service = ScriptedService(latency=1.0)
    step = limiter(limit, service)
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(step, a_call(priority="bulk"), service)
        await anyio.sleep(0.5)
        assert step.in_use == for_bulk
        urgent = a_call()
        await step(urgent, service)
        assert urgent.state.sent == (0.5 if for_bulk < limit else 1.0)


@pytest.mark.anyio
@pytest.mark.parametrize("limit", [1, 4, 8, 20])
async def test_bulk_calls_get_one_grant_in_ten(limit: int) -> None:
    """So that interactive calls cannot block them."""
    service = ScriptedService(latency=1.0)
    step = limiter(limit, service)
    async with anyio.create_task_group() as tasks:
        for _ in range(limit):
            tasks.start_soon(step, a_call(), service)
        await anyio.sleep(0.5)
        for _ in range(10):
            tasks.start_soon(step, a_call(priority="bulk"), service)
        await anyio.sleep(0.1)
        for _ in range(200):
            tasks.start_soon(step, a_call(), service)
    order = "".join(call.priority[0] for call in service.calls[limit:])
    # Calls that are granted at the same time are sent in any order.
    assert order[:100].count("b") == pytest.approx(10, abs=limit // 10 + 1)


@pytest.mark.anyio
async def test_reserved_permit_counts_for_the_share_of_bulk() -> None:
    """If all other permits are in use for long, a bulk call gets it after nine interactive ones."""
    silent, service = ScriptedService(latency=None), ScriptedService()
    step = limiter(8, silent)
    async with anyio.create_task_group() as tasks:
        for _ in range(9):
            tasks.start_soon(step, a_call(priority="bulk"), silent)
        await anyio.wait_all_tasks_blocked()
        for _ in range(9):
            await step(a_call(), service)
            assert (step.in_use, step.waiting) == (7, 2)
        tasks.start_soon(step, a_call(), service)
        await anyio.wait_all_tasks_blocked()
        assert (step.in_use, step.waiting, len(silent.sent)) == (8, 2, 8)
        tasks.cancel_scope.cancel()


# --- congestion


async def _attempts(step: ConcurrencyLimiter, service: ScriptedService, outcomes: str) -> None:
    """Run attempts one after another: `.` succeeds, `x` fails."""
    for outcome in outcomes:
        service.script = [refused() if outcome == "x" else reply()]
        call = a_call()
        try:
            await step(call, service)
        except ConnectionFailedError:
            assert outcome == "x"
        await anyio.sleep(0.001)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("most", "outcomes", "limit"),
    [
        (64, "x" * 12, 64),  # 12 of the last 64: not above a fifth
        (64, "x" * 13, 44),
        (20, "....x" * 50, 20),  # exactly a fifth
        (20, "...x" * 5, 14),
        (10, "x" * 4, 10),  # the window has 20 attempts at least
        (10, "x" * 5, 7),
        (10, "x" * 10, 4),  # 4.9
        (10, "x" * 50, 4),  # the minimum
        (3, "x" * 50, 3),
    ],
)
async def test_congestion_cuts_the_limit(most: int, outcomes: str, limit: int) -> None:
    """C ← max(4, 0.7·C) when more than 20 % of the last max(20, C) attempts failed."""
    service = ScriptedService(latency=0.001)
    step = limiter(most, service)
    await _attempts(step, service, outcomes)
    assert step.limit == limit


@pytest.mark.anyio
async def test_failures_sent_before_a_cut_do_not_cut_again() -> None:
    """They say nothing about the new limit."""
    record = Record()
    service, ends = ScriptedService([refused()], latency=1.0), Ends()
    step = limiter(64, service, Dispatcher([record]))
    async with anyio.create_task_group() as tasks:
        for _ in range(64):
            tasks.start_soon(ends.collect, chained(step, to=service), a_call())
    assert [(change.previous, change.limit) for change in record.of(ConcurrencyChanged)] == [(64, 44)]


@pytest.mark.anyio
async def test_cut_holds_back_waiting_calls() -> None:
    """No permit is granted until fewer are in use than the new limit."""
    silent = ScriptedService(latency=None)
    step = limiter(10, silent)
    scopes = [anyio.CancelScope() for _ in range(8)]

    async def hold(scope: anyio.CancelScope) -> None:
        with scope:
            await step(a_call(), silent)

    async with anyio.create_task_group() as tasks:
        for scope in scopes:
            tasks.start_soon(hold, scope)
        await anyio.sleep(1)
        await _attempts(step, ScriptedService(), "xxxxx")
        assert (step.limit, step.in_use) == (7, 8)
        for _ in range(2):
            tasks.start_soon(step, a_call(), silent)
        in_line = []
        for scope in scopes[:3]:
            await anyio.wait_all_tasks_blocked()
            in_line.append((step.in_use, step.waiting))
            scope.cancel()
        await anyio.wait_all_tasks_blocked()
        assert in_line == [(8, 2), (7, 2), (7, 1)]
        assert (step.in_use, step.waiting) == (7, 0)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_queueing_can_be_excluded_from_the_deadline() -> None:
    """For calls of a fan-out the clock starts with the permit."""
    service, ends = ScriptedService(latency=5.0), Ends()
    step = limiter(1, service)
    send = chained(Deadline(), step, to=service)
    calls = [a_call(timeout=6, counts_queueing=False) for _ in range(4)]
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, send, call)
    assert [ends[call] for call in calls] == [reply()] * 4
    assert anyio.current_time() == pytest.approx(20.0)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        (reply(500), True),
        (reply(503), True),
        (reply(408), True),
        (refused(), True),
        (throttled(1), False),
        (throttled(1, status=503), False),
        (reply(400), False),
        (reply(404), False),
        (ConnectionFailedError("certificate", retryable=False), False),
    ],
)
async def test_congestion_counts_transient_failures_only(outcome: Any, counts: bool) -> None:
    """Timeouts, resets and 5xx, but no throttling and no 4xx."""
    service, ends = ScriptedService([outcome]), Ends()
    step = limiter(10, service)
    for _ in range(5):
        await ends.collect(chained(step, to=service), a_call())
        await anyio.sleep(0.1)
    assert step.limit == (7 if counts else 10)


@pytest.mark.anyio
async def test_cancelled_attempts_do_not_count_as_congestion() -> None:
    """An end by the own deadline is a timeout and counts."""
    service = ScriptedService(latency=None)
    step = limiter(10, service)
    for _ in range(10):
        with anyio.move_on_after(1):
            await step(a_call(), service)
    assert (step.limit, step.in_use) == (10, 0)
    for _ in range(5):
        with pytest.raises(DeadlineExceededError):
            await chained(Deadline(), step, to=service)(a_call(timeout=1))
    assert step.limit == 7


@pytest.mark.anyio
async def test_successes_raise_the_limit() -> None:
    """By one after C successes while at least half of the permits are in flight; observers get an event."""
    record = Record()
    service = ScriptedService(latency=0.01)
    step = limiter(10, service, Dispatcher([record]))
    await _attempts(step, service, "x" * 5)
    assert step.limit == 7

    service.script = [reply()]
    service.in_flight.requests = 5  # other requests
    for expected in [7] * 6 + [8] * 8 + [9] * 9 + [10] * 30:
        await step(a_call(), service)
        assert step.limit == expected
    assert [change.limit for change in record.of(ConcurrencyChanged)] == [7, 8, 9, 10]


@pytest.mark.anyio
async def test_successes_at_low_load_do_not_raise_the_limit() -> None:
    """They say nothing about a higher load."""
    service = ScriptedService(latency=0.01)
    step = limiter(10, service)
    await _attempts(step, service, "x" * 5)
    service.script = [reply()]
    service.in_flight.requests = 3
    for _ in range(50):
        await step(a_call(), service)
    assert step.limit == 7


@pytest.mark.anyio
async def test_few_failures_do_not_stop_growth() -> None:
    """With 5 % failures the limit returns to its maximum."""
    service = ScriptedService(latency=0.001)
    step = limiter(64, service)
    await _attempts(step, service, "x" * 13)
    assert step.limit == 44
    service.in_flight.requests = 64
    await _attempts(step, service, ("." * 19 + "x") * 65)
    assert step.limit == 64


@pytest.mark.anyio
async def test_raised_limit_grants_a_waiting_call_at_once() -> None:
    """It must not wait for the end of another call."""
    service = ScriptedService(latency=0.001)
    step = limiter(10, service)
    await _attempts(step, service, "x" * 5)
    service.script, service.latency = [reply()], None
    async with anyio.create_task_group() as tasks:
        for _ in range(9):
            tasks.start_soon(step, a_call(), service)
        await anyio.wait_all_tasks_blocked()
        assert (step.in_use, step.waiting) == (7, 2)
        for _ in range(7):
            step._learn(service.calls[-1], failed=False)
        step._grant()
        await anyio.wait_all_tasks_blocked()
        assert (step.in_use, step.waiting) == (8, 1)
        tasks.cancel_scope.cancel()
