"""The parameters as keyword arguments, for type checkers and editors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypedDict

from ..models import NormalizedRectangle
from .details import ImageSource
from .enums import (
    Aspect,
    Color,
    CropType,
    Freshness,
    ImageContent,
    ImageSize,
    ImageType,
    License,
    Module,
    SafeSearch,
)
from .location import Location

__all__ = ["CommonOptions", "DetailsOptions", "SearchOptions"]


class CommonOptions(TypedDict, total=False):
    """Keyword arguments of `search`, `details` and `trending`; documented in `CommonParams`."""

    market: str | None
    country_code: str | None
    set_lang: str | None
    safe_search: SafeSearch | str | None
    accept_language: str | None
    user_agent: str | None
    client_id: str | None
    client_ip: str | None
    location: Location | None
    no_cache: bool
    accept: Literal["application/json", "application/ld+json"] | None
    bing_apis_sdk: bool


class SearchOptions(CommonOptions, total=False):
    """Keyword arguments of `search`; documented in `SearchParams`."""

    count: int | None
    offset: int | None
    image_id: str | None
    aspect: Aspect | str | None
    color: Color | str | None
    freshness: Freshness | str | None
    image_content: ImageContent | str | None
    image_type: ImageType | str | None
    license: License | str | None
    size: ImageSize | str | None
    width: int | None
    min_width: int | None
    max_width: int | None
    height: int | None
    min_height: int | None
    max_height: int | None
    min_file_size: int | None
    max_file_size: int | None


class DetailsOptions(CommonOptions, total=False):
    """Keyword arguments of `details`; documented in `DetailsParams`."""

    insights_token: str | None
    image_url: str | None
    image: ImageSource | None
    image_id: str | None
    query: str | None
    modules: Iterable[Module | str] | str | None
    crop: NormalizedRectangle | None
    crop_type: CropType | str | None
