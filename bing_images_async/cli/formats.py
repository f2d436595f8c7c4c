"""Answers for programs: JSON, JSON lines, CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..models import Image
from .sanitize import escaped, escaped_in_json

__all__ = ["IMAGE_COLUMNS", "image_row", "to_csv", "to_json", "to_json_lines"]

IMAGE_COLUMNS = (
    "name", "contentUrl", "width", "height", "contentSizeBytes", "encodingFormat", "creativeCommons", "hostPageUrl",
    "hostPageDomainFriendlyName", "datePublished", "isFamilyFriendly", "accentColor", "thumbnailUrl", "imageId",
    "imageInsightsToken",
)  # fmt: skip
"""Columns of an image; new ones are added at the end only."""

_ATTRIBUTES = {column: re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", column) for column in IMAGE_COLUMNS}
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "'")


def to_json(answer: Mapping[str, Any]) -> str:
    """Return the answer as an indented JSON document."""
    return escaped_in_json(json.dumps(answer, ensure_ascii=False, indent=2)) + "\n"


def to_json_lines(items: Iterable[Mapping[str, Any]]) -> str:
    """Return one JSON object per line."""
    return "".join(escaped_in_json(json.dumps(item, ensure_ascii=False)) + "\n" for item in items)


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]], *, header: bool = True) -> str:
    r"""Return a header and one line per row, quoted where needed (RFC 4180, but with line feeds).

    Two things differ from the original text; JSON has every text unchanged. A text that a spreadsheet would run
    as a formula (its first character is `=`, `+`, `-` or `@`), or that begins with an apostrophe, gets an
    apostrophe in front. Control characters are written as escapes, a line feed as `\n`.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = escaped(value)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return value


def image_row(image: Image) -> dict[str, object]:
    """Return the values of an image by `IMAGE_COLUMNS`."""
    row = {column: getattr(image, name) for column, name in _ATTRIBUTES.items()}
    if image.date_published is not None:
        row["datePublished"] = image.date_published.isoformat()
    return row
