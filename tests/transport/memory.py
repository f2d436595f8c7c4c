"""A network in memory for the pool: each connection reads from a script, and every operation is counted."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import AsyncIterable, Iterable
from typing import Any

import anyio
import httpcore
import httpx

from bing_images_async._transport.client import make_client
from bing_images_async._transport.pool import ConnectionPool, StaleConnectionError
from bing_images_async._transport.tls import TLSContext

__all__ = [
    "EARLY",
    "OK",
    "TLS",
    "URL",
    "URLS",
    "Clock",
    "Network",
    "Step",
    "Stream",
    "ask",
    "body",
    "fetch",
    "fetch_again",
    "send",
    "settle",
]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
URL = "http://service.test/images"
URLS = [URL, "https://service.test/images"]
"""With TLS there is a stage between connecting and sending."""
TLS = TLSContext(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

Step = bytes | BaseException | None
"""Result of a read: bytes (empty at the end of the stream), an error to raise, or `None` for an endless wait."""

EARLY = b"HTTP/1.1 100 Continue\r\n\r\n"
"""A step that does not wait for the whole request."""


class Network(httpcore.AsyncNetworkBackend):
    """Servers in memory: each connection reads from the next script; the last script is used again and again.

    A connection whose script is exhausted answers `OK` to every read. Reads wait until a whole request was written,
    except for the step `EARLY`.
    """

    def __init__(self, *scripts: Iterable[Step]) -> None:
        self.scripts = deque(list(script) for script in scripts or ([],))
        self.streams: list[Stream] = []
        self.timeouts: dict[str, float | None] = {}
        self.fail_at: dict[str, BaseException] = {}
        """Errors to raise, by operation."""
        self.operations = 0
        self.reads_at_once = False
        """Reads do not wait for requests: the servers answer early."""
        self.interrupt_at = -1
        """The number of the operation, counted over the whole network, that raises KeyboardInterrupt."""

    @property
    def open(self) -> list[Stream]:
        return [stream for stream in self.streams if not stream.closed]

    async def operate(self, name: str, timeout: float | None = None) -> None:
        self.timeouts[name] = timeout
        self.operations += 1
        number = self.operations
        await anyio.lowlevel.checkpoint()
        if number == self.interrupt_at:
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
        self._changed = anyio.Event()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        await self.network.operate("read", timeout)
        try:
            with anyio.fail_after(timeout):
                while not (self.closed or self.network.reads_at_once or self._is_early() or self._is_asked()):
                    await self._changed.wait()
                if self.closed:
                    raise httpcore.ReadError("closed")
                step = self.script.popleft() if self.script else OK
                if step is None:
                    await anyio.sleep_forever()
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        if isinstance(step, BaseException):
            raise step
        assert isinstance(step, bytes)
        if len(step) > max_bytes:
            self.script.appendleft(step[max_bytes:])
        return step[:max_bytes]

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self.network.operate("write", timeout)
        self.written.append(buffer)
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _is_early(self) -> bool:
        return bool(self.script) and self.script[0] is EARLY

    def _is_asked(self) -> bool:
        """Whole requests have been written, at least one."""
        data = b"".join(self.written)
        start = 0
        while start < len(data):
            head, end, _ = data[start:].partition(b"\r\n\r\n")
            if not end:
                return False
            start += len(head) + 4
            lower = head.lower()
            if b"transfer-encoding: chunked" in lower:
                start = data.find(b"0\r\n\r\n", start) + 5
                if start < 5:
                    return False
            elif b"content-length: " in lower:
                start += int(lower.partition(b"content-length: ")[2].split(b"\r\n")[0])
        return start == len(data) > 0

    async def aclose(self) -> None:
        self.closed = True
        self._change()
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


async def ask(pool: ConnectionPool, url: str = URL, *, method: str = "GET", **options: Any) -> httpx.Response:
    """Send a request through httpx; the response is unread."""
    return await make_client(pool).send(httpx.Request(method, url, **options), stream=True)


async def fetch(pool: ConnectionPool, url: str = URL, **options: Any) -> httpx.Response:
    """Send a request through httpx and read its response to the end; close it in any case."""
    response = await ask(pool, url, **options)
    try:
        await response.aread()
    finally:
        await response.aclose()
    return response


async def fetch_again(pool: ConnectionPool, url: str = URL, **options: Any) -> httpx.Response:
    """Fetch, and once more if the connection was stale, as the session's retry step does."""
    try:
        return await fetch(pool, url, **options)
    except httpx.RemoteProtocolError as error:
        if not isinstance(error.__cause__, StaleConnectionError):
            raise
    return await fetch(pool, url, **options)


async def send(pool: ConnectionPool, url: str = URL, *, method: str = "GET", **options: Any) -> httpcore.Response:
    """Send a request through the pool alone, which leaves no generators of httpx's between it and the test."""
    headers = [(b"Host", b"service.test"), *options.pop("headers", ())]
    return await pool.handle_async_request(httpcore.Request(method, url, headers=headers, **options))


def body(response: httpcore.Response) -> AsyncIterable[bytes]:
    """The pool's own iterator of the body."""
    assert isinstance(response.stream, AsyncIterable)
    return response.stream


async def settle(pool: ConnectionPool, network: Network) -> None:
    """Assert that nothing has leaked, and that the pool still serves."""
    assert len(network.open) == pool.open_connections == pool.idle_connections
    assert (await fetch_again(pool)).content == b"hello"
    assert len(network.open) == pool.open_connections == pool.idle_connections
