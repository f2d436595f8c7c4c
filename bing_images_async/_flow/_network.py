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
from anyio.streams.tls import TLSStream

__all__ = ["Network"]

_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError)


class Network(httpcore.AsyncNetworkBackend):
    """Opens TCP connections (RFC 8305 for hosts with several addresses, by anyio). Timeouts are not looked at."""

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
        for option in socket_options or ():
            raw.setsockopt(*option)
        return _Stream(stream, raw)


class _Stream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: ByteStream, raw: socket.socket) -> None:
        self._stream = stream
        self._raw = raw
        self._poll = _poll(raw)

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
            secured = await TLSStream.wrap(
                self._stream,
                ssl_context=ssl_context,
                hostname=server_hostname,
                standard_compatible=False,  # no closing handshake: HTTP knows where an answer ends
                server_side=False,
            )
        except (anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError) as error:
            raise httpcore.ConnectError(str(error)) from error
        return _Stream(secured, self._raw)

    def get_extra_info(self, info: str) -> Any:
        """`is_readable`, which is all that the pool asks for: is there something to read, or the end?"""
        return self._raw.fileno() < 0 or bool(self._poll()) if info == "is_readable" else None


def _poll(raw: socket.socket) -> Callable[[], object]:
    """What tells whether a socket can be read."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([raw], [], [], 0)[0]
    poll = select.poll()
    poll.register(raw, select.POLLIN)
    return partial(poll.poll, 0)
