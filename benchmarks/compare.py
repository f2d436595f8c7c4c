"""A command that compares the library of two revisions: `python -m benchmarks compare REV [REV]`.

The benchmarks are those of this checkout and use public names alone; what they measure is, in turn, the library of
the one and of the other revision, each in an environment with its own dependencies.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from pkgutil import resolve_name

from attrs import frozen

from .processes import Library, Plan, library_at
from .tables import Figure, Row, Table, aligned, cell

ALLOWED = 1.15
"""Ratios below this, and above its inverse, are noise."""

MEASURED = ("pages", "decode", "one_call", "start")


@frozen
class Comparison:
    """One figure of one row in both revisions; `None` where a revision does not have it."""

    case: str
    name: str
    before: Figure | None
    after: Figure | None
    allowed: float = ALLOWED
    note: str = ""

    @property
    def verdict(self) -> str:
        """Both the medians and the best rounds must differ by more than what is allowed."""
        if self.before is None or self.after is None:
            return f"not in both{': ' * bool(self.note)}{self.note}"
        ratios = self.after.median / self.before.median, self.after.low / self.before.low
        if min(ratios) > self.allowed:
            return "slower"
        return "faster" if max(ratios) < 1 / ALLOWED else "same"


def compared(before: Sequence[Table], after: Sequence[Table], allowed: float) -> list[Comparison]:
    """Compare every time in the rows of this library, over all rounds."""
    theirs, ours = _figures(before), _figures(after)
    notes = {_case(row): row.note for table in [*before, *after] for row in table.rows if not row.figures}
    keys = dict.fromkeys([*ours, *theirs])
    return [Comparison(*k, theirs.get(k), ours.get(k), allowed, notes.get(k[0], "")) for k in keys]


def _case(row: Row) -> str:
    return ", ".join([row.candidate, *(f"{name} {value}" for name, value in row.case.items())])


def _figures(tables: Iterable[Table]) -> dict[tuple[str, str], Figure]:
    medians: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for row in (row for table in tables for row in table.rows if row.candidate.startswith("ours")):
        for name, figure in row.figures.items():
            if figure.unit in {"µs", "ms"} and name not in {"p50", "p99"}:  # they vary too much
                medians[_case(row), f"{name}, {figure.unit}"].append(figure.median)
    return {key: Figure.of(values) for key, values in medians.items()}


def measured(name: str, rounds: int, before: Library, after: Library) -> tuple[list[Table], list[Table]]:
    """Measure both in turn; each is first in every second round."""
    tables: tuple[list[Table], list[Table]] = [], []
    for number in range(rounds):
        print(f"{name}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            plan = Plan(full=False, rounds=1, library=(before, after)[which], only_ours=True)
            tables[which].append(resolve_name(f"benchmarks.{name}:measure")(plan))
    return tables


def compare(arguments: Sequence[str]) -> int:
    """Compare two revisions, and return 1 if the second is slower."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description=__doc__)
    parser.add_argument("revisions", metavar="REV", nargs="+", help="one, or two (else: the files as they stand)")
    parser.add_argument("--only", nargs="+", choices=MEASURED, default=MEASURED, help="by default all of them")
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement (5)")
    parser.add_argument("--env", type=Path, help="the folder for environments (by default in the user's cache)")
    for name in MEASURED:
        parser.add_argument(f"--allow-{name}", type=float, default=ALLOWED, help=f"more is slower ({ALLOWED})")
    chosen = parser.parse_args(arguments)
    first, second, *_ = [*chosen.revisions, None]
    slower = 0
    with library_at(first, chosen.env) as before, library_at(second, chosen.env) as after:
        for name in chosen.only:
            found = compared(*measured(name, chosen.rounds, before, after), vars(chosen)[f"allow_{name}"])
            print(f"{comparison_table(found, first, second or 'here')}\n", flush=True)
            slower += sum(c.verdict == "slower" for c in found)
            if not any(c.before and c.after for c in found):
                raise SystemExit(f"{name}: there is no figure that both revisions have.")
    print(f"{slower} times are longer by more than what is allowed.")
    return 1 if slower else 0


def comparison_table(found: Iterable[Comparison], before: str, after: str) -> str:
    """In Markdown, with the lowest and the highest round."""
    lines = [["case", "figure", before, after, "ratio", "allowed", "verdict"]]
    for c in found:
        ratio = f"{c.after.median / c.before.median:.2f}" if c.after and c.before else "–"
        lines.append([c.case, c.name, cell(c.before), cell(c.after), ratio, f"{c.allowed:g}", c.verdict])
    return aligned(lines, left={0, 1, 6})
