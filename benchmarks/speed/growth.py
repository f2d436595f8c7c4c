"""(e) How the cost of many queries grows: `python -m benchmarks --only growth`."""

from __future__ import annotations

from itertools import product

from .tables import Figure, Plan, Row, Table
from .workers import run_worker

__all__ = ["FAN_OUT", "measure"]

FAN_OUT, _GATHER = "ours: fan_out", "ours: gather of all"
_MANNERS = {FAN_OUT: "fan_out", _GATHER: "gather"}
_UNITS = {"CPU per query": "µs", "memory above rest": "MiB"}
_ABOUT = (
    "So many queries in one session of 64 permits, a process for each row. Pages of 35 images come from a "
    "transport in memory, after two turns of the event loop. Memory is the peak of the process above the session "
    "at rest. `fan_out` takes queries from a generator and is read as outcomes come; `gather` makes all calls at "
    "once, without time limits, and keeps of each answer the number of its images, no more."
)


def measure(plan: Plan) -> Table:
    """1,000 and 10,000 queries on asyncio; in a full run 100,000 too, and `fan_out` on trio."""
    sizes = (1_000, 10_000, 100_000) if plan.full else (1_000, 10_000)
    ways = [(FAN_OUT, "asyncio"), (_GATHER, "asyncio"), *([(FAN_OUT, "trio")] if plan.full else [])]
    rows = [_row(plan, *way, queries) for way, queries in product(ways, sizes)]
    return Table("growth", "Many queries: how cost grows", _ABOUT, rows)


def _row(plan: Plan, candidate: str, loop: str, queries: int) -> Row:
    # What a run of half a minute costs is no longer a matter of chance.
    rounds = [
        run_worker(plan, "peers.growth", _MANNERS[candidate], loop, queries)
        for _ in range(plan.rounds if queries <= 1_000 else 1)
    ]
    figures = {name: Figure.of([taken[name] for taken in rounds], unit) for name, unit in _UNITS.items()}
    return Row(candidate, {"queries": queries, "loop": loop}, figures)
