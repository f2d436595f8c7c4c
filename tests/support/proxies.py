"""An HTTP proxy on loopback: it forwards plain requests, opens tunnels for CONNECT, and keeps a log."""

from __future__ import annotations

import base64
import ssl
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream

from support.raw_server import Play, RawConnection, RawServer, answer

from .service import Received, RequestReader

__all__ = ["Proxy", "basic"]

GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)
"""Raised when one of the ends has closed a connection."""

DENIED = answer(
    b"credentials are needed", b'Proxy-Authenticate: Basic realm="proxy"', status=b"407 Proxy Authentication Required"
)


def basic(credentials: str) -> str:
    """The value of `Proxy-Authorization` for `user:password`."""
    return "Basic " + base64.b64encode(credentials.encode()).decode()


class Proxy:
    """The proxy; use it as an async context manager.

    Every host leads to `upstream`, a port of this machine, so that hosts may have any name. `fault` answers in the
    proxy's place as long as it is set: bytes for each request, or a script for the connection. `greeting` is the answer
    to a CONNECT that is granted.
    """

    def __init__(
        self,
        upstream: int,
        *,
        credentials: str | None = None,
        fault: bytes | Play | None = None,
        greeting: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.log: list[Received] = []
        """Every request that the proxy itself received; of tunnels, only the CONNECT."""
        self.tunnelled = b""
        """All bytes that clients sent into tunnels."""
        self.fault = fault
        self.server = RawServer(self._play, tls)
        self._upstream = upstream
        self._credentials = credentials
        self._greeting = greeting
        self._dropped = anyio.Event()

    @property
    def url(self) -> str:
        return self.server.url

    def url_with(self, credentials: str) -> str:
        return self.url.replace("://", f"://{credentials}@")

    @property
    def connections(self) -> int:
        """Connections that were ever accepted."""
        return len(self.server.accepted)

    @property
    def methods(self) -> list[str]:
        """The method of each request that the proxy received."""
        return [received.method for received in self.log]

    async def drop_all(self) -> None:
        """Close every connection at once, as a proxy does that restarts; it serves new ones."""
        dropped, self._dropped = self._dropped, anyio.Event()
        dropped.set()
        await self.server.until_open(0)

    async def _play(self, connection: RawConnection) -> None:
        dropped = self._dropped
        async with anyio.create_task_group() as tasks:

            async def serve() -> None:
                with suppress(*GONE):
                    await self._serve(connection)
                tasks.cancel_scope.cancel()

            tasks.start_soon(serve)
            await dropped.wait()
            tasks.cancel_scope.cancel()

    async def _serve(self, connection: RawConnection) -> None:
        reader = RequestReader(connection)
        if callable(self.fault):
            await self.fault(connection)
            return
        while True:
            received = await reader.request()
            self.log.append(received)
            if isinstance(self.fault, bytes):
                await connection.send(self.fault)
            elif not self._admits(received):
                await connection.send(DENIED)
            elif received.method == "CONNECT":
                await connection.send(self._greeting)
                await self._tunnel(connection, reader.rest())
                return
            else:
                await self._forward(connection, received)

    def _admits(self, received: Received) -> bool:
        if self._credentials is None:
            return True
        return received.headers.get("proxy-authorization") == basic(self._credentials)

    async def _tunnel(self, connection: RawConnection, early: bytes) -> None:
        async with await anyio.connect_tcp("127.0.0.1", self._upstream) as upstream:
            if early:
                self.tunnelled += early
                await upstream.send(early)

            async def back() -> None:
                await _pump(upstream, connection.stream)
                tasks.cancel_scope.cancel()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(back)
                try:
                    while True:
                        part = await connection.some()
                        self.tunnelled += part
                        await upstream.send(part)
                except GONE:
                    tasks.cancel_scope.cancel()

    async def _forward(self, connection: RawConnection, received: Received) -> None:
        url = urlsplit(received.target)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        lines = received.head.split(b"\r\n")[1:-2]
        hop = (b"proxy-", b"connection:", b"keep-alive:")
        kept = [line for line in lines if not line.lower().startswith(hop)]
        head = [f"{received.method} {target} HTTP/1.1".encode("latin-1"), *kept, b"Connection: close"]
        async with await anyio.connect_tcp("127.0.0.1", self._upstream) as upstream:
            await upstream.send(b"\r\n".join(head) + b"\r\n\r\n" + received.body)
            await connection.send(await _whole_response(upstream))

    async def __aenter__(self) -> Proxy:
        await self.server.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.__aexit__(kind, error, trace)


async def _pump(source: ByteReceiveStream, sink: ByteSendStream) -> None:
    with suppress(*GONE):
        while True:
            await sink.send(await source.receive())


async def _whole_response(upstream: ByteReceiveStream) -> bytes:
    """One response with a Content-Length; `anyio.EndOfStream` if it is cut short."""
    response = b""
    while b"\r\n\r\n" not in response:
        response += await upstream.receive()
    head, _, body = response.partition(b"\r\n\r\n")
    size = next(
        (int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < size:
        part = await upstream.receive()
        body += part
    return head + b"\r\n\r\n" + body
