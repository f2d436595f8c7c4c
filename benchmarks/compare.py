"""Two checkouts side by side: `python -m benchmarks compare REV`.

The benchmarks are those of this checkout; the library that they measure is, turn about, that of `REV` and this one.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from attrs import evolve, frozen

from .report import aligned, number
from .tables import Figure, Measurement, Plan, Row, Table

__all__ = ["NOISE", "Comparison", "comparisons", "comparison_table", "measure_both", "worktree"]

NOISE = 1.15
"""Ratios below this, and above its inverse, say nothing."""

_TRIFLE = 0.5
"""Microseconds: differences below this are of no matter, whatever their ratio."""

_UNITS = {"ns", "µs", "ms", "s"}
_TAILS = {"p50", "p99"}
"""They vary more than what is to be found out."""

Verdict: TypeAlias = Literal["faster", "slower", "same", "not in both"]


@frozen
class Comparison:
    """One figure of one row, there and here."""

    measurement: str
    case: str
    figure: str
    there: Figure | None
    here: Figure | None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Here to there; above 1 is slower."""
        return None if self.there is None or self.here is None else self.here.median / self.there.median

    @property
    def verdict(self) -> Verdict:
        """Beyond the noise only if both the medians and the best rounds are."""
        if self.there is None or self.here is None:
            return "not in both"
        if self.here.unit == "µs" and abs(self.here.median - self.there.median) < _TRIFLE:
            return "same"
        ratios = (self.here.median / self.there.median, self.here.low / self.there.low)
        if min(ratios) > NOISE:
            return "slower"
        return "faster" if max(ratios) < 1 / NOISE else "same"


@contextmanager
def worktree(root: Path, revision: str) -> Iterator[Path]:
    """A checkout of `revision` in a temporary folder, while the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder, "checkout")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", checkout, revision], cwd=root, check=True)
        try:
            yield checkout
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", checkout], cwd=root, check=True)


def measure_both(
    plan: Plan, there: Path, name: str, measure: Measurement, report: Callable[[str], None]
) -> list[Comparison]:
    """`plan.rounds` rounds of a measurement for both checkouts; each goes first in every second round."""
    tables: dict[Path, list[Table]] = {there: [], plan.checkout: []}
    for number_ in range(plan.rounds):
        report(f"{name}: round {number_ + 1} of {plan.rounds}")
        order = [there, plan.checkout] if number_ % 2 == 0 else [plan.checkout, there]
        for checkout in order:
            tables[checkout].append(measure(evolve(plan, checkout=checkout, rounds=1, only_ours=True)))
    return comparisons(name, tables[there], tables[plan.checkout])


def comparisons(measurement: str, there: Sequence[Table], here: Sequence[Table]) -> list[Comparison]:
    """Every time in the rows of this library (in all rows, if none is named after it), median over the rounds."""
    theirs, ours = _figures(there), _figures(here)
    notes = {_case(row): row.note for tables in (there, here) for table in tables for row in table.rows if row.note}
    return [
        Comparison(measurement, case, figure, _over(theirs.get((case, figure))), _over(ours.get((case, figure))), note)
        for case, figure in dict.fromkeys([*ours, *theirs])
        for note in [notes.get(case, "")]
    ]


def _figures(tables: Sequence[Table]) -> dict[tuple[str, str], list[Figure]]:
    found: defaultdict[tuple[str, str], list[Figure]] = defaultdict(list)
    for table in tables:
        is_named = any(row.candidate.startswith("ours") for row in table.rows)
        for row in table.rows:
            if row.candidate.startswith("ours") or not is_named:
                for name, figure in row.figures.items():
                    if figure.unit in _UNITS and name not in _TAILS:
                        found[_case(row), name].append(figure)
    return dict(found)


def _case(row: Row) -> str:
    return ", ".join([row.candidate, *(f"{name} {value}" for name, value in row.case.items())])


def _over(figures: Sequence[Figure] | None) -> Figure | None:
    return None if not figures else Figure.of([figure.median for figure in figures], figures[0].unit)


def comparison_table(found: Sequence[Comparison], revision: str) -> str:
    """In Markdown."""
    head = ["measurement", "case", "figure", revision, "here", "ratio", "verdict"]
    lines = [
        [
            c.measurement,
            c.case,
            f"{c.figure}, {(c.here or c.there or Figure(0, 0, 0)).unit}",
            "–" if c.there is None else number(c.there.median),
            "–" if c.here is None else number(c.here.median),
            "–" if c.ratio is None else f"{c.ratio:.2f}",
            {"same": "same (noise)"}.get(c.verdict, c.verdict) + (f": {c.note}" if c.verdict == "not in both" else ""),
        ]
        for c in found
    ]
    return aligned([head, *lines], left={0, 1, 2, 6})
