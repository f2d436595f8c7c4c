"""`session.fetch`: files of the session's own service, within bounds, without the key."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest
from session_kit import HOST, KEY, Service, session_with

from bing_images_async import ImageSearchSession
from bing_images_async.emulator import synthetic
from bing_images_async.errors import (
    ApiError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidRequestError,
    NotFoundError,
    ResponseTooLargeError,
    UnexpectedRedirectError,
)
from bing_images_async.testing import virtual_time

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


async def test_a_file_of_the_service() -> None:
    """Its bytes, asked for without the key."""
    service = Service(b"picture")
    async with session_with(service) as session:
        assert await session.fetch(f"{HOST}/th?id=1") == b"picture"
    assert str(service.last.url) == f"{HOST}/th?id=1"
    assert not any(KEY in value for value in service.last.headers.values())


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/th?id=1",
        "http://api.bing.microsoft.com/th?id=1",
        "https://api.bing.microsoft.com.evil.example/",
        "https://api.bing.microsoft.com:444/",
        "https://api.bing.microsoft.com@evil.example/",
        "//api.bing.microsoft.com/",
        "/th?id=1",
        "",
    ],
)
async def test_other_origins_are_not_its_business(url: str) -> None:
    """Scheme, host and port must be those of the session; the others see nothing."""
    service = Service(b"picture")
    async with session_with(service) as session:
        with pytest.raises(InvalidRequestError, match="url=") as caught:
            await session.fetch(url)
    assert caught.value.parameter == "url"
    assert service.requests == []


async def test_an_address_that_is_none() -> None:
    """A control character on the right origin is refused too."""
    async with session_with(Service(b"")) as session:
        with pytest.raises(InvalidRequestError):
            await session.fetch(f"{HOST}/\n")


async def test_files_are_bounded() -> None:
    """Sixteen mebibytes come whole, a byte more is an error."""
    limit = 16 * 2**20
    async with session_with(Service(bytes(limit))) as session:
        assert len(await session.fetch(f"{HOST}/large.png")) == limit
    async with session_with(Service(bytes(limit + 1))) as session:
        with pytest.raises(ResponseTooLargeError) as caught:
            await session.fetch(f"{HOST}/larger.png")
    assert caught.value.limit == limit


async def test_an_empty_file_is_a_file() -> None:
    """Only an API answer may not be empty."""
    async with session_with(Service(b"")) as session:
        assert await session.fetch(f"{HOST}/empty") == b""


async def test_errors_of_the_service() -> None:
    """They are those of `search`."""
    for status, kind in ((404, NotFoundError), (500, ApiError), (418, ApiError)):
        async with session_with(Service(b"", status=status)) as session:
            with pytest.raises(kind):
                await session.fetch(f"{HOST}/th")
    redirect = Service(b"", status=302, headers={"Location": "https://elsewhere.example/"})
    async with session_with(redirect) as session:
        with pytest.raises(UnexpectedRedirectError) as caught:
            await session.fetch(f"{HOST}/th")
    assert caught.value.location == "https://elsewhere.example/"
    assert {request.url.host for request in redirect.requests} == {"api.bing.microsoft.com"}


async def test_faults_on_the_way() -> None:
    """Transport errors are ours, and the session's timeout holds."""

    async def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("reset")

    async def silent(request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    async with session_with(broken) as session:
        with pytest.raises(ConnectionFailedError):
            await session.fetch(f"{HOST}/th")
    async with session_with(silent, timeout=3) as session:
        with pytest.raises(DeadlineExceededError):
            await session.fetch(f"{HOST}/th")


async def test_every_url_of_a_local_answer_can_be_fetched() -> None:
    """Originals and thumbnails of `local()` lie with the session's own service."""
    catalogue = synthetic(30)
    async with ImageSearchSession.local(catalogue=catalogue) as session:
        today = await session.trending()
        query = today.categories[0].tiles[0].query
        assert query is not None
        assert query.text is not None
        answer = await session.search(query.text, count=2)
        image = answer.value[0]
        assert image.content_url is not None
        assert image.thumbnail_url is not None
        for url in (image.content_url, image.thumbnail_url):
            assert len(await session.fetch(url)) > 50
