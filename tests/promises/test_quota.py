"""Quota: never exceeded in any window, and used up."""

from __future__ import annotations

from random import Random
from typing import Any

import anyio
import pytest
from promise_kit import BACKENDS, WORK, busiest, figure, simulate, simulated_session
from sim import Link, Reply, Server, SlidingWindow
from sim.network import Network

from bing_images_async import RateLimit
from bing_images_async.testing import Backend

LAST = Reply(headers=(("Connection", "close"),), closes=True)
UNANNOUNCED = Reply(closes=True)


def _lengths() -> list[object]:
    """Return quotas and virtual seconds: some by default, all with the marker `figures`."""
    short = [(3, 60), (10, 60), (100, 10), (250, 10)]
    return [*short, *(pytest.param(quota, 60, marks=pytest.mark.figures) for quota, seconds in short if seconds < 60)]


@BACKENDS
@pytest.mark.parametrize(("quota", "seconds"), _lengths())
def test_sliding_window_server_rejects_nothing(backend: Backend, quota: int, seconds: int) -> None:
    """64 callers without pauses, ±15 ms of delay, 40 ms to connect: no 429, at least 96 % used."""

    async def main() -> tuple[int, int]:
        async with simulated_session(
            Server(gates=[SlidingWindow(quota)], latency=WORK), rate_limit=RateLimit(quota)
        ) as simulated:

            async def caller() -> None:
                while anyio.current_time() < seconds + 1:
                    await simulated.ask()

            async with anyio.create_task_group() as tasks:
                for _ in range(64):
                    tasks.start_soon(caller)
            journal = simulated.world.journal
            first = journal.times[0]
            return journal.statuses[429], len(journal.between(first, first + seconds))

    throttled, sent = simulate(main, backend)
    used = sent / (quota * seconds)
    figure(backend, f"quota {quota}/s for {seconds} s", throttled=throttled, used=f"{used:.1%}")
    assert throttled == 0
    assert used >= 0.96


@BACKENDS
@pytest.mark.parametrize(
    ("reply", "least"),
    [(Reply(), 0.95), (LAST, 0.95), (UNANNOUNCED, 0.7)],
    ids=["kept", "closed", "closed unannounced"],
)
def test_slow_connections_cost_no_quota(backend: Backend, reply: Reply, least: float) -> None:
    """A connection takes 0.3 s: no 429, and the quota is used.

    If the server closes without notice, some requests are sent twice, which costs a slot each time.
    """

    async def main() -> tuple[int, int]:
        server = Server(lambda _: reply, gates=[SlidingWindow(10)], latency=WORK)
        link = Link(latency=0.15, jitter=0.015)
        async with simulated_session(server, world={"link": link}, rate_limit=RateLimit(10)) as simulated:
            await simulated.ask_at_once(200)
            journal = simulated.world.journal
            return journal.statuses[429], len(journal.between(0, journal.times[0] + 20))

    throttled, sent = simulate(main, backend)
    how = {Reply(): "kept", LAST: "closed", UNANNOUNCED: "closed unannounced"}[reply]
    what = f"quota 10/s, connecting takes 0.3 s, {how}"
    figure(backend, what, throttled=throttled, used=f"{sent / 200:.1%}")
    assert throttled == 0
    assert sent >= least * 200


@BACKENDS
@pytest.mark.parametrize("reply", [Reply(), LAST], ids=["kept", "closed"])
def test_very_slow_connections_cost_little_quota(
    backend: Backend, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """50/s, a connection takes up to 0.9 s: at least 90 % used from the start, never more than 50 in a second."""
    random, connect = Random(0), Network.connect_tcp

    async def connect_slowly(*arguments: Any, **options: Any) -> Any:
        await anyio.sleep(random.uniform(0.0, 0.9))
        return await connect(*arguments, **options)

    monkeypatch.setattr(Network, "connect_tcp", connect_slowly)

    async def main() -> tuple[int, int, int]:
        server = Server(lambda _: reply, gates=[SlidingWindow(50)], latency=WORK)
        async with simulated_session(server, rate_limit=RateLimit(50)) as simulated:

            async def caller() -> None:
                while anyio.current_time() < 20:
                    await simulated.ask()

            async with anyio.create_task_group() as tasks:
                for _ in range(64):
                    tasks.start_soon(caller)
            journal = simulated.world.journal
            return journal.statuses[429], len(journal.between(0, 20)), busiest(journal.times, 1.0)

    throttled, sent, most = simulate(main, backend)
    what = f"quota 50/s, connecting takes up to 0.9 s, {'kept' if reply == Reply() else 'closed'}"
    figure(backend, what, throttled=throttled, used=f"{sent / 1000:.1%}", busiest_second=most)
    assert throttled == 0
    assert sent >= 900
    assert most <= 50
