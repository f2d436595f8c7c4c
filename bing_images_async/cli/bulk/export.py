"""Exports of the JSON lines: CSV and Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from shutil import copymode
from typing import Any

import click

from ..formats import to_csv
from .output_files import draft_of
from .results import COLUMNS, table_rows

__all__ = ["check_arrow", "export"]

_GROUP = 20_000  # rows in memory at once
_BITS = dict.fromkeys(("index", "width", "height", "contentSizeBytes"), 64) | {"rank": 32}
"""Columns that hold integers, and their size; a column that is neither here nor a boolean holds text."""
_BOOLEAN = "isFamilyFriendly"


def check_arrow() -> None:
    """Raises `click.UsageError` if the extra `arrow` is not installed."""
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        raise click.UsageError('Parquet needs another package: pip install "bing-images-async[arrow]"') from None


def export(lines: Path, output: Path, form: str) -> list[str]:
    """Write all results as `csv` or `parquet`; the old file stays until the new one is complete.

    Returns the values that do not fit their column; they are left out.
    """
    draft, problems = draft_of(output), list[str]()
    try:
        with lines.open("rb") as file:
            rows = (row for line in file for row in table_rows(json.loads(line)))
            if form == "csv":
                _write_csv(rows, draft)
            else:
                _write_parquet((_fitting(row, problems) for row in rows), draft)
        if output.exists():
            copymode(output, draft)
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)
    return problems


def _write_csv(rows: Iterator[dict[str, Any]], draft: Path) -> None:
    with draft.open("w", encoding="utf-8", errors="replace", newline="") as file:
        file.write(to_csv(COLUMNS, []))
        while group := list(islice(rows, _GROUP)):
            file.write(to_csv(COLUMNS, group, header=False))


def _write_parquet(rows: Iterator[dict[str, Any]], draft: Path) -> None:
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    types = {name: getattr(arrow, f"int{bits}")() for name, bits in _BITS.items()} | {_BOOLEAN: arrow.bool_()}
    schema = arrow.schema([(name, types.get(name, arrow.string())) for name in COLUMNS])
    with parquet.ParquetWriter(draft, schema, compression="zstd") as writer:
        while group := list(islice(rows, _GROUP)):
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))


def _fitting(row: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """Return the row without values that do not fit their column."""
    wrong = [name for name, value in row.items() if value is not None and not _fits(name, value)]
    problems += [f"query {row['index'] + 1}, {name}={str(row[name])[:40]}" for name in wrong]
    return {**row, **dict.fromkeys(wrong)}


def _fits(name: str, value: object) -> bool:
    if name in _BITS:
        limit = 2 ** (_BITS[name] - 1)
        return type(value) is int and -limit <= value < limit
    return isinstance(value, bool if name == _BOOLEAN else str)
