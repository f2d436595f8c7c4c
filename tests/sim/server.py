"""A server of real HTTP/1.1 with faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from random import Random
from typing import Literal

import anyio
import attrs
import h11

from .journal import Entry, Journal
from .network import Connection, Network

Where = Literal["before", "head", "body"]
How = Literal["reset", "close", "half_close", "stall"]


@attrs.frozen
class Cut:
    """Place where a response breaks off (before its first byte, in its head, in its body), and how.

    "close" ends both directions, "half_close" only the server's; after "stall" nothing more is sent.
    """

    where: Where
    how: How = "reset"


@attrs.frozen
class Reply:
    """Response to one request.

    delay: seconds of work; None takes the server's. cut: breaks off there. drip: seconds per byte. chunked: chunks
    instead of a length. closes: closes the connection afterwards without an announcement. raw: sent instead of
    everything else, then the connection is closed.
    """

    status: int = 200
    body: bytes = b'{"_type": "Images", "value": []}'
    headers: tuple[tuple[str, str], ...] = ()
    delay: float | None = None
    cut: Cut | None = None
    drip: float | None = None
    chunked: bool = False
    closes: bool = False
    raw: bytes | None = None


@attrs.define(eq=False)
class Server:
    """A server of real HTTP/1.1.

    gates: called in order; the first that refuses gives the response. respond: gives all other responses.
    latency: seconds of work per request, or a function of the request's random source. idle: seconds without a request
    after which a connection is closed.
    """

    respond: Callable[[Entry], Reply] = lambda entry: Reply()
    gates: Sequence[Callable[[Entry], Reply | None]] = ()
    latency: float | Callable[[Random], float] = 0.0
    idle: float | None = None
    seed: int = 0
    journal: Journal = attrs.field(factory=Journal, init=False)

    async def serve(self, network: Network, connection: Connection) -> None:
        """Serve one connection from its start to its end."""
        protocol = h11.Connection(h11.SERVER)
        try:
            while (entry := await self._next_request(protocol, connection)) is not None:
                if network.down("refused"):
                    return connection.reset()
                reply = self._decide(entry)
                network.note(connection.number, f"{entry.method} {entry.target} -> {reply.status}")
                await anyio.sleep(self._delay(entry, reply))
                if network.down("refused"):
                    return connection.reset()
                if not await self._answer(protocol, connection, reply):
                    return None
                protocol.start_next_cycle()
            connection.close()
        except (OSError, h11.RemoteProtocolError):
            connection.reset()
        return None

    async def _next_request(self, protocol: h11.Connection, connection: Connection) -> Entry | None:
        """Return the next request; `None` if the client has closed or the idle time is over."""
        with anyio.move_on_after(self.idle):
            request = await self._event(protocol, connection)
            if not isinstance(request, h11.Request):
                return None
            body = b""
            while isinstance(event := await self._event(protocol, connection), h11.Data):
                body += bytes(event.data)
            headers = {name.decode().lower(): value.decode("latin-1") for name, value in request.headers}
            number = len(self.journal.entries)
            now = anyio.current_time()
            entry = Entry(
                number, now, connection.number, request.method.decode(), request.target.decode(), headers, body
            )
            self.journal.entries.append(entry)
            return entry
        return None

    async def _event(self, protocol: h11.Connection, connection: Connection) -> object:
        while (event := protocol.next_event()) is h11.NEED_DATA:
            protocol.receive_data(await connection.up.receive(65_536))
        return event

    def _decide(self, entry: Entry) -> Reply:
        refusals = (gate(entry) for gate in self.gates)
        reply = next((refusal for refusal in refusals if refusal is not None), None) or self.respond(entry)
        entry.status = reply.status
        return reply

    def _delay(self, entry: Entry, reply: Reply) -> float:
        if reply.delay is not None:
            return reply.delay
        if callable(self.latency):
            return self.latency(Random(f"{self.seed}/request {entry.number}"))
        return self.latency

    async def _answer(self, protocol: h11.Connection, connection: Connection, reply: Reply) -> bool:
        """Send the response; return true if the connection stays open."""
        connection.down.drip = reply.drip
        if reply.raw is not None:
            await connection.down.send(reply.raw)
            connection.close()
            return False
        head, body = _bytes(protocol, reply)
        if reply.cut is not None:
            await connection.down.send(_kept(head, body, reply.cut.where))
            await _break_off(connection, reply.cut.how)
            return False
        await connection.down.send(head + body)
        if reply.closes:
            connection.close()
        return not reply.closes and protocol.our_state is h11.DONE


def _bytes(protocol: h11.Connection, reply: Reply) -> tuple[bytes, bytes]:
    length = [] if reply.chunked else [("Content-Length", str(len(reply.body)))]
    headers = [("Content-Type", "application/json; charset=utf-8"), *length, *reply.headers]
    response = h11.Response(status_code=reply.status, headers=headers, reason=HTTPStatus(reply.status).phrase.encode())
    events = (h11.Data(data=reply.body), h11.EndOfMessage())
    head = protocol.send(response) or b""
    return head, b"".join(protocol.send(event) or b"" for event in events)


def _kept(head: bytes, body: bytes, where: Where) -> bytes:
    match where:
        case "before":
            return b""
        case "head":
            return head[: len(head) // 2]
        case "body":
            return head + body[: len(body) // 2]


async def _break_off(connection: Connection, how: How) -> None:
    match how:
        case "reset":
            connection.reset()
        case "close":
            connection.close()
            connection.up.abandon()
        case "half_close":
            connection.close()
            while await connection.up.receive(65_536):
                pass
        case "stall":
            while await connection.up.receive(65_536):
                pass
