"""How a fault gets at the connection that a request came on.

On our server it is the socket itself. In process there is no connection: then the bytes are read as an HTTP
client reads them (by h11, as httpx's transport does), what they say is sent on as an ASGI reply, and where
the connection would have broken the exception of httpx is raised that its transport would raise. A client on
`httpx.ASGITransport` cannot tell the difference, but for one thing: that transport hands over a body as a whole,
so what breaks in the body is raised before the reply is there.

Any other server shows a broken connection in the way in which it treats an app that fails.
"""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import anyio
import h11
import httpx
from starlette.types import Receive, Scope, Send

from .connection_faults import End, Step

__all__ = ["LINE", "SocketLine", "leaves_within", "line_of", "play"]

LINE = "bing_images_async.line"
"""Where the line is, in the state of the scope."""

_HEAD_LIMIT = 100 * 2**10
"""Bytes of a head that httpx accepts."""
_READ = 64 * 2**10
"""Bytes that httpx reads at a time; limits are checked between two reads."""
_BROKEN: Mapping[End, tuple[type[httpx.NetworkError], str]] = {
    End.REFUSED: (httpx.ConnectError, "All connection attempts failed"),
    End.RESET: (httpx.ReadError, "Connection reset by peer"),
}


class Transport(Protocol):
    """What is used of an event loop's transport."""

    def write(self, data: bytes) -> None: ...
    def write_eof(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def is_closing(self) -> bool: ...
    def get_extra_info(self, name: str) -> Any: ...


class SocketLine:
    """The server's end of a connection."""

    def __init__(self, number: int) -> None:
        self.number = number
        """Of the connection, from 1."""
        self.idle_timeout: float | None = None
        """Seconds that it may be idle; None for the server's own rule."""
        self.is_taken = False
        """A fault has it: the server's HTTP knows nothing of what is written."""
        self._transport: Transport | None = None

    def attach(self, transport: Transport) -> None:
        self._transport = transport

    def reset(self) -> None:
        """Ends it with a TCP reset instead of an orderly close."""
        assert self._transport is not None
        peer = self._transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def play(self, steps: Iterable[Step], receive: Receive) -> bool:
        """Takes the steps, then waits until the connection is gone. True if the client left first."""
        self.is_taken = True
        assert self._transport is not None
        for step in steps:
            if self._transport.is_closing():
                return True
            if isinstance(step, bytes):
                self._transport.write(step)
            elif isinstance(step, End):
                self._end(step)
                await _gone(receive)
                return False
            elif await leaves_within(step, receive):
                return True
        raise AssertionError("steps have an end")

    def _end(self, end: End) -> None:
        assert self._transport is not None
        if end is End.CLOSED:
            self._transport.close()
        elif end is End.HALF_CLOSED:
            self._transport.write_eof()
        else:  # a listening socket refuses all or nobody: a reset before the first byte is the nearest to it
            self.reset()


def line_of(scope: Scope) -> SocketLine | None:
    """The line of a request, if our server received it."""
    line = scope.get("state", {}).get(LINE)
    return line if isinstance(line, SocketLine) else None


async def play(steps: Iterable[Step], scope: Scope, receive: Receive, send: Send) -> bool:
    """Takes the steps, on the socket if there is one. True if the client left before the last."""
    line = line_of(scope)
    if line is not None:
        return await line.play(steps, receive)
    await _act_out(steps, scope["method"], send)
    return False


async def leaves_within(seconds: float, receive: Receive) -> bool:
    """Waits so long, or until the client has left, which is what it tells. The request is to have been read."""
    left = False
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            nonlocal left
            await _gone(receive)
            left = True
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        await (anyio.sleep_forever() if seconds == math.inf else anyio.sleep(seconds))
        tasks.cancel_scope.cancel()
    return left


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _act_out(steps: Iterable[Step], method: str, send: Send) -> None:
    """Does in process what the steps would do to a client of httpx."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "local")]))
    client.send(h11.EndOfMessage())
    head: h11.Response | None = None
    body: list[bytes] = []
    for step in steps:
        if isinstance(step, float | int):
            await (anyio.sleep_forever() if step == math.inf else anyio.sleep(step))
            continue
        if isinstance(step, End):
            if step in _BROKEN:
                error, words = _BROKEN[step]
                raise error(words)
            if head is None:
                # As httpcore words it; h11 alone would say less.
                raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        for event in _events(client, b"" if isinstance(step, End) else step):
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                await _send(head, b"".join(body), send)
                return


def _events(client: h11.Connection, data: bytes) -> Iterator[h11.Event]:
    """What the client makes of the data, or of their end if they are empty."""
    try:
        for start in range(0, max(1, len(data)), _READ):
            client.receive_data(data[start : start + _READ])
            while isinstance(event := client.next_event(), h11.Event):
                yield event
    except h11.RemoteProtocolError as error:
        raise httpx.RemoteProtocolError(str(error)) from error


async def _send(head: h11.Response, body: bytes, send: Send) -> None:
    # Lengths and encodings of the transfer are the connection's; the message has come through.
    headers = [(bytes(name), bytes(value)) for name, value in head.headers]
    await send({"type": "http.response.start", "status": head.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
