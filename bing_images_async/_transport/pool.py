"""Connections: HTTP/1.1 at a constant cost per request, over httpcore's network and h11.

httpx 0.28's pool does work for every open connection on every request, and loses slots when callers
are cancelled (httpcore #1093). This one has no slots to lose: it never makes anyone wait (permits do
that), takes the newest idle connection or makes one, and closes every connection whose state is in
doubt. No proxies, no HTTP/2, nothing from the environment.
"""

from __future__ import annotations

import ssl
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Final, Self

import anyio
import h11
import httpcore
import httpx

from ..errors import SessionStateError
from ._address import Origin, address_of
from ._errors import as_httpx
from ._patched import Mocked, client_is_patched, connection_is_patched, send_through_client
from .carrier import Incoming, Outgoing, headers_of
from .connection import Connection
from .network import Network
from .tls import TLSContext

__all__ = ["ConnectionPool", "KEEPALIVE_EXPIRY"]

KEEPALIVE_EXPIRY: Final = 4.0
"""Seconds an idle connection stays usable: one less than the 5 s after which uvicorn, Node and Apache close."""

CLOSE_TIMEOUT: Final = 5.0
"""Seconds that closing the whole pool may take."""


class ConnectionPool:
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
        keepalive_expiry: seconds after which an idle connection is no longer used, by `clock`.
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
        self._tls = TLSContext(ssl_context)
        self._backend = network_backend or Network()
        self._max_idle = max_idle
        self._keepalive_expiry = keepalive_expiry
        self._clock = clock
        self._closed = False
        self._connections: set[Connection] = set()
        self._idle: defaultdict[Origin, deque[Connection]] = defaultdict(deque)
        self._idle_count = 0

    @property
    def open_connections(self) -> int:
        """Connections there are: idle, in use, or being made."""
        return len(self._connections)

    @property
    def idle_connections(self) -> int:
        """Connections that wait for a request."""
        return self._idle_count

    # --- a request

    def check(self) -> None:
        """Raises `SessionStateError` after `aclose`."""
        if self._closed:
            raise SessionStateError("The connections were closed: this session can send nothing any more.")

    async def send(self, outgoing: Outgoing) -> Incoming:
        """Send a request and read the head of its response."""
        if client_is_patched():
            return await send_through_client(outgoing, self._send)
        return await self._send(outgoing)

    async def _send(self, outgoing: Outgoing) -> Incoming:
        address = address_of(outgoing.url)
        headers = list(outgoing.headers)
        if not any(name.lower() == "host" for name, _ in headers):
            headers.insert(0, ("Host", address.authority))
        if outgoing.body:
            headers.append(("Content-Length", str(len(outgoing.body))))
        if connection_is_patched():
            context = await self._tls.get() if address.origin.scheme == "https" else None
            return await Mocked.ask(outgoing.method, address, headers, outgoing.body, context, self._backend)
        try:
            question = h11.Request(method=outgoing.method, target=address.target, headers=headers)
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error
        kept = await self._take(address.origin)
        if kept is not None:
            try:
                return await self._exchange(kept, question, outgoing)
            except (httpx.ReadError, httpx.RemoteProtocolError):
                # Not a byte of an answer: the server closed the connection while it was idle, most
                # likely without having seen the request. Sending again is right for POST, too: in
                # this API it uploads a question and changes nothing.
                if kept.received:
                    raise
        return await self._exchange(self._make(address.origin), question, outgoing)

    async def _exchange(self, connection: Connection, question: h11.Request, outgoing: Outgoing) -> Incoming:
        try:
            if not connection.is_connected:
                await connection.connect(await self._tls.get() if connection.origin.scheme == "https" else None)
            if outgoing.on_departure is not None:
                outgoing.on_departure()
            return _Answer(self, connection, await connection.ask(question, outgoing.body))
        except BaseException as error:
            await self.fail(connection, error)
            raise

    # --- connections

    async def _take(self, origin: Origin) -> Connection | None:
        """The newest idle connection that can be used; those that cannot are closed."""
        idle = self._idle[origin]
        while idle:
            connection = idle.pop()
            self._idle_count -= 1
            if self._clock() < connection.expires_at and connection.is_silent:
                return connection
            await self.drop(connection)
        return None

    def _make(self, origin: Origin) -> Connection:
        self.check()
        connection = Connection(origin, self._backend)
        self._connections.add(connection)
        return connection

    async def keep(self, connection: Connection) -> None:
        """Take back a connection whose response is complete, and let go of the oldest if need be."""
        if self._closed or not connection.is_reusable:
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

    async def drop(self, connection: Connection) -> None:
        """Close a connection, whatever its state."""
        self._connections.discard(connection)
        await connection.aclose()

    async def fail(self, connection: Connection, error: BaseException) -> None:
        """Close a connection, and raise the error that spoilt it if httpx calls that by a name of its own."""
        await self.drop(connection)
        if (named := as_httpx(error)) is not None:
            raise named from error

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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Answer:
    """A response; closing it decides what becomes of the connection.

    An iterator, not a generator, so that leaving the loop early leaves nothing suspended.
    """

    def __init__(self, pool: ConnectionPool, connection: Connection, head: h11.Response) -> None:
        self.status = head.status_code
        self.headers = headers_of(head.headers)
        self._pool = pool
        self._connection = connection
        self._is_complete = False
        self._is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes | bytearray]:
        return self

    async def __anext__(self) -> bytes | bytearray:
        if self._is_complete:
            raise StopAsyncIteration
        try:
            piece = await self._connection.read()
        except BaseException as error:
            await self._pool.fail(self._connection, error)
            raise
        if piece is not None:
            return piece
        self._is_complete = True
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._is_complete:
            await self._pool.keep(self._connection)
        else:
            await self._pool.drop(self._connection)
