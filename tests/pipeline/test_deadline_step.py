"""Deadline step: when it ends a call, and when its clock is paused."""

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
    """Return a step that makes each call wait."""

    async def step(call: Call, send: Any) -> Any:
        with call.waiting(what, clock_stops=clock_stops):
            await anyio.sleep(seconds)
        return await send(call)

    return step


@pytest.mark.parametrize(("timeout", "ends"), [(0.5, False), (1.5, True), (None, True)])
async def test_deadline_ends_the_call(timeout: float | None, ends: bool) -> None:
    """At its time exactly; without a deadline never."""
    send, call = chained(Deadline(), to=ScriptedService(latency=1.0)), a_call(timeout=timeout)
    if ends:
        assert await send(call) == reply()
        return
    with pytest.raises(DeadlineExceededError, match=r"\(0\.5 s\).*the service") as caught:
        await send(call)
    assert (caught.value.waited_for, anyio.current_time()) == ("the service", 0.5)


async def test_error_names_the_reason_for_waiting() -> None:
    """`waited_for` and the message."""
    with pytest.raises(DeadlineExceededError, match="permit") as caught:
        await chained(Deadline(), holding(9, clock_stops=False, what="permit"), to=ScriptedService())(a_call(timeout=1))
    assert caught.value.waited_for == "permit"


async def test_outer_cancellation_is_not_a_timeout() -> None:
    """It must reach the scope that it belongs to."""
    with anyio.move_on_after(1) as scope:
        await chained(Deadline(), to=ScriptedService(latency=None))(a_call(timeout=5))
    assert scope.cancelled_caught


async def test_paused_clock_keeps_the_remaining_time() -> None:
    """A probe gate pauses it."""
    call = a_call(timeout=2)
    send = chained(Deadline(), holding(100, clock_stops=True), to=ScriptedService(latency=None))
    with pytest.raises(DeadlineExceededError):
        await send(call)
    assert anyio.current_time() == pytest.approx(102.0)
    assert call.state.waited == {"breaker": pytest.approx(100.0)}


async def test_pause_moves_deadlines_of_waiting_calls() -> None:
    """By its length, or by the rest of it for later calls; calls with `on_outage="fail"` keep theirs."""
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
        deadline.pause(3)  # moves the deadline
        await sleep_until(9.0)
        tasks.start_soon(run, "comes last", "wait")
    assert ended == {
        "fails": 2.0,
        "waits": pytest.approx(15.0),
        "comes later": pytest.approx(16.0),
        "comes last": pytest.approx(16.0),
    }
    assert deadline._waiting == set()


async def test_pause_keeps_a_paused_clock_paused() -> None:
    """A probe gate may hold the call during a pause of the service."""
    deadline = Deadline()
    call = a_call(timeout=2, on_outage="wait")
    send = chained(deadline, holding(100, clock_stops=True), to=ScriptedService())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send, call)
        await sleep_until(1.0)
        deadline.pause(5)
    assert anyio.current_time() == pytest.approx(100.0)
    assert call.state.sent == pytest.approx(100.0)


async def test_afford_refuses_a_wait_beyond_the_deadline() -> None:
    """At once, without waiting."""
    await anyio.sleep(10)
    call = a_call(timeout=3)
    call.afford(3.0, "rate_limit")
    with pytest.raises(DeadlineExceededError, match=r"has 3 s left and would wait 3\.1 s for rate_limit") as caught:
        call.afford(3.1, "rate_limit")
    assert caught.value.waited_for == "rate_limit"
    assert a_call().deadline == math.inf
    a_call().afford(1e9, "rate_limit")
