"""A line of the input as a question, or as a complaint that says where and what is allowed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, cast

import click
import msgspec
from attrs import frozen

from ...errors import InvalidRequestError
from ...params import CommonParams, SearchParams
from .input_values import from_json, from_text, python_name

__all__ = ["FORMS", "Row", "read_rows"]

_COMMENT = "#"
_NOTHING = CommonParams()


@frozen(kw_only=True)
class Row:
    """One query of the input."""

    index: int
    """Its place among the queries, from 0; blank lines and comments have none."""
    line: int
    """Where it begins in the file, from 1."""
    query: str
    parameters: Mapping[str, Any]
    """What the row says of its question beside the query, by Python names."""
    params: SearchParams | None
    """The question with the options for all rows; `None` if it cannot be asked."""
    fault: str = ""
    """Why not."""
    digest: bytes
    """Tells the question from others."""


def read_rows(lines: Iterable[str], form: str, common: Mapping[str, Any]) -> Iterator[Row]:
    """The rows of a text of the given form (one of `FORMS`), read as they are asked for.

    `common` are parameters that count for every row which does not say otherwise. Raises `click.UsageError` where
    nothing that follows could be understood.
    """
    for index, (line, said) in enumerate(FORMS[form](lines)):
        yield _row(index, line, said, common)


Said = dict[str, Any] | str
"""What a line says: its parameters, or why it cannot be read."""


def _row(index: int, line: int, said: Said, common: Mapping[str, Any]) -> Row:
    if isinstance(said, str):
        return _bad(index, line, "", {}, common, said)
    parameters = {name: value for name, value in said.items() if name != "query"}
    query = said.get("query")
    if not isinstance(query, str) or not query.strip():
        problem = "the query is missing" if query is None else f"the query {query!r} is not a text with words in it"
        return _bad(index, line, "", parameters, common, problem)
    try:
        params = SearchParams(query, **{**common, **parameters})
        params.with_defaults(_NOTHING)
    except InvalidRequestError as error:
        return _bad(index, line, query, parameters, common, str(error))
    digest = _digest(query, parameters, common)
    return Row(index=index, line=line, query=query, parameters=parameters, params=params, digest=digest)


def _bad(
    index: int, line: int, query: str, parameters: Mapping[str, Any], common: Mapping[str, Any], fault: str
) -> Row:
    digest = _digest(query or fault, parameters, common)
    return Row(index=index, line=line, query=query, parameters=parameters, params=None, fault=fault, digest=digest)


def _digest(query: str, parameters: Mapping[str, Any], common: Mapping[str, Any]) -> bytes:
    asked = json.dumps([query, {**common, **parameters}], sort_keys=True, default=repr)
    return blake2b(asked.encode(), digest_size=16).digest()


# --- the forms


def _text_lines(lines: Iterable[str]) -> Iterator[tuple[int, Said]]:
    """One query per line."""
    for number, line in _filled(lines):
        yield number, {"query": line}


def _json_lines(lines: Iterable[str]) -> Iterator[tuple[int, Said]]:
    """An object, or a text, per line."""
    for number, line in _filled(lines):
        try:
            value: Any = msgspec.json.decode(line.encode("utf-8", "replace"))
        except (msgspec.DecodeError, RecursionError) as error:
            yield number, f"it is no JSON ({error})"
            continue
        if isinstance(value, str):
            value = {"query": value}
        if not isinstance(value, dict):
            yield number, "it must be an object with a query, or a text"
            continue
        yield number, _said((name, from_json, item) for name, item in cast("dict[str, Any]", value).items())


def _csv_lines(lines: Iterable[str]) -> Iterator[tuple[int, Said]]:
    """A header with a column `query`, then rows; a cell may hold line breaks, and an empty one says nothing."""
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    for number, cells in _records(reader):
        if header is None:
            header = _header(number, cells)
        elif len(cells) > len(header):
            yield number, f"it has {len(cells)} cells, but there are {len(header)} columns"
        else:
            filled = zip(header, cells, strict=False)
            yield number, _said((name, from_text, cell.strip()) for name, cell in filled if cell.strip())


def _records(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """What is neither blank nor a comment, with the number of its first line."""
    while True:
        number = int(reader.line_num) + 1
        try:
            cells: list[str] | None = next(reader, None)
        except csv.Error as error:
            raise click.UsageError(f"line {number}: it is no CSV ({error}).") from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells) and not cells[0].lstrip().startswith(_COMMENT):
            yield number, cells


def _header(number: int, cells: list[str]) -> list[str]:
    try:
        names = [python_name(cell) for cell in cells]
    except ValueError as error:
        raise click.UsageError(f"line {number}: {error}.") from None
    if "query" not in names:
        raise click.UsageError(f"line {number}: one column must be named query; these are {', '.join(names)}.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise click.UsageError(f"line {number}: two columns are named {twice}.")
    return names


def _filled(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if stripped and not stripped.startswith(_COMMENT):
            yield number, stripped


def _said(items: Iterable[tuple[str, Callable[[str, Any], Any], Any]]) -> Said:
    said: dict[str, Any] = {}
    try:
        for name, read, value in items:
            known = python_name(name)
            if known in said:
                return f"it says {known} twice"
            if value is not None:
                said[known] = read(known, value)
    except ValueError as error:
        return str(error)
    return said


FORMS: Mapping[str, Callable[[Iterable[str]], Iterator[tuple[int, Said]]]] = {
    "text": _text_lines,
    "csv": _csv_lines,
    "jsonl": _json_lines,
}
"""The forms of the input, by the names of `--input-format`."""
