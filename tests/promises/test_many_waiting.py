"""Cancellation of ten thousand waiting calls takes less than a second."""

from __future__ import annotations

import time

import anyio
import pytest
from promise_kit import BACKENDS, WORK, SimulatedSession, figure, simulate, simulated_session
from sim import Server

from bing_images_async import RateLimit
from bing_images_async.testing import Backend


@BACKENDS
@pytest.mark.parametrize("rate_limit", [RateLimit(3), None], ids=["paced", "unpaced"])
@pytest.mark.parametrize("calls", [1_000, pytest.param(10_000, marks=pytest.mark.figures)])
def test_ten_thousand_waiting_calls_cancel_within_a_second(
    backend: Backend, calls: int, rate_limit: RateLimit | None
) -> None:
    """By one scope; the session is idle afterwards, and the next call succeeds.

    Measured in processor time, so that other processes do not matter.
    """

    async def main() -> tuple[SimulatedSession, int, float, float]:
        async with simulated_session(Server(latency=60.0), rate_limit=rate_limit) as simulated:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(simulated.ask_at_once, calls)
                await anyio.sleep(2)
                waiting = simulated.session.stats.waiting
                began, work_before = time.perf_counter(), time.process_time()
                tasks.cancel_scope.cancel()
            took, work = time.perf_counter() - began, time.process_time() - work_before
            simulated.assert_at_rest()
            simulated.world.server.latency = WORK
            await simulated.ask()
            return simulated, waiting, took, work

    simulated, waiting, took, work = simulate(main, backend)
    figure(backend, f"{calls} calls cancelled", waiting=waiting, processor_seconds=work, real_seconds=took)
    assert simulated.endings == {"cancelled": calls, "ok": 1}
    assert waiting >= calls - 64
    assert work < 1.0
