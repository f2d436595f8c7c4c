"""Rejections: a quota lower than the configured one, random ones, and many at once."""

from __future__ import annotations

from random import Random

import anyio
import pytest
from promise_kit import BACKENDS, WORK, SimulatedSession, figure, simulate, simulated_session
from sim import Entry, Journal, Link, Reply, Server, SlidingWindow

from bing_images_async import RateLimit
from bing_images_async.testing import Backend


@BACKENDS
@pytest.mark.parametrize("counts_rejected", [False, True])
@pytest.mark.parametrize("calls", [1_000, pytest.param(3_000, marks=pytest.mark.figures)])
def test_rate_five_times_too_high_fails_no_call(backend: Backend, calls: int, counts_rejected: bool) -> None:
    """50/s configured, 10/s allowed: no call fails, at most 2 % of the requests are rejected.

    Also if the server counts rejected requests, so that a client that does not slow down is always rejected.
    """

    async def main() -> SimulatedSession:
        server = Server(gates=[SlidingWindow(10, counts_rejected=counts_rejected)], latency=WORK)
        async with simulated_session(server, rate_limit=RateLimit(50)) as simulated:
            await simulated.ask_at_once(calls)
        return simulated

    simulated = simulate(main, backend)
    journal = simulated.world.journal
    throttled, seconds = journal.statuses[429], journal.times[-1]
    what = f"{calls} calls, told 50/s, allowed 10/s{', rejected count' if counts_rejected else ''}"
    share = throttled / len(journal.entries)
    figure(backend, what, failed=simulated.failed, throttled=f"{share:.2%}", answered_per_second=calls / seconds)
    assert simulated.endings == {"ok": calls}
    assert share <= 0.02


@BACKENDS
@pytest.mark.parametrize(("share", "least"), [(0.002, 0.72), (0.01, 0.52), (0.05, 0.22)])
def test_random_rejections_do_not_cut_the_rate(backend: Backend, share: float, least: float) -> None:
    """50/s with this probability of a rejection: the quota is used except for the pauses, and few calls fail.

    `python -m benchmarks throttling` has more seeds and longer runs.
    """
    random, seconds = Random(0), 60
    rejection = Reply(status=429, headers=(("Retry-After", "1"),), delay=0.0)

    async def main() -> SimulatedSession:
        server = Server(lambda _: rejection if random.random() < share else Reply(), latency=WORK)
        async with simulated_session(server, rate_limit=RateLimit(50)) as simulated:

            async def caller() -> None:
                while anyio.current_time() < seconds:
                    await simulated.ask()

            async with anyio.create_task_group() as tasks:
                for _ in range(64):
                    tasks.start_soon(caller)
        return simulated

    simulated = simulate(main, backend)
    used = simulated.world.journal.statuses[200] / (50 * seconds)
    figure(backend, f"50/s, {share:.1%} rejected at random", used=f"{used:.1%}", failed=simulated.failed)
    assert used >= least
    assert simulated.failed <= 0.001 * simulated.world.journal.statuses[200] + 1


@BACKENDS
@pytest.mark.parametrize("jitter", [0.0, 0.015])
@pytest.mark.parametrize("seed", range(3))
def test_restart_after_many_rejections_is_paced(backend: Backend, jitter: float, seed: int) -> None:
    """All requests in flight are rejected together; after the pause no window has more than the quota."""
    quota, told, pause = RateLimit(50), 1.5, 3.0

    def respond(entry: Entry) -> Reply:
        if entry.time >= told:
            return Reply()
        return Reply(status=429, headers=(("Retry-After", f"{pause:.0f}"),), delay=told - entry.time)

    async def main() -> SimulatedSession:
        link = Link(latency=0.02, jitter=jitter)
        async with simulated_session(
            Server(respond, latency=WORK), seed=seed, world={"link": link}, rate_limit=quota
        ) as simulated:
            await simulated.ask_at_once(300)
        return simulated

    simulated = simulate(main, backend, seed=seed)
    journal = simulated.world.journal
    restart = [entry.time for entry in journal.entries if entry.status == 200]
    second, tenth = Journal(journal.between(told, 1e9)).busiest(1.0), Journal(journal.between(told, 1e9)).busiest(0.1)
    what = f"{journal.statuses[429]} throttled at once, jitter {jitter:g} s, seed {seed}"
    figure(backend, what, restart_after=restart[0] - told, busiest_second=second, busiest_tenth=tenth)
    assert journal.statuses[429] >= 50
    assert simulated.endings == {"ok": 300}
    assert pause <= restart[0] - told <= 1.2 * pause
    assert second <= quota.requests
    assert tenth <= 8  # 50/s at most, and jitter
    first_second = sum(time < restart[0] + 1.0 for time in restart)
    assert 0.45 * quota.requests <= first_second <= 0.97 * quota.requests
