"""Run the steps of a connection fault: on the server's socket, or in process by an HTTP parser.

On our server the steps control the socket of the request. In process there is no connection: the bytes are parsed
by h11, as a client does; the parsed response is sent as ASGI messages; and where the connection would break, the
exception that httpx's transport would raise is raised. A client on `httpx.ASGITransport` sees the same as on a
socket, with one difference: that transport returns only complete bodies, so an error within the body is raised
before the response.

On other servers a broken connection becomes whatever that server does when an app fails.
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

__all__ = ["CONNECTION_KEY", "ServerConnection", "connection_of", "disconnects_within", "run_steps"]

CONNECTION_KEY = "bing_images_async.connection"
"""Key of the `ServerConnection` in the `state` of the scope."""

_HEAD_LIMIT = 100 * 2**10
"""Largest head in bytes that httpx accepts."""
_READ_SIZE = 64 * 2**10
"""Bytes that httpx reads at a time; limits are checked between two reads."""
_EXCEPTIONS: Mapping[End, tuple[type[httpx.NetworkError], str]] = {
    End.REFUSED: (httpx.ConnectError, "All connection attempts failed"),
    End.RESET: (httpx.ReadError, "Connection reset by peer"),
}


class StreamTransport(Protocol):
    """The used part of asyncio's transport."""

    def write(self, data: bytes) -> None: ...
    def write_eof(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def is_closing(self) -> bool: ...
    def get_extra_info(self, name: str) -> Any: ...


class ServerConnection:
    """The server's end of a TCP connection."""

    def __init__(self, number: int) -> None:
        self.number = number
        """Number of the connection, from 1."""
        self.idle_timeout: float | None = None
        """Seconds after which it is closed if idle; None for the server's own rule."""
        self.is_taken = False
        """A fault writes to it; the server's HTTP state is out of date."""
        self._transport: StreamTransport | None = None

    def attach(self, transport: StreamTransport) -> None:
        self._transport = transport

    def reset(self) -> None:
        """Close with a TCP reset instead of FIN."""
        assert self._transport is not None
        peer = self._transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def run_steps(self, steps: Iterable[Step], receive: Receive) -> bool:
        """Run the steps, then wait until the connection is closed. Return True if the client closed it first."""
        self.is_taken = True
        assert self._transport is not None
        for step in steps:
            if self._transport.is_closing():
                return True
            if isinstance(step, bytes):
                self._transport.write(step)
            elif isinstance(step, End):
                self._end(step)
                await _disconnected(receive)
                return False
            elif await disconnects_within(step, receive):
                return True
        raise AssertionError("the last step must be an End or infinity")

    def _end(self, end: End) -> None:
        assert self._transport is not None
        if end is End.CLOSED:
            self._transport.close()
        elif end is End.HALF_CLOSED:
            self._transport.write_eof()
        else:  # a listening socket cannot refuse one client: a reset before the first byte comes nearest
            self.reset()


def connection_of(scope: Scope) -> ServerConnection | None:
    """Return the connection of a request, None if another server or no server received it."""
    connection = scope.get("state", {}).get(CONNECTION_KEY)
    return connection if isinstance(connection, ServerConnection) else None


async def run_steps(steps: Iterable[Step], scope: Scope, receive: Receive, send: Send) -> bool:
    """Run the steps, on the socket if there is one. Return True if the client disconnected before the last."""
    connection = connection_of(scope)
    if connection is not None:
        return await connection.run_steps(steps, receive)
    await _run_in_process(steps, scope["method"], send)
    return False


async def disconnects_within(seconds: float, receive: Receive) -> bool:
    """Wait for `seconds`; return True at once if the client disconnects. The request body must have been read."""
    disconnected = False
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            nonlocal disconnected
            await _disconnected(receive)
            disconnected = True
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        await (anyio.sleep_forever() if seconds == math.inf else anyio.sleep(seconds))
        tasks.cancel_scope.cancel()
    return disconnected


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _run_in_process(steps: Iterable[Step], method: str, send: Send) -> None:
    """Send the response, or raise the exception, that the steps would cause in an httpx client."""
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
            if step in _EXCEPTIONS:
                error, message = _EXCEPTIONS[step]
                raise error(message)
            if head is None:
                # httpcore's message; h11's is less specific.
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
    """Parse received bytes; empty ones are the end of the stream."""
    try:
        for start in range(0, max(1, len(data)), _READ_SIZE):
            client.receive_data(data[start : start + _READ_SIZE])
            while isinstance(event := client.next_event(), h11.Event):
                yield event
    except h11.RemoteProtocolError as error:
        raise httpx.RemoteProtocolError(str(error)) from error


async def _send(head: h11.Response, body: bytes, send: Send) -> None:
    headers = [(bytes(name), bytes(value)) for name, value in head.headers]
    await send({"type": "http.response.start", "status": head.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
