"""Single flight: identical calls that run at the same time share one request.

The first call, the leader, sends the request; the others, the followers, wait for its reply. Each keeps its own
deadline. Cancelling a follower affects no other call. If the leader is cancelled or reaches its deadline, one follower
becomes the leader.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable

import anyio
from attrs import define, field

from .._protocol.messages import Reply, Request
from ..errors import BingImagesError, DeadlineExceededError
from .call import Call, OnOutage, Priority, Send

__all__ = ["Coalesce"]


_Key = tuple[Request, OnOutage, Priority]


@define(eq=False)
class _Flight:
    leader: Call
    ended: anyio.Event = field(factory=anyio.Event)
    reply: Reply | None = None
    error: BingImagesError | None = None


class Coalesce:
    """Step that shares the reply among calls with `coalesce=True`. Uploads are not shared."""

    def __init__(self) -> None:
        self._flights: dict[_Key, _Flight] = {}

    def __call__(self, call: Call, send: Send, /) -> Awaitable[Reply]:
        """Wait for the reply of an identical call, or become the leader."""
        return self._share(call, send) if call.coalesce and call.request.upload is None else send(call)

    async def _share(self, call: Call, send: Send) -> Reply:
        key = (call.request, call.on_outage, call.priority)
        while (flight := self._flights.get(key)) is not None:
            with call.waiting("another call's answer", clock_stops=call.on_outage == "wait"):
                await flight.ended.wait()
            if flight.reply is None and flight.error is None:
                continue
            call.state.attempts.extend(flight.leader.state.attempts)
            call.state.reason = flight.leader.state.reason
            if flight.reply is not None:
                return flight.reply
            assert flight.error is not None
            raise copy.copy(flight.error)
        return await self._lead(key, call, send)

    async def _lead(self, key: _Key, call: Call, send: Send) -> Reply:
        flight = self._flights[key] = _Flight(call)
        try:
            reply = await send(call)
            if call.state.reason != "deadline":
                flight.reply = reply
            return reply
        except BingImagesError as error:
            if call.state.reason != "deadline" and not isinstance(error, DeadlineExceededError):
                flight.error = error
            raise
        finally:
            del self._flights[key]
            flight.ended.set()
