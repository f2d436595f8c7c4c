"""The connection pool over a network in memory: what it keeps, what it closes, and that it leaks nothing."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import anyio
import httpcore
import httpx
import pytest
from memory import OK, TLS, URL, URLS, Clock, Network, Step, Stream, ask, body, fetch, fetch_again, send, settle

from bing_images_async._transport import connection as connection_module, pool as pool_module
from bing_images_async._transport.pool import NEW_CONNECTION, ConnectionPool, StaleConnectionError
from bing_images_async.errors import ResponseTooLargeError, SessionStateError

pytestmark = pytest.mark.anyio

# --- what is kept ------------------------------------------------------------------------------


async def test_pool_body_read_to_the_end_reuses_the_connection() -> None:
    network = Network()
    async with ConnectionPool(network=network) as pool:
        for _ in range(3):
            assert (await fetch(pool)).content == b"hello"
        assert (len(network.streams), pool.open_connections, pool.idle_connections) == (1, 1, 1)


async def test_body_closed_twice_keeps_its_connection_once() -> None:
    async with ConnectionPool(network=Network()) as pool:
        response = await send(pool)
        assert [piece async for piece in body(response)] == [b"hello"]
        await response.aclose()
        await response.aclose()
        assert (pool.open_connections, pool.idle_connections) == (1, 1)


async def test_counts_connection_in_use_is_open_and_not_idle() -> None:
    async with ConnectionPool(network=Network()) as pool:
        response = await ask(pool)
        assert (pool.open_connections, pool.idle_connections) == (1, 0)
        await response.aread()
        assert (pool.open_connections, pool.idle_connections) == (1, 1)


async def test_pool_takes_the_newest_idle_connection_first() -> None:
    async with ConnectionPool(network=Network()) as pool:

        async def streams() -> tuple[list[Stream], list[httpx.Response]]:
            responses = [await ask(pool) for _ in range(3)]
            return [response.extensions["network_stream"] for response in responses], responses

        first, responses = await streams()
        for index in (2, 0, 1):
            await responses[index].aread()
        again, _ = await streams()
        assert again == [first[1], first[0], first[2]]


async def test_pool_shares_no_connections_between_origins() -> None:
    network = Network()
    async with ConnectionPool(network=network) as pool:
        for url in ("http://a.test/", "http://b.test/", "http://a.test:81/", "http://a.test/"):
            await fetch(pool, url)
        assert len(network.streams) == 3


@pytest.mark.parametrize("header", [b"Connection: close", b"X: y"])
async def test_pool_connection_close_header_closes_the_connection(header: bytes) -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + header + b"\r\n\r\nhello"
    network = Network([response])
    async with ConnectionPool(network=network) as pool:
        await fetch(pool)
        assert pool.idle_connections == len(network.open) == pool.open_connections
        assert pool.idle_connections == (header == b"X: y")


async def test_pool_idle_connections_expire_by_the_given_clock() -> None:
    network, clock = Network([]), Clock()
    async with ConnectionPool(network=network, clock=clock) as pool:
        await fetch(pool)
        clock.now += 3.9
        await fetch(pool)
        assert len(network.streams) == 1
        clock.now += 4.0
        await fetch(pool)
        assert len(network.streams) == 2
        assert len(network.open) == pool.open_connections == 1


async def test_pool_skips_idle_connections_that_are_readable() -> None:
    network = Network()
    async with ConnectionPool(network=network) as pool:
        await fetch(pool)
        network.streams[0].readable = True
        await fetch(pool)
        assert [stream.closed for stream in network.streams] == [True, False]
        assert len(network.streams[0].written) == 1


async def test_pool_after_a_burst_keeps_max_idle_until_they_expire() -> None:
    network, clock = Network([]), Clock()
    async with ConnectionPool(network=network, clock=clock, max_idle=40) as pool:
        async with anyio.create_task_group() as tasks:
            for _ in range(1000):
                tasks.start_soon(fetch, pool)
        assert len(network.streams) == 1000
        assert len(network.open) == pool.idle_connections == pool.open_connections == 40
        for _ in range(5):
            clock.now += 1.0
            await fetch(pool)
        assert len(network.open) == pool.idle_connections == pool.open_connections == 1


async def test_pool_expired_connections_of_other_origins_are_closed() -> None:
    network, clock = Network(), Clock()
    async with ConnectionPool(network=network, clock=clock, max_idle=3) as pool:
        for host in "abc":
            await fetch(pool, f"http://{host}.test/")
        clock.now += 4.0
        await fetch(pool)
        assert len(network.open) == pool.idle_connections == pool.open_connections == 1


async def test_pool_beyond_max_idle_closes_the_oldest_of_all_origins() -> None:
    """Otherwise a session that once used many hosts would keep no connection to another one."""
    network = Network()
    async with ConnectionPool(network=network, max_idle=3) as pool:
        for host in "abcda":
            await fetch(pool, f"http://{host}.test/")
        assert [stream.closed for stream in network.streams] == [True, True, False, False, False]
        await fetch(pool, "http://c.test/")
        assert len(network.streams) == 5


HALVES: list[list[Step]] = [
    [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", b"wor", b"ld"],
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n", b"0\r\n\r\n"],
]


@pytest.mark.parametrize("halves", HALVES, ids=["more to come", "more at hand"])
@pytest.mark.parametrize("read", [0, 1])
async def test_body_closed_half_read_closes_its_connection(halves: list[Step], read: int) -> None:
    """At once, with nothing read in advance and no generator left suspended."""
    network = Network(halves, [])
    async with ConnectionPool(network=network) as pool:
        response = await send(pool)
        if read:
            async for piece in body(response):
                assert piece.startswith(b"hello")
                break
        operations = network.operations
        await response.aclose()
        await response.aclose()
        assert (pool.open_connections, network.open) == (0, [])
        assert (network.operations, network.streams[0].closings) == (operations, 1)
        del response
        gc.collect()  # a generator left suspended would warn here on trio
        await settle(pool, network)


async def test_pool_empty_body_needs_one_read() -> None:
    network = Network([b"HTTP/1.1 204 No Content\r\n\r\n"])
    async with ConnectionPool(network=network) as pool:
        assert (await fetch(pool)).content == b""
        assert pool.idle_connections == 1


# --- stale connections -------------------------------------------------------------------------

STALE = [b"", httpcore.ReadError("reset")]


@pytest.mark.parametrize("end", STALE, ids=["closed", "reset"])
@pytest.mark.parametrize(
    "options",
    [{}, {"method": "POST", "content": b"x"}, {"method": "POST", "files": {"image": b"pixels"}}],
    ids=["get", "post", "upload"],
)
async def test_kept_connection_that_ends_before_the_response_is_stale(end: Step, options: dict[str, Any]) -> None:
    """The pool sends nothing twice; the error says whether bytes were written."""
    network = Network([OK, end], [])
    async with ConnectionPool(network=network) as pool:
        await fetch(pool)
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            await fetch(pool, **options)
        cause = caught.value.__cause__
        assert isinstance(cause, StaleConnectionError)
        assert cause.has_written
        assert len(network.streams) == 1
        await settle(pool, network)


async def test_new_connection_extension_uses_no_idle_connection() -> None:
    network = Network([OK, b""], [])
    async with ConnectionPool(network=network) as pool:
        await fetch(pool)
        response = await fetch(pool, extensions={NEW_CONNECTION: True})
        assert response.content == b"hello"
        assert len(network.streams) == pool.idle_connections == 2


@pytest.mark.parametrize("end", STALE, ids=["closed", "reset"])
async def test_new_connection_that_ends_is_not_stale(end: Step) -> None:
    network = Network([end], [])
    async with ConnectionPool(network=network) as pool:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)) as caught:
            await fetch(pool)
        assert not isinstance(caught.value.__cause__, StaleConnectionError)
        assert len(network.streams) == 1
        await settle(pool, network)


@pytest.mark.parametrize(("seconds", "is_stale"), [(0.0, False), (0.1, False), (0.2, True)])
async def test_new_connection_that_waited_before_sending_can_be_stale(seconds: float, is_stale: bool) -> None:
    """While a trace handler waits, the server may close the connection like any idle one."""
    clock = Clock()

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            clock.now += seconds

    async with ConnectionPool(network=Network([b""], []), clock=clock) as pool:
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            await fetch(pool, extensions={"trace": trace})
        assert isinstance(caught.value.__cause__, StaleConnectionError) == is_stale


async def test_connection_that_ends_before_sending_is_stale_and_nothing_is_written() -> None:
    """So that an upload can be sent again."""
    clock = Clock()

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            clock.now += 1.0
            network.streams[0].readable = True

    network = Network()
    async with ConnectionPool(network=network, clock=clock) as pool:
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            await fetch(pool, extensions={"trace": trace})
        assert isinstance(caught.value.__cause__, StaleConnectionError)
        assert not caught.value.__cause__.has_written
        assert network.streams[0].written == []
        await settle(pool, network)


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
async def test_kept_connection_that_ends_within_a_response_is_not_stale(begun: bytes) -> None:
    network = Network([OK, begun, b""], [])
    async with ConnectionPool(network=network) as pool:
        await fetch(pool)
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            await fetch(pool)
        assert not isinstance(caught.value.__cause__, StaleConnectionError)
        assert len(network.streams) == 1
        await settle(pool, network)


async def test_kept_connection_that_times_out_is_not_stale() -> None:
    network = Network([OK, httpcore.ReadTimeout()], [])
    async with ConnectionPool(network=network) as pool:
        await fetch(pool)
        with pytest.raises(httpx.ReadTimeout):
            await fetch(pool)
        assert len(network.streams) == 1
        await settle(pool, network)


async def test_surplus_response_closes_the_connection() -> None:
    network = Network([OK + OK.replace(b"hello", b"wrong")], [])
    async with ConnectionPool(network=network) as pool:
        assert (await fetch(pool)).content == b"hello"
        assert (await fetch(pool)).content == b"hello"
        assert [stream.closed for stream in network.streams] == [True, False]


# --- the head of an answer ---------------------------------------------------------------------


def head_of(size: int) -> bytes:
    """A whole response without a body, of so many bytes."""
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    lines = [b"X: " + b"y" * 1000 + b"\r\n"] * ((size - len(empty)) // 1100)
    rest = size - len(empty) - sum(map(len, lines)) - len(b"X: \r\n")
    head = empty[:-2] + b"".join(lines) + b"X: " + b"y" * rest + b"\r\n\r\n"
    assert len(head) == size
    return head


@pytest.mark.parametrize("pieces", [1, 8 * 1024, 999])
async def test_head_of_64_kib_is_accepted_and_one_byte_more_refused(pieces: int) -> None:
    def cut(data: bytes) -> list[Step]:
        size = max(1, len(data) // pieces)
        return [data[start : start + size] for start in range(0, len(data), size)]

    network = Network(cut(head_of(65_536)), cut(head_of(65_537)), [])
    async with ConnectionPool(network=network, max_idle=0) as pool:
        assert (await fetch(pool)).status_code == 204
        with pytest.raises(ResponseTooLargeError, match="65536") as caught:
            await fetch(pool)
        assert caught.value.limit == 65_536
        assert pool.open_connections == len(network.open) == 0


async def test_body_beyond_the_limit_of_the_head_is_read() -> None:
    body = b"x" * 300_000
    network = Network([b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body])
    async with ConnectionPool(network=network) as pool:
        assert (await fetch(pool)).content == body


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("size", [10_000, 3, 1])
async def test_eight_interim_responses_are_skipped_and_a_ninth_refused(size: int) -> None:
    def cut(data: bytes) -> list[Step]:
        return [data[start : start + size] for start in range(0, len(data), size)]

    network = Network(cut(CONTINUE * 8 + OK), cut(CONTINUE * 9 + OK), [])
    async with ConnectionPool(network=network, max_idle=0) as pool:
        assert (await fetch(pool)).content == b"hello"
        with pytest.raises(ResponseTooLargeError, match="interim"):
            await fetch(pool)
        assert pool.open_connections == len(network.open) == 0


async def test_body_that_looks_like_interim_responses_is_read_as_body() -> None:
    body = CONTINUE * 20
    network = Network([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body])
    async with ConnectionPool(network=network) as pool:
        assert (await fetch(pool)).content == body


# --- as httpx's own transport --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "error", "expected"),
    [
        ("connect", httpcore.ConnectError("refused"), httpx.ConnectError),
        ("connect", httpcore.ConnectTimeout(), httpx.ConnectTimeout),
        ("start_tls", ssl.SSLError("bad"), httpx.ConnectError),
        ("start_tls", httpcore.ConnectTimeout(), httpx.ConnectTimeout),
        ("write", httpcore.WriteTimeout(), httpx.WriteTimeout),
        ("read", httpcore.ReadError("reset"), httpx.ReadError),
        ("read", ssl.SSLError("bad"), httpx.ReadError),
        ("read", httpcore.ReadTimeout(), httpx.ReadTimeout),
        ("read", ValueError("not the network's"), ValueError),
    ],
)
async def test_network_errors_become_errors_of_httpx(
    operation: str, error: Exception, expected: type[Exception]
) -> None:
    network = Network()
    network.fail_at[operation] = error
    async with ConnectionPool(network=network, tls=TLS) as pool:
        with pytest.raises(expected):
            await fetch(pool, "https://service.test/")
        network.fail_at.clear()
        await settle(pool, network)


@pytest.mark.parametrize("error", [httpcore.WriteError("broken pipe"), ssl.SSLError("bad")])
async def test_write_error_with_an_early_response_returns_the_response(error: Exception) -> None:
    network = Network()
    network.fail_at["write"] = error
    network.reads_at_once = True
    async with ConnectionPool(network=network) as pool:
        assert (await fetch(pool)).content == b"hello"


async def test_read_error_inside_the_body_closes_the_connection() -> None:
    network = Network([OK[:-2], httpcore.ReadError("reset")], [])
    async with ConnectionPool(network=network) as pool:
        with pytest.raises(httpx.ReadError, match="reset"):
            await fetch(pool)
        await settle(pool, network)


MALFORMED: dict[str, dict[str, Any]] = {
    "LF in a value": {"headers": {"X": "a\nb"}},
    "CR in a value": {"headers": {"X": "a\rb"}},
    "NUL in a value": {"headers": {"X": "a\0b"}},
    "control character in a value": {"headers": {"X": "a\x1fb"}},
    "DEL in a value": {"headers": {"X": "a\x7fb"}},
    "space in a name": {"headers": {"a b": "x"}},
    "colon in a name": {"headers": {"a:b": "x"}},
    "LF in a name": {"headers": {"a\nb": "x"}},
    "empty name": {"headers": {"": "x"}},
    "space in the method": {"method": "GET /"},
    "LF in the method": {"method": "GET\n"},
    "empty method": {"method": ""},
    "length that is no number": {"method": "POST", "headers": {"Content-Length": "a"}, "content": b"x"},
    "negative length": {"method": "POST", "headers": {"Content-Length": "-1"}, "content": b"x"},
    "length of 5,000 digits": {"method": "POST", "headers": {"Content-Length": "9" * 5000}, "content": b"x"},
    "two lengths": {"method": "POST", "headers": [("Content-Length", "1"), ("Content-Length", "2")], "content": b"x"},
    "length and encoding": {
        "method": "POST",
        "headers": {"Content-Length": "1", "Transfer-Encoding": "chunked"},
        "content": b"x",
    },
    "another encoding": {"method": "POST", "headers": {"Transfer-Encoding": "gzip"}, "content": b"x"},
}


@pytest.mark.parametrize("fault", MALFORMED)
async def test_malformed_request_is_refused_before_connecting(fault: str) -> None:
    network = Network()
    async with ConnectionPool(network=network) as pool:
        with pytest.raises(httpx.LocalProtocolError):
            await fetch(pool, **MALFORMED[fault])
        assert network.streams == []
        await settle(pool, network)


@pytest.mark.parametrize("target", [b"/a b", b"/a\r\nX: y", b"/\0", "/ä".encode(), b"", b"/\t"])
async def test_malformed_target_is_refused_before_connecting(target: bytes) -> None:
    """httpx encodes targets; its extension `target` and httpcore's requests do not."""
    network = Network()
    async with ConnectionPool(network=network) as pool:
        with pytest.raises(httpx.LocalProtocolError):
            await fetch(pool, extensions={"target": target})
        url = httpcore.URL(scheme=b"http", host=b"service.test", port=None, target=target)
        with pytest.raises(httpcore.LocalProtocolError):
            await pool.handle_async_request(httpcore.Request(b"GET", url, headers=[(b"Host", b"service.test")]))
        assert network.streams == []


async def test_malformed_request_leaves_idle_connections_alone() -> None:
    network = Network()
    async with ConnectionPool(network=network) as pool:
        await fetch(pool)
        with pytest.raises(httpx.LocalProtocolError):
            await fetch(pool, headers={"X": "a\nb"})
        assert len(network.open) == pool.idle_connections == 1


async def test_malformed_request_reaches_no_trace_handler() -> None:
    """A rate limiter that waits there would spend a slot on nothing."""
    events: list[str] = []

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        events.append(event)

    async with ConnectionPool(network=Network()) as pool:
        with pytest.raises(httpx.LocalProtocolError):
            await fetch(pool, headers={"X": "a\nb"}, extensions={"trace": trace})
    assert events == []


async def test_other_schemes_raise_unsupported_protocol() -> None:
    async with ConnectionPool(network=Network()) as pool:
        with pytest.raises(httpx.UnsupportedProtocol, match="http"):
            await fetch(pool, "ftp://service.test/")


async def test_request_is_written_as_it_was_given() -> None:
    """Order and case of headers included, in one write where there is no body."""
    network = Network()
    async with ConnectionPool(network=network) as pool:
        url = httpcore.URL(scheme=b"http", host=b"a.test", port=81, target=b"/v7.0/images/search?q=%C3%A4+b&x=a/b")
        headers = [(b"hOST", b"other.test"), (b"X", b" a\tb "), (b"x", "Zürich".encode()), (b"Empty", b"")]
        response = await pool.handle_async_request(httpcore.Request(b"GET", url, headers=headers))
        await response.aread()
        await fetch(pool, "http://a.test", method="POST", content=b"12", headers={"Accept": "*/*"})
    head = b"hOST: other.test\r\nX:  a\tb \r\nx: Z\xc3\xbcrich\r\nEmpty: \r\n\r\n"
    assert network.streams[0].written == [b"GET /v7.0/images/search?q=%C3%A4+b&x=a/b HTTP/1.1\r\n" + head]
    assert network.streams[1].written == [
        b"POST / HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n",
        b"12",
    ]


async def test_request_headers_are_emptied_after_sending() -> None:
    """Tracebacks hold the request, and its headers may hold a key."""
    network = Network([], [b"garbage"])
    async with ConnectionPool(network=network) as pool:
        for url in (URL, "http://other.test/"):
            request = httpcore.Request(b"GET", url, headers=[(b"Host", b"service.test"), (b"Key", b"secret")])
            with suppress(httpcore.RemoteProtocolError):
                await pool.handle_async_request(request)
            assert request.headers == []


async def test_response_headers_keep_order_case_and_bytes() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Cache: a\r\nContent-Length: 0\r\nx-cache: b\r\nX-City: Z\xfcrich\r\n\r\n"
    async with ConnectionPool(network=Network([head])) as pool:
        response = await send(pool)
        assert response.headers == [
            (b"X-Cache", b"a"),
            (b"Content-Length", b"0"),
            (b"x-cache", b"b"),
            (b"X-City", b"Z\xfcrich"),
        ]
        assert "reason_phrase" not in response.extensions  # httpx logs it, and a server may put a key there
        assert response.extensions["http_version"] == b"HTTP/1.1"
        await response.aclose()


@pytest.mark.parametrize("url", ["http://a.test:0/", "http://a.test:65536/", "http:///x"])
async def test_url_that_cannot_be_reached_raises_an_error_of_httpx(url: str) -> None:
    network = Network()
    async with ConnectionPool(network=network) as pool:
        with pytest.raises((httpx.InvalidURL, httpx.TransportError)):
            await fetch(pool, url)
    assert network.streams == []


async def test_response_with_two_lengths_closes_the_connection() -> None:
    """An intermediary may have used the other one (RFC 9112, section 6.3)."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    network = Network([head + b"5\r\nhello\r\n0\r\n\r\n"])
    async with ConnectionPool(network=network) as pool:
        assert (await fetch(pool)).content == b"hello"
        assert pool.open_connections == len(network.open) == 0


# --- cancellation --------------------------------------------------------------------------------


def network_and_pool(kept: bool) -> tuple[Network, ConnectionPool]:
    """A pool for one request in two reads; with `kept`, for one on a stale connection and its repetition."""
    network = Network([OK, b""], [OK[:-2], b"lo"]) if kept else Network([OK[:-2], b"lo"])
    return network, ConnectionPool(network=network, tls=TLS)


UPLOAD: dict[str, Any] = {"method": "POST", "content": b"pixels"}
OPTIONS = pytest.mark.parametrize("options", [{}, UPLOAD], ids=["get", "upload"])


async def steps_to_cancel(
    url: str,
    kept: bool,
    options: dict[str, Any],
    cancel: Callable[[Callable[[], Awaitable[Any]], int], Awaitable[bool]],
) -> int:
    """Cancel a request after 0, 1, 2 … steps until it ends before it is cancelled."""
    for step in range(500):
        network, pool = network_and_pool(kept)
        async with pool:
            if kept:
                await fetch(pool, url)

            async def request(pool: ConnectionPool = pool) -> None:
                await fetch_again(pool, url, **options)

            completed = await cancel(request, step)
            await settle(pool, network)
        assert network.open == []
        if completed:
            return step
    pytest.fail("the request did not end")


@pytest.mark.parametrize("kept", [False, True], ids=["new", "stale"])
@pytest.mark.parametrize("url", URLS)
@OPTIONS
async def test_scope_cancelled_at_any_step_leaks_nothing(url: str, kept: bool, options: dict[str, Any]) -> None:
    async def cancel(request: Callable[[], Awaitable[Any]], steps: int) -> bool:
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

    assert await steps_to_cancel(url, kept, options, cancel) > 4


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("again", [None, 0, 1, 2, 3], ids=lambda again: f"again-{again}")
@pytest.mark.parametrize("kept", [False, True], ids=["new", "stale"])
@pytest.mark.parametrize("url", URLS)
@OPTIONS
async def test_task_cancelled_at_any_step_once_or_twice_leaks_nothing(
    anyio_backend: str, url: str, kept: bool, options: dict[str, Any], again: int | None
) -> None:
    async def cancel(request: Callable[[], Awaitable[Any]], steps: int) -> bool:
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

    assert await steps_to_cancel(url, kept, options, cancel) > 4


@pytest.mark.parametrize("kept", [False, True], ids=["new", "stale"])
@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    ("anyio_backend", "options"),
    [("asyncio", {}), ("trio", {}), ("trio", UPLOAD)],  # asyncio ends its loop if a task other than the first raises it
    ids=["asyncio-get", "trio-get", "trio-upload"],
)
async def test_keyboard_interrupt_at_any_operation_leaks_nothing(
    anyio_backend: str, url: str, kept: bool, options: dict[str, Any]
) -> None:
    for operation in range(1, 50):
        network, pool = network_and_pool(kept)
        async with pool:
            if kept:
                await fetch(pool, url)
            network.interrupt_at = network.operations + operation
            try:
                await fetch_again(pool, url, **options)
            except KeyboardInterrupt:
                await settle(pool, network)
            else:
                assert operation > 4
                return
    pytest.fail("the request did not end")


async def test_cancelled_while_expired_connections_are_closed_leaks_nothing() -> None:
    for step in range(50):
        network, clock = Network([]), Clock()
        async with ConnectionPool(network=network, clock=clock) as pool:
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(fetch, pool)
            assert pool.idle_connections == 5
            clock.now += 10.0
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fetch, pool)
                for _ in range(step):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            await settle(pool, network)


# --- closing -------------------------------------------------------------------------------------


async def test_aclose_closes_idle_connections_and_those_in_use() -> None:
    network = Network([OK[:-2], None], [])
    pool = ConnectionPool(network=network)
    used = await ask(pool)
    await fetch(pool)
    assert (pool.open_connections, pool.idle_connections) == (2, 1)
    await pool.aclose()
    await pool.aclose()
    assert (network.open, pool.open_connections, pool.idle_connections) == ([], 0, 0)
    with pytest.raises(SessionStateError):
        await used.aread()
    assert (pool.open_connections, pool.idle_connections) == (0, 0)


@pytest.mark.parametrize("end", [b"", httpcore.ReadError("closed")], ids=["end", "error"])
@pytest.mark.parametrize("begun", [[], [OK[:20]], [OK[:-2]]], ids=["nothing", "half a head", "half a body"])
@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
async def test_aclose_during_a_request_raises_session_state_error(kept: bool, begun: list[Step], end: Step) -> None:
    """However the network reports that the connection has been closed, and a kept one is not called stale."""

    class Ending(Stream):
        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            if self.script:
                return await super().read(max_bytes)
            waiting.set()
            await closed.wait()
            if isinstance(end, Exception):
                raise end
            return b""

    class Servers(Network):
        async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
            self.streams.append(Ending(self, [OK, *begun] if kept else begun))
            return self.streams[-1]

    waiting, closed = anyio.Event(), anyio.Event()
    pool = ConnectionPool(network=Servers())
    if kept:
        await fetch(pool)
    async with anyio.create_task_group() as tasks:

        async def request() -> None:
            with pytest.raises(SessionStateError):
                await fetch(pool)

        tasks.start_soon(request)
        await waiting.wait()
        await pool.aclose()
        closed.set()
    assert pool.open_connections == 0


async def test_response_completed_after_aclose_is_not_kept() -> None:
    network = Network()
    pool = ConnectionPool(network=network)
    response = await ask(pool)
    await pool.aclose()
    assert await response.aread() == b"hello"
    assert (network.open, pool.open_connections, pool.idle_connections) == ([], 0, 0)


async def test_aclose_ends_a_connection_that_is_being_made() -> None:
    class Unreachable(Network):
        async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
            await anyio.sleep_forever()
            raise AssertionError

    pool = ConnectionPool(network=Unreachable([]))
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def request() -> None:
                with pytest.raises(SessionStateError):
                    await fetch(pool)

            tasks.start_soon(request)
            await anyio.wait_all_tasks_blocked()
            assert pool.open_connections == 1
            await pool.aclose()
    assert pool.open_connections == 0


async def test_aclose_at_any_step_of_a_request_closes_its_connection() -> None:
    for steps in range(20):
        network = Network()
        pool = ConnectionPool(network=network)
        async with anyio.create_task_group() as tasks:

            async def request(pool: ConnectionPool = pool) -> None:
                with suppress(SessionStateError):
                    await fetch(pool)

            tasks.start_soon(request)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            await pool.aclose()
        assert (network.open, pool.open_connections, pool.idle_connections) == ([], 0, 0)


async def test_connection_made_after_aclose_is_closed_unused() -> None:
    class Stubborn(Network):
        async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
            with anyio.CancelScope(shield=True):
                await connected.wait()
                return await super().connect_tcp(*args, **options)

    connected = anyio.Event()
    network = Stubborn([])
    pool = ConnectionPool(network=network)
    async with anyio.create_task_group() as tasks:

        async def request() -> None:
            with pytest.raises(SessionStateError):
                await fetch(pool)

        tasks.start_soon(request)
        await anyio.wait_all_tasks_blocked()
        await pool.aclose()
        connected.set()
    [stream] = network.streams
    assert (stream.written, stream.closed, pool.open_connections) == ([], True, 0)


async def test_closed_pool_raises_session_state_error() -> None:
    network = Network()
    pool = ConnectionPool(network=network)
    await pool.aclose()
    with pytest.raises(SessionStateError):
        await fetch(pool)
    assert network.streams == []


async def test_aclose_is_bounded_and_closes_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "CLOSE_TIMEOUT", 0.02)
    monkeypatch.setattr(pool_module, "_CLOSE_ALL_TIMEOUT", 0.05)
    network = Network()
    pool = ConnectionPool(network=network)
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(fetch, pool)
    for stream in network.streams:
        stream.hangs_on_close = True
    began = anyio.current_time()
    await pool.aclose()
    assert anyio.current_time() - began < 0.2  # one after the other would take 0.4
    assert (len(network.streams), network.open) == (20, [])


async def test_aclose_in_a_cancelled_scope_closes_every_connection() -> None:
    network = Network()
    pool = ConnectionPool(network=network)
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(fetch, pool)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await pool.aclose()
    assert (network.open, pool.open_connections) == ([], 0)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_aclose_with_its_task_cancelled_closes_every_connection(anyio_backend: str) -> None:
    for steps in range(1, 25):
        network = Network()
        pool = ConnectionPool(network=network)
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(fetch, pool)
        task = asyncio.ensure_future(pool.aclose())
        for _ in range(steps):
            await asyncio.sleep(0)
        cancelled = task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() == cancelled
        assert (network.open, pool.open_connections) == ([], 0)
