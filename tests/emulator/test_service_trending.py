"""`/images/trending`, and the history behind it."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
from service_kit import client, errors, pictures

from bing_images_async.emulator import Hits
from bing_images_async.emulator.api import search_history as history
from bing_images_async.emulator.api.search_history import FileHistory, History, MemoryHistory

TODAY = date(2026, 5, 6)


@pytest.fixture(params=["memory", "file"])
def make_history(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], History]:
    """The same history each time for the file, a new one for memory."""
    return MemoryHistory if request.param == "memory" else lambda: FileHistory(tmp_path / "history.sqlite3")


async def categories(one: httpx.AsyncClient, **params: Any) -> dict[str, list[str]]:
    """Title to queries."""
    response = await one.get("images/trending", params=params)
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["_type"] == "TrendingImages"
    return {entry["title"]: [tile["query"]["text"] for tile in entry["tiles"]] for entry in body["categories"]}


@pytest.mark.anyio
async def test_trending_without_searches_has_topics() -> None:
    """On the first day topics stand in for searches; each tile has a thin image and a query."""
    async with client() as one:
        body = (await one.get("images/trending")).json()
    assert len(body["categories"]) > 1
    tile = body["categories"][0]["tiles"][0]
    assert set(tile["image"]) == {"thumbnailUrl", "contentUrl", "thumbnail", "imageId"}
    assert "?id=OET." in tile["image"]["thumbnailUrl"]
    assert tile["query"]["webSearchUrl"]


@pytest.mark.anyio
async def test_trending_ranks_searches_of_the_market() -> None:
    """A topic that was searched for leads its category, a new query leads the popular ones. Elsewhere: neither."""
    async with client() as one:
        before = await categories(one)
        title, queries = next(iter(before.items()))
        for query in ("zebra crossing", "Zebra  Crossing", "quiet", queries[-1]):
            await one.get("images/search", params={"q": query})
        after = await categories(one)
        elsewhere = await categories(one, mkt="en-GB")
    assert after[title][0] == queries[-1]
    assert after["Popular searches"] == ["zebra crossing", "quiet"]
    assert "Popular searches" not in elsewhere


@pytest.mark.anyio
async def test_trending_counts_a_search_once() -> None:
    """And a query that finds nothing does not count at all."""
    async with client() as one:
        for offset in (0, 40, 80):
            await one.get("images/search", params={"q": "once", "offset": offset})
        await one.get("images/search", params={"q": "once", "offset": 0})
        await one.get("images/search", params={"q": "...", "offset": 0})
        await one.get("images/search", params={"q": "twice"})
        for _ in range(2):
            await one.get("images/search", params={"q": "twice"})
        assert (await categories(one))["Popular searches"] == ["twice", "once"]


@pytest.mark.anyio
async def test_trending_ignores_fallbacks_and_counts_corrections() -> None:
    """The respelled one does."""

    class Respelling:
        blocking = False

        def __getattr__(self, name: str) -> Any:
            return getattr(pictures(), name)

        def search(self, text: str, **options: Any) -> Hits:
            hits = pictures().search(text, **options)
            altered = "boat" if text == "baot" else None
            return attrs.evolve(hits, altered_query=altered, matched_all=text != "boat xylem")

    async with client(Respelling()) as one:  # type: ignore[arg-type]  # has what is called
        for query in ("baot", "boat xylem", "baot", "good"):
            await one.get("images/search", params={"q": query})
        found = await categories(one)
    queries = {query for several in found.values() for query in several}
    assert {"boat", "good"} <= queries
    assert not {"baot", "boat xylem"} & queries


@pytest.mark.anyio
async def test_history_in_a_file_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    async with client(history=path) as one:
        await one.get("images/search", params={"q": "remembered"})
    async with client(history=path) as one:
        assert "remembered" in (await categories(one))["Popular searches"]


@pytest.mark.anyio
@pytest.mark.parametrize("params", [{"mkt": "de-DE"}, {"mkt": "en-NZ"}, {"cc": "JP"}])
async def test_trending_in_another_market_is_the_documented_500(params: dict[str, str]) -> None:
    """500, and the text stands in `parameter`."""
    async with client() as one:
        response = await one.get("images/trending", params=params, headers={"Accept-Language": "ja"})
    assert response.status_code == 500
    assert errors(response) == [("ResourceError", "Trending data is not present for your request", "")]
    assert response.json()["errors"][0]["message"] == ""


@pytest.mark.anyio
async def test_trending_with_invalid_parameters_is_400() -> None:
    async with client() as one:
        response = await one.get("images/trending?safeSearch=maybe")
    assert errors(response) == [("ParameterInvalidValue", "safeSearch", "maybe")]


def test_history_counts_by_market_and_normalized_query(make_history: Callable[[], History]) -> None:
    one = make_history()
    for query in ("Paper boat", "paper  BOAT ", "kite"):
        one.record("en-US", query, TODAY)
    one.record("en-GB", "kite", TODAY)
    assert one.popular("en-US", TODAY) == {"paper boat": 2, "kite": 1}
    assert one.popular("zh-CN", TODAY) == {}


def test_history_counts_for_a_week(make_history: Callable[[], History]) -> None:
    """The seventh day back is out, and is forgotten when a new day begins."""
    one = make_history()
    one.record("en-US", "old", TODAY - timedelta(days=7))
    one.record("en-US", "recent", TODAY - timedelta(days=6))
    assert one.popular("en-US", TODAY) == {"recent": 1}
    one.record("en-US", "new", TODAY)
    assert one.popular("en-US", TODAY - timedelta(days=7)) == {}


def test_history_of_a_day_is_bounded(make_history: Callable[[], History], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit new queries are not remembered; known ones still count."""
    monkeypatch.setattr(history, "MAX_QUERIES", 2)
    one = make_history()
    for query in ("a", "b", "c", "a"):
        one.record("en-US", query, TODAY)
    assert one.popular("en-US", TODAY) == {"a": 2, "b": 1}
