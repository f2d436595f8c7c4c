"""A waiting line: by call number, interactive calls first, and never quite without bulk.

Whoever grants takes the `next()` of the line; whoever waits awaits its place. Leaving a line costs
nothing at the time: places that were left are dropped when they come up.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import anyio
from attrs import define, field

from .call import AttemptAborted, Call, Priority

__all__ = ["Line", "Place"]

BULK_SHARE = 10
"""While bulk calls wait, at least one grant in this many is theirs."""


class _State(Enum):
    WAITING = auto()
    GRANTED = auto()
    DISMISSED = auto()
    LEFT = auto()


@define(eq=False)
class Place:
    """One call's place in a line."""

    call: Call
    hand: Any = field(default=None, init=False)
    """What it was granted, if whoever grants has something to give."""
    state: _State = field(default=_State.WAITING, init=False)
    _called: anyio.Event = field(factory=anyio.Event, init=False)

    @property
    def is_granted(self) -> bool:
        """Its turn has come."""
        return self.state is _State.GRANTED

    def __lt__(self, other: Place) -> bool:
        return self.call.number < other.call.number

    async def turn(self) -> None:
        """Wait to be called. Raises `AttemptAborted` if the line was dismissed."""
        await self._called.wait()
        if self.state is _State.DISMISSED:
            raise AttemptAborted

    def wake(self) -> None:
        """Call it up without granting anything, to look after the line."""
        self._called.set()

    def doze(self) -> None:
        """Wait for another call."""
        if self.state is _State.WAITING:
            self._called = anyio.Event()


class Line:
    """Places in the order in which they are to be served."""

    def __init__(self) -> None:
        self._interactive: list[Place] = []
        self._bulk: list[Place] = []
        self._waiting: dict[Priority, int] = {"interactive": 0, "bulk": 0}
        self._since_bulk = 0

    def __len__(self) -> int:
        """How many wait."""
        return self._waiting["interactive"] + self._waiting["bulk"]

    def join(self, call: Call) -> Place:
        """A place by the number of the call."""
        place = Place(call)
        heapq.heappush(self._bulk if call.priority == "bulk" else self._interactive, place)
        self._waiting[call.priority] += 1
        return place

    async def wait(self, place: Place, *, due: Callable[[], float], serve: Callable[[], None]) -> None:
        """Wait until `place` is granted. The head of the line keeps time for all: when `due()` has come, it `serve()`s.

        `serve` must grant the `next()` or make `due` later. No await follows the grant, so what was
        granted is in hand when this returns. A call that is cancelled after it was granted by somebody else
        raises; `place.is_granted` tells.
        """
        try:
            while not place.is_granted:
                left = due() - anyio.current_time() if self.next() is place else math.inf
                if left <= 0:
                    serve()
                    continue
                with anyio.move_on_after(left if left < math.inf else None):
                    await place.turn()
                place.doze()
        finally:
            self.leave(place)
            self.rouse()

    def rouse(self) -> None:
        """Wake the head of the line: something changed that it should know."""
        head = self.next()
        if head is not None:
            head.wake()

    def leave(self, place: Place) -> bool:
        """The call waits no longer. True if its turn had come already: what it was granted must go on."""
        if place.state is _State.WAITING:
            place.state = _State.LEFT
            self._waiting[place.call.priority] -= 1
            self._tidy()
        return place.state is _State.GRANTED

    def next(self, *, bulk_too: bool = True) -> Place | None:
        """Whose turn it is; bulk calls are passed over unless `bulk_too`, but never ten times in a row."""
        interactive, bulk = self._head(self._interactive), self._head(self._bulk)
        if interactive is None:
            return bulk if bulk_too else None
        return bulk if bulk is not None and self._since_bulk >= BULK_SHARE - 1 else interactive

    def grant(self, place: Place, hand: object = None) -> None:
        """It is the turn of `place`, which `next()` gave; it gets `hand`."""
        place.hand = hand
        heapq.heappop(self._bulk if place.call.priority == "bulk" else self._interactive)
        place.state = _State.GRANTED
        self._waiting[place.call.priority] -= 1
        passed_bulk = place.call.priority == "interactive" and self._waiting["bulk"] > 0
        self._since_bulk = self._since_bulk + 1 if passed_bulk else 0
        place.wake()

    def ahead_of(self, call: Call) -> int:
        """At least how many are served before `call`, which is the last of its kind, or a retry that comes first."""
        head = self._head(self._bulk if call.priority == "bulk" else self._interactive)
        if head is not None and call.number < head.call.number:
            return 0
        return self._waiting["interactive"] if call.priority == "interactive" else len(self)

    def dismiss(self, *, where: Callable[[Call], bool] = lambda _: True) -> None:
        """Send away every call of which `where` is true."""
        for place in (*self._interactive, *self._bulk):
            if place.state is _State.WAITING and where(place.call):
                place.state = _State.DISMISSED
                self._waiting[place.call.priority] -= 1
                place.wake()
        self._tidy()

    def _head(self, heap: list[Place]) -> Place | None:
        while heap and heap[0].state is not _State.WAITING:
            heapq.heappop(heap)
        return heap[0] if heap else None

    def _tidy(self) -> None:
        """Forget the places that were left once they are the larger part, so that lines do not grow."""
        if len(self._interactive) + len(self._bulk) > 2 * len(self) + 64:
            for heap in (self._interactive, self._bulk):
                heap[:] = [place for place in heap if place.state is _State.WAITING]
                heapq.heapify(heap)
