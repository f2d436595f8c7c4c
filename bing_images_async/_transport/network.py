"""TCP and TLS streams for httpcore, through anyio.

httpcore's own anyio backend opens a cancel scope for every read and write, and gets the socket from the stream's
attributes for every check of a kept connection. Here a scope is opened only with a timeout (the session's own requests
have none, because cancel scopes around whole attempts limit them), and the socket is kept. Errors are those of
httpcore's own backends.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import httpcore
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

__all__ = ["Network"]

_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError)


class Network(httpcore.AsyncNetworkBackend):
    """Opens TCP connections (RFC 8305, "happy eyeballs", by anyio). Socket options are ignored."""

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
        except UnicodeError as error:  # not a host name (RFC 5891)
            raise httpcore.ConnectError("The host name is not valid.") from error
        return _Stream(_Socket(stream, stream.extra(SocketAttribute.raw_socket)))


class _Socket(ByteStream):
    """A TCP stream that also detects data in buffers above the socket.

    asyncio reads up to 256 KiB from the socket at once, and keeps what was not requested in a buffer that a poll of the
    socket does not see. If writing fails, asyncio closes the socket at once, and unread data is lost: `keep_unread`
    keeps a duplicate of the socket open, so that a response sent before the peer closed can still be read.
    """

    def __init__(self, stream: ByteStream, raw: socket.socket) -> None:
        self._stream = stream
        self.raw = raw
        self._poll = _poll(raw)
        self._duplicate: socket.socket | None = None
        self._may_hold_more = False

    def keep_unread(self) -> None:
        """Keep received data readable after a failed write."""
        if self._duplicate is None:
            with suppress(OSError):
                self._duplicate = self.raw.dup()
                self._duplicate.setblocking(False)

    def is_readable(self) -> bool:
        return self._may_hold_more or self.raw.fileno() < 0 or bool(self._poll())

    def shut_down(self) -> None:
        """End the connection at both ends without waiting; the socket itself stays open until `aclose`."""
        with suppress(OSError):
            self.raw.shutdown(socket.SHUT_RDWR)

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        try:
            data = await self._stream.receive(max_bytes)
        except (anyio.EndOfStream, *_BROKEN):
            data = self._unread(max_bytes)
            if not data:
                raise
        self._may_hold_more = len(data) >= max_bytes
        return data

    def _unread(self, max_bytes: int) -> bytes:
        if self._duplicate is None:
            return b""
        try:
            return self._duplicate.recv(max_bytes)
        except OSError:  # no data, or reset
            return b""

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        if self._duplicate is not None:
            self._duplicate.close()
            self._duplicate = None
        await self._stream.aclose()


class _Stream(httpcore.AsyncNetworkStream):
    """A socket, and the TLS layers on it (two with a proxy that is reached by https)."""

    def __init__(self, tcp: _Socket, layers: tuple[TLSStream, ...] = ()) -> None:
        self._tcp = tcp
        self._layers = layers
        self._stream: ByteStream = layers[-1] if layers else tcp

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            if timeout is None:
                return await self._stream.receive(max_bytes)
            with anyio.fail_after(timeout):
                return await self._stream.receive(max_bytes)
        except anyio.EndOfStream:
            return b""
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except _BROKEN as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            if timeout is None:
                await self._stream.send(buffer)
                return
            with anyio.fail_after(timeout):
                await self._stream.send(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except _BROKEN as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            with anyio.fail_after(timeout):
                tls = await TLSStream.wrap(
                    self._stream,
                    ssl_context=ssl_context,
                    hostname=server_hostname,
                    standard_compatible=False,  # no closing handshake: HTTP knows the end of a response
                    server_side=False,
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except (anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError) as error:
            raise httpcore.ConnectError(str(error)) from error
        return _Stream(self._tcp, (*self._layers, tls))

    def get_extra_info(self, info: str) -> Any:
        """`is_readable`: data or the end of the stream has arrived. Also `keep_unread` and `shut_down` of the socket.

        The rest are httpcore's names: `ssl_object`, `client_addr`, `server_addr`, `socket`.
        """
        if info == "is_readable":
            return self._has_more()
        if info in {"keep_unread", "shut_down"}:
            return getattr(self._tcp, info)
        if info == "ssl_object":
            return self._layers[-1].extra(TLSAttribute.ssl_object) if self._layers else None
        raw = self._tcp.raw
        known: dict[str, Callable[[], Any]] = {
            "socket": lambda: raw,
            "client_addr": raw.getsockname,
            "server_addr": raw.getpeername,
        }
        return known[info]() if info in known else None

    def _has_more(self) -> bool:
        """Whether a connection that should be silent is not. If so it cannot be read on: a byte of it may be gone."""
        if self._tcp.is_readable():
            return True
        for layer in self._layers:  # TLS may hold records that came together with those that were read
            try:
                layer.extra(TLSAttribute.ssl_object).read(1)  # it never waits
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                pass
            return True
        return False


def _poll(raw: socket.socket) -> Callable[[], object]:
    """Return a function that tells whether a socket can be read."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([raw], [], [], 0)[0]
    poll = select.poll()
    poll.register(raw, select.POLLIN)
    return partial(poll.poll, 0)
