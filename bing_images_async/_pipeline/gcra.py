"""Generic cell rate algorithm (ITU-T I.371) on plain times: no clock, no waiting.

The theoretical arrival time (TAT) moves on by one step per slot. A slot may be taken up to a tolerance
before the TAT, which is what permits a burst.
"""

from __future__ import annotations

import math

from attrs import define, field

__all__ = ["Gcra", "Slot"]


@define(eq=False)
class Slot:
    """A slot that was taken: the TAT after it, and the step that led there."""

    tat: float
    step: float


@define(eq=False)
class Gcra:
    """A sequence of slots, one step apart."""

    tat: float = field(default=-math.inf, init=False)

    def due(self, tolerance: float) -> float:
        """Return the earliest time for the next slot."""
        return self.tat - tolerance

    def take(self, at: float, step: float) -> Slot:
        """Take the slot at time `at`; the one after it follows `step` seconds later."""
        self.tat = max(self.tat, at) + step
        return Slot(self.tat, step)

    def give_back(self, slot: Slot) -> None:
        """Make an unused slot available again.

        Once a later slot was taken this does nothing: a request in the earlier slot could then be sent
        at the same time as the next one.
        """
        if self.tat == slot.tat:
            self.tat -= slot.step

    def delay(self, until: float) -> None:
        """Move the TAT to `until` at least."""
        self.tat = max(self.tat, until)
