"""The ecosystem's way to test code that uses a session: respx, as a mocker and as a transport."""

from __future__ import annotations

import httpx
import pytest
import respx
from session_kit import HOST, KEY, page

from bing_images_async import ImageSearchSession
from bing_images_async.errors import AuthenticationError, ConnectionFailedError

SEARCH = f"{HOST}/v7.0/images/search"


@pytest.mark.anyio
@respx.mock
async def test_the_default_mocker() -> None:
    """It answers for a session with a client of its own, with the headers as they were sent."""
    route = respx.get(SEARCH, params={"q": "boat"}).respond(json=page("boat"))
    async with ImageSearchSession(KEY) as session:
        answer = await session.search("boat")
    assert [image.name for image in answer.value] == ["boat"]
    assert route.calls.last.request.headers["ocp-apim-subscription-key"] == KEY


@pytest.mark.anyio
async def test_the_mocker_as_a_context() -> None:
    """All three endpoints, one of them an upload."""
    with respx.mock(base_url=f"{HOST}/v7.0") as mocker:
        mocker.get("/images/trending").respond(json={"_type": "TrendingImages", "categories": []})
        upload = mocker.post("/images/details").respond(json={"_type": "ImageInsights", "imageTags": {"value": []}})
        async with ImageSearchSession(KEY) as session:
            assert (await session.trending()).categories == ()
            assert (await session.details(image=b"picture")).image_tags is not None
    assert b'name="image"' in upload.calls.last.request.content


@pytest.mark.anyio
@respx.mock
async def test_errors_from_the_mocker() -> None:
    """Statuses become our errors, and so does a transport error as a side effect."""
    async with ImageSearchSession(KEY) as session:
        respx.get(SEARCH).respond(401, json={"error": {"code": "401", "message": "Access denied"}})
        with pytest.raises(AuthenticationError, match="Access denied"):
            await session.search("boat")
    async with ImageSearchSession(KEY) as session:
        respx.get(SEARCH).mock(side_effect=httpx.ConnectError("refused"))
        with pytest.raises(ConnectionFailedError, match="refused"):
            await session.search("boat")


@pytest.mark.anyio
async def test_a_router_as_transport() -> None:
    """Below a borrowed client, without patching anything."""
    router = respx.Router()
    route = router.get(SEARCH).respond(json=page("boat", "ship"))
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler)) as client,
        ImageSearchSession(KEY, client=client) as session,
    ):
        answer = await session.search("boat", count=2)
    assert [image.name for image in answer.value] == ["boat", "ship"]
    assert route.call_count == 1
    assert route.calls.last.request.url.params["count"] == "2"


@pytest.mark.asyncio
@respx.mock
async def test_beside_pytest_asyncio() -> None:
    """Projects that use pytest-asyncio keep using it."""
    respx.get(SEARCH).respond(json=page("boat"))
    async with ImageSearchSession(KEY) as session:
        assert len((await session.search("boat")).value) == 1


@pytest.mark.asyncio
async def test_a_router_beside_pytest_asyncio() -> None:
    """The same with a router as transport."""
    router = respx.Router()
    router.get(SEARCH).mock(side_effect=[httpx.Response(200, json=page("boat")), httpx.Response(200, json=page())])
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler)) as client,
        ImageSearchSession(KEY, client=client) as session,
    ):
        assert len((await session.search("boat")).value) == 1
        assert (await session.search("boat")).value == ()
