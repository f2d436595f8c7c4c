"""ConcurrencyLimiter: never more at once than allowed, in order, and as many as the service bears."""

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


# --- the limit, and the line before it


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
def test_never_above_the_limit(backend: Any, limit: int, arrivals: list[Arrival]) -> None:
    """Whoever comes, fails or is cancelled: at most so many at once, first come first served, all given back."""
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
        # Those that were granted in one moment start in any order (trio shuffles them).
        kind = sorted((call.state.sent or 0.0, call.number) for call in granted if call.priority == priority)
        numbers = [number for _, number in kind]
        assert numbers == sorted(numbers)


@pytest.mark.anyio
async def test_a_retry_keeps_its_place() -> None:
    """ConcurrencyLimiter go by the number of the call."""
    service = ScriptedService(latency=1.0)
    step = limiter(1, service)
    first, second, third, fourth = (a_call() for _ in range(4))
    async with anyio.create_task_group() as tasks:
        for call in (fourth, third, first, second):
            tasks.start_soon(step, call, service)
            await anyio.sleep(0.01)
        assert step.waiting == 3
    assert service.calls == [fourth, first, second, third]


class _Waiting:
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
async def _between_others() -> AsyncIterator[_Waiting]:
    scenario = _Waiting()
    async with anyio.create_task_group() as tasks:
        for number in (0, 2):
            tasks.start_soon(scenario.step, scenario.calls[number], scenario.service)
            await anyio.wait_all_tasks_blocked()
        yield scenario


@WAYS
def test_cancelling_at_any_step_loses_no_permit(backend: Any, by: Any) -> None:
    """At the moment of the grant, too: what cannot be used is handed on."""
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
def test_ten_thousand_give_up_in_few_steps(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left of them, and the line was not gone through once for each."""
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
def test_ten_thousand_give_up_in_a_second(backend: Any) -> None:
    """Measured."""
    seconds = min(run(_ten_thousand_give_up, backend=backend) for _ in range(3))
    print(f"10,000 queued calls cancelled on {backend}: {seconds:.2f} s")
    assert seconds < 1.0


@pytest.mark.anyio
async def test_the_gate_can_turn_everybody_back() -> None:
    """Those who wait; not those who have a permit."""
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
async def test_a_deadline_names_the_permit() -> None:
    """A call whose time ran out in the line says what it waited for."""
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
async def test_one_permit_is_spared_for_interactive_calls(limit: int, for_bulk: int) -> None:
    """From eight on; a web request then goes at once, though the nightly job has taken all it can get."""
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
async def test_bulk_calls_get_one_in_ten(limit: int) -> None:
    """However many interactive calls there are: that much is theirs as long as they wait."""
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
    # Those who are granted at one moment are sent in any order.
    assert order[:100].count("b") == pytest.approx(10, abs=limit // 10 + 1)


@pytest.mark.anyio
async def test_the_spare_permit_counts_too() -> None:
    """Bulk calls whose permits are all taken for long get the spare one after nine others had it."""
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


# --- how many the service bears


async def _attempts(step: ConcurrencyLimiter, service: ScriptedService, outcomes: str) -> None:
    """One after another: `.` succeeds, `x` fails."""
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
        (20, "....x" * 50, 20),  # a fifth, for ever
        (20, "...x" * 5, 14),
        (10, "x" * 4, 10),  # the window has 20 attempts at least
        (10, "x" * 5, 7),
        (10, "x" * 10, 4),  # 4.9
        (10, "x" * 50, 4),  # never below
        (3, "x" * 50, 3),
    ],
)
async def test_congestion_cuts(most: int, outcomes: str, limit: int) -> None:
    """C ← max(4, 0.7·C) when more than 20 % of the last max(20, C) attempts failed."""
    service = ScriptedService(latency=0.001)
    step = limiter(most, service)
    await _attempts(step, service, outcomes)
    assert step.limit == limit


@pytest.mark.anyio
async def test_one_cut_per_epoch() -> None:
    """What was sent before the cut says nothing about the time after it."""
    record = Record()
    service, ends = ScriptedService([refused()], latency=1.0), Ends()
    step = limiter(64, service, Dispatcher([record]))
    async with anyio.create_task_group() as tasks:
        for _ in range(64):
            tasks.start_soon(ends.collect, chained(step, to=service), a_call())
    assert [(change.previous, change.limit) for change in record.of(ConcurrencyChanged)] == [(64, 44)]


@pytest.mark.anyio
async def test_a_cut_is_heeded_by_those_who_wait() -> None:
    """Nobody is granted a permit before there are fewer in use than there are now."""
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
async def test_queueing_may_be_nobodys_time() -> None:
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
async def test_what_counts_as_congestion(outcome: Any, counts: bool) -> None:
    """Timeouts, resets and 5xx; what is throttled or refused is not."""
    service, ends = ScriptedService([outcome]), Ends()
    step = limiter(10, service)
    for _ in range(5):
        await ends.collect(chained(step, to=service), a_call())
        await anyio.sleep(0.1)
    assert step.limit == (7 if counts else 10)


@pytest.mark.anyio
async def test_cancelled_attempts_do_not_count() -> None:
    """Neither for nor against; but one that its own deadline cuts off is a timeout."""
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
async def test_success_grows() -> None:
    """One more after C successes while at least half are on the wire, never above the maximum, and observers know."""
    record = Record()
    service = ScriptedService(latency=0.01)
    step = limiter(10, service, Dispatcher([record]))
    await _attempts(step, service, "x" * 5)
    assert step.limit == 7

    service.script = [reply()]
    service.in_flight.requests = 5  # others, under way all the time
    for expected in [7] * 6 + [8] * 8 + [9] * 9 + [10] * 30:
        await step(a_call(), service)
        assert step.limit == expected
    assert [change.limit for change in record.of(ConcurrencyChanged)] == [7, 8, 9, 10]


@pytest.mark.anyio
async def test_an_idle_session_does_not_grow() -> None:
    """Successes say nothing about more load while less than half of the permits are used."""
    service = ScriptedService(latency=0.01)
    step = limiter(10, service)
    await _attempts(step, service, "x" * 5)
    service.script = [reply()]
    service.in_flight.requests = 3
    for _ in range(50):
        await step(a_call(), service)
    assert step.limit == 7


@pytest.mark.anyio
async def test_a_failure_now_and_then_does_not_stop_the_growth() -> None:
    """At 5 % faults the limit finds its way back to the top."""
    service = ScriptedService(latency=0.001)
    step = limiter(64, service)
    await _attempts(step, service, "x" * 13)
    assert step.limit == 44
    service.in_flight.requests = 64
    await _attempts(step, service, ("." * 19 + "x") * 65)
    assert step.limit == 64


@pytest.mark.anyio
async def test_growth_lets_the_next_one_in() -> None:
    """A call that waits has the new permit at once."""
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
