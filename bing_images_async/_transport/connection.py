"""One connection of the pool: HTTP/1.1 (RFC 9112) as h11 has it, over a socket of httpcore's kind.

httpcore's own connection puts five locks, a dozen trace points and three nested generators around the
same h11. Those cost more time than reading the answer does, and hide how much of it has arrived. One
connection here has one user at a time (the pool sees to that), who leaves it whole or closes it.
"""

from __future__ import annotations

import ssl
from typing import Final

import anyio
import h11
import httpcore

from ..errors import ResponseTooLargeError
from ._address import Origin

__all__ = ["CLOSE_TIMEOUT", "Connection", "HEAD_LIMIT", "INTERIM_LIMIT"]

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of status line and headers, those of interim answers included."""

INTERIM_LIMIT: Final = 8
"""Interim answers (RFC 9110, section 15.2) before the real one; a client that asked for none gets none."""

CLOSE_TIMEOUT: Final = 1.0
"""Seconds that closing may take. A TCP socket needs none; this bounds networks other than TCP."""

_PIECE: Final = 64 * 1024
"""Bytes to be read at a time."""
_LONGEST_LINE: Final = 100 * 1024
"""What h11 holds while it waits for the end of a head, of a chunk's first line, or of trailers."""


class Connection:
    """Made idle and unconnected; `connect()`, then for each exchange `ask()` and `read()` until that gives `None`.

    Raises httpcore's and h11's errors, and `ResponseTooLargeError` for a head beyond the limits. After any
    error, and after any cancellation, the connection must be closed.
    """

    def __init__(self, origin: Origin, backend: httpcore.AsyncNetworkBackend) -> None:
        self.origin = origin
        self.expires_at = 0.0
        """Not to be used from then on; the pool's business."""
        self.received = 0
        """Bytes that have arrived since the last question."""
        self._backend = backend
        self._connecting = anyio.CancelScope()
        self._socket: httpcore.AsyncNetworkStream | None = None
        self.stream = httpcore.AsyncNetworkStream()
        """The socket, or TLS over it."""
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_LINE)
        self._is_doubtful = False
        self._closed = False

    async def connect(self, context: ssl.SSLContext | None) -> None:
        """Open the socket, with TLS if there is a `context`."""
        _, host, port = self.origin
        with self._connecting:
            self._socket = await self._backend.connect_tcp(host, port)
        if self._socket is None or self._closed:
            raise httpcore.ConnectError("The connection was closed while it was made.")
        self.stream = self._socket
        if context is not None:
            context.set_alpn_protocols(["http/1.1"])
            try:
                self.stream = await self._socket.start_tls(context, host)
            except (OSError, anyio.ClosedResourceError) as error:  # httpcore leaves both as they are
                raise httpcore.ConnectError(str(error)) from error

    @property
    def is_connected(self) -> bool:
        """Is there a socket, or was there one?"""
        return self._socket is not None or self._closed

    @property
    def is_reusable(self) -> bool:
        """Is the last exchange over, and did it leave the connection as it was before?"""
        return self._http.our_state is h11.IDLE and not self._closed

    @property
    def is_silent(self) -> bool:
        """Has nothing come since? While nothing was asked, what comes is the end, or no answer of ours."""
        return not self.stream.get_extra_info("is_readable")

    async def ask(self, request: h11.Request, body: bytes) -> h11.Response:
        """Send a request and read the head of its answer."""
        self.received = 0
        try:
            await self._send(request)
            if body:
                await self._send(h11.Data(data=body))
            await self._send(h11.EndOfMessage())
        except httpcore.WriteError:
            pass  # a server may answer, and close, before it has read everything
        return await self._read_head()

    async def read(self) -> bytes | bytearray | None:
        """The next piece of the body; `None` at its end, when the connection is ready for another question."""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                await self._receive(_PIECE)
            elif isinstance(event, h11.Data):
                return event.data
            else:
                self._finish()
                return None

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

    async def _read_head(self) -> h11.Response:
        interim = 0
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self.received >= HEAD_LIMIT:
                    raise ResponseTooLargeError(
                        f"The head of the reply is longer than {HEAD_LIMIT} bytes: no service of this API sends "
                        "that. Check base_url and what stands between here and there.",
                        limit=HEAD_LIMIT,
                    )
                await self._receive(HEAD_LIMIT - self.received)
            elif isinstance(event, h11.Response):
                if not self.received:
                    raise h11.RemoteProtocolError("The server answered before it was asked.")
                # Two lengths: whoever else read this may have taken the other (RFC 9112, section 6.3).
                self._is_doubtful = {b"content-length", b"transfer-encoding"} <= {name for name, _ in event.headers}
                return event
            elif isinstance(event, h11.InformationalResponse):
                interim += 1
                if interim > INTERIM_LIMIT:
                    raise ResponseTooLargeError(
                        f"More than {INTERIM_LIMIT} interim replies (1xx) came before the real one. "
                        "Check base_url and what stands between here and there."
                    )
            else:
                raise h11.RemoteProtocolError("Server disconnected without sending a response.")

    def _finish(self) -> None:
        """Be ready for the next exchange, if both sides agree, and nothing came that belongs to none."""
        is_over = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if is_over and not self._is_doubtful and self._http.trailing_data == (b"", False):  # neither more nor the end
            self._http.start_next_cycle()

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if not data:  # the end of a message
            return
        if self._closed:
            raise httpcore.WriteError("The connection is closed.")
        try:
            await self.stream.write(data)
        except ssl.SSLError as error:  # httpcore leaves it as it is
            raise httpcore.WriteError(str(error)) from error

    async def _receive(self, most: int) -> None:
        if self._closed:
            raise httpcore.ReadError("The connection is closed.")
        try:
            data = await self.stream.read(most)
        except ssl.SSLError as error:  # httpcore leaves it as it is
            raise httpcore.ReadError(str(error)) from error
        self.received += len(data)
        if not data and self._http.their_state is h11.SEND_RESPONSE:
            raise h11.RemoteProtocolError("Server disconnected without sending a response.")
        self._http.receive_data(data)
