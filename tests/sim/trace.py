"""What happened, in an order that the same seed always gives."""

from __future__ import annotations

import hashlib

import attrs


@attrs.frozen(order=True)
class Event:
    """time: virtual seconds. actor: whose event; one actor's events keep their order."""

    time: float
    actor: str
    what: str


@attrs.define
class Trace:
    """A list of events, and one short text that stands for all of it."""

    events: list[Event] = attrs.field(factory=list)

    def record(self, time: float, actor: str, what: str) -> None:
        self.events.append(Event(round(time, 9), actor, what))

    def lines(self) -> list[str]:
        """At one instant actors stand in the order of their names: what is simultaneous has no order of its own
        (anyio cancels the tasks of a scope in the order of a set)."""
        ordered = sorted(self.events, key=lambda event: (event.time, event.actor))
        return [f"{event.time:.9f} {event.actor} {event.what}" for event in ordered]

    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.lines()).encode()).hexdigest()
