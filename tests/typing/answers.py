"""What type checkers see of answers. Checked by mypy and basedpyright; importing it runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, assert_type

from bing_images_async import Attempt, ImageSearchSession, Problem, SearchParams, SessionStats, TrendingParams
from bing_images_async.models import (
    Image,
    ImageAnswer,
    ImageInsights,
    ImageTagsModule,
    InsightsTag,
    NormalizedRectangle,
    PivotSuggestions,
    Query,
    QueryContext,
    ResponseMeta,
    TrendingImages,
    TrendingImagesCategory,
    TrendingImagesTile,
)


async def search(session: ImageSearchSession) -> None:
    """An answer, its images, and what can be missing."""
    answer = await session.search("paper boat", count=20, size="Large")
    assert_type(answer, ImageAnswer)
    assert_type(answer.value, tuple[Image, ...])
    assert_type(answer.next_offset, int | None)
    assert_type(answer.query_context, QueryContext | None)
    assert_type(answer.pivot_suggestions, tuple[PivotSuggestions, ...])
    assert_type(answer.problems, tuple[Problem, ...])
    assert_type(answer.raw, Mapping[str, Any] | None)
    for image in answer.value:
        assert_type(image.name, str | None)
        assert_type(image.width, int | None)
        assert_type(image.date_published, datetime | None)
        assert_type(image.content_size, str | None)
        assert_type(image.content_size_bytes, int | None)
    assert_type(await session.search(SearchParams("boat", offset=answer.next_offset)), ImageAnswer)


async def details(session: ImageSearchSession, answer: ImageAnswer) -> None:
    """Modules are objects or `None`."""
    insights = await session.details(insights_token=answer.value[0].image_insights_token)
    assert_type(insights, ImageInsights)
    assert_type(insights.image_tags, ImageTagsModule | None)
    if insights.image_tags is not None:
        assert_type(insights.image_tags.value, tuple[InsightsTag, ...])
    crop = NormalizedRectangle(left=0.1, top=0.1, right=0.9, bottom=0.9)
    assert_type(await session.details(image=b"", crop=crop, modules=["Tags"]), ImageInsights)


async def trending(session: ImageSearchSession) -> None:
    """Categories of tiles of queries."""
    today = await session.trending(TrendingParams(market="en-US"))
    assert_type(today, TrendingImages)
    assert_type(today.categories, tuple[TrendingImagesCategory, ...])
    assert_type(today.categories[0].tiles, tuple[TrendingImagesTile, ...])
    assert_type(today.categories[0].tiles[0].query, Query | None)


def meta(answer: ImageAnswer | ImageInsights | TrendingImages) -> None:
    """The same on all three."""
    assert_type(answer.meta, ResponseMeta)
    assert_type(answer.meta.trace_id, str | None)
    assert_type(answer.meta.attempts, tuple[Attempt, ...])
    assert_type(answer.meta.elapsed, float)
    assert_type(answer.meta.attempts[0].waited, Mapping[str, float])


async def life(session: ImageSearchSession) -> None:
    """Entering gives the session; so do siblings and the other ways to make one."""
    async with session as entered:
        assert_type(entered, ImageSearchSession)
    assert_type(session.with_options(market=None, timeout=None), ImageSearchSession)
    assert_type(ImageSearchSession.local(), ImageSearchSession)
    assert_type(ImageSearchSession.from_env(), ImageSearchSession)
    assert_type(await session.fetch("http://local.bing-images/th"), bytes)
    assert_type(session.stats, SessionStats)


class Mine(ImageSearchSession):
    """A subclass stays itself."""


async def subclasses() -> None:
    """`with_options`, `local`, `from_env` and `async with` give what they were called on."""
    assert_type(Mine("key").with_options(market="en-US"), Mine)
    assert_type(Mine.local(), Mine)
    assert_type(Mine.from_env(), Mine)
    async with Mine("key") as session:
        assert_type(session, Mine)
