"""Nothing the library does holds up the event loop: blocking calls on it raise here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockingError, blockbuster_ctx

from bing_images_async import ImageSearchSession
from bing_images_async.emulator import create_app, running_server, synthetic


@pytest.fixture
def url() -> Iterator[str]:
    with running_server(create_app(synthetic(50))) as address:
        yield address


@pytest.mark.asyncio
async def test_calls_and_uploads_do_not_block(url: str, tmp_path: Path) -> None:
    """A search, a fetch, an upload from a file, and the end of a session, over a socket."""
    picture = tmp_path / "picture.png"
    async with ImageSearchSession(base_url=url, rate_limit=None) as session:
        picture.write_bytes(await session.fetch(str((await session.search("boat")).value[0].content_url)))
    with blockbuster_ctx("bing_images_async"):
        async with ImageSearchSession(base_url=url, rate_limit=None) as session:
            image = (await session.search("boat")).value[0]
            await session.fetch(str(image.content_url))
            insights = await session.details(image=picture, modules=["SimilarImages"])
    assert insights.visually_similar_images is not None


@pytest.mark.asyncio
async def test_opening_a_folder_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue of a local session is built, searched and closed in worker threads."""
    monkeypatch.setenv("BING_IMAGES_CACHE", str(tmp_path / "cache"))
    with blockbuster_ctx("bing_images_async"):
        async with ImageSearchSession.local(tmp_path) as session:
            assert (await session.search("boat")).value == ()


@pytest.mark.asyncio
async def test_the_guard_would_notice() -> None:
    """A test that cannot fail proves nothing."""
    with blockbuster_ctx(), pytest.raises(BlockingError):
        time.sleep(0.001)  # noqa: ASYNC251  # to be caught
