"""Worker: what it costs to get a permit or a slot, and whether a rate is kept.

* `free ROUNDS`: CPU microseconds per grant, when nothing has to wait
* `queue ROUNDS`: the same, and grants per second, with 64 tasks in turn
* `pace CANDIDATE WAITERS`: 100 per second, with so many waiting from the start and newcomers joining
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Any

__all__ = ["PACES", "busiest", "overtakers"]

TASKS = 64
PERMITS = 8
RATE = 100
FAST = 1_000
"""Slots per second while 64 tasks queue for them."""
FREE = 1_000_000
"""A rate that nothing has to wait for."""
EVERY = 0.01  # seconds from one newcomer to the next: as often as a slot is due
_SLICE = 0.05  # seconds of CPU, about

Hold = Callable[[], Awaitable[None]]
Use = Callable[[Hold], Awaitable[object]]
"""Gets a permit or a slot, runs what is given while it has it, and gives it back."""


def _held(guard: AbstractAsyncContextManager[object]) -> Use:
    async def use(hold: Hold) -> None:
        async with guard:
            await hold()

    return use


def _before(acquire: Callable[[], Awaitable[object]]) -> Use:
    async def use(hold: Hold) -> None:
        await acquire()
        await hold()

    return use


def _permits(permits: int) -> Use:
    from .links import permits_link

    return permits_link(permits)


def _rate(rate: int, burst: int = 1) -> Use:
    from .links import rate_link

    return rate_link(rate, burst)


def _aiolimiter(rate: int, per: float = 1.0) -> Use:
    from aiolimiter import AsyncLimiter

    return _held(AsyncLimiter(rate, per))


def _pyrate(rate: int, milliseconds: int = 1000) -> Use:
    from pyrate_limiter import Limiter, Rate

    limiter = Limiter(Rate(rate, milliseconds))
    return _before(lambda: limiter.try_acquire_async("key"))


def _limits(strategy: str, rate: int) -> Use:
    """Says yes or no; waiting until the window moves on is the user's."""
    from limits import RateLimitItemPerSecond
    from limits.aio import strategies
    from limits.aio.storage import MemoryStorage

    limiter, item = getattr(strategies, strategy)(MemoryStorage()), RateLimitItemPerSecond(rate)

    async def acquire() -> None:
        while not await limiter.hit(item):
            window = await limiter.get_window_stats(item)
            await asyncio.sleep(max(0.001, window.reset_time - time.time()))

    return _before(acquire)


def _semaphores(permits: int) -> dict[str, Use]:
    import anyio

    return {
        "ours (permits)": _permits(permits),
        "asyncio.Semaphore": _held(asyncio.Semaphore(permits)),
        "anyio.Semaphore": _held(anyio.Semaphore(permits)),
        "anyio.Semaphore, fast_acquire": _held(anyio.Semaphore(permits, fast_acquire=True)),
        "anyio.CapacityLimiter": _held(anyio.CapacityLimiter(permits)),
    }


def _free() -> dict[str, Use]:
    return {
        **_semaphores(TASKS),
        "ours (rate limit)": _rate(FREE),
        "aiolimiter": _aiolimiter(FREE),
        "pyrate-limiter": _pyrate(FREE),
        "limits, moving window": _limits("MovingWindowRateLimiter", FREE),
        "limits, sliding window": _limits("SlidingWindowCounterRateLimiter", FREE),
    }


def _queues() -> dict[str, Use]:
    return {
        **_semaphores(PERMITS),
        "ours (rate limit)": _rate(FAST),
        "aiolimiter": _aiolimiter(1, 1 / FAST),  # one at a time; all of a second's at once would be no queue
        "pyrate-limiter": _pyrate(FAST // 10, 100),  # it sleeps 50 ms at least
    }


PACES: dict[str, Callable[[], Use]] = {
    "ours (rate limit)": lambda: _rate(RATE),
    "ours (rate limit, burst 10)": lambda: _rate(RATE, 10),
    "aiolimiter(100, 1)": lambda: _aiolimiter(RATE),
    "aiolimiter(1, 0.01)": lambda: _aiolimiter(1, 1 / RATE),
    "pyrate-limiter": lambda: _pyrate(RATE),
    "limits, moving window": lambda: _limits("MovingWindowRateLimiter", RATE),
    "limits, sliding window": lambda: _limits("SlidingWindowCounterRateLimiter", RATE),
}
"""What is set to 100 per second; each is made when its turn has come."""


async def _nothing() -> None:
    pass


async def free(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Each candidate in turn, round by round."""
    uses, taken = _free(), dict[str, dict[str, list[float]]]()
    for use in uses.values():
        await _cpu(use, 100)
    numbers = {name: max(100, int(100 * _SLICE / await _cpu(use, 100))) for name, use in uses.items()}
    for _ in range(rounds):
        for name, use in uses.items():
            gc.collect()
            cpu = 1e6 * await _cpu(use, numbers[name]) / numbers[name]
            taken.setdefault(name, {"CPU per grant": []})["CPU per grant"].append(cpu)
    return taken


async def _cpu(use: Use, number: int) -> float:
    began = time.process_time()
    for _ in range(number):
        await use(_nothing)
    return time.process_time() - began


async def queue(rounds: int) -> dict[str, dict[str, list[float]]]:
    """64 tasks that want one grant after the other; a permit is held for one turn of the event loop."""
    taken: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for name, use in _queues().items():
            paced = name not in _semaphores(1)
            number = FAST // 2 if paced else 5_000
            gc.collect()
            began, cpu = time.perf_counter(), time.process_time()
            await _run(use, number, _nothing if paced else _turn)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - began
            figures = taken.setdefault(name, {"CPU per grant": [], "grants per second": []})
            figures["CPU per grant"].append(1e6 * cpu / number)
            figures["grants per second"].append(number / wall)
    return taken


async def _turn() -> None:
    await asyncio.sleep(0)


async def _run(use: Use, number: int, hold: Hold) -> None:
    async def work() -> None:
        while next(started) < number:
            await use(hold)

    started = count()
    await asyncio.gather(*(work() for _ in range(TASKS)))


async def pace(candidate: str, waiters: int) -> dict[str, float]:
    """How many grants any second saw, and how many newcomers went before somebody who had come earlier."""
    use, grants = PACES[candidate](), list[tuple[float, int]]()
    arrivals = count()

    async def one() -> None:
        place = next(arrivals)

        async def granted() -> None:
            grants.append((time.perf_counter(), place))

        await use(granted)

    began, cpu = time.perf_counter(), time.process_time()
    async with _newcomers(one):
        await asyncio.gather(*(one() for _ in range(waiters)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    return {
        "CPU per grant": 1e6 * cpu / len(grants),
        "grants per second": len(grants) / wall,
        "most in a second": busiest([moment for moment, _ in grants]),
        "overtaking newcomers": overtakers([place for _, place in grants], waiters),
    }


@asynccontextmanager
async def _newcomers(one: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """While the block runs, one more comes every 10 ms; those who still wait at its end are sent home."""

    async def come() -> None:
        began = asyncio.get_running_loop().time()
        for number in count(1):
            await asyncio.sleep(began + number * EVERY - asyncio.get_running_loop().time())
            came.append(asyncio.ensure_future(one()))

    came: list[asyncio.Future[None]] = []
    coming = asyncio.ensure_future(come())
    try:
        yield
    finally:
        for task in (coming, *came):
            task.cancel()
        await asyncio.gather(coming, *came, return_exceptions=True)


def busiest(moments: Sequence[float], window: float = 1.0) -> int:
    """The most of these moments in any half-open window of so many seconds."""
    ordered = sorted(moments)
    return max((bisect_left(ordered, moment + window) - at for at, moment in enumerate(ordered)), default=0)


def overtakers(places: Sequence[int], waiters: int) -> int:
    """How many newcomers (places from `waiters` on) come, in the order of grants, before one with a lower place."""
    lowest_after, found = sys.maxsize, 0
    for place in reversed(places):
        found += place >= waiters and place > lowest_after
        lowest_after = min(lowest_after, place)
    return found


def main(what: str, *arguments: str) -> Any:
    """One of the three."""
    if what == "pace":
        return asyncio.run(pace(arguments[0], int(arguments[1])))
    return asyncio.run((free if what == "free" else queue)(int(arguments[0])))


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
