"""Parameters of `/images/search`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import field, frozen

from .. import _validation as checks
from .common import CommonParams, pixels, query_field, size_in_bytes
from .enums import Aspect, Color, Freshness, ImageContent, ImageSize, ImageType, License

__all__ = ["SearchParams"]

_EXACT_OR_RANGE = tuple((side, f"{end}_{side}") for side in ("width", "height") for end in ("min", "max"))
_RANGES = tuple((f"min_{what}", f"max_{what}") for what in ("width", "height", "file_size"))


@frozen(kw_only=True)
class SearchParams(CommonParams):
    """Parameters of `/images/search` (API reference: Query parameters). Only `query` is required.

    Raises:
        InvalidRequestError: a value is not allowed, or a combination of values.
    """

    query: str = field(kw_only=False, metadata={"query": "q", "check": checks.query})
    """Text to search for; the service interprets operators such as `site:` and quotes."""
    count: int | None = query_field("count", partial(checks.integer, low=1, high=150))
    """Images per page, 1 to 150. The service's default is 35; sometimes it sends fewer than requested."""
    offset: int | None = query_field("offset", size_in_bytes)
    """Index of the first image, from 0; for the next page use `answer.next_offset`."""
    image_id: str | None = query_field("id", checks.text)
    """Id of an image that the service puts first."""
    aspect: Aspect | str | None = query_field("aspect", partial(checks.one_of, kind=Aspect))
    color: Color | str | None = query_field("color", partial(checks.one_of, kind=Color))
    freshness: Freshness | str | None = query_field("freshness", partial(checks.one_of, kind=Freshness))
    image_content: ImageContent | str | None = query_field("imageContent", partial(checks.one_of, kind=ImageContent))
    image_type: ImageType | str | None = query_field("imageType", partial(checks.one_of, kind=ImageType))
    license: License | str | None = query_field("license", partial(checks.one_of, kind=License))
    size: ImageSize | str | None = query_field("size", partial(checks.one_of, kind=ImageSize))
    width: int | None = query_field("width", pixels)
    """Exact width in pixels. Excludes `min_width` and `max_width`."""
    min_width: int | None = query_field("minWidth", pixels)
    max_width: int | None = query_field("maxWidth", pixels)
    height: int | None = query_field("height", pixels)
    """Exact height in pixels. Excludes `min_height` and `max_height`."""
    min_height: int | None = query_field("minHeight", pixels)
    max_height: int | None = query_field("maxHeight", pixels)
    min_file_size: int | None = query_field("minFileSize", size_in_bytes)
    """Bytes, approximate; the service limits it to 520,192."""
    max_file_size: int | None = query_field("maxFileSize", size_in_bytes)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not isinstance(self.query, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # None, UNSET
            raise checks.refuse("query", self.query, "it is required")

    @classmethod
    def _check_together(cls, given: Mapping[str, Any]) -> None:
        super()._check_together(given)
        for one, other in _EXACT_OR_RANGE:
            if one in given and other in given:
                raise checks.not_both(one, given[one], other, given[other])
        for low, high in _RANGES:
            if low in given and high in given:
                checks.ordered(low, given[low], high, given[high])
