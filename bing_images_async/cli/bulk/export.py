"""Exports of the JSON lines: CSV and Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import click

from ..formats import to_csv
from .output_files import draft_of
from .results import COLUMNS, table_rows

__all__ = ["check_arrow", "export"]

_GROUP = 20_000  # rows in memory at once
_TYPES = dict.fromkeys(("index", "width", "height", "contentSizeBytes"), "int64") | {
    "rank": "int32", "isFamilyFriendly": "bool_",
}  # fmt: skip
"""Types of the columns that hold no text."""


def check_arrow() -> None:
    """Raises `click.UsageError` if the extra `arrow` is not installed."""
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        raise click.UsageError('Parquet needs another package: pip install "bing-images-async[arrow]"') from None


def export(lines: Path, output: Path, form: str) -> None:
    """Write all results as `csv` or `parquet`; the old file stays until the new one is complete."""
    draft = draft_of(output)
    try:
        with lines.open("rb") as file:
            rows = (row for line in file for row in table_rows(json.loads(line)))
            (_write_csv if form == "csv" else _write_parquet)(iter(lambda: list(islice(rows, _GROUP)), []), draft)
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


def _write_csv(groups: Iterator[list[dict[str, Any]]], draft: Path) -> None:
    with draft.open("w", encoding="utf-8", errors="replace", newline="") as file:
        file.write(to_csv(COLUMNS, []))
        file.writelines(to_csv(COLUMNS, group, header=False) for group in groups)


def _write_parquet(groups: Iterator[list[dict[str, Any]]], draft: Path) -> None:
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    schema = arrow.schema([(name, getattr(arrow, _TYPES.get(name, "string"))()) for name in COLUMNS])
    with parquet.ParquetWriter(draft, schema, compression="zstd") as writer:
        for group in groups:
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))
