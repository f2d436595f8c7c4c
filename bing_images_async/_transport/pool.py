"""Connection pool under the session's `httpx.AsyncClient`: HTTP/1.1, at a constant cost per request.

httpx 0.28's own pool does work for every open connection on every request, and loses slots when callers are
cancelled (httpcore #1093). This pool has no slots: it never makes a request wait (the session limits concurrency),
takes the newest idle connection or opens one, and closes every connection whose state is uncertain. It never sends a
request twice.
"""

from __future__ import annotations

import math
import time
import weakref
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, cast

import anyio
import httpcore

from ..errors import SessionStateError
from .connection import Connection, Timeouts, encode_head
from .network import Network
from .proxy import Proxies, Proxy
from .tls import TLSContext

__all__ = ["ConnectionPool", "KEEPALIVE_EXPIRY", "NEW_CONNECTION", "StaleConnectionError"]

KEEPALIVE_EXPIRY: Final = 4.0
"""Seconds for which an idle connection is used again: one less than the 5 s of uvicorn, Node and Apache."""

NEW_CONNECTION: Final = "bing_images_async.new_connection"
"""Request extension: if true, no kept connection is used."""

_CLOSE_ALL_TIMEOUT: Final = 5.0
"""Seconds that closing the whole pool may take."""

_KEPT: Final = 0.1
"""Seconds without a request after which a new connection is treated as a kept one, which may have been closed."""

_MOST_KEYS: Final = 1_000
"""Origins that are remembered."""

_NO_TIMEOUTS: Final[Timeouts] = {}

_HTTPCORE_SEND: Final = httpcore.AsyncConnectionPool.handle_async_request

_INTERRUPTED: Final = (httpcore.NetworkError, httpcore.RemoteProtocolError)
"""Possible errors of a request whose connection was closed by `aclose`."""

Trace = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""httpcore's request extension `trace`."""


class StaleConnectionError(httpcore.RemoteProtocolError):
    """A kept connection was closed before the first byte of a response; most likely the server ignored the request."""

    def __init__(self, message: str, *, has_written: bool) -> None:
        super().__init__(message)
        self.has_written = has_written
        """True if bytes of the request were written."""


class _Key(NamedTuple):
    """Destination of a connection; connections with equal keys serve the same requests."""

    scheme: bytes
    host: bytes
    port: int
    proxy: Proxy | None


class ConnectionPool:
    """Pool that keeps connections alive between requests; replaces httpcore's pool in `httpx.AsyncHTTPTransport`.

    A connection goes back to the pool when the body of its response was read to the end and closed. It is closed if its
    request failed or was cancelled, and if its response was not read to the end or was garbage-collected.

    Of httpcore's trace events there are `connection.connect_tcp.started` and `.complete`, and
    `http11.send_request_headers.started`, which is awaited after a connection is open and before a byte is written.

    Args:
        tls: creates the TLS context for https. In virtual time it needs a ready context, because it would use a thread.
        proxies: the proxy for each request.
        network: opens sockets; by default TCP by anyio.
        max_idle: most idle connections. The oldest are closed first.
        keepalive_expiry: seconds after which an idle connection is not used again, by `clock`.
        clock: time in seconds.

    Requests raise:
        httpcore.NetworkError, httpcore.ProtocolError, …: as httpcore's own pool.
        StaleConnectionError: a kept connection was closed by the server.
        ProxyRefusedError: the proxy refused the connection.
        ResponseTooLargeError: a response head over 64 KiB, or more than 8 interim responses.
        SessionStateError: `aclose` interrupted the request.
    """

    def __init__(
        self,
        *,
        tls: TLSContext | None = None,
        proxies: Proxies | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
        max_idle: int = 100,
        keepalive_expiry: float = KEEPALIVE_EXPIRY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tls = tls or TLSContext()
        self._proxies = proxies or Proxies()
        self._network = network or Network()
        self._max_idle = max_idle
        self._keepalive_expiry = keepalive_expiry
        self._clock = clock
        self._closed = False
        self._connections: set[Connection] = set()
        self._idle: dict[Connection, _Key] = {}
        """Idle connections, oldest first."""
        self._idle_by_key: dict[_Key, deque[Connection]] = {}
        """Idle connections by destination. No deque is empty."""
        self._dropped: list[Connection] = []
        """Connections of garbage-collected responses: shut down, and to be closed at the next request."""
        self._keys: dict[tuple[bytes, bytes, int | None], _Key] = {}
        """Keys by what a URL says of its origin, so that a proxy is looked up once per origin."""
        self._httpcore_pools: dict[_Key, httpcore.AsyncConnectionPool] = {}

    @property
    def open_connections(self) -> int:
        """Connections that are idle, in use, or being opened."""
        return len(self._connections) - len(self._dropped)

    @property
    def idle_connections(self) -> int:
        """Connections without a request."""
        return len(self._idle)

    # --- a request

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request and read the head of its response."""
        try:
            if httpcore.AsyncConnectionPool.handle_async_request is not _HTTPCORE_SEND:
                return await self._send_through_httpcore(request)
            return await self._send(request)
        except _INTERRUPTED:
            self.check_open()
            raise
        finally:
            request.headers = []  # they may hold a key, and tracebacks hold this request

    async def _send(self, request: httpcore.Request) -> httpcore.Response:
        extensions = cast("Mapping[str, Any]", request.extensions)
        timeouts: Timeouts = extensions.get("timeout") or _NO_TIMEOUTS
        trace: Trace | None = extensions.get("trace")
        key = self._key_of(request.url)
        head = encode_head(request, key.proxy)
        connection = None if extensions.get(NEW_CONNECTION) else await self._take(key)
        is_kept = connection is not None
        if connection is None:
            connection = await self._connect(key, timeouts, trace)
        connection.begin(request.method)
        if trace is not None:
            began = self._clock()
            try:
                await trace("http11.send_request_headers.started", {"request": request})
            except BaseException:
                await self._make_idle(key, connection)
                raise
            if self._clock() - began > _KEPT:
                is_kept = True
                # With TLS the session tickets of a new connection may have arrived, which is no end (RFC 8446, 4.6.1).
                if key.scheme == b"http" and not connection.is_silent:
                    await self.drop(connection)
                    raise StaleConnectionError("The connection ended before the request was sent.", has_written=False)
        try:
            await connection.exchange(head, cast("AsyncIterable[bytes]", request.stream), timeouts)
        except BaseException as error:
            await self.drop(connection)
            is_unanswered = isinstance(error, httpcore.ReadError | httpcore.RemoteProtocolError)
            if is_kept and is_unanswered and not connection.parser.received:
                raise StaleConnectionError(str(error), has_written=connection.has_written) from error
            raise
        parser = connection.parser
        assert parser.status is not None
        extensions = {"http_version": parser.version, "network_stream": connection.stream}
        body = _Body(self, key, connection, timeouts)
        return httpcore.Response(parser.status, headers=parser.headers, content=body, extensions=extensions)

    async def _send_through_httpcore(self, request: httpcore.Request) -> httpcore.Response:
        """Send through the method that a mocker or recorder (respx, vcrpy) has patched into httpcore's pool.

        Requests that it passes on go to the network through a pool of httpcore.
        """
        key = self._key_of(request.url)
        pool = self._httpcore_pools.get(key)
        if pool is None:
            is_secure = key.scheme == b"https" or (key.proxy is not None and key.proxy.is_secure)
            context = await self._tls.get() if is_secure else None
            proxy = None if key.proxy is None else key.proxy.as_httpcore(context)
            pool = httpcore.AsyncConnectionPool(
                ssl_context=context, proxy=proxy, network_backend=self._network, max_connections=None
            )
            self._httpcore_pools[key] = pool
        return await pool.handle_async_request(request)

    def _key_of(self, url: httpcore.URL) -> _Key:
        known = self._keys.get((url.scheme, url.host, url.port))
        return self._new_key(url) if known is None else known

    def _new_key(self, url: httpcore.URL) -> _Key:
        if url.scheme not in {b"http", b"https"}:
            raise httpcore.UnsupportedProtocol("The URL must begin with http:// or https://.")
        origin = url.origin
        if not origin.host or url.port == 0 or not 0 < origin.port < 65_536:  # httpcore treats port 0 as no port
            raise httpcore.UnsupportedProtocol("The URL has no host, or a port that does not exist.")
        proxy = self._proxies.of(origin) if self._proxies.by_scheme else None
        if len(self._keys) >= _MOST_KEYS:
            self._keys.clear()
        key = self._keys[url.scheme, url.host, url.port] = _Key(origin.scheme, origin.host, origin.port, proxy)
        return key

    # --- connections

    async def _take(self, key: _Key) -> Connection | None:
        """Return the newest usable idle connection, if any; close the unusable ones."""
        if self._dropped:
            await self._close_dropped()
        while (idle := self._idle_by_key.get(key)) is not None:
            connection = idle[-1]
            self._remove_idle(connection)
            if self._clock() < connection.expires_at and connection.is_silent:
                return connection
            await self.drop(connection)
        return None

    async def _connect(self, key: _Key, timeouts: Timeouts, trace: Trace | None) -> Connection:
        self.check_open()
        connection = Connection(httpcore.Origin(key.scheme, key.host, key.port), self._network, key.proxy)
        self._connections.add(connection)
        try:
            if trace is not None:
                await trace("connection.connect_tcp.started", {"host": key.host.decode("ascii"), "port": key.port})
            await connection.connect(self._tls, timeouts)
            if trace is not None:
                await trace("connection.connect_tcp.complete", {"return_value": connection.stream})
        except BaseException:
            await self.drop(connection)
            raise
        return connection

    def check_open(self) -> None:
        """Raise `SessionStateError` after `aclose`."""
        if self._closed:
            raise SessionStateError("The session was closed: this request was not completed.")

    async def keep(self, key: _Key, connection: Connection) -> None:
        """Make a connection idle after its response, or close it if it cannot be used again."""
        if self._closed or not connection.is_reusable:
            await self.drop(connection)
            return
        await self._make_idle(key, connection)

    async def _make_idle(self, key: _Key, connection: Connection) -> None:
        """Make a connection idle, and close expired ones and the oldest beyond `max_idle`."""
        if self._closed:
            await self.drop(connection)
            return
        now = self._clock()
        connection.expires_at = now + self._keepalive_expiry
        self._idle[connection] = key
        self._idle_by_key.setdefault(key, deque()).append(connection)
        while self._idle:
            oldest = next(iter(self._idle))
            if len(self._idle) <= self._max_idle and now < oldest.expires_at:
                return
            self._remove_idle(oldest)
            await self.drop(oldest)

    def _remove_idle(self, connection: Connection) -> None:
        """Remove an idle connection, which is the newest or the oldest of its key."""
        key = self._idle.pop(connection)
        idle = self._idle_by_key[key]
        if idle[-1] is connection:
            idle.pop()
        else:
            idle.remove(connection)  # it is the first
        if not idle:
            del self._idle_by_key[key]

    async def drop(self, connection: Connection, deadline: float = math.inf) -> None:
        """Close a connection, whatever its state."""
        self._connections.discard(connection)
        await connection.aclose(deadline)

    def abandon(self, connection: Connection) -> None:
        """Shut down the connection of a garbage-collected response; the next request closes the socket."""
        if connection in self._connections:
            connection.shut_down()
            self._dropped.append(connection)

    async def _close_dropped(self) -> None:
        while self._dropped:
            await self.drop(self._dropped.pop())

    async def aclose(self) -> None:
        """Close every connection, idle or in use."""
        self._closed = True
        self._idle.clear()
        self._idle_by_key.clear()
        self._dropped.clear()
        interruption: BaseException | None = None
        deadline = anyio.current_time() + _CLOSE_ALL_TIMEOUT
        for connection in tuple(self._connections):
            try:
                await self.drop(connection, deadline)
            except BaseException as error:  # noqa: BLE001 - raised again when all are closed
                interruption = error
        with anyio.CancelScope(deadline=deadline, shield=True):
            for pool in self._httpcore_pools.values():
                await pool.aclose()
        if interruption is not None:
            raise interruption

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self.aclose()


class _Body:
    """Body of a response; closing it returns the connection to the pool or closes it.

    An iterator, not a generator, so that leaving a loop early leaves no suspended generator.
    """

    def __init__(self, pool: ConnectionPool, key: _Key, connection: Connection, timeouts: Timeouts) -> None:
        self._pool = pool
        self._key = key
        self._connection = connection
        self._timeouts = timeouts
        self._is_read = self._is_closed = False
        connection.response = weakref.ref(self, lambda _: pool.abandon(connection))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._is_closed:
            raise StopAsyncIteration
        try:
            piece = await self._connection.receive(self._timeouts)
        except BaseException as error:
            self._close()
            await self._pool.drop(self._connection)
            if isinstance(error, _INTERRUPTED):
                self._pool.check_open()
            raise
        if piece:
            return piece
        self._is_read = True
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._close()
        if self._is_read:
            await self._pool.keep(self._key, self._connection)
        else:
            await self._pool.drop(self._connection)

    def _close(self) -> None:
        self._is_closed = True
        self._connection.response = None
