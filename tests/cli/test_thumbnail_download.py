"""Fetching thumbnails: without the key, within bounds, and whatever happens."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bing_images_async import ImageSearchSession
from bing_images_async.cli.thumbnail_download import fetch_thumbnails
from bing_images_async.emulator import running_server

PNG = b"\x89PNG\r\n\x1a\n and so on"
KEY = "canary-key-0123456789abcdef01234"

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def elsewhere() -> Any:
    """Another host that keeps thumbnails, and the headers it was sent."""
    seen: list[dict[str, str]] = []

    async def answer(request: Request) -> Response:
        seen.append(dict(request.headers))
        path = request.url.path
        if path == "/redirect":
            return RedirectResponse("/png")
        if path == "/large":
            return Response(PNG + b"x" * 2**20)
        if path == "/html":
            return Response("<html>", media_type="image/png")
        if path == "/gone":
            return Response(PNG, 404)
        return Response(PNG, media_type="text/html")

    with running_server(Starlette(routes=[Route("/{path:path}", answer)])) as url:
        yield url, seen


async def test_a_picture_elsewhere_is_fetched_plainly(elsewhere: Any) -> None:
    """Its kind is read off its first bytes, for headers say anything; the key stays at home."""
    url, seen = elsewhere
    seen.clear()
    async with ImageSearchSession(KEY, base_url="https://service.example/v7.0") as session:
        pictures = await fetch_thumbnails(session, [f"{url}/png", f"{url}/png", ""], lambda done, total: None)
    assert list(pictures) == [f"{url}/png"]
    assert pictures[f"{url}/png"].startswith("data:image/png;base64,")
    assert len(seen) == 1
    assert KEY not in str(seen)
    assert not {"cookie", "referer", "authorization"} & seen[0].keys()


@pytest.mark.parametrize("path", ["redirect", "large", "html", "gone"])
async def test_what_is_no_small_picture_is_left_out(elsewhere: Any, path: str) -> None:
    url, _ = elsewhere
    async with ImageSearchSession(base_url="https://service.example/v7.0") as session:
        assert await fetch_thumbnails(session, [f"{url}/{path}"], lambda done, total: None) == {}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "http://[::1", "nonsense", "file:///etc/passwd", "http://a..b/"]
)
async def test_what_cannot_be_reached_is_left_out(url: str) -> None:
    async with ImageSearchSession(base_url="https://service.example/v7.0") as session:
        assert await fetch_thumbnails(session, [url], lambda done, total: None) == {}


async def test_every_one_is_reported(elsewhere: Any) -> None:
    url, _ = elsewhere
    reports: list[tuple[int, int]] = []
    async with ImageSearchSession(base_url="https://service.example/v7.0") as session:
        urls = [f"{url}/png/{number}" for number in range(20)]
        pictures = await fetch_thumbnails(session, urls, lambda done, total: reports.append((done, total)))
    assert len(pictures) == 20
    assert reports == [(done, 20) for done in range(1, 21)]
