"""Priorities: a web service and a nightly job share one session."""

from __future__ import annotations

import anyio
import pytest
from promise_kit import BACKENDS, WORK, SimulatedSession, figure, simulate, simulated_session
from sim import Server

from bing_images_async import RateLimit
from bing_images_async.testing import Backend

QUOTA = RateLimit(20)
WARM_UP = 5.0


def _p99(latencies: list[float]) -> float:
    return sorted(latencies)[int(len(latencies) * 0.99)]


async def _interactive(simulated: SimulatedSession, number: int) -> list[float]:
    """Make about one call a second, at times that are not aligned with the slots."""
    latencies: list[float] = []
    for n in range(number):
        await anyio.sleep_until(WARM_UP + n * 1.0137)
        latencies.append((await simulated.ask("interactive")).elapsed)
    return latencies


def _idle(backend: Backend, number: int) -> list[float]:
    """Return the same latencies without other calls."""

    async def main() -> list[float]:
        async with simulated_session(Server(latency=WORK), rate_limit=QUOTA) as simulated:
            return await _interactive(simulated, number)

    return simulate(main, backend)


@BACKENDS
@pytest.mark.parametrize("calls", [100, pytest.param(600, marks=pytest.mark.figures)])
def test_bulk_delays_interactive_calls_by_two_slots_at_most(backend: Backend, calls: int) -> None:
    """64 bulk calls always wait: p99 is compared with that of an idle session; bulk gets 95 % of the quota."""

    async def main() -> tuple[list[float], float]:
        async with simulated_session(Server(latency=WORK), rate_limit=QUOTA) as simulated:
            bulk = simulated.session.with_options(priority="bulk")
            over = False

            async def worker() -> None:
                while not over:
                    await simulated.ask("bulk", bulk)

            async with anyio.create_task_group() as tasks:
                for _ in range(64):
                    tasks.start_soon(worker)
                latencies = await _interactive(simulated, calls)
                until = anyio.current_time()
                over = True
            arrived = [entry for entry in simulated.world.journal.between(WARM_UP, until) if "q=bulk" in entry.target]
            left_over = QUOTA.requests * (until - WARM_UP) / (1 + QUOTA.jitter) - calls
            return latencies, len(arrived) / left_over

    latencies, share = simulate(main, backend)
    busy, idle = _p99(latencies), _p99(_idle(backend, calls))
    slots = (busy - idle) / QUOTA.spacing
    figure(
        backend,
        f"64 bulk calls and one interactive a second, {calls} s",
        p99=busy,
        p99_idle=idle,
        slots_above=slots,
        bulk_gets_of_the_rest=f"{share:.1%}",
    )
    assert slots <= 2
    assert share >= 0.95
