"""(d) Permits and rate limits: `python -m benchmarks --only limiters`."""

from __future__ import annotations

from .peers.limiters import PACES
from .tables import Figure, Plan, Row, Table
from .workers import run_worker

__all__ = ["measure"]

_UNITS = {
    "CPU per grant": "µs",
    "grants per second": "/s",
    "most in a second": "grants",
    "overtaking newcomers": "",
}
_ABOUT = (
    "asyncio. “Free”: one task, nothing to wait for. “64 in turn”: 64 tasks want one grant after the other, of 8 "
    "permits that are held for one turn of the event loop, or of 1,000 slots a second. “N waiting”: a limit of "
    "100 per second, N calls from the start and a newcomer every 10 ms; the most grants in any one second, and "
    "how many newcomers got theirs before somebody who had come earlier. Ours are links of the chain: their "
    "figures hold the making of a call's record, the judging of a reply and the feedback from it. `limits` only "
    "says yes or no; the waiting is a loop around it."
)


def measure(plan: Plan) -> Table:
    """Costs in turn, then each limiter alone against the clock: 3 s in a short run, 10 s in a full one."""
    waiters = 1_000 if plan.full else 300
    rows = [
        *_rows("free", run_worker(plan, "peers.limiters", "free", plan.rounds)),
        *_rows("64 in turn", run_worker(plan, "peers.limiters", "queue", plan.rounds)),
    ]
    for candidate in PACES:
        figures = run_worker(plan, "peers.limiters", "pace", candidate, waiters)
        rows += _rows(f"{waiters:,} waiting", {candidate: {name: [value] for name, value in figures.items()}})
    return Table("limiters", "Permits and rate limits", _ABOUT, rows)


def _rows(case: str, rounds: dict[str, dict[str, list[float]]]) -> list[Row]:
    return [
        Row(candidate, {"case": case}, {name: Figure.of(values, _UNITS[name]) for name, values in figures.items()})
        for candidate, figures in rounds.items()
    ]
