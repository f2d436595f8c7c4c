"""When the latest requests really left.

The limiter plans slots, but a request leaves when it has a connection, and making one takes a round
trip or three: the first requests of a session would meet those that come a window later on
connections that are open by then. Whoever is next therefore keeps its distance from when the N-th
last one left, not only from when that one was meant to.
"""

from __future__ import annotations

import math
from collections import deque

import anyio
from attrs import define

__all__ = ["Departure", "Departures"]


@define(eq=False)
class Departure:
    """One request's; planned until it is known."""

    at: float

    def happens(self) -> None:
        """The request is written to its connection now."""
        self.at = anyio.current_time()

    async def sending(self) -> None:
        self.happens()


class Departures:
    """The latest of them, as many as one window holds."""

    def __init__(self) -> None:
        self._latest: deque[Departure] = deque()

    def plan(self, number: int, span: float) -> Departure:
        """One more, now; of earlier ones those are kept that are among the last `number` and `span` seconds."""
        now = anyio.current_time()
        latest = self._latest
        while latest and (len(latest) >= number or latest[0].at + span < now):
            latest.popleft()
        latest.append(Departure(now))
        return latest[-1]

    def forget(self, departure: Departure) -> None:
        """The request stayed at home."""
        if departure in self._latest:
            self._latest.remove(departure)

    def next_after(self, number: int, span: float) -> float:
        """When the next may leave: `span` seconds after the last but `number`, if there were as many."""
        return self._latest[-number].at + span if len(self._latest) >= number else -math.inf
