"""Several pages of a search as one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from attrs import evolve, frozen

from .._session import ImageSearchSession
from ..models import Image, ImageAnswer
from ..params import SearchParams

__all__ = ["Found", "walk"]

_LARGEST_PAGE = 150
_LARGEST_OFFSET = 65_535  # an unsigned short in the documentation


@frozen(kw_only=True)
class Found:
    """What a search found, on one page or several."""

    first: ImageAnswer
    """The first page."""
    images: tuple[Image, ...]
    raw: Mapping[str, Any]
    """The JSON of the first page; if pages were walked, with all images in `value` and the last `nextOffset`."""
    next_offset: int | None


async def walk(
    session: ImageSearchSession, params: SearchParams, limit: int | None, report: Callable[[int, int], None]
) -> Found:
    """One page; with a limit, as many pages as it takes to have so many different images.

    Images are told apart by `image_id`, else `content_url`. It ends where the service names no next page, one
    that does not lie ahead, or sends a page with nothing new; so it always ends.
    """
    if limit is None:
        answer = await session.search(params)
        return Found(first=answer, images=answer.value, raw=answer.raw or {}, next_offset=answer.next_offset)
    if params.count is None:
        params = evolve(params, count=min(limit, _LARGEST_PAGE))
    answer = first = await session.search(params)
    images, items = _Unseen(limit), _Unseen(limit)
    offset = params.offset or 0
    while True:
        had = len(images.kept)
        images.take((image.image_id or image.content_url, image) for image in answer.value)
        items.take(_raw_items(answer))
        report(len(images.kept), limit)
        following = answer.next_offset
        if len(images.kept) in {had, limit} or following is None or not offset < following <= _LARGEST_OFFSET:
            break
        offset = following
        answer = await session.search(evolve(params, offset=offset))
    raw = {**(first.raw or {}), "value": items.kept}
    if following is not None:
        raw["nextOffset"] = following
    return Found(first=first, images=tuple(images.kept), raw=raw, next_offset=following)


class _Unseen:
    """Keeps the first `limit` things whose keys differ; one without a key is always new."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._keys: set[str] = set()
        self.kept: list[Any] = []

    def take(self, keyed: Iterable[tuple[str | None, Any]]) -> None:
        """Add what is new."""
        for key, thing in keyed:
            if key in self._keys or len(self.kept) == self._limit:
                continue
            if key is not None:
                self._keys.add(key)
            self.kept.append(thing)


def _raw_items(answer: ImageAnswer) -> Iterable[tuple[str | None, Any]]:
    items: list[Any] = (answer.raw or {}).get("value") or []
    for item in items:
        if isinstance(item, dict):
            names = cast("dict[str, Any]", item)
            key = names.get("imageId") or names.get("contentUrl")
            yield key if isinstance(key, str) else None, names
