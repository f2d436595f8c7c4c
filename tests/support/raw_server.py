"""A server on loopback that plays byte scripts: for each connection, what to do next.

    async with RawServer(play) as server: ...

`play(connection)` is an async function that runs for each accepted connection and reads and writes
bytes as it pleases; the connection is closed when it returns. `connection.number` counts from 0, so
that a script can treat the second one differently. With an SSL context the server speaks TLS.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType

import anyio
from anyio.abc import ByteStream, Listener, SocketAttribute, SocketStream, TaskGroup
from anyio.streams.tls import TLSStream

__all__ = ["OK", "Play", "RawConnection", "RawServer", "answer", "answering", "serving"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def answer(body: bytes = b"hello", *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """A complete response with a Content-Length."""
    head = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


class RawConnection:
    """The server's end of one connection."""

    def __init__(self, number: int, stream: ByteStream) -> None:
        self.number = number
        """How many connections were accepted before this one."""
        self.requests: list[bytes] = []
        """What `request` has read so far: head and body of each."""
        self.stream = stream
        """The bytes themselves, for scripts that go below HTTP."""
        self.cut_off = anyio.Event()
        """For a test to tell the script something."""
        self._buffer = b""

    async def request(self) -> bytes:
        """Read one request; raises `anyio.EndOfStream` when the client has closed."""
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += await self.stream.receive()
        end = self._buffer.index(b"\r\n\r\n") + 4
        for line in self._buffer[:end].split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                end += int(line.partition(b":")[2])
        while len(self._buffer) < end:
            self._buffer += await self.stream.receive()
        request, self._buffer = self._buffer[:end], self._buffer[end:]
        self.requests.append(request)
        return request

    async def send(self, data: bytes) -> None:
        await self.stream.send(data)

    async def some(self) -> bytes:
        """Whatever comes next."""
        return await self.stream.receive()

    async def until_closed(self) -> None:
        """Wait until the client has closed its end."""
        try:
            while True:
                await self.stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return

    async def reset(self) -> None:
        """Close with a TCP reset instead of an orderly end."""
        raw = self.stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.stream.aclose()


Play = Callable[[RawConnection], Awaitable[None]]


class RawServer:
    """Accepts connections on 127.0.0.1 while the block runs."""

    def __init__(self, play: Play, ssl_context: ssl.SSLContext | None = None) -> None:
        self.accepted: list[RawConnection] = []
        """Every connection so far."""
        self.open = 0
        """Connections that have not ended."""
        self.port = 0
        self._play = play
        self._ssl_context = ssl_context
        self._changed = anyio.Event()
        self._tasks: TaskGroup

    @property
    def url(self) -> str:
        scheme = "http" if self._ssl_context is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[bytes]:
        """Every request so far, by connection."""
        return [request for connection in self.accepted for request in connection.requests]

    async def until_open(self, count: int) -> None:
        """Wait until so many connections are open; fails after 5 s."""
        with anyio.fail_after(30):
            while self.open != count:
                await self._changed.wait()

    async def _serve(self, stream: SocketStream) -> None:
        self._count(1)
        try:
            async with stream:
                await self._converse(stream)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self.open += change
        self._changed.set()
        self._changed = anyio.Event()

    async def _converse(self, stream: ByteStream) -> None:
        number = len(self.accepted)
        self.accepted.append(RawConnection(number, stream))
        try:
            if self._ssl_context is not None:
                stream = await TLSStream.wrap(
                    stream, server_side=True, ssl_context=self._ssl_context, standard_compatible=False
                )
                self.accepted[number] = RawConnection(number, stream)
            await self._play(self.accepted[number])
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError):
            return  # the client has gone

    async def __aenter__(self) -> RawServer:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        self.port = listener.extra(SocketAttribute.local_port)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._accept, listener)
        return self

    async def _accept(self, listener: Listener[SocketStream]) -> None:
        async with listener:
            await listener.serve(self._serve, self._tasks)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._tasks.cancel_scope.cancel()
        if isinstance(error, anyio.get_cancelled_exc_class()):
            await self._tasks.__aexit__(kind, error, traceback)
        else:  # an error of the block stays bare instead of coming out in a group
            await self._tasks.__aexit__(None, None, None)


def serving(response: bytes = OK) -> Play:
    """Answer every request on every connection with the same bytes."""

    async def play(connection: RawConnection) -> None:
        while True:
            await connection.request()
            await connection.send(response)

    return play


def answering(*responses: bytes) -> Play:
    """On each connection: answer with these bytes, one after the other, then close."""

    async def play(connection: RawConnection) -> None:
        for response in responses:
            await connection.request()
            await connection.send(response)

    return play
