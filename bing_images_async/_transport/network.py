"""Sockets for httpcore, through anyio, at a third of the cost of httpcore's own way through anyio.

httpcore's opens a time limit for every read and write, and looks a socket up by its attributes to see
whether a kept connection was closed. Here there are no such limits (deadlines are scopes around whole
attempts), and the socket is at hand. Raises what httpcore's own backends raise.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import anyio
import httpcore
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

__all__ = ["Network"]

_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError)


class Network(httpcore.AsyncNetworkBackend):
    """Opens TCP connections (RFC 8305 for hosts with several addresses, by anyio).

    Timeouts and socket options are not looked at.
    """

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            stream = await anyio.connect_tcp(host, port, local_host=local_address)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except (OSError, anyio.BrokenResourceError) as error:
            raise httpcore.ConnectError(str(error)) from error
        raw = stream.extra(SocketAttribute.raw_socket)
        return _Stream(_Watched(stream), raw, _poll(raw))


class _Watched(ByteStream):
    """A socket's stream, and whether it may hold more than it has given.

    On asyncio up to 256 KiB are read at once, and what was not asked for waits where no poll sees it.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.may_hold_more = False

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        data = await self._stream.receive(max_bytes)
        self.may_hold_more = len(data) >= max_bytes
        return data

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(
        self, watched: _Watched, raw: socket.socket, poll: Callable[[], object], tls: TLSStream | None = None
    ) -> None:
        self._watched = watched
        self._raw = raw
        self._poll = poll
        self._tls = tls
        self._stream: ByteStream = watched if tls is None else tls

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await self._stream.receive(max_bytes)
        except anyio.EndOfStream:
            return b""
        except _BROKEN as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            await self._stream.send(buffer)
        except _BROKEN as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            tls = await TLSStream.wrap(
                self._stream,
                ssl_context=ssl_context,
                hostname=server_hostname,
                standard_compatible=False,  # no closing handshake: HTTP knows where an answer ends
                server_side=False,
            )
        except (anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError) as error:
            raise httpcore.ConnectError(str(error)) from error
        return _Stream(self._watched, self._raw, self._poll, tls)

    def get_extra_info(self, info: str) -> Any:
        """`is_readable`, which is all that the pool asks for: is there something to read, or the end?"""
        return self._has_more() if info == "is_readable" else None

    def _has_more(self) -> bool:
        if self._watched.may_hold_more or self._raw.fileno() < 0 or self._poll():
            return True
        if self._tls is None:
            return False
        try:  # TLS may hold records that came together with those that were read; it never waits
            self._tls.extra(TLSAttribute.ssl_object).read(1)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            pass
        return True


def _poll(raw: socket.socket) -> Callable[[], object]:
    """What tells whether a socket can be read."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([raw], [], [], 0)[0]
    poll = select.poll()
    poll.register(raw, select.POLLIN)
    return partial(poll.poll, 0)
