"""Sockets for httpcore, through anyio, at a third of the cost of httpcore's own way through anyio.

httpcore's opens a time limit for every read and write, and looks a socket up by its attributes to see
whether a kept connection was closed. Here nothing sets such limits (deadlines are scopes around whole
attempts), and the socket is at hand. Raises what httpcore's own backends raise.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NoReturn

import anyio
import httpcore
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

__all__ = ["Network"]

_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError)
_TimedOut = type[httpcore.TimeoutException]


class Network(httpcore.AsyncNetworkBackend):
    """Opens TCP connections (RFC 8305 for hosts with several addresses, by anyio)."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            with anyio.fail_after(timeout):
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
            if timeout is None:
                return await self._stream.receive(max_bytes)
            with anyio.fail_after(timeout):
                return await self._stream.receive(max_bytes)
        except anyio.EndOfStream:
            return b""
        except _BROKEN as error:
            raise httpcore.ReadError(str(error)) from error
        except TimeoutError as error:
            _raise_timeout(error, httpcore.ReadTimeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            if timeout is None:
                await self._stream.send(buffer)
                return
            with anyio.fail_after(timeout):
                await self._stream.send(buffer)
        except _BROKEN as error:
            raise httpcore.WriteError(str(error)) from error
        except TimeoutError as error:
            _raise_timeout(error, httpcore.WriteTimeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            with anyio.fail_after(timeout):
                secured = await TLSStream.wrap(
                    self._stream,
                    ssl_context=ssl_context,
                    hostname=server_hostname,
                    standard_compatible=False,  # no closing handshake: HTTP knows where an answer ends
                    server_side=False,
                )
        except TimeoutError as error:
            await self.aclose()
            _raise_timeout(error, httpcore.ConnectTimeout)
        except (anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError) as error:
            await self.aclose()
            raise httpcore.ConnectError(str(error)) from error
        except Exception:
            await self.aclose()
            raise
        return _Stream(secured, self._raw)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._raw.fileno() < 0 or bool(self._poll())  # a closed socket is at its end
        if info == "ssl_object":
            return self._stream.extra(TLSAttribute.ssl_object, None)
        if info == "socket":
            return self._raw
        if info == "client_addr":
            return self._stream.extra(SocketAttribute.local_address, None)
        if info == "server_addr":
            return self._stream.extra(SocketAttribute.remote_address, None)
        return None


def _raise_timeout(error: TimeoutError, kind: _TimedOut) -> NoReturn:
    raise kind(str(error)) from error


def _poll(raw: socket.socket) -> Callable[[], object]:
    """What tells whether there is something to read, or the end."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([raw], [], [], 0)[0]
    poll = select.poll()
    poll.register(raw, select.POLLIN)
    return partial(poll.poll, 0)
