"""The connection pool over real sockets: faults of servers and of TLS, cancellation, bursts."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import httpx
import pytest
import trustme
from anyio.streams.tls import TLSStream
from support.raw_server import OK, Play, RawConnection, RawServer, answer, answering, serving

from bing_images_async._transport.client import make_client
from bing_images_async._transport.pool import ConnectionPool, StaleConnectionError
from bing_images_async._transport.tls import TLSContext
from bing_images_async.errors import BingImagesError, ResponseTooLargeError, SessionStateError

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_tls(authority: trustme.CA) -> TLSContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return TLSContext(context)


async def fetch(pool: ConnectionPool, url: str, *, within: float = 10.0, **options: Any) -> bytes:
    """Send a request and read its response to the end, `within` seconds; close it in any case."""
    with anyio.fail_after(within):
        method, extensions = options.pop("method", "GET"), {"timeout": {}}  # httpx's default would be 5 s
        request = httpx.Request(method, url, extensions=extensions, **options)
        response = await make_client(pool).send(request, stream=True)
        try:
            return await response.aread()
        finally:
            await response.aclose()


def failing_once(fault: Play) -> Play:
    """The fault on the first connection, a good server on all others."""
    good = serving()

    async def play(connection: RawConnection) -> None:
        await (fault if connection.number == 0 else good)(connection)

    return play


async def settle(pool: ConnectionPool, server: RawServer) -> None:
    """No socket has leaked, and the pool still serves."""
    await server.until_open(pool.idle_connections)
    assert pool.open_connections == pool.idle_connections
    assert await fetch(pool, server.url) == b"hello"
    assert pool.open_connections == pool.idle_connections == 1
    await server.until_open(1)


# --- faults --------------------------------------------------------------------------------------


async def reset_at_once(connection: RawConnection) -> None:
    await connection.request()
    await connection.reset()


def reset_after(part: bytes) -> Play:
    async def play(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(part)
        await connection.reset()

    return play


async def drip(connection: RawConnection) -> None:
    """A head that never ends."""
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await connection.send(b"X: " + b"y" * 1000 + b"\r\n")


BROKEN = (httpx.ReadError, httpx.RemoteProtocolError)
GARBLED = httpx.RemoteProtocolError

FAULTS: dict[str, tuple[Play, type[Exception] | tuple[type[Exception], ...]]] = {
    "closed before the request": (answering(), BROKEN),
    "closed before the head": (answering(b""), BROKEN),
    "closed in the head": (answering(OK[:20]), GARBLED),
    "closed in the body": (answering(OK[:-2]), GARBLED),
    "reset before the head": (reset_at_once, BROKEN),
    "reset in the head": (reset_after(OK[:20]), BROKEN),
    "reset in the body": (reset_after(OK[:-2]), BROKEN),
    "garbage": (answering(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), GARBLED),
    "bytes": (answering(bytes(range(256)) * 4), GARBLED),
    "another protocol": (answering(OK.replace(b"HTTP", b"ICAP")), GARBLED),
    "two lengths": (answering(OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 6\r\n\r\n")), GARBLED),
    "negative length": (answering(OK.replace(b": 5", b": -5")), GARBLED),
    "head of 100 KiB": (
        answering(OK.replace(b"OK\r\n", b"OK\r\nX: " + b"y" * 102_400 + b"\r\n")),
        ResponseTooLargeError,
    ),
    "endless head": (drip, ResponseTooLargeError),
    "50,000 interim answers": (answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000 + OK), ResponseTooLargeError),
    "broken chunk size": (
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
        GARBLED,
    ),
    "cut chunk": (answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello"), GARBLED),
    "no last chunk": (
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        GARBLED,
    ),
}


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_pool_fault_of_the_server_raises_its_error_and_closes_the_connection(
    fault: str, tls: bool, server_tls: ssl.SSLContext, client_tls: TLSContext
) -> None:
    play, expected = FAULTS[fault]
    async with (
        RawServer(failing_once(play), server_tls if tls else None) as server,
        ConnectionPool(tls=client_tls) as pool,
    ):
        with pytest.raises(expected):
            await fetch(pool, server.url)
        assert pool.open_connections == 0
        await settle(pool, server)


async def test_pool_refused_connection_raises_connect_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with ConnectionPool() as pool:
            with pytest.raises(httpx.ConnectError):
                await fetch(pool, f"http://127.0.0.1:{unused.getsockname()[1]}/")
            assert pool.open_connections == 0


@pytest.mark.parametrize("sent", [b"", OK[:20], OK[:-2]], ids=["nothing", "half a head", "half a body"])
async def test_pool_silent_server_ends_with_the_scope_around_the_request(sent: bytes) -> None:
    async def fall_silent(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(sent)
        await connection.until_closed()

    async with RawServer(failing_once(fall_silent)) as server, ConnectionPool() as pool:
        with pytest.raises(TimeoutError):
            await fetch(pool, server.url, within=0.05)
        assert pool.open_connections == 0
        await settle(pool, server)


async def test_pool_server_that_reads_nothing_ends_with_the_scope() -> None:
    async def ignore(connection: RawConnection) -> None:
        await connection.cut_off.wait()

    async with RawServer(failing_once(ignore)) as server, ConnectionPool() as pool:
        with pytest.raises(TimeoutError):
            await fetch(pool, server.url, method="POST", content=bytes(30_000_000), within=0.05)
        server.accepted[0].cut_off.set()
        await settle(pool, server)


# --- TLS -----------------------------------------------------------------------------------------


async def test_pool_keeps_connections_with_tls(server_tls: ssl.SSLContext, client_tls: TLSContext) -> None:
    async with RawServer(serving(), server_tls) as server, ConnectionPool(tls=client_tls) as pool:
        for _ in range(3):
            assert await fetch(pool, server.url) == b"hello"
        assert len(server.accepted) == pool.idle_connections == 1


def causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


@pytest.mark.parametrize("wrong", ["authority", "host"])
async def test_tls_invalid_certificate_raises_connect_error_with_the_cause(
    wrong: str, authority: trustme.CA, server_tls: ssl.SSLContext, client_tls: TLSContext
) -> None:
    if wrong == "host":
        server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("elsewhere.test").configure_cert(server_tls)
    context = None if wrong == "authority" else client_tls
    async with RawServer(serving(), server_tls) as server, ConnectionPool(tls=context) as pool:
        with pytest.raises(httpx.ConnectError, match="certificate verify failed") as caught:
            await fetch(pool, server.url)
        assert any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(caught.value))
        assert pool.open_connections == 0
        await server.until_open(0)


@pytest.mark.parametrize("reply", [OK, b""], ids=["plain HTTP", "closed"])
async def test_tls_server_without_tls_raises_connect_error(reply: bytes, client_tls: TLSContext) -> None:
    async def play(connection: RawConnection) -> None:
        await connection.some()
        await connection.send(reply)

    async with RawServer(play) as server, ConnectionPool(tls=client_tls) as pool:
        with pytest.raises(httpx.ConnectError):
            await fetch(pool, server.url.replace("http", "https"))
        assert pool.open_connections == 0
        await server.until_open(0)


async def test_tls_endless_handshake_ends_with_the_scope(client_tls: TLSContext) -> None:
    async def play(connection: RawConnection) -> None:
        await connection.until_closed()

    async with RawServer(play) as server, ConnectionPool(tls=client_tls) as pool:
        with pytest.raises(TimeoutError):
            await fetch(pool, server.url.replace("http", "https"), within=0.05)
        assert pool.open_connections == 0
        await server.until_open(0)


async def test_tls_aclose_during_a_handshake_raises_session_state_error(client_tls: TLSContext) -> None:
    begun = anyio.Event()

    async def play(connection: RawConnection) -> None:
        await connection.some()
        begun.set()
        await connection.until_closed()

    pool = ConnectionPool(tls=client_tls)
    async with RawServer(play) as server, anyio.create_task_group() as tasks:

        async def request() -> None:
            with pytest.raises(SessionStateError):
                await fetch(pool, server.url.replace("http", "https"))

        tasks.start_soon(request)
        await begun.wait()
        await pool.aclose()
        await server.until_open(0)


async def test_tls_garbage_between_records_raises_read_error(
    server_tls: ssl.SSLContext, client_tls: TLSContext
) -> None:
    async def play(connection: RawConnection) -> None:
        await connection.request()
        assert isinstance(connection.stream, TLSStream)
        await connection.stream.transport_stream.send(b"no record of TLS")
        await connection.until_closed()

    async with (
        RawServer(failing_once(play), server_tls) as server,
        ConnectionPool(tls=client_tls) as pool,
    ):
        with pytest.raises(httpx.ReadError):
            await fetch(pool, server.url)
        await settle(pool, server)


# --- stale connections, closing, bursts ----------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("how", ["before the next request", "upon it", "with a reset"])
async def test_kept_connection_that_the_server_closes_is_not_used_or_stale(
    how: str, method: str, tls: bool, server_tls: ssl.SSLContext, client_tls: TLSContext
) -> None:
    """The pool sends nothing twice: one whose end it cannot see raises an error that says so."""

    async def play(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(OK)
        if how != "before the next request":
            await connection.request()
        if how == "with a reset":
            await connection.reset()

    options = {"method": method} if method == "GET" else {"method": method, "content": b"pixels"}
    async with (
        RawServer(play, server_tls if tls else None) as server,
        ConnectionPool(tls=client_tls) as pool,
    ):
        for number in range(1, 4):
            assert await fetch(pool, server.url, **options) == b"hello"
            if how == "before the next request":
                await server.until_open(0)
            else:
                with pytest.raises(httpx.RemoteProtocolError) as caught:
                    await fetch(pool, server.url, **options)
                assert isinstance(caught.value.__cause__, StaleConnectionError)
                assert pool.open_connections == 0
            assert len(server.accepted) == number


async def test_pool_after_a_burst_of_a_thousand_connections_shrinks() -> None:
    everyone = anyio.Event()
    now = 0.0

    async def play(connection: RawConnection) -> None:
        while True:
            await connection.request()
            if connection.number == 999:
                everyone.set()
            await everyone.wait()
            await connection.send(OK)

    async with RawServer(play) as server, ConnectionPool(max_idle=64, clock=lambda: now) as pool:
        bodies: list[bytes] = []

        async def one() -> None:
            bodies.append(await fetch(pool, server.url, within=60))

        async with anyio.create_task_group() as tasks:
            for _ in range(1000):
                tasks.start_soon(one)
        assert bodies == [b"hello"] * 1000
        assert pool.open_connections == pool.idle_connections == 64
        await server.until_open(64)
        now = 2.0
        await fetch(pool, server.url)
        now = 5.0
        await fetch(pool, server.url)
        assert pool.open_connections == pool.idle_connections == 1
        await server.until_open(1)


async def test_aclose_ends_requests_that_wait_for_a_response() -> None:
    asked = anyio.Event()

    async def play(connection: RawConnection) -> None:
        await connection.request()
        asked.set()
        await connection.until_closed()

    pool = ConnectionPool()
    async with RawServer(play) as server, anyio.create_task_group() as tasks:

        async def request() -> None:
            with pytest.raises(SessionStateError):
                await fetch(pool, server.url)

        tasks.start_soon(request)
        await asked.wait()
        await pool.aclose()
        assert pool.open_connections == 0
        await server.until_open(0)


# --- cancellation --------------------------------------------------------------------------------

Request = Callable[[], Awaitable[None]]


async def cancel_everywhere(
    tls: tuple[ssl.SSLContext, TLSContext] | None,
    kept: int,
    method: str,
    cancel: Callable[[Request, int], Awaitable[bool]],
) -> None:
    """Cancel a request after 0, 1, 2 … steps, until ten in a row have ended before they were cancelled."""
    server_tls, client_tls = (None, None) if tls is None else tls

    async def play(connection: RawConnection) -> None:
        while True:  # in pieces, so that the client has more than one place to be in
            await connection.request()
            for start in range(0, len(OK), 10):
                await connection.send(OK[start : start + 10])
                await anyio.lowlevel.checkpoint()

    completed = 0
    async with (
        RawServer(play, server_tls) as server,
        ConnectionPool(tls=client_tls, max_idle=kept) as pool,
    ):

        async def request() -> None:
            await fetch(pool, server.url, method=method, content=b"" if method == "GET" else b"pixels")

        for step in range(1000):
            completed = completed + 1 if await cancel(request, step) else 0
            assert pool.open_connections == pool.idle_connections
            await server.until_open(pool.idle_connections)
            if completed == 10:
                break
        assert completed == 10
        assert step > 20
    gc.collect()  # a socket left to the collector would warn, and warnings are errors


@pytest.fixture(params=[False, True], ids=["tcp", "tls"])
def maybe_tls(
    request: pytest.FixtureRequest, server_tls: ssl.SSLContext, client_tls: TLSContext
) -> tuple[ssl.SSLContext, TLSContext] | None:
    return (server_tls, client_tls) if request.param else None


@pytest.mark.parametrize("kept", [0, 1], ids=["new", "kept"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_scope_cancelled_at_any_step_leaves_no_socket(maybe_tls: Any, kept: int, method: str) -> None:
    async def cancel(request: Request, steps: int) -> bool:
        completed = False

        async def run() -> None:
            nonlocal completed
            await request()
            completed = True

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        return completed

    await cancel_everywhere(maybe_tls, kept, method, cancel)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("again", [None, 0, 1, 2], ids=lambda again: f"again-{again}")
@pytest.mark.parametrize("kept", [0, 1], ids=["new", "kept"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_task_cancelled_at_any_step_leaves_no_socket(
    anyio_backend: str, maybe_tls: Any, kept: int, method: str, again: int | None
) -> None:
    async def cancel(request: Request, steps: int) -> bool:
        task = asyncio.ensure_future(request())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        if again is not None:
            for _ in range(again):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait([task])
        return not task.cancelled()

    await cancel_everywhere(maybe_tls, kept, method, cancel)


async def test_client_passes_errors_of_the_library_unchanged() -> None:
    async with (
        RawServer(serving(OK.replace(b"OK\r\n", b"OK\r\nX: " + b"y" * 70_000 + b"\r\n"))) as server,
        ConnectionPool() as pool,
        make_client(pool) as client,
    ):
        with pytest.raises(BingImagesError) as caught:
            await client.get(server.url)
        assert type(caught.value) is ResponseTooLargeError


# --- surplus -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 65_494, 65_536, 200_000])
@pytest.mark.parametrize("at_once", [False, True], ids=["after it", "with it"])
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_surplus_after_a_response_answers_no_other_request(
    size: int, at_once: bool, tls: bool, server_tls: ssl.SSLContext, client_tls: TLSContext
) -> None:
    """Wherever it waits: in the parser, in the event loop's buffer, in a record of TLS, in the socket."""
    whole, surplus = answer(bytes(size)), OK.replace(b"hello", b"wrong")
    assert len(answer(bytes(65_494))) == 65_536  # one read, exactly
    sent = anyio.Event()

    async def play(connection: RawConnection) -> None:
        await connection.request()
        for piece in [whole + surplus] if at_once else [whole, surplus]:
            await connection.send(piece)
        sent.set()
        await connection.until_closed()

    async with (
        RawServer(failing_once(play), server_tls if tls else None) as server,
        ConnectionPool(tls=client_tls) as pool,
    ):
        assert await fetch(pool, server.url) == bytes(size)
        await sent.wait()
        assert await fetch(pool, server.url) == b"hello"
        await settle(pool, server)


async def test_tls_aclose_at_any_step_leaves_no_socket(client_tls: TLSContext, server_tls: ssl.SSLContext) -> None:
    """At any step of it: `SessionStateError` or the response, and no socket left."""
    for steps in range(12):
        async with RawServer(serving(), server_tls) as server:
            pool = ConnectionPool(tls=client_tls)

            async def ask_once(pool: ConnectionPool = pool, url: str = server.url) -> None:
                with suppress(SessionStateError):
                    await fetch(pool, url)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask_once)
                for _ in range(steps):
                    await anyio.wait_all_tasks_blocked() if steps % 2 else await anyio.lowlevel.checkpoint()
                await pool.aclose()
            assert pool.open_connections == 0
            await server.until_open(0)
