"""A network in memory, below the library's own connections."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Coroutine, Iterable, Sequence
from random import Random
from typing import Any, Literal

import anyio
import anyio.abc
import attrs
import httpcore

from .pipe import End, Link, Pipe
from .trace import Trace

ConnectFault = Literal["refused", "dns", "reset", "silence", "tls_reset", "tls_silence", "certificate"]
"""What goes wrong before the first byte of HTTP."""


@attrs.frozen
class Outage:
    """From `start` to `end` (virtual seconds) the service cannot be reached.

    "refused": connecting fails at once, and open connections are reset.
    "silence": nothing that is sent in that time arrives.
    """

    start: float
    end: float
    how: Literal["refused", "silence"] = "refused"

    def covers(self, time: float, how: str) -> bool:
        return self.how == how and self.start <= time < self.end


@attrs.define(eq=False)
class Connection:
    """Two pipes, and the server's end of them."""

    number: int
    up: Pipe
    down: Pipe

    def reset(self) -> None:
        """Reset the connection: the client gets RST for whatever it sends."""
        self.down.end(End.RESET)
        self.up.abandon()

    def close(self) -> None:
        self.down.end()


@attrs.define(eq=False)
class Network(httpcore.AsyncNetworkBackend):
    """A network of connections in memory.

    seed: determines every delay, size and loss; each connection has its own random source.
    connecting: function of the number of the connection (from 0) that returns its fault, if any.
    """

    link: Link
    seed: int
    trace: Trace
    outages: Sequence[Outage] = ()
    connecting: Callable[[int], ConnectFault | None] = lambda number: None
    serve: Callable[[Connection], Coroutine[Any, Any, None]] | None = None
    tasks: anyio.abc.TaskGroup | None = None
    open_streams: set[ClientStream] = attrs.field(factory=set, init=False)
    _dialled: int = attrs.field(default=0, init=False)

    @property
    def dialled(self) -> int:
        """Attempts to connect so far."""
        return self._dialled

    def down(self, how: Literal["refused", "silence"]) -> bool:
        """Return true during an outage of this kind."""
        now = anyio.current_time()
        return any(outage.covers(now, how) for outage in self.outages)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        number, self._dialled = self._dialled, self._dialled + 1
        fault = self.connecting(number)
        try:
            with anyio.fail_after(timeout):
                return await self._connect(number, fault)
        except TimeoutError as error:
            self.note(number, "connect timed out")
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            self.note(number, f"connect failed: {type(error).__name__}")
            raise httpcore.ConnectError(str(error)) from error

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def _connect(self, number: int, fault: ConnectFault | None) -> ClientStream:
        random = Random(f"{self.seed}/{number}")
        if fault == "silence" or self.down("silence"):
            await anyio.sleep_forever()
        await anyio.sleep(self.link.delay(random) + self.link.delay(random))  # SYN and its answer
        if fault == "refused" or self.down("refused"):
            raise ConnectionRefusedError(111, "Connection refused")
        if fault == "dns":
            raise socket.gaierror(-2, "Name or service not known")
        if fault == "reset":
            raise ConnectionResetError(104, "Connection reset by peer")
        connection = Connection(number, self._pipe(f"{number}/up"), self._pipe(f"{number}/down"))
        assert self.tasks is not None
        assert self.serve is not None
        self.tasks.start_soon(self.serve, connection, name=f"server of connection {number}")
        stream = ClientStream(self, connection, fault)
        self.open_streams.add(stream)
        self.note(number, "connected")
        return stream

    def _pipe(self, name: str) -> Pipe:
        return Pipe(self.link, Random(f"{self.seed}/{name}"), silent=lambda: self.down("silence"))

    def note(self, number: int, what: str) -> None:
        self.trace.record(anyio.current_time(), f"connection {number:05}", what)


@attrs.define(eq=False)
class ClientStream(httpcore.AsyncNetworkStream):
    """The client's end. TLS is one round trip that may fail; the bytes after it are not encrypted."""

    network: Network
    connection: Connection
    fault: ConnectFault | None = None
    _closed: bool = attrs.field(default=False, init=False)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            with anyio.fail_after(timeout):
                return await self.connection.down.receive(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            with anyio.fail_after(timeout):
                if self.connection.down.broken():
                    raise BrokenPipeError
                await self.connection.up.send(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        """Close at the first step, so that a cancelled close has closed."""
        if self._closed:
            return
        self._closed = True
        self.network.open_streams.discard(self)
        self.connection.up.end()
        self.connection.down.abandon()
        self.network.note(self.connection.number, "closed by the client")
        await anyio.lowlevel.checkpoint()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        link, random = self.network.link, self.connection.up.random
        try:
            with anyio.fail_after(timeout):
                if self.fault == "tls_silence" or self.network.down("silence"):
                    await anyio.sleep_forever()
                await anyio.sleep(link.delay(random) + link.delay(random))
                if self.fault == "tls_reset":
                    raise ConnectionResetError(104, "Connection reset by peer")
                if self.fault == "certificate":
                    raise ssl.SSLCertVerificationError(1, "certificate verify failed")
        except (TimeoutError, OSError) as error:
            await self.aclose()
            kind = httpcore.ConnectTimeout if isinstance(error, TimeoutError) else httpcore.ConnectError
            raise kind(str(error)) from error
        return self

    def get_extra_info(self, info: str) -> Any:
        return self.connection.down.readable() if info == "is_readable" else None
