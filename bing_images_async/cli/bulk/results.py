"""The result of a query: as a line of JSON, and as rows of a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import asdict

from ..._fan_out import Outcome
from ..._protocol.decoding import DecodingError, structure, unstructure
from ...errors import ApiError, BingImagesError, InvalidRequestError
from ...models import Image
from ...params import Location
from ..formats import IMAGE_COLUMNS, image_row
from ..sanitize import escaped_in_json
from .input_rows import Row

__all__ = ["COLUMNS", "copied_line", "encode", "outcome_line", "read_image", "refusal_line", "table_rows"]

COLUMNS = ("index", "query", "parameters", "rank", *IMAGE_COLUMNS, "error")
"""Columns of CSV and Parquet: one row per image, from rank 0; a query without images has one row without a rank."""

Line = dict[str, Any]

_SURROGATE = re.compile("[\ud800-\udfff]")


def outcome_line(row: Row, outcome: Outcome, run: Mapping[str, Any]) -> Line:
    """Return the line for an outcome; if a page failed, with the images of those before it."""
    line = _line(row, outcome.error, run)
    line["totalEstimatedMatches"] = outcome.answer.total_estimated_matches if outcome.answer is not None else None
    line["requests"] = outcome.requests
    line["stopReason"] = outcome.stop_reason
    line["images"] = unstructure(outcome.images)
    line["run"]["elapsed"] = round(outcome.elapsed, 6)
    line["run"]["throttled"] = sum(attempt.status == 429 for attempt in outcome.attempts)
    line["run"]["retries"] = sum(attempt.number > 1 for attempt in outcome.attempts)
    return line


def refusal_line(row: Row, run: Mapping[str, Any]) -> Line:
    """Return the line for a row that cannot be sent."""
    return _line(row, InvalidRequestError(f"line {row.line}: {row.fault}"), run)


def copied_line(known: bytes, row: Row, run: Mapping[str, Any]) -> Line:
    """Return the line for a row whose search is equal to that of a known line; it cost no request."""
    line: Line = json.loads(known)
    of_row = _line(row, None, run)
    return {**of_row, **{name: line[name] for name in ("totalEstimatedMatches", "stopReason", "error", "images")}}


def _line(row: Row, error: BingImagesError | None, run: Mapping[str, Any]) -> Line:
    return {
        "index": row.index,
        "query": row.query,
        "parameters": {
            name: asdict(value, filter=lambda _, part: part is not None) if isinstance(value, Location) else value
            for name, value in row.parameters.items()
        },
        "totalEstimatedMatches": None,
        "requests": 0,
        "stopReason": None,
        "error": None if error is None else _error(error),
        "digest": row.digest,
        "run": {**run, "elapsed": 0.0, "throttled": 0, "retries": 0},
        "images": [],
    }


def _error(error: BingImagesError) -> dict[str, Any]:
    status = error.status if isinstance(error, ApiError) else None
    return {"kind": type(error).__name__, "message": str(error), "status": status, "attempts": len(error.attempts)}


def encode(line: Line) -> bytes:
    """Return the line as bytes. Lone surrogates, which many JSON parsers refuse, become U+FFFD."""
    document = json.dumps(line, ensure_ascii=False)
    if not document.isascii():
        document = escaped_in_json(_SURROGATE.sub("\ufffd", document))
    return f"{document}\n".encode()


def read_image(value: Any) -> Image:
    """Return the image from its JSON; values of the wrong type are left out."""
    try:
        return structure(value, Image)[0]
    except DecodingError:  # the file was edited
        return Image()


def table_rows(line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table for a line."""
    shared: dict[str, Any] = {
        "index": line["index"],
        "query": line["query"],
        "parameters": json.dumps(line["parameters"], ensure_ascii=False) if line["parameters"] else None,
        "error": line["error"]["kind"] if line["error"] is not None else None,
    }
    if not line["images"]:
        yield shared
    for rank, image in enumerate(line["images"]):
        yield {**shared, "rank": rank, **image_row(read_image(image))}
