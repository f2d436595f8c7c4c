"""One query and what came of it, as bytes of the output."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import asdict, evolve, frozen

from ..._fan_out import Outcome
from ..._protocol.decoding import DecodingError, structure, unstructure
from ...errors import ApiError, BingImagesError, InvalidRequestError
from ...models import Image
from ...params import Location
from ..formats import IMAGE_COLUMNS, csv_lines, image_row, to_json_lines
from .input_rows import Row
from .tally import Entry

__all__ = ["COLUMNS", "Record", "csv_header", "entry_of", "read_image", "refused", "table_rows", "to_bytes"]

COLUMNS = ("index", "query", "parameters", "rank", *IMAGE_COLUMNS, "error")
"""Of CSV and Parquet: one row per image, from rank 0; a query without images has one row without a rank."""


@frozen(kw_only=True)
class Record:
    """What the output says of one query."""

    row: Row
    images: tuple[Image, ...] = ()
    total: int | None = None
    requests: int = 0
    stop_reason: str | None = None
    error: BingImagesError | None = None

    @classmethod
    def of(cls, row: Row, outcome: Outcome) -> Record:
        """An outcome; if a page failed, with the images of those before it."""
        answer = outcome.answer
        return cls(
            row=row,
            images=outcome.images,
            total=answer.total_estimated_matches if answer is not None else None,
            requests=outcome.requests,
            stop_reason=outcome.stop_reason,
            error=outcome.error,
        )


def refused(row: Row) -> Record:
    """A row that cannot be asked."""
    return Record(row=row, error=InvalidRequestError(f"line {row.line}: {row.fault}"))


def entry_of(record: Record, elapsed: float, *, sampled: bool) -> Entry:
    """What the journal keeps of it."""
    row, error = record.row, record.error
    entry = Entry(
        index=row.index,
        digest=row.digest,
        query=row.query[:200],
        images=len(record.images),
        requests=record.requests,
        elapsed=elapsed,
        kind=None if error is None else type(error).__name__,
        message=None if error is None else str(error),
    )
    return evolve(entry, sample=_json(unstructure(record.images[0]))) if sampled and record.images else entry


def _json_line(record: Record) -> bytes:
    line = {
        "index": record.row.index,
        "query": record.row.query,
        "parameters": _plain(record.row.parameters),
        "totalEstimatedMatches": record.total,
        "requests": record.requests,
        "stopReason": record.stop_reason,
        "error": None if record.error is None else _error(record.error),
        "images": unstructure(record.images),
    }
    return to_json_lines([line]).encode("utf-8", "replace")


def _csv_rows(record: Record) -> bytes:
    images: list[dict[str, Any]] = [{"rank": rank, **image_row(image)} for rank, image in enumerate(record.images)]
    rows = _rows(record.row.index, record.row.query, _plain(record.row.parameters), images, _kind(record.error))
    return csv_lines(COLUMNS, rows).encode("utf-8", "replace")


to_bytes: Mapping[str, Callable[[Record], bytes]] = {"jsonl": _json_line, "csv": _csv_rows, "parquet": _json_line}
"""A record by the format of the output; Parquet is made from lines of JSON, once all of them are there."""


def csv_header() -> bytes:
    """What a CSV output begins with."""
    return csv_lines(COLUMNS, [dict(zip(COLUMNS, COLUMNS, strict=True))]).encode()


def read_image(value: Any) -> Image:
    """An image from the JSON that was written of it."""
    try:
        return structure(value, Image)[0]
    except DecodingError:  # somebody has edited the file
        return Image()


def table_rows(line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of a table for a line of JSON that was read back."""
    images: list[dict[str, Any]] = [
        {"rank": rank, **image_row(read_image(image))} for rank, image in enumerate(line["images"])
    ]
    kind = line["error"]["kind"] if line["error"] is not None else None
    yield from _rows(line["index"], line["query"], line["parameters"], images, kind)


def _rows(
    index: int, query: str, parameters: Mapping[str, Any], images: list[dict[str, Any]], kind: str | None
) -> Iterator[dict[str, Any]]:
    said = _json(parameters) if parameters else None
    for image in images or [{}]:
        yield {"index": index, "query": query, "parameters": said, **image, "error": kind}


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: asdict(value, filter=lambda _, part: part is not None) if isinstance(value, Location) else value
        for name, value in parameters.items()
    }


def _error(error: BingImagesError) -> dict[str, Any]:
    status = error.status if isinstance(error, ApiError) else None
    return {"kind": type(error).__name__, "message": str(error), "status": status, "attempts": len(error.attempts)}


def _kind(error: BingImagesError | None) -> str | None:
    return None if error is None else type(error).__name__


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
