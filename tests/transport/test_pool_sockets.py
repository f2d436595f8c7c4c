"""The connection pool over real sockets: faults of servers and of TLS, cancellation, bursts."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest
import trustme
from anyio.streams.tls import TLSStream
from bing_images_async._transport._patched import Transport
from pooled import ask
from support.raw_server import OK, Play, RawConnection, RawServer, answer, answering, serving

from bing_images_async._transport.pool import ConnectionPool
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
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def fetch(pool: ConnectionPool, url: str, *, within: float = 10.0, **options: Any) -> bytes:
    """One whole request, as the session sends it: read to the end, closed whatever happens, `within` seconds."""
    with anyio.fail_after(within):
        response = await ask(pool, httpx.Request(options.pop("method", "GET"), url, **options))
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
async def test_a_fault_raises_the_right_error_and_spoils_one_connection(
    fault: str, tls: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    play, expected = FAULTS[fault]
    async with (
        RawServer(failing_once(play), server_tls if tls else None) as server,
        ConnectionPool(ssl_context=client_tls) as pool,
    ):
        with pytest.raises(expected):
            await fetch(pool, server.url)
        assert pool.open_connections == 0
        await settle(pool, server)


async def test_a_refused_connection_is_a_connect_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with ConnectionPool() as pool:
            with pytest.raises(httpx.ConnectError):
                await fetch(pool, f"http://127.0.0.1:{unused.getsockname()[1]}/")
            assert pool.open_connections == 0


@pytest.mark.parametrize("sent", [b"", OK[:20], OK[:-2]], ids=["nothing", "half a head", "half a body"])
async def test_silence_ends_with_the_scope_around_it(sent: bytes) -> None:
    async def fall_silent(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(sent)
        await connection.until_closed()

    async with RawServer(failing_once(fall_silent)) as server, ConnectionPool() as pool:
        with pytest.raises(TimeoutError):
            await fetch(pool, server.url, within=0.05)
        assert pool.open_connections == 0
        await settle(pool, server)


async def test_a_server_that_reads_nothing_holds_nobody() -> None:
    async def ignore(connection: RawConnection) -> None:
        await connection.cut_off.wait()

    async with RawServer(failing_once(ignore)) as server, ConnectionPool() as pool:
        with pytest.raises(TimeoutError):
            await fetch(pool, server.url, method="POST", content=bytes(30_000_000), within=0.05)
        server.accepted[0].cut_off.set()
        await settle(pool, server)


# --- TLS -----------------------------------------------------------------------------------------


async def test_connections_with_tls_are_kept_too(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with RawServer(serving(), server_tls) as server, ConnectionPool(ssl_context=client_tls) as pool:
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
async def test_a_certificate_that_is_not_valid_is_a_connect_error_that_says_so(
    wrong: str, authority: trustme.CA, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    if wrong == "host":
        server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("elsewhere.test").configure_cert(server_tls)
    context = None if wrong == "authority" else client_tls
    async with RawServer(serving(), server_tls) as server, ConnectionPool(ssl_context=context) as pool:
        with pytest.raises(httpx.ConnectError, match="certificate verify failed") as caught:
            await fetch(pool, server.url)
        assert any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(caught.value))
        assert pool.open_connections == 0
        await server.until_open(0)


@pytest.mark.parametrize("reply", [OK, b""], ids=["plain HTTP", "closed"])
async def test_a_server_without_tls_is_a_connect_error(reply: bytes, client_tls: ssl.SSLContext) -> None:
    async def play(connection: RawConnection) -> None:
        await connection.some()
        await connection.send(reply)

    async with RawServer(play) as server, ConnectionPool(ssl_context=client_tls) as pool:
        with pytest.raises(httpx.ConnectError):
            await fetch(pool, server.url.replace("http", "https"))
        assert pool.open_connections == 0
        await server.until_open(0)


async def test_a_handshake_that_never_ends_holds_nobody(client_tls: ssl.SSLContext) -> None:
    async def play(connection: RawConnection) -> None:
        await connection.until_closed()

    async with RawServer(play) as server, ConnectionPool(ssl_context=client_tls) as pool:
        with pytest.raises(TimeoutError):
            await fetch(pool, server.url.replace("http", "https"), within=0.05)
        assert pool.open_connections == 0
        await server.until_open(0)


async def test_closing_during_a_handshake_is_a_connect_error(client_tls: ssl.SSLContext) -> None:
    begun = anyio.Event()

    async def play(connection: RawConnection) -> None:
        await connection.some()
        begun.set()
        await connection.until_closed()

    pool = ConnectionPool(ssl_context=client_tls)
    async with RawServer(play) as server, anyio.create_task_group() as tasks:

        async def request() -> None:
            with pytest.raises(httpx.ConnectError):
                await fetch(pool, server.url.replace("http", "https"))

        tasks.start_soon(request)
        await begun.wait()
        await pool.aclose()
        await server.until_open(0)


async def test_what_is_not_tls_inside_tls_is_a_read_error(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def play(connection: RawConnection) -> None:
        await connection.request()
        assert isinstance(connection.stream, TLSStream)
        await connection.stream.transport_stream.send(b"no record of TLS")
        await connection.until_closed()

    async with (
        RawServer(failing_once(play), server_tls) as server,
        ConnectionPool(ssl_context=client_tls) as pool,
    ):
        with pytest.raises(httpx.ReadError):
            await fetch(pool, server.url)
        await settle(pool, server)


# --- stale connections, closing, bursts ----------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("how", ["before the next request", "upon it", "with a reset"])
async def test_a_server_that_closes_idle_connections_goes_unnoticed(
    how: str, tls: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def play(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(OK)
        if how != "before the next request":
            await connection.request()
        if how == "with a reset":
            await connection.reset()

    async with (
        RawServer(play, server_tls if tls else None) as server,
        ConnectionPool(ssl_context=client_tls) as pool,
    ):
        for _ in range(5):
            assert await fetch(pool, server.url, method="POST", content=b"pixels") == b"hello"
            if how == "before the next request":
                await server.until_open(0)
        assert len(server.accepted) == 5
        assert pool.open_connections == 1


async def test_a_burst_of_a_thousand_connections_is_served_and_shrinks() -> None:
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
            bodies.append(await fetch(pool, server.url, extensions={}))

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


async def test_closing_the_pool_ends_requests_that_wait_for_an_answer() -> None:
    asked = anyio.Event()

    async def play(connection: RawConnection) -> None:
        await connection.request()
        asked.set()
        await connection.until_closed()

    pool = ConnectionPool()
    async with RawServer(play) as server, anyio.create_task_group() as tasks:

        async def request() -> None:
            with pytest.raises(httpx.ReadError):
                await fetch(pool, server.url)

        tasks.start_soon(request)
        await asked.wait()
        await pool.aclose()
        assert pool.open_connections == 0
        await server.until_open(0)


# --- cancellation --------------------------------------------------------------------------------

Request = Callable[[], Awaitable[None]]


async def cancel_everywhere(
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None,
    kept: int,
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
        ConnectionPool(ssl_context=client_tls, max_idle=kept) as pool,
    ):

        async def request() -> None:
            await fetch(pool, server.url)

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
    request: pytest.FixtureRequest, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> tuple[ssl.SSLContext, ssl.SSLContext] | None:
    return (server_tls, client_tls) if request.param else None


@pytest.mark.parametrize("kept", [0, 1], ids=["new", "kept"])
async def test_cancelling_a_scope_at_any_step_leaves_no_socket(maybe_tls: Any, kept: int) -> None:
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

    await cancel_everywhere(maybe_tls, kept, cancel)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("again", [None, 0, 1, 2], ids=lambda again: f"again-{again}")
@pytest.mark.parametrize("kept", [0, 1], ids=["new", "kept"])
async def test_cancelling_the_task_at_any_step_leaves_no_socket(
    anyio_backend: str, maybe_tls: Any, kept: int, again: int | None
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

    await cancel_everywhere(maybe_tls, kept, cancel)


async def test_errors_of_ours_pass_through_httpx_unchanged() -> None:
    async with (
        RawServer(serving(OK.replace(b"OK\r\n", b"OK\r\nX: " + b"y" * 70_000 + b"\r\n"))) as server,
        httpx.AsyncClient(transport=Transport(ConnectionPool().send)) as client,
    ):
        with pytest.raises(BingImagesError) as caught:
            await client.get(server.url)
        assert type(caught.value) is ResponseTooLargeError


# --- surplus -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 65_494, 65_536, 200_000])
@pytest.mark.parametrize("at_once", [False, True], ids=["after it", "with it"])
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_what_comes_with_an_answer_answers_no_other_question(
    size: int, at_once: bool, tls: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
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
        ConnectionPool(ssl_context=client_tls) as pool,
    ):
        assert await fetch(pool, server.url) == bytes(size)
        await sent.wait()
        assert await fetch(pool, server.url) == b"hello"
        await settle(pool, server)


async def test_closing_at_the_end_of_a_handshake(client_tls: ssl.SSLContext, server_tls: ssl.SSLContext) -> None:
    """At whichever step of it: an error of httpx, and no socket left."""
    for steps in range(12):
        async with RawServer(serving(), server_tls) as server:
            pool = ConnectionPool(ssl_context=client_tls)
            errors: list[BaseException] = []

            async def ask_once(pool: ConnectionPool = pool, url: str = server.url) -> None:
                try:
                    await fetch(pool, url)
                except (httpx.TransportError, SessionStateError) as error:
                    errors.append(error)  # noqa: B023  # awaited in the same round

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask_once)
                for _ in range(steps):
                    await anyio.wait_all_tasks_blocked() if steps % 2 else await anyio.lowlevel.checkpoint()
                await pool.aclose()
            assert pool.open_connections == 0
            await server.until_open(0)
