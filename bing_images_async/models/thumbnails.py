"""URLs of thumbnails in other sizes (API page "Resize and crop thumbnail images")."""

from __future__ import annotations

from typing import Literal

from .._validation import integer, one_of_texts
from ..errors import InvalidRequestError

__all__ = ["Crop", "thumbnail_url"]

Crop = Literal["smart", "blind"]

_CROP_CODES = {"blind": "4", "smart": "7"}
_SIZE_KEYS = ("w", "h", "c", "p")
_LARGEST_SIDE = 65_535


def thumbnail_url(
    url: str,
    *,
    width: int | None = None,
    height: int | None = None,
    crop: Crop | None = None,
    padding: bool = False,
) -> str:
    """Return `url` with `w`, `h`, `c` and `p` of its query replaced, and everything else unchanged.

    The query string is edited as text, because the id of a thumbnail may contain characters that decoding and encoding
    would change.
    """
    integer("width", width, 1, _LARGEST_SIDE)
    integer("height", height, 1, _LARGEST_SIDE)
    one_of_texts("crop", crop, _CROP_CODES)
    if crop is not None and (width is None or height is None):
        raise InvalidRequestError(f"crop={crop!r} needs both width and height.", parameter="crop")
    sizes = {
        "w": width,
        "h": height,
        "c": _CROP_CODES[crop] if crop is not None else None,
        "p": None if padding else 0,
    }
    if width is None and height is None:
        return url
    base, hash_mark, fragment = url.partition("#")
    path, _, query = base.partition("?")
    kept = [pair for pair in query.split("&") if pair and pair.partition("=")[0] not in _SIZE_KEYS]
    added = [f"{key}={value}" for key, value in sizes.items() if value is not None]
    return f"{path}?{'&'.join(kept + added)}{hash_mark}{fragment}"
