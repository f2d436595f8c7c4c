"""The ecosystem's way to test code that uses a session: respx, as a mocker and as a transport."""

from __future__ import annotations

import functools
import json
from typing import Any

import httpcore
import httpx
import pytest
import respx
from session_kit import HOST, KEY, page
from support.raw_server import RawServer, answer, answering, serving

from bing_images_async import Call, ImageSearchSession, RateLimit, Reply, RetryPolicy, Send
from bing_images_async.errors import AttemptTimeoutError, AuthenticationError, ConnectionFailedError

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
@pytest.mark.parametrize("mode", ["httpcore", "httpx"])
async def test_both_modes_of_the_mocker(mode: str) -> None:
    """Whichever library is patched, and also after requests of which the mocker knew nothing."""
    async with (
        RawServer(serving(answer(json.dumps(page("ship")).encode()))) as server,
        ImageSearchSession(KEY, base_url=server.url, rate_limit=None) as session,
    ):
        assert (await session.search("boat")).value[0].name == "ship"
        with respx.mock(using=mode) as mocker:
            route = mocker.get(url__startswith=server.url).respond(json=page("boat"))
            assert (await session.search("boat")).value[0].name == "boat"
            assert str(route.calls.last.request.url) == f"{server.url}/v7.0/images/search?q=boat"
            route.pass_through()
            assert (await session.search("boat")).value[0].name == "ship"
        assert len(server.requests) == 2
        assert session.stats.open_connections == session.stats.idle_connections


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["httpcore", "httpx"])
@pytest.mark.parametrize(
    "broken",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx"],
)
async def test_what_is_let_pass_fails_like_any_other(mode: str, broken: bytes) -> None:
    """With an error of ours."""
    async with (
        RawServer(answering(b"HTTP/1.1 200 OK\r\n" + broken)) as server,
        ImageSearchSession(KEY, base_url=server.url, rate_limit=None, retry=RetryPolicy(attempts=1)) as session,
    ):
        with respx.mock(using=mode) as mocker:
            mocker.get(url__startswith=server.url).pass_through()
            with pytest.raises(ConnectionFailedError):
                await session.search("boat")


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["httpcore", "httpx"])
async def test_a_host_of_a_middlewares_own_is_kept(mode: str) -> None:
    """It is sent in the place of the address's, whoever looks on."""

    async def elsewhere(call: Call, send: Send) -> Reply:
        call = call.with_request(call.request.with_header("Host", "other.test"))
        return await send(call)

    async with (
        RawServer(serving(answer(json.dumps(page("boat")).encode()))) as server,
        ImageSearchSession(KEY, base_url=server.url, rate_limit=None, middleware=[elsewhere]) as session,
    ):
        await session.search("boat")
        with respx.mock(using=mode) as mocker:
            mocker.route().pass_through()
            await session.search("boat")
        hosts = [line for request in server.requests for line in request.split(b"\r\n") if line.startswith(b"Host:")]
        assert hosts == [b"Host: other.test"] * 2


@pytest.mark.anyio
@respx.mock
@pytest.mark.parametrize("fault", [httpcore.PoolTimeout, httpcore.NetworkError, httpcore.ConnectError, httpx.ReadError])
async def test_faults_that_are_mocked(fault: type[Exception]) -> None:
    """Whatever a test may think of becomes an error of ours."""
    respx.get(SEARCH).mock(side_effect=fault("mocked"))
    async with ImageSearchSession(KEY, retry=RetryPolicy(attempts=1)) as session:
        with pytest.raises((ConnectionFailedError, AttemptTimeoutError), match="mocked"):
            await session.search("boat")


@pytest.mark.anyio
async def test_an_instrument_that_wraps_the_client_sees_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Sentry does, with a wrapper that passes for what it wraps; and without one no client is made."""
    seen: list[str] = []
    send = httpx.AsyncClient.send

    @functools.wraps(send)
    async def watched(self: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        seen.append(request.url.path)
        return await send(self, request, **options)

    async with (
        RawServer(serving(answer(json.dumps(page("boat")).encode()))) as server,
        ImageSearchSession(KEY, base_url=server.url, rate_limit=RateLimit(1000)) as session,
    ):
        with monkeypatch.context() as patch:
            patch.setattr(httpx.AsyncClient, "send", watched)
            assert (await session.search("boat")).value[0].name == "boat"
            assert seen == ["/v7.0/images/search"]
        await session.search("boat")
        assert len(seen) == 1


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
