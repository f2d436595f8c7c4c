"""The connection pool over a network in memory: what it keeps, what it drops, and that it never leaks."""

from __future__ import annotations

import asyncio
import gc
import ssl
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio
import httpcore
import httpx
import pytest
from bing_images_async._transport.carrier import Outgoing
from pooled import ask

from bing_images_async._transport import connection as _connection, pool as pool_module
from bing_images_async._transport.pool import ConnectionPool
from bing_images_async.errors import ResponseTooLargeError, SessionStateError

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
URL = "http://service.test/images"
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

Step = bytes | BaseException | None
"""What a read gives: bytes (none at the end of the stream), an error, or (`None`) a wait without end."""


class Network(httpcore.AsyncNetworkBackend):
    """Servers in memory: each connection takes its reads from a script, the last script serving for ever."""

    def __init__(self, *scripts: Iterable[Step]) -> None:
        self.scripts = deque(list(script) for script in scripts)
        self.streams: list[Stream] = []
        self.timeouts: dict[str, float | None] = {}
        self.fail_at: dict[str, BaseException] = {}
        """Errors to raise, by operation."""
        self.operations = 0
        self.interrupt_at = -1
        """Which operation, counted over the whole network, Ctrl-C strikes."""

    @property
    def open(self) -> list[Stream]:
        return [stream for stream in self.streams if not stream.closed]

    async def operate(self, name: str, timeout: float | None = None) -> None:
        self.timeouts[name] = timeout
        self.operations += 1
        await anyio.lowlevel.checkpoint()
        if self.operations == self.interrupt_at:
            raise KeyboardInterrupt
        if name in self.fail_at:
            raise self.fail_at[name]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        await self.operate("connect", timeout)
        script = self.scripts.popleft() if len(self.scripts) > 1 else list(self.scripts[0])
        self.streams.append(Stream(self, script))
        return self.streams[-1]


class Stream(httpcore.AsyncNetworkStream):
    def __init__(self, network: Network, script: list[Step]) -> None:
        self.network = network
        self.script = deque(script)
        self.written: list[bytes] = []
        self.closed = self.readable = False
        self.closings = 0
        self.hangs_on_close = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        await self.network.operate("read", timeout)
        if self.closed:
            raise httpcore.ReadError("closed")
        step = self.script.popleft() if self.script else OK
        if step is None:
            await anyio.sleep_forever()
        if isinstance(step, BaseException):
            raise step
        assert isinstance(step, bytes)
        if len(step) > max_bytes:
            self.script.appendleft(step[max_bytes:])
        return step[:max_bytes]

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self.network.operate("write", timeout)
        self.written.append(buffer)

    async def aclose(self) -> None:
        self.closed = True
        self.closings += 1
        await anyio.lowlevel.checkpoint()
        if self.hangs_on_close:
            await anyio.sleep_forever()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        await self.network.operate("start_tls", timeout)
        return self

    def get_extra_info(self, info: str) -> Any:
        return self.readable if info == "is_readable" else None


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def fetch(pool: ConnectionPool, url: str = URL, **options: Any) -> httpx.Response:
    """One whole request, as the session sends it: read to the end, closed whatever happens."""
    response = await ask(pool, httpx.Request(options.pop("method", "GET"), url, **options))
    try:
        await response.aread()
    finally:
        await response.aclose()
    return response


async def settle(pool: ConnectionPool, network: Network) -> None:
    """Nothing has leaked, and the pool still serves."""
    assert len(network.open) == pool.open_connections == pool.idle_connections
    assert (await fetch(pool)).content == b"hello"
    assert len(network.open) == pool.open_connections == pool.idle_connections


# --- what is kept ------------------------------------------------------------------------------


async def test_a_connection_whose_body_was_read_is_used_again() -> None:
    network = Network([])
    async with ConnectionPool(network_backend=network) as pool:
        for _ in range(3):
            assert (await fetch(pool)).content == b"hello"
        assert (len(network.streams), pool.open_connections, pool.idle_connections) == (1, 1, 1)


async def test_a_body_closed_twice_is_taken_back_once() -> None:
    async with ConnectionPool(network_backend=Network([])) as pool:
        response = await ask(pool, httpx.Request("GET", URL))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        assert [chunk async for chunk in response.stream] == [b"hello"]
        await response.stream.aclose()
        await response.stream.aclose()
        assert (pool.open_connections, pool.idle_connections) == (1, 1)


async def test_a_connection_in_use_is_open_but_not_idle() -> None:
    async with ConnectionPool(network_backend=Network([])) as pool:
        response = await ask(pool, httpx.Request("GET", URL))
        assert (pool.open_connections, pool.idle_connections) == (1, 0)
        await response.aread()
        assert (pool.open_connections, pool.idle_connections) == (1, 1)


async def test_the_connection_returned_last_is_taken_first() -> None:
    network = Network([])
    async with ConnectionPool(network_backend=network) as pool:
        responses = [await ask(pool, httpx.Request("GET", URL)) for _ in range(3)]
        for index in (2, 0, 1):
            await responses[index].aread()
        again = [await ask(pool, httpx.Request("GET", URL)) for _ in range(3)]
        used = [response.stream.incoming._connection for response in again]
        first = [response.stream.incoming._connection for response in responses]
        assert used == [first[1], first[0], first[2]]


async def test_origins_do_not_share_connections() -> None:
    network = Network([])
    async with ConnectionPool(network_backend=network) as pool:
        for url in ("http://a.test/", "http://b.test/", "http://a.test:81/", "http://a.test/"):
            await fetch(pool, url)
        assert len(network.streams) == 3


@pytest.mark.parametrize("header", [b"Connection: close", b"X: y"])
async def test_the_server_decides_whether_a_connection_lives_on(header: bytes) -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + header + b"\r\n\r\nhello"
    network = Network([response])
    async with ConnectionPool(network_backend=network) as pool:
        await fetch(pool)
        assert pool.idle_connections == len(network.open) == pool.open_connections
        assert pool.idle_connections == (header == b"X: y")


async def test_idle_connections_expire_by_the_clock_given() -> None:
    network, clock = Network([]), Clock()
    async with ConnectionPool(network_backend=network, clock=clock) as pool:
        await fetch(pool)
        clock.now += 3.9
        await fetch(pool)
        assert len(network.streams) == 1
        clock.now += 4.0
        await fetch(pool)
        assert len(network.streams) == 2
        assert len(network.open) == pool.open_connections == 1


async def test_a_connection_that_the_server_closed_while_idle_is_not_taken() -> None:
    network = Network([])
    async with ConnectionPool(network_backend=network) as pool:
        await fetch(pool)
        network.streams[0].readable = True
        await fetch(pool)
        assert [stream.closed for stream in network.streams] == [True, False]
        assert len(network.streams[0].written) == 1


async def test_what_a_burst_leaves_is_bounded_and_goes_when_it_has_expired() -> None:
    network, clock = Network([]), Clock()
    async with ConnectionPool(network_backend=network, clock=clock, max_idle=40) as pool:
        async with anyio.create_task_group() as tasks:
            for _ in range(1000):
                tasks.start_soon(fetch, pool)
        assert len(network.streams) == 1000
        assert len(network.open) == pool.idle_connections == pool.open_connections == 40
        for _ in range(5):
            clock.now += 1.0
            await fetch(pool)
        assert len(network.open) == pool.idle_connections == pool.open_connections == 1


HALVES: list[list[Step]] = [
    [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", b"wor", b"ld"],
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n", b"0\r\n\r\n"],
]


@pytest.mark.parametrize("halves", HALVES, ids=["more to come", "more at hand"])
@pytest.mark.parametrize("read", [0, 1])
async def test_a_half_read_body_closes_its_connection_and_leaves_nothing_suspended(
    halves: list[Step], read: int
) -> None:
    network = Network(halves, [])
    async with ConnectionPool(network_backend=network) as pool:
        response = await ask(pool, httpx.Request("GET", URL))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        if read:
            async for chunk in response.stream:
                assert chunk == b"hello"
                break
        operations = network.operations
        await response.aclose()
        await response.aclose()
        assert (pool.open_connections, network.open) == (0, [])
        assert (network.operations, network.streams[0].closings) == (operations, 1)
        del response
        gc.collect()  # a generator left suspended would warn here on trio
        await settle(pool, network)


async def test_an_empty_body_needs_no_second_read() -> None:
    network = Network([b"HTTP/1.1 204 No Content\r\n\r\n"])
    async with ConnectionPool(network_backend=network) as pool:
        assert (await fetch(pool)).content == b""
        assert pool.idle_connections == 1


# --- stale connections -------------------------------------------------------------------------

STALE = [b"", httpcore.ReadError("reset")]


@pytest.mark.parametrize("end", STALE, ids=["closed", "reset"])
@pytest.mark.parametrize(
    "options", [{}, {"method": "POST", "content": b"x"}, {"method": "POST", "files": {"image": b"pixels"}}]
)
async def test_a_stale_connection_is_replaced_unseen(end: Step, options: dict[str, Any]) -> None:
    network = Network([OK, end], [])
    async with ConnectionPool(network_backend=network) as pool:
        await fetch(pool)
        request = httpx.Request(options.get("method", "GET"), URL, **{k: options[k] for k in options if k != "method"})
        response = await ask(pool, request)
        assert await response.aread() == b"hello"
        assert [stream.closed for stream in network.streams] == [True, False]
        lost, sent = (b"".join(stream.written) for stream in network.streams)
        assert lost.endswith(sent)


@pytest.mark.parametrize("end", STALE, ids=["closed", "reset"])
async def test_a_new_connection_is_never_replaced(end: Step) -> None:
    network = Network([end], [])
    async with ConnectionPool(network_backend=network) as pool:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await fetch(pool)
        assert len(network.streams) == 1
        await settle(pool, network)


async def test_a_request_is_sent_twice_at_most() -> None:
    network = Network([OK, b""], [b""], [])
    async with ConnectionPool(network_backend=network) as pool:
        await fetch(pool)
        with pytest.raises(httpx.RemoteProtocolError):
            await fetch(pool)
        assert len(network.streams) == 2
        await settle(pool, network)


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
async def test_an_answer_that_has_begun_is_not_asked_for_again(begun: bytes) -> None:
    network = Network([OK, begun, b""], [])
    async with ConnectionPool(network_backend=network) as pool:
        await fetch(pool)
        with pytest.raises(httpx.RemoteProtocolError):
            await fetch(pool)
        assert len(network.streams) == 1
        await settle(pool, network)


async def test_slowness_is_not_staleness() -> None:
    network = Network([OK, httpcore.ReadTimeout()], [])
    async with ConnectionPool(network_backend=network) as pool:
        await fetch(pool)
        with pytest.raises(httpx.ReadTimeout):
            await fetch(pool)
        assert len(network.streams) == 1
        await settle(pool, network)


async def test_an_answer_that_came_before_its_question_is_not_taken_for_its_answer() -> None:
    network = Network([OK + OK.replace(b"hello", b"wrong")], [])
    async with ConnectionPool(network_backend=network) as pool:
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
async def test_the_head_of_an_answer_may_have_64_kib_and_no_more(pieces: int) -> None:
    def cut(data: bytes) -> list[Step]:
        size = max(1, len(data) // pieces)
        return [data[start : start + size] for start in range(0, len(data), size)]

    network = Network(cut(head_of(65_536)), cut(head_of(65_537)), [])
    async with ConnectionPool(network_backend=network, max_idle=0) as pool:
        assert (await fetch(pool)).status_code == 204
        with pytest.raises(ResponseTooLargeError, match="65536") as caught:
            await fetch(pool)
        assert caught.value.limit == 65_536
        assert pool.open_connections == len(network.open) == 0


async def test_the_limit_of_the_head_is_none_of_the_body() -> None:
    body = b"x" * 300_000
    network = Network([b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body])
    async with ConnectionPool(network_backend=network) as pool:
        assert (await fetch(pool)).content == body


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("size", [10_000, 3, 1])
async def test_eight_interim_answers_are_passed_over_and_a_ninth_is_refused(size: int) -> None:
    def cut(data: bytes) -> list[Step]:
        return [data[start : start + size] for start in range(0, len(data), size)]

    network = Network(cut(CONTINUE * 8 + OK), cut(CONTINUE * 9 + OK), [])
    async with ConnectionPool(network_backend=network, max_idle=0) as pool:
        assert (await fetch(pool)).content == b"hello"
        with pytest.raises(ResponseTooLargeError, match="interim"):
            await fetch(pool)
        assert pool.open_connections == len(network.open) == 0


async def test_a_body_that_looks_like_interim_answers_is_a_body() -> None:
    body = CONTINUE * 20
    network = Network([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body])
    async with ConnectionPool(network_backend=network) as pool:
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
async def test_errors_are_those_of_httpx(operation: str, error: Exception, expected: type[Exception]) -> None:
    network = Network([])
    network.fail_at[operation] = error
    async with ConnectionPool(network_backend=network, ssl_context=TLS) as pool:
        with pytest.raises(expected):
            await fetch(pool, "https://service.test/")
        network.fail_at.clear()
        await settle(pool, network)


@pytest.mark.parametrize("error", [httpcore.WriteError("broken pipe"), ssl.SSLError("bad")])
async def test_an_answer_sent_before_the_question_was_read_is_still_seen(error: Exception) -> None:
    network = Network([])
    network.fail_at["write"] = error
    async with ConnectionPool(network_backend=network) as pool:
        assert (await fetch(pool)).content == b"hello"


async def test_an_error_inside_the_body_drops_the_connection() -> None:
    network = Network([OK[:-2], httpcore.ReadError("reset")], [])
    async with ConnectionPool(network_backend=network) as pool:
        with pytest.raises(httpx.ReadError, match="reset"):
            await fetch(pool)
        await settle(pool, network)


async def test_a_malformed_request_never_reaches_the_network() -> None:
    network = Network([])
    async with ConnectionPool(network_backend=network) as pool:
        with pytest.raises(httpx.LocalProtocolError):
            await fetch(pool, headers={"X": "a\nb"})
        assert network.streams == []
        await settle(pool, network)


async def test_other_schemes_are_refused() -> None:
    async with ConnectionPool(network_backend=Network([])) as pool:
        with pytest.raises(httpx.UnsupportedProtocol, match="ftp"):
            await fetch(pool, "ftp://service.test/")


async def test_headers_are_texts_by_their_names_in_lower_case() -> None:
    """Those of one name are joined; UTF-8 where it is, else Latin-1."""
    lines = [
        b"X-Cache: a",
        b"Content-Length: 0",
        b"x-cache: b",
        "X-City: Zürich".encode(),
        "X-Old: Zürich".encode("latin-1"),
    ]
    network = Network([b"HTTP/1.1 200 OK\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"])
    async with ConnectionPool(network_backend=network) as pool:
        incoming = await pool.send(Outgoing("GET", URL, []))
        assert incoming.headers == {"x-cache": "a, b", "content-length": "0", "x-city": "Zürich", "x-old": "Zürich"}
        await incoming.aclose()


async def test_what_is_sent_is_what_was_given() -> None:
    """With the two headers that follow from the address and the body, and no other."""
    network = Network([])
    async with ConnectionPool(network_backend=network) as pool:
        for url, body in (("http://a.test:81/v7.0/images/search?q=%C3%A4+b&x=a/b", b""), ("http://a.test", b"12")):
            response = await ask(pool, httpx.Request("POST" if body else "GET", url, content=body))
            await response.aread()
    expected = [
        b"GET /v7.0/images/search?q=%C3%A4+b&x=a/b HTTP/1.1\r\nHost: a.test:81\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\n12",
    ]
    sent = [b"".join(stream.written) for stream in network.streams]
    assert [data.replace(b"Accept: */*\r\n", b"") for data in sent] == expected


async def test_a_host_of_the_callers_own_takes_the_place_of_the_address() -> None:
    network = Network([])
    async with ConnectionPool(network_backend=network) as pool:
        await (await pool.send(Outgoing("GET", URL, [("X", "y"), ("hOST", "other.test")]))).aclose()
    assert network.streams[0].written == [b"GET /images HTTP/1.1\r\nhOST: other.test\r\nX: y\r\n\r\n"]


@pytest.mark.parametrize("url", ["http://a.test:0/", "http://a.test:65536/", "http://a.test/\udce9", "http:///x"])
async def test_addresses_that_lead_nowhere(url: str) -> None:
    """Refused with an error of httpx, and never taken for another."""
    network = Network([])
    async with ConnectionPool(network_backend=network) as pool:
        with pytest.raises((httpx.InvalidURL, httpx.TransportError)):
            await pool.send(Outgoing("GET", url, []))
    assert network.streams == []


async def test_an_answer_with_two_lengths_ends_its_connection() -> None:
    """RFC 9112, section 6.3: whoever stands between may have read the other one."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    network = Network([head + b"5\r\nhello\r\n0\r\n\r\n"])
    async with ConnectionPool(network_backend=network) as pool:
        assert (await fetch(pool)).content == b"hello"
        assert pool.open_connections == len(network.open) == 0


async def test_departure_is_told_before_the_first_byte() -> None:
    """Once there is a connection; again if the request is sent again."""
    network = Network([OK, b""], [])
    seen: list[tuple[int, int]] = []

    def depart() -> None:
        seen.append((len(network.streams), len(network.streams[-1].written)))

    async with ConnectionPool(network_backend=network) as pool:
        for _ in range(2):
            await fetch(pool, extensions={"departure": depart})
    assert seen == [(1, 0), (1, 1), (2, 0)]


async def test_the_default_tls_context_is_made_once_and_off_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[tuple[threading.Thread, dict[str, Any]]] = []

    def create(**options: Any) -> ssl.SSLContext:
        made.append((threading.current_thread(), options))
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    monkeypatch.setattr(httpx, "create_ssl_context", create)
    async with ConnectionPool(network_backend=Network([])) as pool:
        await fetch(pool)
        assert made == []
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(fetch, pool, "https://service.test/")
    [(thread, options)] = made
    assert thread is not threading.main_thread()
    assert options == {"trust_env": False}


# --- cancellation --------------------------------------------------------------------------------

URLS = [URL, "https://service.test/images"]
"""With TLS there is a stage between connecting and sending."""


def network_and_pool(kept: bool) -> tuple[Network, ConnectionPool]:
    # A stale connection among the kept ones: its replacement is part of the path.
    network = Network([OK, b""], [OK[:-2], b"lo"]) if kept else Network([OK[:-2], b"lo"])
    return network, ConnectionPool(network_backend=network, ssl_context=TLS)


async def steps_to_cancel(
    url: str, kept: bool, cancel: Callable[[Callable[[], Awaitable[Any]], int], Awaitable[bool]]
) -> int:
    """Cancel a request after 0, 1, 2 … steps until it ends before it is cancelled."""
    for step in range(500):
        network, pool = network_and_pool(kept)
        async with pool:
            if kept:
                await fetch(pool, url)

            async def request(pool: ConnectionPool = pool) -> None:
                await fetch(pool, url)

            completed = await cancel(request, step)
            await settle(pool, network)
        assert network.open == []
        if completed:
            return step
    pytest.fail("the request never ended")


@pytest.mark.parametrize("kept", [False, True], ids=["new", "stale"])
@pytest.mark.parametrize("url", URLS)
async def test_cancelling_a_scope_at_any_step_leaks_nothing(url: str, kept: bool) -> None:
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

    assert await steps_to_cancel(url, kept, cancel) > 4


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("again", [None, 0, 1, 2, 3], ids=lambda again: f"again-{again}")
@pytest.mark.parametrize("kept", [False, True], ids=["new", "stale"])
@pytest.mark.parametrize("url", URLS)
async def test_cancelling_the_task_at_any_step_once_or_twice_leaks_nothing(
    anyio_backend: str, url: str, kept: bool, again: int | None
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

    assert await steps_to_cancel(url, kept, cancel) > 4


@pytest.mark.parametrize("kept", [False, True], ids=["new", "stale"])
@pytest.mark.parametrize("url", URLS)
async def test_an_interrupt_at_any_operation_leaks_nothing(url: str, kept: bool) -> None:
    for operation in range(1, 50):
        network, pool = network_and_pool(kept)
        async with pool:
            if kept:
                await fetch(pool, url)
            network.interrupt_at = network.operations + operation
            try:
                await fetch(pool, url)
            except KeyboardInterrupt:
                await settle(pool, network)
            else:
                assert operation > 4
                return
    pytest.fail("the request never ended")


async def test_cancelling_while_stale_connections_are_cleared_away_leaks_nothing() -> None:
    for step in range(50):
        network, clock = Network([]), Clock()
        async with ConnectionPool(network_backend=network, clock=clock) as pool:
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


async def test_closing_closes_idle_connections_and_those_in_use() -> None:
    network = Network([OK[:-2], None], [])
    pool = ConnectionPool(network_backend=network)
    used = await ask(pool, httpx.Request("GET", URL))
    await fetch(pool)
    assert (pool.open_connections, pool.idle_connections) == (2, 1)
    await pool.aclose()
    await pool.aclose()
    assert (network.open, pool.open_connections, pool.idle_connections) == ([], 0, 0)
    with pytest.raises(httpx.ReadError):
        await used.aread()
    assert (pool.open_connections, pool.idle_connections) == (0, 0)


async def test_a_response_completed_after_closing_is_not_kept() -> None:
    network = Network([])
    pool = ConnectionPool(network_backend=network)
    response = await ask(pool, httpx.Request("GET", URL))
    await pool.aclose()
    assert await response.aread() == b"hello"
    assert (network.open, pool.open_connections, pool.idle_connections) == ([], 0, 0)


async def test_closing_ends_a_connection_that_is_being_made() -> None:
    class Unreachable(Network):
        async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
            await anyio.sleep_forever()
            raise AssertionError

    pool = ConnectionPool(network_backend=Unreachable([]))
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def request() -> None:
                with pytest.raises(httpx.ConnectError, match="closed"):
                    await fetch(pool)

            tasks.start_soon(request)
            await anyio.wait_all_tasks_blocked()
            assert pool.open_connections == 1
            await pool.aclose()
    assert pool.open_connections == 0


async def test_a_connection_made_while_the_pool_closed_is_closed() -> None:
    for steps in range(20):
        network = Network([])
        pool = ConnectionPool(network_backend=network)
        async with anyio.create_task_group() as tasks:

            async def request(pool: ConnectionPool = pool) -> None:
                try:
                    await fetch(pool)
                except (httpx.ConnectError, httpx.ReadError, SessionStateError):
                    return

            tasks.start_soon(request)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            await pool.aclose()
        assert (network.open, pool.open_connections, pool.idle_connections) == ([], 0, 0)


async def test_nothing_is_sent_on_a_connection_made_in_spite_of_closing() -> None:
    class Stubborn(Network):
        async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
            with anyio.CancelScope(shield=True):
                await connected.wait()
                return await super().connect_tcp(*args, **options)

    connected = anyio.Event()
    network = Stubborn([])
    pool = ConnectionPool(network_backend=network)
    async with anyio.create_task_group() as tasks:

        async def request() -> None:
            with pytest.raises(httpx.ConnectError, match="closed"):
                await fetch(pool)

        tasks.start_soon(request)
        await anyio.wait_all_tasks_blocked()
        await pool.aclose()
        connected.set()
    [stream] = network.streams
    assert (stream.written, stream.closed, pool.open_connections) == ([], True, 0)


async def test_a_closed_pool_sends_nothing() -> None:
    network = Network([])
    pool = ConnectionPool(network_backend=network)
    await pool.aclose()
    with pytest.raises(SessionStateError):
        await fetch(pool)
    assert network.streams == []


async def test_closing_is_bounded_and_reaches_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_connection, "CLOSE_TIMEOUT", 0.02)
    monkeypatch.setattr(pool_module, "CLOSE_TIMEOUT", 0.05)
    network = Network([])
    pool = ConnectionPool(network_backend=network)
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(fetch, pool)
    for stream in network.streams:
        stream.hangs_on_close = True
    with anyio.fail_after(0.3):
        await pool.aclose()
    assert (len(network.streams), network.open) == (20, [])


async def test_closing_in_a_cancelled_scope_reaches_every_connection() -> None:
    network = Network([])
    pool = ConnectionPool(network_backend=network)
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(fetch, pool)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await pool.aclose()
    assert (network.open, pool.open_connections) == ([], 0)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_cancelling_the_task_that_closes_reaches_every_connection(anyio_backend: str) -> None:
    for steps in range(1, 25):
        network = Network([])
        pool = ConnectionPool(network_backend=network)
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
