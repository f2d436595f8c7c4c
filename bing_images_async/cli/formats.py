"""Answers for programs: JSON, JSON lines, CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..models import Image
from .sanitize import escaped, escaped_in_json

__all__ = ["IMAGE_COLUMNS", "csv_lines", "image_row", "to_csv", "to_json", "to_json_lines"]

IMAGE_COLUMNS = (
    "name", "contentUrl", "width", "height", "contentSizeBytes", "encodingFormat", "creativeCommons", "hostPageUrl",
    "hostPageDomainFriendlyName", "datePublished", "isFamilyFriendly", "accentColor", "thumbnailUrl", "imageId",
    "imageInsightsToken",
)  # fmt: skip
"""Columns of an image; new ones will be added at the end only."""

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "'")


def to_json(answer: Mapping[str, Any]) -> str:
    """The answer as an indented JSON document."""
    return escaped_in_json(json.dumps(answer, ensure_ascii=False, indent=2)) + "\n"


def to_json_lines(items: Iterable[Mapping[str, Any]]) -> str:
    """One JSON object per line."""
    return "".join(escaped_in_json(json.dumps(item, ensure_ascii=False)) + "\n" for item in items)


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    r"""A header and one line per row, quoted where needed (RFC 4180, with line feeds alone).

    Two things are not as they came; JSON has every text as it is. A text that a spreadsheet would run as a
    formula (its first character is `=`, `+`, `-` or `@`), or that begins with an apostrophe, has an apostrophe
    put in front: take one off to get the text. Control characters are written as escapes, a line feed as `\n`.
    """
    return csv_lines(columns, [dict(zip(columns, columns, strict=True)), *rows])


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """The same without the header."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
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
    """An image by `IMAGE_COLUMNS`."""
    return {
        "name": image.name,
        "contentUrl": image.content_url,
        "width": image.width,
        "height": image.height,
        "contentSizeBytes": image.content_size_bytes,
        "encodingFormat": image.encoding_format,
        "creativeCommons": image.creative_commons,
        "hostPageUrl": image.host_page_url,
        "hostPageDomainFriendlyName": image.host_page_domain_friendly_name,
        "datePublished": image.date_published.isoformat() if image.date_published is not None else None,
        "isFamilyFriendly": image.is_family_friendly,
        "accentColor": image.accent_color,
        "thumbnailUrl": image.thumbnail_url,
        "imageId": image.image_id,
        "imageInsightsToken": image.image_insights_token,
    }
