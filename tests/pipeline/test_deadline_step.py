"""The deadline as a link: when it ends a call, and when its clock stands still."""

from __future__ import annotations

import math
from typing import Any

import anyio
import pytest
from step_kit import Ends, ScriptedService, a_call, chained, reply, sleep_until

from bing_images_async._pipeline.call import Call
from bing_images_async._pipeline.deadline import Deadline
from bing_images_async.errors import DeadlineExceededError

pytestmark = pytest.mark.anyio


def holding(seconds: float, *, clock_stops: bool, what: str = "breaker") -> Any:
    """A link that makes each call wait."""

    async def step(call: Call, send: Any) -> Any:
        with call.waiting(what, clock_stops=clock_stops):
            await anyio.sleep(seconds)
        return await send(call)

    return step


@pytest.mark.parametrize(("timeout", "ends"), [(0.5, False), (1.5, True), (None, True)])
async def test_it_ends_calls_in_time(timeout: float | None, ends: bool) -> None:
    """At the deadline and not before; without one, never."""
    send, call = chained(Deadline(), to=ScriptedService(latency=1.0)), a_call(timeout=timeout)
    if ends:
        assert await send(call) == reply()
        return
    with pytest.raises(DeadlineExceededError, match=r"\(0\.5 s\).*the service") as caught:
        await send(call)
    assert (caught.value.waited_for, anyio.current_time()) == ("the service", 0.5)


async def test_it_says_what_was_waited_for() -> None:
    """The thing that the call was waiting for when its time ran out."""
    with pytest.raises(DeadlineExceededError, match="permit") as caught:
        await chained(Deadline(), holding(9, clock_stops=False, what="permit"), to=ScriptedService())(a_call(timeout=1))
    assert caught.value.waited_for == "permit"


async def test_somebody_elses_cancellation_passes() -> None:
    """It is no timeout."""
    with anyio.move_on_after(1) as scope:
        await chained(Deadline(), to=ScriptedService(latency=None))(a_call(timeout=5))
    assert scope.cancelled_caught


async def test_the_clock_paused_still_at_a_gate() -> None:
    """What is left of the time afterwards is what was left before."""
    call = a_call(timeout=2)
    send = chained(Deadline(), holding(100, clock_stops=True), to=ScriptedService(latency=None))
    with pytest.raises(DeadlineExceededError):
        await send(call)
    assert anyio.current_time() == pytest.approx(102.0)
    assert call.state.waited == {"breaker": pytest.approx(100.0)}


async def test_a_pause_moves_the_deadlines_of_those_who_wait_for_outages() -> None:
    """By its length; other calls keep theirs; those who come later get what is left of it."""
    deadline, ends = Deadline(), Ends()
    send = chained(deadline, to=ScriptedService(latency=None))
    ended: dict[str, float] = {}

    async def run(name: str, on_outage: str) -> None:
        await ends.collect(send, a_call(timeout=2, on_outage=on_outage))
        ended[name] = anyio.current_time()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, "waits", "wait")
        tasks.start_soon(run, "fails", "fail")
        await sleep_until(1.0)
        deadline.pause(10)
        await sleep_until(5.0)
        tasks.start_soon(run, "comes later", "wait")
        await sleep_until(8.0)
        deadline.pause(3)  # longer by that much
        await sleep_until(9.0)
        tasks.start_soon(run, "comes last", "wait")
    assert ended == {
        "fails": 2.0,
        "waits": pytest.approx(15.0),
        "comes later": pytest.approx(16.0),
        "comes last": pytest.approx(16.0),
    }
    assert deadline._waiting == set()


async def test_a_pause_does_not_start_a_clock_that_stands() -> None:
    """While a gate holds a call, a pause may move its deadline; the time still does not count."""
    deadline = Deadline()
    call = a_call(timeout=2, on_outage="wait")
    send = chained(deadline, holding(100, clock_stops=True), to=ScriptedService())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send, call)
        await sleep_until(1.0)
        deadline.pause(5)
    assert anyio.current_time() == pytest.approx(100.0)
    assert call.state.sent == pytest.approx(100.0)


async def test_what_cannot_be_afforded_is_refused() -> None:
    """A wait that would end too late is not begun."""
    await anyio.sleep(10)
    call = a_call(timeout=3)
    call.afford(3.0, "rate_limit")
    with pytest.raises(DeadlineExceededError, match=r"has 3 s left and would wait 3\.1 s for rate_limit") as caught:
        call.afford(3.1, "rate_limit")
    assert caught.value.waited_for == "rate_limit"
    assert a_call().deadline == math.inf
    a_call().afford(1e9, "rate_limit")
