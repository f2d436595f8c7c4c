"""Single flight: identical requests that are under way at the same time share one.

The first of them, the leader, sends; the others wait for its answer. Each is a call of its own with
its own deadline: cancelling a follower concerns nobody else, and if the leader is cancelled one of
the followers sends in its place.
"""

from __future__ import annotations

import copy

import anyio
from attrs import define, field

from .._wire.exchange import Reply, Request
from ..errors import BingImagesError
from .chain import Call, Send

__all__ = ["Coalesce"]


@define(eq=False)
class _Flight:
    leader: Call
    landed: anyio.Event = field(factory=anyio.Event)
    reply: Reply | None = None
    error: BingImagesError | None = None


class Coalesce:
    """Remembers what is under way, for the calls that asked to share."""

    def __init__(self) -> None:
        self._flights: dict[tuple[Request, str], _Flight] = {}

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Join the flight of an equal request, or start one."""
        if not call.coalesce or call.request.upload is not None:
            return await send(call)
        key = (call.request, call.on_outage)
        while (flight := self._flights.get(key)) is not None:
            with call.waiting("another call's answer"):
                await flight.landed.wait()
            if flight.reply is not None:
                call.attempts.extend(flight.leader.attempts)
                return flight.reply
            if flight.error is not None:
                call.attempts.extend(flight.leader.attempts)
                call.reason = flight.leader.reason
                raise copy.copy(flight.error)
        return await self._lead(key, call, send)

    async def _lead(self, key: tuple[Request, str], call: Call, send: Send) -> Reply:
        flight = self._flights[key] = _Flight(call)
        try:
            flight.reply = await send(call)
            return flight.reply
        except BingImagesError as error:
            flight.error = error
            raise
        finally:
            del self._flights[key]
            flight.landed.set()
