"""(a) A page's bytes to objects: `python -m benchmarks --only decode`."""

from __future__ import annotations

from .peers.decode import CANDIDATES, JSON, OURS, READ
from .tables import Figure, Plan, Row, Table
from .workers import run_worker

__all__ = ["JSON", "READ", "measure"]

_SIZES = (35, 150)
_WEIGHED = 35
"""Images of the pages of which memory is measured."""
_ABOUT = (
    "CPU time to turn the bytes of one answer into objects, the same bytes for all, one candidate after the "
    "other, round by round, in one process. All models have the fields of ours (the SDK has its own); json.loads, "
    "orjson and msgspec untyped make dicts. “Every attribute read”: of every object in the answer, inside the timed "
    "region. Peak: of one decode. Kept: resident memory of 256 decoded pages that differ, in multiples of their "
    "bodies, in a process of its own."
)


def measure(plan: Plan) -> Table:
    """Every candidate, on pages of 35 and of 150 images."""
    rows = [row for images in _SIZES for row in _rows(plan, images)]
    return Table("decode", "Decode: bytes to models", _ABOUT, rows)


def _rows(plan: Plan, images: int) -> list[Row]:
    names = (READ, OURS, JSON) if plan.only_ours else CANDIDATES
    rounds: dict[str, list[float]] = run_worker(plan, "peers.decode", "time", images, 3 * plan.rounds, *names)
    rows: list[Row] = []
    for candidate, times in rounds.items():
        figures = {
            "CPU per page": Figure.of(times, "µs"),
            "ratio to json.loads": Figure.of([a / b for a, b in zip(times, rounds[JSON], strict=True)], "×"),
        }
        if images == _WEIGHED and not plan.only_ours:
            memory = run_worker(plan, "peers.decode", "memory", images, candidate)
            figures["peak memory"] = Figure.of([memory["peak"] / 1024], "KiB")
            figures["memory kept"] = Figure.of([memory["kept"]], "× body")
        rows.append(Row(candidate, {"images": images}, figures))
    return rows
