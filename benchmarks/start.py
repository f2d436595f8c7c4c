"""(f) From a fresh interpreter to the first page: `python -m benchmarks --only start`."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

from .page import page
from .tables import Figure, Plan, Row, Table
from .workers import run_worker

__all__ = ["FIRST_PAGE", "OURS", "measure"]

OURS, _THEIRS = "ours", "httpx, cattrs, msgspec, anyio"
FIRST_PAGE = "first page"
_WHOSE = {OURS: "ours", _THEIRS: "theirs"}
_HOW_FAR = {"import": "import", FIRST_PAGE: "page"}
_ABOUT = (
    "Fresh interpreters in turn, files in the system's cache, modules compiled; the interpreter's own start is "
    "not counted. To the first page: imports, one session (one AsyncClient) entered under `anyio.run`, and a page"
    " of 35 images decoded to models (parsed to dicts by json.loads). Ratios are to the other candidate's in the "
    "same round."
)


def measure(plan: Plan) -> Table:
    """At least 7 rounds in a short run, 15 in a full one."""
    number = 3 * plan.rounds if plan.full else 2 * plan.rounds + 1
    rounds: defaultdict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.json")
        file.write_bytes(page(35))
        for number_ in range(number + 1):
            for candidate, whose in _WHOSE.items():
                for stage, how_far in _HOW_FAR.items():
                    taken = run_worker(plan, "peers.start", whose, how_far, file)
                    if number_ > 0:  # the first one compiles
                        rounds[candidate, stage].append(taken)
    rows = [_row(candidate, stage, rounds[candidate, stage], rounds[_THEIRS, stage]) for candidate, stage in rounds]
    return Table("start", "Start: import to the first page", _ABOUT, rows)


def _row(candidate: str, stage: str, taken: list[dict[str, float]], theirs: list[dict[str, float]]) -> Row:
    figures = {name: Figure.of([one[name] for one in taken], "ms") for name in ("wall", "CPU")}
    if candidate == OURS:
        for name in ("wall", "CPU"):
            ratios = [one[name] / other[name] for one, other in zip(taken, theirs, strict=True)]
            figures[f"ratio, {name}"] = Figure.of(ratios, "×")
    return Row(candidate, {"up to": stage}, figures)
