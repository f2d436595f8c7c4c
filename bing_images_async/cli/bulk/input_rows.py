"""The lines of the input as search parameters, or as errors that name the line and the allowed values."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any, cast, get_args, get_type_hints

import attrs
import click
import msgspec
from attrs import frozen

from ...errors import InvalidRequestError
from ...params import CommonParams, Location, SearchParams
from ..parameter_options import NO_OPTIONS

__all__ = ["FORMATS", "Row", "read_rows"]

_COMMENT = "#"
_UNDECODED = re.compile("[\udc80-\udcff]")
_NO_DEFAULTS = CommonParams()
_HINTS = get_type_hints(SearchParams)
_NAMES = tuple(field.name for field in attrs.fields(SearchParams) if field.name not in NO_OPTIONS)
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@frozen(kw_only=True)
class Row:
    """One query of the input."""

    index: int
    """Its place among the queries, from 0; blank lines and comments do not count."""
    line: int
    """The first line of the row in the file, from 1."""
    query: str
    parameters: Mapping[str, Any]
    """The other parameters in the row, by Python name."""
    params: SearchParams | None
    """The search with the options for all rows; `None` if it is not valid."""
    fault: str = ""
    """The reason why it is not valid."""
    digest: str
    """Identifies the search, with all its parameters."""


Items = Iterable[tuple[str, Any]] | str
"""Names and values in a row, or the reason why it cannot be read."""


def read_rows(
    lines: Iterable[str],
    form: str,
    common: Mapping[str, Any],
    limits: Sequence[object] = (),
    check: Callable[[SearchParams], object] = lambda _: None,
) -> Iterator[Row]:
    """Yield the rows of a text in the given format (one of `FORMATS`); lazily.

    `common` are parameters for every row that does not set them; `limits` belong to the digest; `check` raises
    `InvalidRequestError` for a search that cannot be sent. Raises `click.UsageError` if nothing after an error could
    be understood.
    """
    for index, (line, items) in enumerate(FORMATS[form](_decoded(lines))):
        params, fault, values = None, "", dict[str, Any]()
        try:
            values = _values(items)
            params = SearchParams(**{**common, **values})
            check(params.with_defaults(_NO_DEFAULTS))
        except ValueError as error:  # so is InvalidRequestError
            params, fault = None, str(error)
        query = str(values.pop("query", ""))
        asked = [query, fault] if params is None else [params.query_pairs(), params.header_pairs()]
        digest = blake2b(json.dumps([*asked, *limits]).encode(), digest_size=16).hexdigest()
        yield Row(index=index, line=line, query=query, parameters=values, params=params, fault=fault, digest=digest)


# --- formats


def _text_rows(lines: Iterable[str]) -> Iterator[tuple[int, Items]]:
    """One query per line."""
    for number, line in _filled(lines):
        yield number, [("query", line)]


def _json_lines(lines: Iterable[str]) -> Iterator[tuple[int, Items]]:
    """An object, or a text, per line."""
    for number, line in _filled(lines):
        yield number, _json_items(line.encode("utf-8", "replace"))


def _json_array(lines: Iterable[str]) -> Iterator[tuple[int, Items]]:
    """An array of objects or texts."""
    document = "".join(lines).encode("utf-8", "replace")
    try:
        items = msgspec.json.decode(document, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError) as error:
        text = f"it is not a JSON array ({error}); for one object per line, use --input-format jsonl"
        raise click.UsageError(text) from None
    number, end = 1, 0
    for item in map(bytes, items):
        start = document.index(item, end)
        number += document.count(b"\n", end, start)
        yield number, _json_items(item)
        end = start + len(item)
        number += item.count(b"\n")


def _json_items(document: bytes) -> Items:
    try:
        value: Any = msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError) as error:
        return f"it is not JSON ({error})"
    if isinstance(value, str):
        value = {"query": value}
    if not isinstance(value, dict):
        return "it must be an object with a query, or a text"
    return [(name, item) for name, item in cast("dict[str, Any]", value).items() if item is not None]


def _csv_rows(lines: Iterable[str], *, delimiter: str = ",") -> Iterator[tuple[int, Items]]:
    """A header with a column `query`, then rows; a cell may hold line breaks, and an empty cell sets nothing."""
    header: list[str] | None = None
    for number, cells in _records(csv.reader(lines, strict=True, delimiter=delimiter)):
        if header is None:
            header = _header(number, cells)
        elif len(cells) > len(header):
            yield number, f"it has {len(cells)} cells, but there are {len(header)} columns"
        else:
            yield (
                number,
                [(name, _Cell(cell.strip())) for name, cell in zip(header, cells, strict=False) if cell.strip()],
            )


class _Cell(str):
    """A text that may stand for a value of another type."""

    __slots__ = ()


FORMATS: Mapping[str, Callable[[Iterable[str]], Iterator[tuple[int, Items]]]] = {
    "text": _text_rows,
    "csv": _csv_rows,
    "tsv": partial(_csv_rows, delimiter="\t"),
    "jsonl": _json_lines,
    "json": _json_array,
}
"""The formats of the input, by the names of `--input-format`."""


def _records(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield rows that are neither blank nor comments, with the number of their first line."""
    while True:
        number = int(reader.line_num) + 1
        try:
            cells: list[str] | None = next(reader, None)
        except csv.Error as error:
            raise click.UsageError(f"line {number}: it is not CSV ({error}).") from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith(_COMMENT):
            yield number, cells


def _header(number: int, cells: list[str]) -> list[str]:
    try:
        return list(_values([(cell, "") for cell in cells]))
    except ValueError as error:
        text = f"line {number}: {error}. The first line must name the columns, one of them query."
        raise click.UsageError(text) from None


def _decoded(lines: Iterable[str]) -> Iterator[str]:
    """Check lines that were decoded with `surrogateescape`, without byte order marks (`cat a.txt b.txt` keeps both)."""
    for number, line in enumerate(lines, 1):
        wrong = None if line.isascii() else _UNDECODED.search(line)
        if wrong is not None:
            raise click.UsageError(f"line {number}: it is not UTF-8 (byte 0x{ord(wrong[0]) - 0xDC00:02X}).")
        yield line.removeprefix("\ufeff")


def _filled(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if stripped and not stripped.startswith(_COMMENT):
            yield number, stripped


# --- values


def _values(items: Items) -> dict[str, Any]:
    """Return the values by Python name. Raises ValueError for wrong names and types."""
    if isinstance(items, str):
        raise ValueError(items)  # noqa: TRY004  # the reason why the row cannot be read
    values: dict[str, Any] = {}
    for name, value in items:
        known = name.strip().replace("-", "_")
        if known not in _NAMES:
            raise ValueError(f"there is no parameter {name.strip()!r}; there are {', '.join(sorted(_NAMES))}")
        if known in values:
            raise ValueError(f"{known} is there twice")
        values[known] = _value(known, value)
    if "query" not in values:
        raise ValueError("the query is missing")
    return values


def _value(name: str, value: Any) -> Any:
    """Return the value as its parameter takes it. Raises ValueError if that is impossible."""
    kinds = get_args(_HINTS[name])
    try:
        if isinstance(value, _Cell) and bool in kinds:
            return _BOOLEANS[value.lower()]
        if isinstance(value, _Cell) and int in kinds:
            return int(value)
    except KeyError:
        raise ValueError(f"{name}={value!r} is neither true nor false") from None
    except ValueError:
        raise ValueError(f"{name}={value!r} is not a whole number") from None
    if Location not in kinds or value == "":
        return str(value) if isinstance(value, _Cell) else value
    try:
        if isinstance(value, Mapping):
            return Location(**cast("Mapping[str, Any]", value))
        return Location(*(float(part) for part in (value.split(",") if isinstance(value, str) else value)))
    except InvalidRequestError:
        raise
    except (TypeError, ValueError):
        raise ValueError(f"{name}={value!r} is not a location: write latitude, longitude and metres") from None
