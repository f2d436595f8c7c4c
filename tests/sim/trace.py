"""Events in an order that is the same for the same seed."""

from __future__ import annotations

import hashlib

import attrs


@attrs.frozen(order=True)
class Event:
    """time: virtual seconds. actor: source of the event; events of one actor keep their order."""

    time: float
    actor: str
    what: str


@attrs.define
class Trace:
    """A list of events, and its digest."""

    events: list[Event] = attrs.field(factory=list)

    def record(self, time: float, actor: str, what: str) -> None:
        self.events.append(Event(round(time, 9), actor, what))

    def lines(self) -> list[str]:
        """Return the events as text; simultaneous events, which have no order, by the names of their actors.

        (anyio cancels the tasks of a scope in the order of a set.)
        """
        ordered = sorted(self.events, key=lambda event: (event.time, event.actor))
        return [f"{event.time:.9f} {event.actor} {event.what}" for event in ordered]

    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()
