"""Answer of `GET /images/trending`."""

from __future__ import annotations

from attrs import field, frozen

from .answer import Answer
from .common import Image, Query

__all__ = ["TrendingImages", "TrendingImagesCategory", "TrendingImagesTile"]


@frozen(kw_only=True)
class TrendingImagesTile:
    """A query that many people search for today, with an image that has few fields."""

    query: Query | None = None
    image: Image | None = None


@frozen(kw_only=True)
class TrendingImagesCategory:
    """Tiles under a title, such as "Popular animal searches"; titles change by day and market."""

    title: str | None = None
    tiles: tuple[TrendingImagesTile, ...] = ()


@frozen(kw_only=True)
class TrendingImages(Answer):
    """Popular queries of today by category: the answer of `trending`."""

    categories: tuple[TrendingImagesCategory, ...] = field(default=(), metadata={"essential": True})
