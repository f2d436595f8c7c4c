"""The circuit breaker: it stops sending when the service is down, and finds out early that it is back."""

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
class Broken:
    """A breaker with its guard, and a far end that is down."""

    service: ScriptedService = field(factory=lambda: ScriptedService([refused()]))
    draw: Callable[[], float] = lambda: 1.0  # the gaps in full
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
async def test_it_opens_after_ten_failures_in_a_row() -> None:
    """Then calls fail at once, and say when the next try is due."""
    it = Broken()
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
async def test_what_is_a_failure(outcome: Any, opens: bool) -> None:
    """Trouble that may pass. Whatever else comes, the service is there, and the count starts anew."""
    it = Broken()
    await it.fail(9)
    it.service.script = [outcome]
    await it.fail(1)
    assert (it.breaker.state == "open") is opens
    it.service.script = [refused()]
    await it.fail(9)
    assert (it.breaker.state == "open") is opens


@pytest.mark.anyio
async def test_cancelled_and_unsent_attempts_are_no_failures() -> None:
    """Nor do they end a row of them."""
    it = Broken()
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
async def test_a_call_that_its_deadline_ends_was_a_failure() -> None:
    """A black hole opens the circuit even if no attempt has a time limit of its own."""
    it = Broken(ScriptedService(latency=None))
    for _ in range(10):
        assert isinstance(await it.outcome(timeout=0.1), DeadlineExceededError)
    assert it.breaker.state == "open"


# --- probing


async def _outage(it: Broken, until: float, every: float = 0.05) -> list[float]:
    """When probes were sent while somebody always calls; from 0, when it opened."""
    await it.fail()
    opened = anyio.current_time()
    while anyio.current_time() < opened + until:
        await it.outcome()
        await anyio.sleep(every)
    return [time - opened for time in it.service.times[10:]]


@pytest.mark.anyio
async def test_gaps_between_probes() -> None:
    """1, 2, 4, 8 s; from then on an eighth of the outage so far, and never more than 30 s."""
    probes = await _outage(Broken(), 600.0)
    gaps = [after - before for before, after in zip([0.0, *probes], probes, strict=False)]
    assert gaps[:4] == pytest.approx([1, 2, 4, 8], abs=0.11)
    for at, gap in zip(probes[:-1], gaps[1:], strict=True):
        assert gap <= min(30.0, max(8.0, at / 8)) + 0.11
    assert gaps[-1] == pytest.approx(30.0, abs=0.11)
    assert len(probes) < 45


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8))
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_gaps_are_jittered(backend: Any, draws: list[float]) -> None:
    """Each between three quarters of its length and the whole, so that sessions do not probe in step."""
    drawn = iter(draws)
    used: list[float] = []

    def draw() -> float:
        used.append(next(drawn, 0.5))
        return used[-1]

    it = Broken(draw=draw)
    probes = run(_outage, it, 80.0, backend=backend)
    assert len(used) > len(probes) > 5
    gap = 1.0
    for before, after, drawn_then in zip([0.0, *probes], probes, used, strict=False):
        assert after - before == pytest.approx(gap * (0.75 + 0.25 * drawn_then) + 0.03, abs=0.04)
        gap = min(2 * gap, max(8.0, after / 8), 30.0)


@pytest.mark.anyio
async def test_an_outage_is_noticed_to_be_over() -> None:
    """The first success of a probe closes it, and everybody may pass; a new outage starts with a short gap."""
    it = Broken()
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
async def test_one_probe_at_a_time() -> None:
    """While it is under way the others fail, or wait."""
    it = Broken()
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
async def test_a_probe_takes_no_longer_than_its_gap() -> None:
    """Two seconds at least: a short outage is noticed to be over though requests vanish without a trace."""
    it = Broken()
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
async def test_a_cancelled_probe_hands_over() -> None:
    """Who waits next probes at once; a probe that its deadline ends has failed."""
    it, ends = Broken(), Ends()
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
async def test_a_probe_that_its_deadline_ends_has_failed() -> None:
    """The next one comes after the next gap."""
    it = Broken()
    await it.fail()
    it.service.latency = None
    await sleep_until(1.0)
    assert isinstance(await it.outcome(timeout=0.5), DeadlineExceededError)
    error = await it.outcome()
    assert isinstance(error, ServiceUnavailableError)
    assert error.retry_after == pytest.approx(1.5)


@pytest.mark.anyio
async def test_an_unsent_probe_hands_over() -> None:
    """It has found out nothing: the next caller is the probe, at once."""
    it = Broken()
    await it.fail()
    it.service.unsent, it.service.script = [10], [reply()]
    await sleep_until(1.0)
    assert isinstance(await it.outcome(), ValueError)
    assert it.breaker.state == "open"
    assert await it.outcome() == reply()


@pytest.mark.anyio
async def test_a_stale_failure_is_no_probe() -> None:
    """Requests that were under way when it opened change nothing when they fail; a success closes it."""
    it = Broken()
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
async def test_fail_and_wait() -> None:
    """The one raises at once; the other waits with its clock stopped, however short its timeout."""
    it, ends = Broken(), Ends()
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
async def test_who_fails_does_not_probe_before_who_waits() -> None:
    """The line is older."""
    it, ends = Broken(), Ends()
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
async def test_a_thousand_waiters_cost_a_probe_each_gap() -> None:
    """In a minute's outage a handful of requests; afterwards each is served, the first by number first."""
    it, ends = Broken(), Ends()
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
async def test_who_waits_further_in_is_turned_back() -> None:
    """Calls that wait for a permit when it opens are called back, and wait or fail here."""
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


async def _stalled(latency: float = 0.05) -> Broken:
    """A service that was quick, and then answers nothing: so many requests are out."""
    it = Broken(ScriptedService(latency=latency))
    for _ in range(20):
        await it.send(a_call())
    it.service.latency = None
    return it


@pytest.mark.anyio
@pytest.mark.parametrize(("latency", "silence"), [(0.01, 0.25), (0.05, 0.25), (0.2, 1.0)])
async def test_ten_without_an_answer_hold_the_rest(latency: float, silence: float) -> None:
    """After five times the usual latency, a quarter of a second at least, nothing more is sent."""
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
async def test_nine_do_not() -> None:
    """They may be slow; the tenth decides."""
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
async def test_a_stall_ends(how: str) -> None:
    """With an answer, when none is on the wire any more, or when ten failures say that it is an outage."""
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
async def test_who_fails_has_no_time_for_a_stall() -> None:
    """Its clock runs on; the error names what it waited for."""
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
async def test_who_has_passed_is_turned_back_at_the_wire() -> None:
    """A stall, too, is looked for at the last moment."""
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
        one.cancel()  # and gets this one's
        await anyio.sleep(2)
        assert (len(it.service.sent) - before, permits.in_use, permits.waiting) == (10, 9, 0)
        tasks.cancel_scope.cancel()


# --- cancelled


@asynccontextmanager
async def _waiting() -> AsyncIterator[Any]:
    it, ends = Broken(), Ends()
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
def test_cancelling_at_any_step_leaves_no_shut_gate(backend: Any, by: Any) -> None:
    """Waiting, about to probe, or probing: who is behind takes over."""
    assert cancel_everywhere(_waiting, by=by, backend=backend) >= 4
