"""Figures, rows and tables, and how they are written: Markdown for readers, JSON for programs."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from attrs import frozen

Case = Mapping[str, str | int]


@frozen
class Figure:
    """The median of some rounds, and their spread."""

    median: float
    low: float
    high: float
    unit: str = ""

    @classmethod
    def of(cls, rounds: Sequence[float], unit: str = "") -> "Figure":
        return cls(statistics.median(rounds), min(rounds), max(rounds), unit)


@frozen
class Row:
    """One candidate in one case; rows of one table have the same keys in `case`."""

    candidate: str
    case: Case
    figures: Mapping[str, Figure]
    """Empty if the candidate did not finish."""
    note: str = ""


def rows_of(taken: Mapping[str, Sequence[float]], case: Case, figure: str) -> list[Row]:
    """Return a row for each candidate with one figure, in microseconds."""
    return [Row(name, case, {figure: Figure.of(values, "µs")}) for name, values in taken.items()]


@frozen
class Table:
    """The rows of one measurement; `about` says how they were measured."""

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]

    @classmethod
    def of(cls, name: str, docstring: str | None, rows: Iterable[Row]) -> "Table":
        """Take title and text from the docstring of the measurement's module."""
        title, _, text = (docstring or "").partition("\n\n")
        return cls(name, title.partition(":")[0], " ".join(text.split()), tuple(rows))

    def median(self, candidate: str, figure: str, **case: str | int) -> float | None:
        """The median in the row that `case` describes (`in_flight` stands for "in flight"), if there is one."""
        wanted = {name.replace("_", " "): value for name, value in case.items()}.items()
        for row in self.rows:
            if row.candidate == candidate and wanted <= row.case.items() and figure in row.figures:
                return row.figures[figure].median
        return None


def markdown(table: Table) -> str:
    """Return the table with its title; with more than three candidates, each case is a table of its own."""
    sections = [list(rows) for _, rows in groupby(table.rows, key=lambda row: tuple(row.case.items()))]
    if max(map(len, sections), default=0) <= 3:
        sections = [list(table.rows)]
    return "\n\n".join(filter(None, [f"## {table.title}", table.about, *map(_section, filter(None, sections))]))


def _section(rows: Sequence[Row]) -> str:
    """One grid; what all its rows have in common is its heading."""
    cases = [row.case for row in rows]
    common = {name: value for name, value in cases[0].items() if all(case[name] == value for case in cases)}
    varied = [name for name in cases[0] if name not in common]
    units = {name: figure.unit for row in rows for name, figure in row.figures.items()}
    lines = [["", *varied, *(f"{name}, {unit}" if unit else name for name, unit in units.items()), ""]]
    for row in rows:
        cells = [cell(row.figures.get(name), with_spread=name == next(iter(units))) for name in units]
        name = f"**{row.candidate}**" if row.candidate.startswith("ours") else row.candidate
        lines.append([name, *(_text(row.case[key]) for key in varied), *cells, row.note])
    if not any(line[-1] for line in lines):
        lines = [line[:-1] for line in lines]
    heading = ", ".join(f"{name}: {_text(value)}" for name, value in common.items())
    grid = aligned(lines, left={0, 1 + len(varied) + len(units)})
    return f"**{heading}**\n\n{grid}" if heading else grid


def aligned(lines: Sequence[Sequence[str]], left: Iterable[int] = (0,)) -> str:
    """Return a Markdown table whose source is readable as well; `left` are the columns that are not figures."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    widths = [max(2, *map(len, column)) for column in zip(*cells, strict=True)]
    to_left = [column in set(left) for column in range(len(widths))]
    rule = ["-" * width if is_left else "-" * (width - 1) + ":" for width, is_left in zip(widths, to_left, strict=True)]
    padded = [
        [cell.ljust(w) if is_left else cell.rjust(w) for cell, w, is_left in zip(line, widths, to_left, strict=True)]
        for line in [cells[0], rule, *cells[1:]]
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def cell(figure: Figure | None, *, with_spread: bool = True) -> str:
    """Return the median, with the lowest and the highest round if they differ."""
    if figure is None:
        return "–"
    spread = f" ({number(figure.low)}–{number(figure.high)})" if with_spread and figure.low != figure.high else ""
    return f"{number(figure.median)}{spread}"


def number(value: float) -> str:
    """Return three digits, or as many as a whole number has, with thousands separated."""
    size = abs(value)
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.9995 else 3
    text = f"{value:,.{decimals}f}"
    return text.removesuffix("." + "0" * decimals) if decimals else text


def _text(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value
