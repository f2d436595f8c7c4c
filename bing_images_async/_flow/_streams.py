"""What stands below and above httpcore in a pooled connection: its network end, and the body of a request.

httpcore tells neither how much of an answer has arrived nor where it keeps a half-made connection, so
`PooledStream` stands between httpcore and the network: it opens the socket (as httpcore's network
backend), then is the socket (as its stream).
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import anyio
import httpcore

from ..errors import ResponseTooLargeError

__all__ = ["CLOSE_TIMEOUT", "HEAD_LIMIT", "INTERIM_LIMIT", "Pieces", "PooledStream"]

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of status line and headers, those of interim answers included."""

INTERIM_LIMIT: Final = 8
"""Interim answers (RFC 9110, section 15.2) before the real one; a client that asked for none gets none."""

CLOSE_TIMEOUT: Final = 1.0
"""Seconds that closing may take. A TCP socket needs none; this bounds networks other than TCP."""

# The end of a head as h11 reads it, and the beginning of an interim answer.
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
_INTERIM: Final = re.compile(rb"HTTP/\d\.\d 1")


class PooledStream(httpcore.AsyncNetworkBackend, httpcore.AsyncNetworkStream):
    """One connection of the pool, seen from the network: first its backend, then its stream."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        self._backend = backend
        self._connecting = anyio.CancelScope()
        self._socket: httpcore.AsyncNetworkStream | None = None
        self._stream = httpcore.AsyncNetworkStream()  # the socket, or TLS over it
        self._closed = False
        self.ended = False
        """The server has sent all it will ever send."""
        self.begin()

    def begin(self) -> None:
        """Start the count of a new answer."""
        self.received = 0
        """Bytes that have arrived since."""
        self._head: bytes | None = b""  # what has come of it; None once it is complete
        self._interim = 0

    def check_answered(self) -> None:
        """Refuse an answer of which nothing has arrived since the question: it came with the one before."""
        if self._socket is not None and not self.received:  # without a socket a mocker answered in httpcore's place
            raise httpcore.RemoteProtocolError("The server answered before it was asked.")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        with self._connecting:
            self._socket = await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        if self._socket is None or self._closed:
            raise httpcore.ConnectError("The connection was closed while it was made.")
        self._stream = self._socket
        return self

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            self._stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except (OSError, anyio.ClosedResourceError) as error:  # httpcore leaves both as they are
            raise httpcore.ConnectError(str(error)) from error
        return self

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._closed:
            raise httpcore.ReadError("The connection is closed.")
        if self._head is not None:
            max_bytes = min(max_bytes, HEAD_LIMIT - self.received)
            if max_bytes <= 0:
                raise ResponseTooLargeError(
                    f"The head of the reply is longer than {HEAD_LIMIT} bytes: no service of this API sends "
                    "that. Check base_url and what stands between here and there.",
                    limit=HEAD_LIMIT,
                )
        try:
            data = await self._stream.read(max_bytes, timeout)
        except ssl.SSLError as error:  # httpcore leaves it as it is
            raise httpcore.ReadError(str(error)) from error
        self.received += len(data)
        self.ended = not data
        if self._head is not None:
            self._watch_head(self._head, data)
        return data

    def _watch_head(self, seen: bytes, data: bytes) -> None:
        head = seen + data if seen else data
        start = max(0, len(seen) - 2)  # a blank line may have begun there
        while (end := _BLANK_LINE.search(head, start)) is not None:
            if not _INTERIM.match(head):
                self._head = None
                return
            self._interim += 1
            if self._interim > INTERIM_LIMIT:
                raise ResponseTooLargeError(
                    f"More than {INTERIM_LIMIT} interim replies (1xx) came before the real one. "
                    "Check base_url and what stands between here and there."
                )
            head, start = head[end.end() :], 0
        self._head = head

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:  # h11 sends an empty piece for an empty body, and one for its end
            return
        try:
            await self._stream.write(buffer, timeout)
        except ssl.SSLError as error:  # httpcore leaves it as it is
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        """Close what there is of the connection: at once, whoever is using or cancelling it.

        It is the socket that closes, not the TLS on top: a closing handshake could block, and HTTP
        needs none, since the length of every answer is known. Sockets close before their `aclose`
        first yields, so not even a native `Task.cancel()`, which no shield stops, leaves one open.
        """
        self._closed = True
        if (socket := self._socket) is None:
            self._connecting.cancel()
        else:
            self._socket = None
            with anyio.move_on_after(CLOSE_TIMEOUT, shield=True):
                await socket.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Pieces:
    """A request body that can be read again: bytes or a form, which httpx also offers synchronously.

    An iterator, where httpx has a generator: one that a cancelled upload leaves suspended makes trio complain.
    """

    def __init__(self, body: Iterable[bytes]) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._rest = iter(self._body)
        return self

    async def __anext__(self) -> bytes:
        for piece in self._rest:
            return piece
        raise StopAsyncIteration
