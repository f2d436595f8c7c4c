"""Circuit breaker: opening, probes, waiting calls, stalls, cancellation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from attrs import define, field
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
    refused,
    reply,
    restart_aborted,
    sleep_until,
    throttled,
)

from bing_images_async._pipeline.call import Send
from bing_images_async._pipeline.circuit_breaker import CircuitBreaker
from bing_images_async._pipeline.concurrency import ConcurrencyLimiter
from bing_images_async._pipeline.deadline import Deadline
from bing_images_async._pipeline.retry import Retry, RetryBudget, RetryPolicy
from bing_images_async._pipeline.signals import Signals
from bing_images_async.errors import (
    ConnectionFailedError,
    DeadlineExceededError,
    ResponseTooLargeError,
    ServiceUnavailableError,
)
from bing_images_async.events import BreakerChanged, Dispatcher
from bing_images_async.testing import run


@define
class FailingService:
    """A circuit breaker in front of a service that fails."""

    service: ScriptedService = field(factory=lambda: ScriptedService([refused()]))
    draw: Callable[[], float] = lambda: 1.0  # gaps without jitter
    record: Record = field(factory=Record)
    breaker: CircuitBreaker = field(init=False)
    send: Send = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.breaker = CircuitBreaker(self.service.in_flight, random=self.draw, events=Dispatcher([self.record]))
        self.send = chained(Deadline(), restart_aborted, self.breaker, self.breaker.guard, to=self.service)

    async def fail(self, times: int = 10) -> None:
        for _ in range(times):
            await Ends().collect(self.send, a_call())

    async def outcome(self, **options: Any) -> Any:
        ends, call = Ends(), a_call(**options)
        await ends.collect(self.send, call)
        return ends[call]

    @property
    def states(self) -> list[str]:
        return [change.state for change in self.record.of(BreakerChanged)]


# --- opening


@pytest.mark.anyio
async def test_breaker_after_ten_failures_in_a_row_opens() -> None:
    """Later calls fail at once, and their error says when the next attempt is due."""
    it = FailingService()
    await it.fail(9)
    assert it.breaker.state == "closed"
    await it.fail(1)
    assert it.breaker.state == "open"
    error = await it.outcome()
    assert isinstance(error, ServiceUnavailableError)
    assert error.retry_after == pytest.approx(1.0)
    assert (len(it.service.sent), it.states) == (10, ["open"])
    assert it.record.of(BreakerChanged)[0].retry_after == pytest.approx(1.0)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("outcome", "opens"),
    [
        (reply(500), True),
        (reply(503), True),
        (reply(408), True),
        (refused(), True),
        (reply(), False),
        (reply(400), False),
        (reply(401), False),
        (throttled(1), False),
        (throttled(1, status=503), False),
        (ResponseTooLargeError("bomb"), False),
    ],
)
async def test_breaker_counts_only_transient_failures(outcome: Any, opens: bool) -> None:
    """Any other result shows that the service is up, and resets the count."""
    it = FailingService()
    await it.fail(9)
    it.service.script = [outcome]
    await it.fail(1)
    assert (it.breaker.state == "open") is opens
    it.service.script = [refused()]
    await it.fail(9)
    assert (it.breaker.state == "open") is opens


@pytest.mark.anyio
async def test_cancelled_and_unsent_attempts_do_not_count() -> None:
    """They do not reset the count either."""
    it = FailingService()
    await it.fail(9)
    it.service.latency, it.service.unsent = None, [12]
    for _ in range(3):
        with anyio.move_on_after(1):
            await it.send(a_call())
    assert isinstance(await it.outcome(), ValueError)
    assert it.breaker.state == "closed"
    it.service.latency = 0.0
    await it.fail(1)
    assert it.breaker.state == "open"


@pytest.mark.anyio
async def test_attempt_ended_by_the_deadline_counts_as_failure() -> None:
    """A service that never answers opens the breaker even without an attempt timeout."""
    it = FailingService(ScriptedService(latency=None))
    for _ in range(10):
        assert isinstance(await it.outcome(timeout=0.1), DeadlineExceededError)
    assert it.breaker.state == "open"


# --- probing


async def _outage(it: FailingService, until: float, every: float = 0.05) -> list[float]:
    """Return the times of probes since the breaker opened, while calls keep coming."""
    await it.fail()
    opened = anyio.current_time()
    while anyio.current_time() < opened + until:
        await it.outcome()
        await anyio.sleep(every)
    return [time - opened for time in it.service.times[10:]]


@pytest.mark.anyio
async def test_probe_gaps_grow_to_an_eighth_of_the_outage() -> None:
    """1, 2, 4, 8 s, then an eighth of the outage so far, 30 s at most."""
    probes = await _outage(FailingService(), 600.0)
    gaps = [after - before for before, after in zip([0.0, *probes], probes, strict=False)]
    assert gaps[:4] == pytest.approx([1, 2, 4, 8], abs=0.11)
    for at, gap in zip(probes[:-1], gaps[1:], strict=True):
        assert gap <= min(30.0, max(8.0, at / 8)) + 0.11
    assert gaps[-1] == pytest.approx(30.0, abs=0.11)
    assert len(probes) < 45


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8))
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_probe_gaps_are_jittered(backend: Any, draws: list[float]) -> None:
    """Between three quarters of the gap and the whole, so that sessions do not probe at the same time."""
    drawn = iter(draws)
    used: list[float] = []

    def draw() -> float:
        used.append(next(drawn, 0.5))
        return used[-1]

    it = FailingService(draw=draw)
    probes = run(_outage, it, 80.0, backend=backend)
    assert len(used) > len(probes) > 5
    gap = 1.0
    for before, after, drawn_then in zip([0.0, *probes], probes, used, strict=False):
        assert after - before == pytest.approx(gap * (0.75 + 0.25 * drawn_then) + 0.03, abs=0.04)
        gap = min(2 * gap, max(8.0, after / 8), 30.0)


@pytest.mark.anyio
async def test_successful_probe_closes_the_breaker() -> None:
    """All calls pass afterwards, and a new outage starts with a short gap."""
    it = FailingService()
    await _outage(it, 20.0)
    it.service.script = [reply()]
    await anyio.sleep(8)
    assert await it.outcome() == reply()
    assert it.breaker.state == "closed"
    assert it.states[-2:] == ["half-open", "closed"]
    assert await it.outcome() == reply()
    it.service.script = [refused()]
    await it.fail(9)
    assert it.breaker.state == "closed"
    await it.fail(1)
    assert (await it.outcome()).retry_after == pytest.approx(1.0)


@pytest.mark.anyio
async def test_half_open_breaker_has_one_probe() -> None:
    """Other calls fail or wait meanwhile."""
    it = FailingService()
    await it.fail()
    it.service.script, it.service.latency = [reply()], 1.0
    await anyio.sleep(1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.send, a_call())
        await anyio.sleep(0.5)
        assert it.breaker.state == "half-open"
        assert isinstance(await it.outcome(), ServiceUnavailableError)
        assert len(it.service.sent) == 11
    assert it.breaker.state == "closed"


@pytest.mark.anyio
async def test_probe_times_out_after_its_gap() -> None:
    """Two seconds at least. Without it the end of an outage without replies would be noticed late."""
    it = FailingService()
    retry = Retry(RetryPolicy(attempts=1), RetryBudget(), random=lambda: 0.5, events=NOBODY)
    send = chained(retry, restart_aborted, it.breaker, it.breaker.guard, to=it.service)
    await it.fail()
    it.service.script, it.service.latency = [reply()], None
    lengths = []
    for _ in range(5):
        while len(it.service.sent) == (before := len(it.service.sent)):
            ends, call = Ends(), a_call()
            await ends.collect(send, call)
            if len(it.service.sent) > before:
                assert call.state.sent is not None
                lengths.append(anyio.current_time() - call.state.sent)
                break
            await anyio.sleep(0.05)
    assert lengths == pytest.approx([2.0, 2.0, 4.0, 8.0, 8.0])


@pytest.mark.anyio
async def test_cancelled_probe_is_replaced_by_the_next_waiter() -> None:
    """The next waiting call probes at once."""
    it, ends = FailingService(), Ends()
    await it.fail()
    it.service.script, it.service.latency = [reply()], None
    first, second = a_call(on_outage="wait"), a_call(on_outage="wait")

    async def give_up() -> None:
        with anyio.move_on_after(1.5):
            await it.send(first)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(give_up)
        await anyio.sleep(0.1)
        tasks.start_soon(ends.collect, it.send, second)
        await sleep_until(1.2)
        assert (it.service.calls[10:], it.breaker.waiting) == ([first], 1)
        it.service.latency = 0.1
    assert it.service.times[10:] == pytest.approx([1.0, 1.5])
    assert ends[second] == reply()


@pytest.mark.anyio
async def test_probe_ended_by_its_deadline_counts_as_failure() -> None:
    """The next probe follows after the next gap."""
    it = FailingService()
    await it.fail()
    it.service.latency = None
    await sleep_until(1.0)
    assert isinstance(await it.outcome(timeout=0.5), DeadlineExceededError)
    error = await it.outcome()
    assert isinstance(error, ServiceUnavailableError)
    assert error.retry_after == pytest.approx(1.5)


@pytest.mark.anyio
async def test_unsent_probe_is_replaced_by_the_next_call() -> None:
    """It has no result, so the next call is the probe at once."""
    it = FailingService()
    await it.fail()
    it.service.unsent, it.service.script = [10], [reply()]
    await sleep_until(1.0)
    assert isinstance(await it.outcome(), ValueError)
    assert it.breaker.state == "open"
    assert await it.outcome() == reply()


@pytest.mark.anyio
async def test_failure_sent_before_opening_changes_nothing() -> None:
    """Only the probe may change the gap; a success of any call closes the breaker."""
    it = FailingService()
    slow = [
        ScriptedService([refused()], latency=0.5, in_flight=it.service.in_flight),
        ScriptedService([reply()], latency=0.7, in_flight=it.service.in_flight),
    ]
    async with anyio.create_task_group() as tasks:
        for service in slow:
            tasks.start_soon(Ends().collect, chained(it.breaker, it.breaker.guard, to=service), a_call())
        await anyio.sleep(0.1)
        await it.fail()
        await sleep_until(0.6)
        assert (await it.outcome()).retry_after == pytest.approx(0.5)
    assert (it.breaker.state, it.states) == ("closed", ["open", "closed"])


# --- waiting for the end of an outage


@pytest.mark.anyio
async def test_open_breaker_fails_or_holds_calls_by_on_outage() -> None:
    """A waiting call has its clock paused, however short its timeout is."""
    it, ends = FailingService(), Ends()
    await it.fail()
    patient = a_call(on_outage="wait", timeout=0.5)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ends.collect, it.send, patient)
        await anyio.sleep(0.1)
        assert isinstance(await it.outcome(), ServiceUnavailableError)
        assert it.breaker.waiting == 1
        it.service.script = [reply()]
    assert ends[patient] == reply()
    assert (patient.state.sent, patient.state.waited["breaker"]) == (pytest.approx(1.0), pytest.approx(1.0))


@pytest.mark.anyio
async def test_failing_call_does_not_probe_before_waiting_calls() -> None:
    """The waiting calls came first."""
    it, ends = FailingService(), Ends()
    await it.fail()
    waiting = a_call(on_outage="wait")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ends.collect, it.send, waiting)
        await anyio.sleep(0.5)
        block(1.0)
        assert isinstance(await it.outcome(), ServiceUnavailableError)
        it.service.script = [reply()]
    assert ends[waiting] == reply()


@pytest.mark.anyio
async def test_thousand_waiting_calls_send_one_probe_per_gap() -> None:
    """After the outage all are served in order."""
    it, ends = FailingService(), Ends()
    permits = ConcurrencyLimiter(1, it.service.in_flight, NOBODY)
    retry = Retry(RetryPolicy(), RetryBudget(), random=lambda: 0.0, events=NOBODY)
    send = chained(Deadline(), retry, restart_aborted, it.breaker, permits, it.breaker.guard, to=it.service)
    await it.fail()
    calls = [a_call(on_outage="wait", timeout=30) for _ in range(1_000)]
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, send, call)
        await sleep_until(60.0)
        assert len(it.service.sent) <= 10 + 10
        assert it.breaker.waiting >= 999
        it.service.script, it.service.latency = [reply()], 0.001
    assert all(ends[call] == reply() for call in calls)
    served = [call.number for call in it.service.calls[-998:]]
    assert served == sorted(served)


@pytest.mark.anyio
async def test_opening_aborts_calls_that_wait_for_a_permit() -> None:
    """They then wait or fail in the breaker."""
    service, ends = ScriptedService([refused()], latency=0.1), Ends()
    permits = ConcurrencyLimiter(10, service.in_flight, NOBODY)
    breaker = CircuitBreaker(
        service.in_flight, random=lambda: 1.0, events=NOBODY, signals=Signals(abort_waiting=permits.abort)
    )
    send = chained(restart_aborted, breaker, permits, breaker.guard, to=service)
    first = [a_call() for _ in range(10)]
    fails, waits = [[a_call(on_outage=mode) for _ in range(50)] for mode in ("fail", "wait")]
    async with anyio.create_task_group() as tasks:
        for calls in (first, [*fails, *waits]):
            for call in calls:
                tasks.start_soon(ends.collect, send, call)
            await anyio.wait_all_tasks_blocked()
        await anyio.sleep(0.5)
        assert service.calls[10:] == []
        assert all(isinstance(ends[call], ConnectionFailedError) for call in first)
        assert all(isinstance(ends[call], ServiceUnavailableError) for call in fails)
        assert breaker.waiting == 50
        service.script = [reply()]
    assert all(ends[call] == reply() for call in waits)
    assert (permits.in_use, permits.waiting) == (0, 0)


# --- stalling


async def _stalled(latency: float = 0.05) -> FailingService:
    """Return a breaker with `number` unanswered requests to a service that was fast before."""
    it = FailingService(ScriptedService(latency=latency))
    for _ in range(20):
        await it.send(a_call())
    it.service.latency = None
    return it


@pytest.mark.anyio
@pytest.mark.parametrize(("latency", "silence"), [(0.01, 0.25), (0.05, 0.25), (0.2, 1.0)])
async def test_ten_unanswered_requests_stall_further_calls(latency: float, silence: float) -> None:
    """After five times the usual latency, and 0.25 s at least."""
    it = await _stalled(latency)
    began, before = anyio.current_time(), len(it.service.sent)
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(it.send, a_call())
            if number == 8:
                await sleep_until(began + 0.9 * silence)
        await sleep_until(began + 0.95 * silence)
        tasks.start_soon(it.send, a_call())
        await sleep_until(began + 1.05 * silence)
        for _ in range(100):
            tasks.start_soon(it.send, a_call())
        await sleep_until(began + 10.0)
        assert len(it.service.sent) - before == 11
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_nine_unanswered_requests_do_not_stall() -> None:
    """They may only be slow."""
    it = await _stalled()
    before = len(it.service.sent)
    async with anyio.create_task_group() as tasks:
        for _ in range(9):
            tasks.start_soon(it.send, a_call())
        await anyio.sleep(5)
        tasks.start_soon(it.send, a_call())
        await anyio.sleep(5)
        assert len(it.service.sent) - before == 10
        tasks.start_soon(it.send, a_call())
        await anyio.sleep(5)
        assert len(it.service.sent) - before == 10
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["answer", "cancel", "outage"])
async def test_stall_ends_with_an_answer_or_an_end_of_all_requests(how: str) -> None:
    """Or when ten failures open the breaker."""
    it, ends = await _stalled(), Ends()
    before = len(it.service.sent)
    it.service.latency = {"answer": 5.0, "cancel": None, "outage": 5.0}[how]
    it.service.script = [refused() if how == "outage" else reply()]
    patient = a_call(on_outage="wait", timeout=2.0)
    async with anyio.create_task_group() as held, anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(Ends().collect, it.send, a_call())
        await anyio.sleep(1)
        held.start_soon(ends.collect, it.send, patient)
        await anyio.sleep(3.5)
        assert len(it.service.sent) - before == 10
        it.service.latency, it.service.script = 0.05, [reply()]
        if how == "cancel":
            tasks.cancel_scope.cancel()
    assert ends[patient] == reply()
    assert it.breaker.state == "closed"
    assert patient.state.sent == pytest.approx(
        it.service.times[before] + {"answer": 5.0, "cancel": 4.5, "outage": 6.0}[how]
    )


@pytest.mark.anyio
async def test_stall_counts_against_the_deadline_of_failing_calls() -> None:
    """The error names the reason for waiting."""
    it = await _stalled()
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(it.send, a_call())
        await anyio.sleep(1)
        error = await it.outcome(timeout=2)
        assert isinstance(error, DeadlineExceededError)
        assert error.waited_for == "an answer to earlier requests"
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_stall_aborts_calls_right_before_they_are_sent() -> None:
    """They may have waited for a permit since the first check."""
    it = await _stalled()
    permits = ConcurrencyLimiter(10, it.service.in_flight, NOBODY)
    send = chained(restart_aborted, it.breaker, permits, it.breaker.guard, to=it.service)
    before = len(it.service.sent)
    one = anyio.CancelScope()

    async def cancelled() -> None:
        with one:
            await send(a_call())

    async with anyio.create_task_group() as tasks:
        for _ in range(9):
            tasks.start_soon(send, a_call())
        tasks.start_soon(cancelled)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(send, a_call())  # waits for a permit
        await anyio.sleep(2)
        assert permits.waiting == 1
        one.cancel()  # and gets the permit of `one`
        await anyio.sleep(2)
        assert (len(it.service.sent) - before, permits.in_use, permits.waiting) == (10, 9, 0)
        tasks.cancel_scope.cancel()


# --- cancelled


@asynccontextmanager
async def _waiting() -> AsyncIterator[Any]:
    it, ends = FailingService(), Ends()
    await it.fail()
    it.service.script, it.service.latency = [reply()], 0.1
    behind = a_call(on_outage="wait")

    class Scenario:
        async def run(self) -> None:
            await it.send(a_call(on_outage="wait"))

        async def check(self, outcome: str) -> None:
            await anyio.sleep(20)
            assert ends[behind] == reply()
            assert (it.breaker.state, it.breaker.waiting, it.service.in_flight.requests) == ("closed", 0, 0)

    async def follow() -> None:
        await anyio.sleep(0.5)
        await ends.collect(it.send, behind)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        yield Scenario()


@pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])
def test_cancellation_at_any_step_leaves_no_probe_behind(backend: Any, by: Any) -> None:
    """The next waiting call becomes the probe."""
    assert cancel_everywhere(_waiting, by=by, backend=backend) >= 4
