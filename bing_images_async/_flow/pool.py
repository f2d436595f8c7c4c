"""Connections: an httpx transport over httpcore's own HTTP/1.1 connections.

httpx 0.28's pool does work for every open connection on every request, and loses slots when callers
are cancelled (httpcore #1093). This one has no slots to lose: it never makes anyone wait (permits do
that), takes the newest idle connection or makes one, and closes every connection whose state is in
doubt. HTTP, TLS and both event loops stay httpcore's. No proxies, no HTTP/2, nothing from the environment.
"""

from __future__ import annotations

import ssl
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeAlias, cast

import anyio
import anyio.to_thread
import httpcore
import httpx
from attrs import define

from ..errors import SessionStateError
from ._network import Network
from ._streams import Pieces, PooledStream

__all__ = ["ConnectionPool"]

KEEPALIVE_EXPIRY: Final = 4.0
"""Seconds an idle connection stays usable: one less than the 5 s after which uvicorn, Node and Apache close."""

CLOSE_TIMEOUT: Final = 5.0
"""Seconds that closing the whole pool may take."""

_Origin: TypeAlias = tuple[bytes, bytes, int | None]

_HTTPX_ERRORS: Final[dict[type[BaseException], type[httpx.TransportError]]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
}


@define(eq=False)
class _Connection:
    origin: _Origin
    stream: PooledStream
    http: httpcore.AsyncHTTPConnection
    expires_at: float = 0.0

    def is_usable(self, now: float) -> bool:
        """Whether an idle connection can carry a request: a readable one was closed by the server."""
        return now < self.expires_at and self.http.is_available() and not self.http.has_expired()


class ConnectionPool(httpx.AsyncBaseTransport):
    """Keeps connections alive between requests; raises what `httpx.AsyncHTTPTransport` raises.

    Beyond those: `ResponseTooLargeError` for a response head over 64 KiB or more than 8 interim
    responses, `SessionStateError` after `aclose`.

    A connection goes back to the pool when the body of its response was read to the end and closed;
    one that was cancelled, failed or left half-read is closed. A request that meets a kept connection
    which the server closed meanwhile is sent once more, on a new one; nobody sees that.

    Args:
        ssl_context: for https; by default one with certifi's certificates, made at the first https
            request, in a worker thread. Under a virtual clock pass one: threads do not run on it.
        network_backend: what opens sockets; by default anyio's TCP.
        max_idle: idle connections kept, at most. The oldest go first.
        keepalive_expiry: seconds after which an idle connection is no longer used, by `clock`
            (httpcore is given no expiry of its own).
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        network_backend: httpcore.AsyncNetworkBackend | None = None,
        max_idle: int = 100,
        keepalive_expiry: float = KEEPALIVE_EXPIRY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ssl_context = ssl_context
        self._ssl_lock = anyio.Lock()
        self._backend = network_backend or Network()
        self._max_idle = max_idle
        self._keepalive_expiry = keepalive_expiry
        self._clock = clock
        self._closed = False
        self._connections: set[_Connection] = set()
        self._idle: defaultdict[_Origin, deque[_Connection]] = defaultdict(deque)
        self._idle_count = 0

    @property
    def open_connections(self) -> int:
        """Connections there are: idle, in use, or being made."""
        return len(self._connections)

    @property
    def idle_connections(self) -> int:
        """Connections that wait for a request."""
        return self._idle_count

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        if url.scheme not in {"http", "https"}:
            raise httpx.UnsupportedProtocol(f"Only http:// and https:// are served here, not {url.scheme!r}.")
        origin = (url.raw_scheme, url.raw_host, url.port)
        body = Pieces(request.stream) if isinstance(request.stream, httpx.SyncByteStream) else request.stream
        message = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=body,
            extensions=request.extensions,
        )
        kept = await self._take(origin)
        if kept is not None:
            try:
                return await self._exchange(kept, message)
            except (httpx.ReadError, httpx.RemoteProtocolError):
                # Not a byte of an answer: the server closed the connection while it was idle, most
                # likely without having seen the request. Sending again is right for POST, too: in
                # this API it uploads a question and changes nothing.
                if kept.stream.received or not isinstance(body, Pieces):
                    raise
        return await self._exchange(await self._make(origin, message.url.origin), message)

    async def aclose(self) -> None:
        """Close every connection, idle or in use. Whoever uses one gets `httpx.ReadError`."""
        self._closed = True
        self._idle.clear()
        self._idle_count = 0
        interruption: BaseException | None = None
        with anyio.move_on_after(CLOSE_TIMEOUT, shield=True):
            for connection in tuple(self._connections):
                try:
                    await self.drop(connection)
                except BaseException as error:  # noqa: BLE001 - raised again when all are closed
                    interruption = error
        if interruption is not None:
            raise interruption

    async def _take(self, origin: _Origin) -> _Connection | None:
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()
            self._idle_count -= 1
            if connection.is_usable(self._clock()):
                return connection
            await self.drop(connection)
        return None

    async def _make(self, origin: _Origin, address: httpcore.Origin) -> _Connection:
        context = await self._tls() if address.scheme == b"https" else None
        if self._closed:
            raise SessionStateError("The connections were closed: this session can send nothing any more.")
        stream = PooledStream(self._backend)
        http = httpcore.AsyncHTTPConnection(address, ssl_context=context, network_backend=stream)
        connection = _Connection(origin, stream, http)
        self._connections.add(connection)
        return connection

    async def _tls(self) -> ssl.SSLContext:
        async with self._ssl_lock:
            if self._ssl_context is None:
                # 20 ms of reading and parsing certificates, kept off the event loop.
                make = partial(httpx.create_ssl_context, trust_env=False)
                self._ssl_context = await anyio.to_thread.run_sync(make)
            return self._ssl_context

    async def _exchange(self, connection: _Connection, message: httpcore.Request) -> httpx.Response:
        connection.stream.begin()
        try:
            response = await connection.http.handle_async_request(message)
            connection.stream.check_answered()
        except BaseException as error:
            await self.fail(connection, error)
            raise
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(self, connection, response),
            extensions=cast("dict[str, Any]", response.extensions),
        )

    async def keep(self, connection: _Connection) -> None:
        """Take back a connection whose response is complete, and let go of the oldest if need be."""
        # httpcore believes in a connection even if its end was the end of the body.
        if self._closed or connection.stream.ended or not connection.http.is_available():
            await self.drop(connection)
            return
        now = self._clock()
        idle = self._idle[connection.origin]
        connection.expires_at = now + self._keepalive_expiry
        idle.append(connection)
        self._idle_count += 1
        while idle and (self._idle_count > self._max_idle or idle[0].expires_at <= now):
            self._idle_count -= 1
            await self.drop(idle.popleft())

    async def drop(self, connection: _Connection) -> None:
        """Close a connection, whatever its state."""
        self._connections.discard(connection)
        await connection.stream.aclose()

    async def fail(self, connection: _Connection, error: BaseException) -> None:
        """Close a connection, and raise the error that spoilt it if httpx calls that by a name of its own."""
        await self.drop(connection)
        if (kind := _HTTPX_ERRORS.get(type(error))) is not None:
            raise kind(str(error)) from error


class _Body(httpx.AsyncByteStream):
    """The body of one response; closing it decides what becomes of the connection.

    An iterator, not a generator, so that leaving the loop early leaves nothing suspended.
    """

    def __init__(self, pool: ConnectionPool, connection: _Connection, response: httpcore.Response) -> None:
        self._pool = pool
        self._connection = connection
        self._response = response
        assert isinstance(response.stream, AsyncIterable)
        self._chunks = aiter(response.stream)
        self._complete = False
        self._closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            self._complete = True
            raise
        except BaseException as error:
            await self._pool.fail(self._connection, error)
            raise

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if not self._complete:
            await self._pool.drop(self._connection)
            # httpcore reads in nested generators; the error of the closed stream ends them all, here.
            with suppress(Exception):
                async for _ in self._chunks:
                    pass
            return
        try:
            await self._response.aclose()
        except BaseException as error:
            await self._pool.fail(self._connection, error)
            raise
        await self._pool.keep(self._connection)
