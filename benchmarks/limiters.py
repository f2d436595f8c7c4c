"""The cost of a permit or a slot, and whether a rate is kept: `python -m benchmarks --only limiters`.

asyncio. “Free”: one task, nothing to wait for. “64 in turn”: 64 tasks want one grant after the other, of 8 permits
that are held for one turn of the event loop. “N waiting”: a limit of 100 per second and N calls from the start; the
most grants in any one second. Ours are whole searches in memory, in the first two cases less a search without a limit
(with 64 permits). `limits` only says yes or no; the waiting is a loop around it.
"""

import asyncio
import gc
import statistics
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import count
from pkgutil import resolve_name
from typing import Any

from .in_memory import EMPTY, Instant, session_over
from .processes import Plan, run_worker, run_workers
from .tables import Figure, Row, Table, rows_of
from .timing import Use, cpu_times

RATE = 100
_TASKS, _PERMITS, _GRANTS = 64, 8, 1_000
_FREE = 1_000_000  # per second: nothing waits for it
_UNLIMITED = "ours: search without a limit"
_UNITS = {"CPU per grant": "µs", "most in a second": "grants"}
Hold = Callable[[], Awaitable[object]]
"""Awaited while a grant is held."""
OpenLimited = Callable[[Hold], AbstractAsyncContextManager[Use]]
"""Opens something whose use gets a grant, holds it and gives it back."""


@asynccontextmanager
async def _ours(hold: Hold, rate: int | None = None, burst: int = 1, permits: int = _TASKS) -> AsyncIterator[Use]:
    from bing_images_async import RateLimit

    limit = None if rate is None else RateLimit(rate, burst=burst)
    transport = Instant(EMPTY, before=hold)
    async with session_over(transport, rate_limit=limit, max_concurrency=permits, timeout=None) as session:
        yield lambda: session.search("paper boat")


@asynccontextmanager
async def _guarded(hold: Hold, make: Callable[[], AbstractAsyncContextManager[object]]) -> AsyncIterator[Use]:
    guard = make()

    async def use() -> None:
        async with guard:
            await hold()

    yield use


@asynccontextmanager
async def _acquired(hold: Hold, make: Callable[[], Callable[[], Awaitable[object]]]) -> AsyncIterator[Use]:
    acquire = make()

    async def use() -> None:
        await acquire()
        await hold()

    yield use


def _semaphore(kind: str, permits: int, **options: Any) -> OpenLimited:
    return partial(_guarded, make=lambda: resolve_name(kind)(permits, **options))


def _pyrate(rate: int) -> Callable[[], Awaitable[object]]:
    from pyrate_limiter import Limiter, Rate

    return partial(Limiter(Rate(rate, 1000)).try_acquire_async, "key")


def _limits(rate: int, strategy: str) -> Callable[[], Awaitable[object]]:
    from limits import RateLimitItemPerSecond
    from limits.aio import strategies
    from limits.aio.storage import MemoryStorage

    limiter, item = getattr(strategies, strategy)(MemoryStorage()), RateLimitItemPerSecond(rate)

    async def acquire() -> None:
        while not await limiter.hit(item):
            window = await limiter.get_window_stats(item)
            await asyncio.sleep(max(0.001, window.reset_time - time.time()))

    return acquire


def _semaphores(permits: int) -> dict[str, OpenLimited]:
    return {
        "asyncio.Semaphore": _semaphore("asyncio:Semaphore", permits),
        "anyio.Semaphore, fast_acquire": _semaphore("anyio:Semaphore", permits, fast_acquire=True),
        "anyio.CapacityLimiter": _semaphore("anyio:CapacityLimiter", permits),
        _UNLIMITED: _ours,  # next to what it is taken from
    }


def _rates(rate: int) -> dict[str, OpenLimited]:
    return {
        "ours (rate limit)": partial(_ours, rate=rate),
        "ours (rate limit, burst 10)": partial(_ours, rate=rate, burst=10),
        f"aiolimiter({rate:,}, 1)": _semaphore("aiolimiter:AsyncLimiter", rate, time_period=1.0),
        "pyrate-limiter": partial(_acquired, make=partial(_pyrate, rate)),
        "limits, moving window": partial(_acquired, make=partial(_limits, rate, "MovingWindowRateLimiter")),
        "limits, sliding window": partial(_acquired, make=partial(_limits, rate, "SlidingWindowCounterRateLimiter")),
    }


PACES = {**_rates(RATE), "aiolimiter(1, 0.01)": _semaphore("aiolimiter:AsyncLimiter", 1, time_period=1 / RATE)}
"""What is set to 100 per second."""


def measure(plan: Plan) -> Table:
    """Costs in turn, then each limiter alone against the clock: 3 s in a short run, 10 s in a full one."""
    waiters = 1_000 if plan.full else 300
    rows: list[Row] = []
    for case, function in {"free": "limiters:free", "64 in turn": "limiters:in_turn"}.items():
        taken = run_workers(plan.library, plan.rounds, function)
        unlimited = statistics.median(taken.pop(_UNLIMITED))
        less = {n: [v - unlimited for v in values] if n.startswith("ours") else values for n, values in taken.items()}
        rows += rows_of(less, {"case": case}, "CPU per grant")
    for name in PACES:
        values = run_worker(plan.library, "limiters:pace", loop="asyncio", candidate=name, waiters=waiters)
        figures = {figure: Figure.of([value], _UNITS[figure]) for figure, value in values.items()}
        rows.append(Row(name, {"case": f"{waiters:,} waiting"}, figures))
    return Table.of("limiters", __doc__, rows)


# --- the worker


def free() -> dict[str, list[float]]:
    """Microseconds per grant that nothing has to wait for."""
    return _times(_semaphores(_TASKS) | _rates(_FREE), tasks=1, turns=0)


def in_turn() -> dict[str, list[float]]:
    """Microseconds per permit that 64 tasks want."""
    return _times(_semaphores(_PERMITS) | {"ours (permits)": partial(_ours, permits=_PERMITS)}, _TASKS, turns=1)


def _times(candidates: dict[str, OpenLimited], tasks: int, turns: int) -> dict[str, list[float]]:
    timed = cpu_times({name: partial(_timed, opened, tasks, turns) for name, opened in candidates.items()}, values=3)
    return {name: [value / _GRANTS for value in values] for name, values in timed.items()}


@asynccontextmanager
async def _timed(opened: OpenLimited, tasks: int, turns: int) -> AsyncIterator[Use]:
    """So many tasks that want grants together; each is held for so many turns of the event loop."""

    async def hold() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    async def one_after_the_other(begun: Iterator[int]) -> None:
        while next(begun) < _GRANTS:
            await use()

    async def all_of_them() -> None:
        begun = count()
        await asyncio.gather(*(one_after_the_other(begun) for _ in range(tasks)))

    async with opened(hold) as use:
        yield all_of_them


async def pace(candidate: str, waiters: int) -> dict[str, float]:
    """Grants in any second, with so many calls from the start."""
    moments: list[float] = []

    async def granted() -> None:
        moments.append(time.perf_counter())

    async with PACES[candidate](granted) as use:
        gc.collect()
        cpu = time.process_time()
        await asyncio.gather(*(use() for _ in range(waiters)))
        cpu = time.process_time() - cpu
    return {"CPU per grant": 1e6 * cpu / waiters, "most in a second": busiest(moments)}


def busiest(moments: Sequence[float], window: float = 1.0) -> int:
    """Return the most of these moments in any half-open window of so many seconds."""
    ordered = sorted(moments)
    return max((bisect_left(ordered, moment + window) - at for at, moment in enumerate(ordered)), default=0)
