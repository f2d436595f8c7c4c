"""The session's httpx client over real sockets: uploads answered early, dropped responses, time limits, mockers."""

from __future__ import annotations

import gc
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import httpcore
import httpx
import pytest
import trustme
from support.raw_server import OK, Play, RawConnection, RawServer, answer, serving

from bing_images_async._transport.client import make_client
from bing_images_async._transport.pool import ConnectionPool
from bing_images_async._transport.tls import TLSContext

pytestmark = pytest.mark.anyio

TLS = pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
AUTHORITY = trustme.CA()


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    return context


def client_context() -> TLSContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return TLSContext(context)


@asynccontextmanager
async def connected(
    play: Play, *, tls: bool = False
) -> AsyncIterator[tuple[RawServer, ConnectionPool, httpx.AsyncClient]]:
    """A server, a pool and a client with httpx's timeouts off."""
    async with (
        RawServer(play, server_context() if tls else None) as server,
        ConnectionPool(tls=client_context()) as pool,
        make_client(pool) as client,
    ):
        client.timeout = httpx.Timeout(None)
        yield server, pool, client


# --- uploads

DENIED = answer(b"denied", status=b"401 Unauthorized")


@TLS
@pytest.mark.parametrize("how", ["and closes", "and reads on", "and reads nothing"])
async def test_client_early_response_to_an_upload_is_kept(how: str, tls: bool) -> None:
    """60 of 60: closing with unread data makes the server's system reset the connection behind the response."""

    async def play(connection: RawConnection) -> None:
        await connection.some()
        await connection.send(DENIED)
        if how == "and reads on":
            await connection.until_closed()
        elif how == "and reads nothing":
            await connection.cut_off.wait()

    async with connected(play, tls=tls) as (server, pool, client):
        for _ in range(60):
            response = await client.post(server.url, content=bytes(3_000_000))
            assert (response.status_code, response.content) == (401, b"denied")
            assert pool.open_connections == 0
            server.accepted[-1].cut_off.set()
        await server.until_open(0)


@TLS
async def test_client_response_before_an_endless_upload_ends_it(tls: bool) -> None:
    async def play(connection: RawConnection) -> None:
        await connection.some()
        await connection.send(DENIED)
        await connection.until_closed()

    async def content() -> AsyncGenerator[bytes]:
        yield b"x" * 100_000
        await anyio.sleep_forever()

    async with connected(play, tls=tls) as (server, _, client), aclosing(content()) as endless:
        with anyio.fail_after(10):
            response = await client.post(server.url, content=endless)
        assert response.status_code == 401
        await server.until_open(0)


@TLS
@pytest.mark.parametrize("size", [1, 100_000, 3_000_000])
async def test_client_upload_arrives_whole_and_keeps_its_connection(size: int, tls: bool) -> None:
    async with connected(serving(), tls=tls) as (server, _, client):
        for _ in range(3):
            response = await client.post(server.url, content=b"x" * size)
            assert response.content == b"hello"
        assert len(server.accepted) == 1
        assert [len(request.partition(b"\r\n\r\n")[2]) for request in server.requests] == [size] * 3


# --- downloads


@TLS
async def test_client_dropped_response_releases_its_connection(tls: bool) -> None:
    """Without `aclose`, as after a hook that raised."""

    async def play(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(OK[:-2])
        await connection.until_closed()

    async with connected(play, tls=tls) as (server, pool, client):
        for number in range(3):
            response = await client.send(client.build_request("GET", server.url), stream=True)
            assert (response.status_code, pool.open_connections) == (200, 1)
            del response
            gc.collect()
            assert pool.open_connections == 0
            await server.until_open(0)
            assert len(server.accepted) == number + 1


async def test_client_dropped_response_is_closed_by_the_next_request() -> None:
    async with connected(serving()) as (server, pool, client):
        response = await client.send(client.build_request("GET", server.url), stream=True)
        raw = response.extensions["network_stream"].get_extra_info("socket")
        del response
        gc.collect()
        assert raw.fileno() >= 0
        assert (await client.get(server.url)).content == b"hello"
        assert raw.fileno() == -1
        assert pool.open_connections == pool.idle_connections == 1


@TLS
async def test_client_download_left_early_closes_its_connection(tls: bool) -> None:
    async with connected(serving(answer(bytes(3_000_000))), tls=tls) as (server, pool, client):
        for _ in range(3):
            async with client.stream("GET", server.url) as response:
                pieces = response.aiter_raw()
                assert 0 < len(await anext(pieces)) <= 65_536
                await response.aclose()
                assert [piece async for piece in pieces] == []  # ends httpx's generators, too
            assert pool.open_connections == 0
            await server.until_open(0)


@TLS
async def test_client_download_is_streamed(tls: bool) -> None:
    """Each piece arrives before the server sends the next one."""
    received = anyio.Event()

    async def play(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(OK[:-2])
        await received.wait()
        await connection.send(OK[-2:])
        await connection.until_closed()

    async with connected(play, tls=tls) as (server, pool, client):
        pieces: list[bytes] = []
        async with client.stream("GET", server.url) as response:
            async for piece in response.aiter_raw():
                pieces.append(piece)
                received.set()
        assert pieces == [b"hel", b"lo"]
        assert pool.idle_connections == 1


# --- time limits


@TLS
async def test_client_read_timeout_is_honoured(tls: bool) -> None:
    async def play(connection: RawConnection) -> None:
        await connection.request()
        await connection.until_closed()

    async with connected(play, tls=tls) as (server, _, client):
        with pytest.raises(httpx.ReadTimeout):
            await client.get(server.url, timeout=httpx.Timeout(5.0, read=0.05))
        with pytest.raises(httpx.ReadTimeout):
            await client.post(server.url, content=b"x" * 100_000, timeout=httpx.Timeout(5.0, read=0.05))
        await server.until_open(0)


@TLS
async def test_client_write_timeout_is_honoured(tls: bool) -> None:
    async def play(connection: RawConnection) -> None:
        await connection.some()  # until then asyncio's server would read everything
        await connection.cut_off.wait()

    async with connected(play, tls=tls) as (server, pool, client):
        with pytest.raises(httpx.WriteTimeout):
            await client.post(server.url, content=bytes(30_000_000), timeout=httpx.Timeout(5.0, write=0.05))
        assert pool.open_connections == 0
        server.accepted[0].cut_off.set()
        await server.until_open(0)


async def test_client_connect_timeout_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """For TCP, and for a handshake of TLS that does not end."""

    async def play(connection: RawConnection) -> None:
        await connection.until_closed()

    async def unreachable(host: str, port: int, **options: Any) -> Any:
        await anyio.sleep_forever()

    async with connected(play) as (server, pool, client):
        limits = httpx.Timeout(5.0, connect=0.05)
        with pytest.raises(httpx.ConnectTimeout):
            await client.get(server.url.replace("http", "https"), timeout=limits)
        await server.until_open(0)
        monkeypatch.setattr(anyio, "connect_tcp", unreachable)
        with pytest.raises(httpx.ConnectTimeout):
            await client.get(server.url, timeout=limits)
        assert pool.open_connections == 0


# --- httpcore's pool, replaced


async def test_client_requests_go_to_a_replacement_of_httpcores_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """As mockers and recorders replace it; nothing reaches the network."""
    seen: list[bytes] = []

    async def instead(pool: httpcore.AsyncConnectionPool, request: httpcore.Request) -> httpcore.Response:
        seen.append(request.url.target)
        return httpcore.Response(200, content=b"replaced")

    async with connected(serving()) as (server, _, client):
        with monkeypatch.context() as patch:
            patch.setattr(httpcore.AsyncConnectionPool, "handle_async_request", instead)
            assert (await client.get(f"{server.url}/a")).content == b"replaced"
        assert (seen, server.accepted) == ([b"/a"], [])
        assert (await client.get(f"{server.url}/b")).content == b"hello"
        assert seen == [b"/a"]


@TLS
async def test_client_requests_let_pass_by_a_replacement_reach_the_network(
    tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a pool of httpcore's, which is closed with ours."""
    original = httpcore.AsyncConnectionPool.handle_async_request
    seen: list[bytes] = []

    async def through(pool: httpcore.AsyncConnectionPool, request: httpcore.Request) -> httpcore.Response:
        seen.append(request.url.target)
        return await original(pool, request)

    async with connected(serving(), tls=tls) as (server, pool, client):
        monkeypatch.setattr(httpcore.AsyncConnectionPool, "handle_async_request", through)
        for _ in range(2):
            assert (await client.get(f"{server.url}/a")).content == b"hello"
        assert (seen, len(server.accepted)) == ([b"/a"] * 2, 1)
        await pool.aclose()
        await server.until_open(0)


# --- the client itself


async def test_client_keeps_no_cookies() -> None:
    async with connected(serving(answer(b"hello", b"Set-Cookie: a=b"))) as (server, _, client):
        for _ in range(2):
            await client.get(server.url)
        assert all(b"cookie" not in request.lower() for request in server.requests)
        assert dict(client.cookies) == {}
        with pytest.raises(AttributeError, match="no cookies"):
            client.cookies = {"a": "b"}


async def test_client_follows_no_redirects_unless_asked() -> None:
    async with connected(serving(answer(b"", b"Location: /elsewhere", status=b"302 Found"))) as (server, _, client):
        assert (await client.get(server.url)).status_code == 302
        with pytest.raises(httpx.TooManyRedirects):
            await client.get(server.url, follow_redirects=True)


def test_client_transport_of_another_version_of_httpx_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_pool(transport: object, **options: Any) -> None:
        return

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "__init__", without_pool)
    with pytest.raises(TypeError, match=rf"httpx {httpx.__version__} .* not supported"):
        make_client(ConnectionPool())


def test_client_uses_the_method_of_httpx_that_tools_replace() -> None:
    transport = make_client(ConnectionPool())._transport
    assert isinstance(transport, httpx.AsyncHTTPTransport)
    assert type(transport).handle_async_request is httpx.AsyncHTTPTransport.handle_async_request
