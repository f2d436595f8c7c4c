"""The quota is a ceiling, and is used."""

from __future__ import annotations

import anyio
import pytest
from promise_kit import BACKENDS, WORK, figure, scene, simulate
from sim import Link, Reply, Server, SlidingWindow

from bing_images_async import RateLimit
from bing_images_async.testing import Backend


def _lengths() -> list[object]:
    """Quota and virtual seconds: a part of it always, all of it for the figures."""
    short = [(3, 60), (10, 60), (100, 10), (250, 10)]
    return [*short, *(pytest.param(quota, 60, marks=pytest.mark.figures) for quota, seconds in short if seconds < 60)]


@BACKENDS
@pytest.mark.parametrize(("quota", "seconds"), _lengths())
def test_a_sliding_window_server_throttles_nothing(backend: Backend, quota: int, seconds: int) -> None:
    """64 callers that never stop, ±15 ms on the way, connecting takes 40 ms: not one 429, 96 % used at least."""

    async def main() -> tuple[int, int]:
        async with scene(Server(gates=[SlidingWindow(quota)], latency=WORK), rate_limit=RateLimit(quota)) as stage:

            async def caller() -> None:
                while anyio.current_time() < seconds + 1:
                    await stage.ask()

            async with anyio.create_task_group() as tasks:
                for _ in range(64):
                    tasks.start_soon(caller)
            journal = stage.world.journal
            first = journal.times[0]
            return journal.statuses[429], len(journal.between(first, first + seconds))

    throttled, sent = simulate(main, backend)
    used = sent / (quota * seconds)
    figure(backend, f"quota {quota}/s for {seconds} s", throttled=throttled, used=f"{used:.1%}")
    assert throttled == 0
    assert used >= 0.96


@BACKENDS
@pytest.mark.parametrize(("closes", "least"), [(False, 0.95), (True, 0.7)], ids=["kept", "closed each time"])
def test_connecting_slowly_throttles_nothing(backend: Backend, closes: bool, least: float) -> None:
    """A request that needs a connection leaves 0.3 s after its slot: still not one 429."""

    async def main() -> tuple[int, int]:
        server = Server(lambda _: Reply(closes=closes), gates=[SlidingWindow(10)], latency=WORK)
        link = Link(latency=0.15, jitter=0.015)
        async with scene(server, world={"link": link}, rate_limit=RateLimit(10)) as stage:
            await stage.ask_at_once(200)
            journal = stage.world.journal
            return journal.statuses[429], len(journal.between(0, journal.times[0] + 20))

    throttled, sent = simulate(main, backend)
    what = f"quota 10/s, connecting takes 0.3 s{', every time' if closes else ''}"
    figure(backend, what, throttled=throttled, used=f"{sent / 200:.1%}")
    assert throttled == 0
    assert sent >= least * 200
