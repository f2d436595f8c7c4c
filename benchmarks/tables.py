"""What a run found, for people (`table.md`, plots) and for programs (`results.json`)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from .promises import Promise
from .tables import Figure, Row, Table

__all__ = ["aligned", "markdown", "number", "promises_table", "write"]

_ROOT = Path(__file__).parents[2]
_SECTION = 3
"""A case with more candidates than this gets a table of its own."""


def write(
    out: Path, about: Mapping[str, str], tables: Sequence[Table], promises: Sequence[Promise], python: Path | None
) -> None:
    """Write all files into the folder `out`. Plots are drawn by `python`, where matplotlib is; none without it."""
    out.mkdir(parents=True, exist_ok=True)
    results = {
        "about": dict(about),
        "tables": [attrs.asdict(table) for table in tables],
        "promises": [attrs.asdict(promise) for promise in promises],
    }
    (out / "results.json").write_text(_without_paths(json.dumps(results, indent=1, ensure_ascii=False)) + "\n")
    parts = [
        "# Speed",
        "\n".join(f"* {name}: {text}" for name, text in about.items()),
        *(markdown(table) for table in tables),
        *([f"## Promises\n\n{promises_table(promises)}"] if promises else []),
    ]
    (out / "table.md").write_text(_without_paths("\n\n".join(parts)) + "\n")
    if python is not None:
        subprocess.run([python, "-P", Path(__file__).with_name("plots.py"), out], check=True)


def markdown(table: Table) -> str:
    """A table with its title; if there are many candidates, each case stands on its own."""
    parts = [f"## {table.title}", table.about]
    for rows in _sections(table.rows):
        cases = [row.case for row in rows]
        fixed = {name: value for name, value in cases[0].items() if all(case[name] == value for case in cases)}
        if fixed:
            parts.append(f"**{', '.join(f'{name}: {_text(value)}' for name, value in fixed.items())}**")
        parts.append(_grid(rows, [name for name in cases[0] if name not in fixed]))
    return "\n\n".join(parts)


def _sections(rows: Sequence[Row]) -> list[list[Row]]:
    by_case: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        by_case.setdefault(tuple(row.case.items()), []).append(row)
    return list(by_case.values()) if any(len(group) > _SECTION for group in by_case.values()) else [list(rows)]


def _grid(rows: Sequence[Row], case: Sequence[str]) -> str:
    figures = list(dict.fromkeys(name for row in rows for name in row.figures))
    units = {name: figure.unit for row in rows for name, figure in row.figures.items()}
    has_notes = any(row.note for row in rows)
    heads = [f"{name}, {units[name]}" if units[name] else name for name in figures]
    lines = [["", *case, *heads, *([""] if has_notes else [])]]
    for row in rows:
        cells = [_cell(row.figures.get(name), with_spread=name == figures[0]) for name in figures]
        name = f"**{row.candidate}**" if row.candidate.startswith("ours") else row.candidate
        lines.append([name, *(_text(row.case[key]) for key in case), *cells, *([row.note] if has_notes else [])])
    return aligned(lines, left={0} | ({len(lines[0]) - 1} if has_notes else set()))


def aligned(lines: Sequence[Sequence[str]], left: Iterable[int] = (0,)) -> str:
    """A Markdown table whose source can be read as well; the first line is the head, figures stand to the right."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    widths = [max(2, *(len(line[column]) for line in cells)) for column in range(len(cells[0]))]
    is_left = [column in set(left) for column in range(len(widths))]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if on_left else cell.rjust(width)
            for cell, width, on_left in zip(row, widths, is_left, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if on_left else "-" * (width - 1) + ":" for width, on_left in zip(widths, is_left, strict=True)]
    return "\n".join([line(cells[0]), line(rule), *map(line, cells[1:])])


def _cell(figure: Figure | None, *, with_spread: bool) -> str:
    if figure is None:
        return "–"
    if not with_spread or figure.low == figure.high:
        return number(figure.median)
    return f"{number(figure.median)} ({number(figure.low)}–{number(figure.high)})"


def number(value: float) -> str:
    """Three digits, or as many as a whole number has; thousands apart."""
    if value == 0:
        return "0"
    magnitude = abs(value)
    decimals = 0 if magnitude >= 99.95 else 1 if magnitude >= 9.995 else 2 if magnitude >= 0.9995 else 3
    text = f"{value:,.{decimals}f}"
    return text.removesuffix("." + "0" * decimals) if decimals else text


def _text(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else value


def promises_table(promises: Iterable[Promise]) -> str:
    """What was promised, what was measured, and whether it holds."""
    verdicts = {True: "yes", False: "**NO**", None: "not measured"}
    lines = [[p.what, p.promised, p.measured or "–", verdicts[p.holds]] for p in promises]
    return aligned([["promise", "at most or least", "measured", "holds"], *lines], left={0, 3})


def _without_paths(text: str) -> str:
    """Reports go into the repository; where it lay when they were made is nobody's business."""
    for path, name in ((_ROOT, "."), (Path.home(), "~")):
        if len(path.parts) > 1:
            text = text.replace(str(path), name)
    return text
