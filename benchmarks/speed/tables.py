"""What a measurement is asked, and what it gives back."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

__all__ = ["Figure", "Measurement", "Plan", "Row", "Table"]


@frozen
class Figure:
    """The median of some rounds, and what they spread over."""

    median: float
    low: float
    high: float
    unit: str = ""

    @classmethod
    def of(cls, rounds: Sequence[float], unit: str = "") -> Figure:
        return cls(statistics.median(rounds), min(rounds), max(rounds), unit)


@frozen
class Row:
    """One candidate in one case."""

    candidate: str
    case: Mapping[str, str | int]
    """Such as `{"in flight": 64, "server": "100 ms"}`; rows of one table have the same keys."""
    figures: Mapping[str, Figure]
    """Such as `{"CPU per page": Figure(...)}`; empty if it did not finish."""
    note: str = ""
    """What a reader must know of this row, such as `did not finish in 60 s`."""


def _rows(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(rows)


@frozen
class Table:
    """The rows of one measurement."""

    name: str
    title: str
    about: str
    """How it was measured, in a sentence or three."""
    rows: tuple[Row, ...] = field(converter=_rows)

    def figure(self, candidate: str, figure: str, **case: str | int) -> Figure | None:
        """The figure of the one row that `case` describes (`in_flight` stands for "in flight"), if it is there."""
        wanted = {name.replace("_", " "): value for name, value in case.items()}
        for row in self.rows:
            if row.candidate == candidate and wanted.items() <= row.case.items():
                return row.figures.get(figure)
        return None


@frozen(kw_only=True)
class Plan:
    """What a run may take, and where things are."""

    full: bool
    """Everything, or what five minutes allow."""
    rounds: int
    peers: Path
    """The Python of the environment in which the candidates are installed."""
    checkout: Path
    """The root of the repository whose library is measured: it comes first on the workers' path."""
    only_ours: bool = False
    """Leave the peers out; for `compare`. A measurement that cannot may measure everything."""


Measurement = Callable[[Plan], Table]
