"""Generic cell rate algorithm (ITU-T I.371) on plain times: no clock, no waiting.

The theoretical arrival time (TAT) moves on by one step per slot. A slot may be taken up to a tolerance
before the TAT, which is what permits a burst.
"""

from __future__ import annotations

import math

from attrs import define, field

__all__ = ["Gcra"]


@define(eq=False)
class Gcra:
    """A sequence of slots, one step apart."""

    tat: float = field(default=-math.inf, init=False)

    def due(self, tolerance: float) -> float:
        """Return the earliest time for the next slot."""
        return self.tat - tolerance

    def take(self, at: float, step: float) -> float:
        """Take the slot at time `at`; the one after it follows `step` seconds later. Return the TAT."""
        self.tat = max(self.tat, at) + step
        return self.tat

    def give_back(self, tat: float, step: float) -> None:
        """Make an unused slot available again, given the TAT that `take` returned.

        Once a later slot was taken this does nothing: a request in the earlier slot could then be sent
        at the same time as the next one.
        """
        if self.tat == tat:
            self.tat -= step

    def delay(self, until: float) -> None:
        """Move the TAT to `until` at least."""
        self.tat = max(self.tat, until)
