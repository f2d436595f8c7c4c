"""One HTTP/1.1 connection of the pool (RFC 9112): a network stream, and the parser of what arrives on it.

httpcore's own connection puts five locks, a dozen trace points and three nested generators around the same
exchange, and hides how much of a reply has arrived, which the pool must know. A connection here has one user at a
time, who either reads the response to its end or closes the connection.
"""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import Final
from weakref import ref

import anyio
import httpcore
from attrs import frozen

from .parser import ResponseParser
from .proxy import Proxy, ProxyRefusedError
from .tls import TLSContext

__all__ = ["CLOSE_TIMEOUT", "Connection", "Head", "Timeouts", "encode_head"]

CLOSE_TIMEOUT: Final = 1.0
"""Seconds that closing may take. A TCP socket needs none; this bounds networks other than TCP."""

_PIECE: Final = 64 * 1024
"""Bytes read or written at a time."""

_MOST_DIGITS: Final = 19
"""Digits of a Content-Length: enough for a number of 63 bits."""

Timeouts = dict[str, float | None]
"""Seconds for `connect`, `read` and `write`: httpcore's request extension `timeout`."""

_NO_TIMEOUTS: Final[Timeouts] = {}

_HEAD: Final = re.compile(
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~\x80-\xff]*\r\n)*\r\n"
)
"""A request line and header fields (RFC 9112, section 3; RFC 9110, section 5.5): no line break or NUL in a value."""


@frozen
class Head:
    """Encoded head of a request."""

    data: bytes
    body_length: int | None = None
    """Bytes of the body; `None` for a chunked body."""


def encode_head(request: httpcore.Request, proxy: Proxy | None) -> Head:
    """Return the head of `request`; raise `httpcore.LocalProtocolError` if it is not valid HTTP/1.1."""
    target, headers = request.url.target, request.headers
    if proxy is not None and request.url.scheme == b"http":
        # RFC 9112, section 3.2.2: a proxy is sent the absolute form.
        target = b"http://" + _authority(request.url) + target
        headers = [*headers, *proxy.headers]
    return Head(_encode(request.method, target, headers), _body_length(headers))


def _encode(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    lines = [method + b" " + target + b" HTTP/1.1", *[name + b": " + value for name, value in headers], b"\r\n"]
    head = b"\r\n".join(lines)
    if _HEAD.fullmatch(head) is None:
        raise httpcore.LocalProtocolError("The method, the target or a header holds a character that is not allowed.")
    return head


def _body_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return the declared length of a request body, 0 without one; `None` for a chunked body."""
    length: int | None = 0
    found: set[bytes] = set()
    for name, value in headers:
        if len(name) == 14 and name.lower() == b"content-length":
            if not value.isdigit() or len(value) > _MOST_DIGITS:
                raise httpcore.LocalProtocolError("Content-Length is not a number of bytes.")
            length = int(value)
            found.add(value)
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise httpcore.LocalProtocolError("The Transfer-Encoding of a request can only be chunked.")
            length = None
            found.add(value)
    if len(found) > 1:
        raise httpcore.LocalProtocolError("The request has two lengths (Content-Length, Transfer-Encoding).")
    return length


class Connection:
    """An HTTP/1.1 connection. Call `connect`, then for each request `begin`, `exchange`, and `receive` to the end.

    Methods raise httpcore's errors, and `ResponseTooLargeError` beyond the limits of the parser. After any error or
    cancellation the connection must be closed.
    """

    def __init__(self, origin: httpcore.Origin, network: httpcore.AsyncNetworkBackend, proxy: Proxy | None) -> None:
        self.origin = origin
        self.proxy = proxy
        self.expires_at = 0.0
        """Time of the pool's clock from which on the connection is not used again."""
        self.parser = ResponseParser()
        self.stream = httpcore.AsyncNetworkStream()
        self.response: ref[object] | None = None
        """Weak reference to the body of the current response; `None` if there is none to close."""
        self.has_written = False
        """Bytes of the current request have been written."""
        self._network = network
        self._connecting = anyio.CancelScope()
        self._socket: httpcore.AsyncNetworkStream | None = None
        self._closed = False
        self._is_sent = self._is_writing = False

    # --- connecting

    async def connect(self, tls: TLSContext, timeouts: Timeouts) -> None:
        """Open the socket, connect through the proxy if there is one, and start TLS for https."""
        timeout = timeouts.get("connect")
        scheme, host, port = self.origin.scheme, self.origin.host.decode("ascii"), self.origin.port
        via = self.proxy
        with self._connecting:
            try:
                self._socket = await self._network.connect_tcp(
                    host if via is None else via.host, port if via is None else via.port, timeout=timeout
                )
            except httpcore.ConnectError as error:
                if via is None:
                    raise
                raise httpcore.ProxyError(f"{via.host}:{via.port} cannot be reached: {error}") from error
        if self._socket is None or self._closed:
            raise httpcore.ConnectError("The connection was closed while it was being opened.")
        self.stream = self._socket
        if via is not None and via.is_secure:
            await self._start_tls(await tls.get(), via.host, timeout)
        if scheme == b"https":
            if via is not None:
                await self._open_tunnel(via, f"{_bracketed(host)}:{port}".encode("ascii"), timeouts)
            await self._start_tls(await tls.get(), host, timeout)

    async def _start_tls(self, context: ssl.SSLContext, host: str, timeout: float | None) -> None:
        context.set_alpn_protocols(["http/1.1"])
        try:
            self.stream = await self.stream.start_tls(context, host, timeout=timeout)
        except (OSError, anyio.ClosedResourceError) as error:  # not all backends translate these
            raise httpcore.ConnectError(str(error)) from error

    async def _open_tunnel(self, proxy: Proxy, authority: bytes, timeouts: Timeouts) -> None:
        """CONNECT (RFC 9110, section 9.3.6)."""
        self.parser.start(has_body=False)
        await self._write(_encode(b"CONNECT", authority, [(b"Host", authority), *proxy.headers]), timeouts)
        while (status := self.parser.status) is None:
            await self._receive(timeouts)
        if not 200 <= status < 300:
            raise ProxyRefusedError(status)
        if self.parser.has_surplus or not self.is_silent:
            raise httpcore.ProxyError("The proxy sent data before the first request.")

    # --- an exchange

    @property
    def is_silent(self) -> bool:
        """True if nothing has arrived since the last response: neither surplus data nor the end of the stream."""
        return not self.stream.get_extra_info("is_readable")

    @property
    def is_reusable(self) -> bool:
        """True if the last exchange is complete and both sides allow another one."""
        return self._is_sent and self.parser.is_complete and self.parser.is_reusable and not self._closed

    def begin(self, method: bytes) -> None:
        """Expect the response to a request that has not been written yet."""
        self.has_written = self._is_sent = False
        self.parser.start(has_body=method != b"HEAD")

    async def exchange(self, head: Head, body: AsyncIterable[bytes], timeouts: Timeouts) -> None:
        """Write a request, and read until the head of its response is in `parser`.

        A server may respond, or close the connection, before it has read everything: then writing stops, and the
        response is read.
        """
        try:
            await self._write(head.data, timeouts)
            self._is_sent = head.body_length == 0
            if not self._is_sent:
                await self._send_body(body, head.body_length, timeouts)
        except httpcore.WriteError:
            pass
        while self.parser.status is None:
            await self._receive(timeouts)

    async def _send_body(self, body: AsyncIterable[bytes], length: int | None, timeouts: Timeouts) -> None:
        """Write a body until it ends or the response begins, which is read meanwhile (RFC 9112, section 9.5)."""
        keep_unread = self.stream.get_extra_info("keep_unread")
        if keep_unread is not None:
            keep_unread()
        self._is_writing = True
        reading = anyio.CancelScope()
        try:
            async with anyio.create_task_group() as tasks:
                with reading:
                    tasks.start_soon(self._write_body, body, length, timeouts, reading)
                    while self._is_writing and self.parser.status is None:
                        await self._receive(_NO_TIMEOUTS)
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as errors:  # of the connection or the body; the other task is cancelled
            raise errors.exceptions[0] from None
        if reading.cancelled_caught:
            raise httpcore.ReadTimeout

    async def _write_body(
        self, body: AsyncIterable[bytes], length: int | None, timeouts: Timeouts, reading: anyio.CancelScope
    ) -> None:
        pieces = aiter(body)
        try:
            await self._write_pieces(pieces, length, timeouts)
            self._is_sent = True
        except httpcore.WriteError:
            pass
        finally:
            if isinstance(pieces, AsyncGenerator):  # if writing stops early, nothing else ends it
                await pieces.aclose()
        self._is_writing = False
        if (timeout := timeouts.get("read")) is not None:
            reading.deadline = anyio.current_time() + timeout

    async def _write_pieces(self, pieces: AsyncIterator[bytes], length: int | None, timeouts: Timeouts) -> None:
        written = 0
        pending = bytearray()
        async for piece in pieces:
            if length is None:
                pending += b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
            else:
                written += len(piece)
                pending += piece
                if written > length:
                    raise httpcore.LocalProtocolError("The request body is longer than its Content-Length.")
            while len(pending) >= _PIECE:
                await self._write(bytes(pending[:_PIECE]), timeouts)
                del pending[:_PIECE]
        if length is not None and written < length:
            raise httpcore.LocalProtocolError("The request body is shorter than its Content-Length.")
        if length is None:
            pending += b"0\r\n\r\n"
        if pending:
            await self._write(bytes(pending), timeouts)

    async def receive(self, timeouts: Timeouts) -> bytes:
        """Return the next piece of the body; empty at its end."""
        while not (piece := self.parser.take_body()) and not self.parser.is_complete:
            await self._receive(timeouts)
        return piece

    async def _write(self, data: bytes, timeouts: Timeouts) -> None:
        if self._closed:
            raise httpcore.WriteError("The connection is closed.")
        self.has_written = True
        try:
            await self.stream.write(data, timeout=timeouts.get("write"))
        except ssl.SSLError as error:  # httpcore leaves it as it is
            raise httpcore.WriteError(str(error)) from error

    async def _receive(self, timeouts: Timeouts) -> None:
        if self._closed:
            raise httpcore.ReadError("The connection is closed.")
        try:
            data = await self.stream.read(min(_PIECE, self.parser.room), timeout=timeouts.get("read"))
        except ssl.SSLError as error:  # httpcore leaves it as it is
            raise httpcore.ReadError(str(error)) from error
        if data:
            self.parser.feed(data)
        else:
            self.parser.feed_end()

    # --- the end

    def shut_down(self) -> None:
        """End the connection without waiting, from any context; `aclose` must follow."""
        shut_down = self.stream.get_extra_info("shut_down")
        if shut_down is not None:
            shut_down()

    async def aclose(self, deadline: float = math.inf) -> None:
        """Close the socket at once, also while it is in use; wait until `deadline` at most.

        There is no closing handshake of TLS: it could block, and HTTP does not need it, because the length of every
        response is known. Sockets close before their `aclose` first yields. So even a native `Task.cancel()`, which a
        shield does not stop, leaves none open.
        """
        self._closed = True
        if (opened := self._socket) is None:
            self._connecting.cancel()
        else:
            self._socket = None
            with anyio.CancelScope(deadline=min(deadline, anyio.current_time() + CLOSE_TIMEOUT), shield=True):
                await opened.aclose()


def _authority(url: httpcore.URL) -> bytes:
    host = _bracketed(url.host.decode("ascii")).encode("ascii")
    return host if url.port is None else b"%b:%d" % (host, url.port)


def _bracketed(host: str) -> str:
    """Return an IPv6 address in brackets (RFC 3986, section 3.2.2), and any other host unchanged."""
    return f"[{host}]" if ":" in host else host
