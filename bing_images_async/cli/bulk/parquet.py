"""Results as a Parquet table, made from lines of JSON once all of them are there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import click

from .results import COLUMNS, table_rows

__all__ = ["check_arrow", "draft_of", "write_parquet"]

_GROUP = 20_000  # rows that are held in memory at once
_TYPES = {
    "index": "int64",
    "rank": "int32",
    "width": "int64",
    "height": "int64",
    "contentSizeBytes": "int64",
    "isFamilyFriendly": "bool_",
}
"""Columns that hold no text."""


def check_arrow() -> None:
    """Raises `click.UsageError` if the extra `arrow` is not installed."""
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        raise click.UsageError('Parquet needs another package: pip install "bing-images-async[arrow]"') from None


def draft_of(output: Path) -> Path:
    """Where the table is written until it is whole."""
    return output.with_name(f"{output.name}.draft")


def write_parquet(lines: Path, output: Path) -> None:
    """Write the table; the old one stands until the new one is whole."""
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    schema = arrow.schema([(name, getattr(arrow, _TYPES.get(name, "string"))()) for name in COLUMNS])
    draft = draft_of(output)
    try:
        with parquet.ParquetWriter(draft, schema, compression="zstd") as writer:
            rows = _rows(lines)
            while group := list(islice(rows, _GROUP)):
                writer.write_table(arrow.Table.from_pylist(group, schema=schema))
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


def _rows(lines: Path) -> Iterator[dict[str, Any]]:
    with lines.open("rb") as file:
        for line in file:
            yield from table_rows(json.loads(line))
