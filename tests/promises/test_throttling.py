"""A quota that is smaller than the session was told: nothing fails, and hardly anything is throttled."""

from __future__ import annotations

import pytest
from promise_kit import BACKENDS, WORK, Scene, figure, scene, simulate
from sim import Entry, Journal, Link, Reply, Server, SlidingWindow

from bing_images_async import RateLimit
from bing_images_async.testing import Backend


@BACKENDS
@pytest.mark.parametrize("counts_rejected", [False, True])
@pytest.mark.parametrize("calls", [1_000, pytest.param(3_000, marks=pytest.mark.figures)])
def test_a_rate_five_times_too_high_fails_nothing(backend: Backend, calls: int, counts_rejected: bool) -> None:
    """1,000 or 3,000 calls, told 50/s where 10/s are allowed: none fails, 2 % at most are throttled.

    The same where the server counts what it rejects, so that hammering would never end.
    """

    async def main() -> Scene:
        server = Server(gates=[SlidingWindow(10, counts_rejected=counts_rejected)], latency=WORK)
        async with scene(server, rate_limit=RateLimit(50)) as stage:
            await stage.ask_at_once(calls)
        return stage

    stage = simulate(main, backend)
    journal = stage.world.journal
    throttled, seconds = journal.statuses[429], journal.times[-1]
    what = f"{calls} calls, told 50/s, allowed 10/s{', rejected count' if counts_rejected else ''}"
    share = throttled / len(journal.entries)
    figure(backend, what, failed=stage.failed, throttled=f"{share:.2%}", answered_per_second=calls / seconds)
    assert stage.endings == {"ok": calls}
    assert share <= 0.02


@BACKENDS
@pytest.mark.parametrize("jitter", [0.0, 0.015])
@pytest.mark.parametrize("seed", range(3))
def test_fifty_throttled_at_once_restart_one_by_one(backend: Backend, jitter: float, seed: int) -> None:
    """All that is on the wire is throttled in one moment; after the pause no window holds more than the quota."""
    quota, told, pause = RateLimit(50), 1.5, 3.0

    def respond(entry: Entry) -> Reply:
        if entry.time >= told:
            return Reply()
        return Reply(status=429, headers=(("Retry-After", f"{pause:.0f}"),), delay=told - entry.time)

    async def main() -> Scene:
        link = Link(latency=0.02, jitter=jitter)
        async with scene(Server(respond, latency=WORK), seed=seed, world={"link": link}, rate_limit=quota) as stage:
            await stage.ask_at_once(300)
        return stage

    stage = simulate(main, backend, seed=seed)
    journal = stage.world.journal
    restart = [entry.time for entry in journal.entries if entry.status == 200]
    second, tenth = Journal(journal.between(told, 1e9)).busiest(1.0), Journal(journal.between(told, 1e9)).busiest(0.1)
    what = f"{journal.statuses[429]} throttled at once, jitter {jitter:g} s, seed {seed}"
    figure(backend, what, restart_after=restart[0] - told, busiest_second=second, busiest_tenth=tenth)
    assert journal.statuses[429] >= 50
    assert stage.endings == {"ok": 300}
    assert pause <= restart[0] - told <= 1.2 * pause
    assert second <= quota.requests
    assert tenth <= 8  # 50/s at most, and jitter
    first_second = sum(time < restart[0] + 1.0 for time in restart)
    assert 0.45 * quota.requests <= first_second <= 0.97 * quota.requests
