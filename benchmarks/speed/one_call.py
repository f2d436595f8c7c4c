"""(b) One call, and what our chain adds to it: `python -m benchmarks --only one_call`."""

from __future__ import annotations

from .server import serving
from .tables import Figure, Plan, Row, Table
from .workers import run_worker

__all__ = ["CHAIN", "IN_FLIGHT", "PART", "SHARE", "WHOLE", "measure"]

CHAIN = "ours: chain"
PART = "ours: part, "
WHOLE = "ours: session.search over loopback, {} in flight"
SHARE = "of a call, {} in flight"
IN_FLIGHT = (1, 64)
_ABOUT = (
    "CPU time of the client per call, one call after the other unless it says otherwise; pages of 35 images. “In "
    "memory” is a transport that answers at once; “loopback” is the session's own pool and a server without "
    "latency. The chain: deadline, coalescing, retry, latch, breaker, permits, a rate limit far above what comes,"
    " and counting; a call's record included, no observers. It ends in a terminal that answers at once, and that "
    "terminal's own cost is taken off. Parts are single links with the same terminal, taken off too, or what a "
    "call does beside the chain."
)


def measure(plan: Plan) -> Table:
    """On asyncio, and in a full run on uvloop and trio."""
    rows: list[Row] = []
    with serving(plan.peers) as server:
        for loop in ("asyncio", "uvloop", "trio") if plan.full else ("asyncio",):
            rows += _rows(run_worker(plan, "peers.one_call", loop, 2 * plan.rounds, server.url), loop)
    return Table("one_call", "One call: what the chain adds", _ABOUT, rows)


def _rows(rounds: dict[str, list[float]], loop: str) -> list[Row]:
    rows: list[Row] = []
    for candidate, times in rounds.items():
        figures = {"CPU per call": Figure.of(times, "µs")}
        if candidate.startswith(CHAIN):
            for in_flight in IN_FLIGHT:
                whole = rounds[WHOLE.format(in_flight)]
                shares = [100 * part / all_of_it for part, all_of_it in zip(times, whole, strict=True)]
                figures[SHARE.format(in_flight)] = Figure.of(shares, "%")
        rows.append(Row(candidate, {"loop": loop}, figures))
    return rows
