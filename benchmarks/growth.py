"""How the cost of many queries grows: `python -m benchmarks --only growth`.

So many queries in one session of 64 permits, a process for each row. Pages of 35 images come from a transport in
memory, after a turn of the event loop. Memory is the peak of the process above the session at rest. `fan_out`
takes queries from a generator and is read as outcomes come; `gather` makes all calls at once, without time limits,
and keeps of each answer the number of its images, no more.
"""

import asyncio
import gc
import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import anyio

from .checks import Measured
from .in_memory import Instant, session_over
from .memory import Memory
from .processes import HERE, Plan, run_worker
from .tables import Figure, Row, Table

FAN_OUT, _GATHER = "ours: fan_out", "ours: gather of all"


def measure(plan: Plan) -> Table:
    """1,000 and 10,000 queries on asyncio; in a full run 100,000 too, and `fan_out` on trio."""
    sizes = (1_000, 10_000, 100_000) if plan.full else (1_000, 10_000)
    ways = [(FAN_OUT, "asyncio"), (_GATHER, "asyncio"), *([(FAN_OUT, "trio")] if plan.full else [])]
    return Table.of("growth", __doc__, [_row(plan, *way, size) for way, size in product(ways, sizes)])


def _row(plan: Plan, candidate: str, loop: str, size: int) -> Row:
    rounds = plan.rounds if size <= 1_000 else 1  # a run of half a minute varies little
    taken = [run_worker(plan.library, "growth:grow", candidate=candidate, loop=loop, size=size) for _ in range(rounds)]
    units = {"CPU per query": "µs", "memory above rest": "MiB"}
    figures = {name: Figure.of([one[name] for one in taken], unit) for name, unit in units.items()}
    return Row(candidate, {"queries": size, "loop": loop}, figures)


# --- the command


def fan_out(backend: str, queries: int = 100_000) -> Measured:
    """Memory is at most 30 MiB above the session at rest, and at most 2 MiB more than for 1,000 queries."""
    grown = partial(run_worker, HERE, "growth:grow", candidate=FAN_OUT, loop=backend)
    few, many = grown(size=1_000), grown(size=queries)
    peak, rise = many["memory above rest"], many["memory above rest"] - few["memory above rest"]
    row = {"peak, MiB": f"{peak:.1f}", "rise, MiB": f"{rise:.1f}", "CPU per query, µs": f"{many['CPU per query']:.0f}"}
    return row, peak < 30 and rise < 2


# --- the worker


def _queries(number: int) -> Iterator[str]:
    """Return so many queries, none of them twice."""
    return (f"paper boat {index}" for index in range(number))


async def _fan_out(session: Any, number: int) -> int:
    seen, images = bytearray(number), 0
    async with session.fan_out(_queries(number)) as outcomes:
        async for outcome in outcomes:
            seen[outcome.index] += 1
            images += len(outcome.unwrap().value)
    assert set(seen) == {1}, "not every query has one outcome"
    return images


async def _gather(session: Any, number: int) -> int:
    from bing_images_async import RetryPolicy

    # One turn of the event loop starts all of them: time limits would end those that are first.
    patient = session.with_options(timeout=None, retry=RetryPolicy(attempt_timeout=3600.0))

    async def images(query: str) -> int:
        return len((await patient.search(query)).value)

    return sum(await asyncio.gather(*map(images, _queries(number))))


async def grow(candidate: str, size: int) -> dict[str, float]:
    """CPU microseconds per query, and the peak in MiB above the session at rest."""
    async with session_over(Instant(before=partial(anyio.sleep, 0)), max_concurrency=64) as session:
        await _fan_out(session, 200)  # warms up
        gc.collect()
        memory, began = Memory(), time.process_time()
        images = await (_fan_out if candidate == FAN_OUT else _gather)(session, size)
        cpu = time.process_time() - began
        assert images == 35 * size, f"{images} images of {size} queries"
        return {"CPU per query": 1e6 * cpu / size, "memory above rest": memory.growth()}
