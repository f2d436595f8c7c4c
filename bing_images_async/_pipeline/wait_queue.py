"""Priority queue of waiting calls: interactive before bulk, first in, first out within each.

While bulk calls wait, at least every tenth grant goes to one of them. The owner of a queue grants the
`next()` waiter; each call awaits its own waiter. Cancelling a waiter costs constant time: cancelled
waiters stay in the heap until they come up, or until they are the larger part of it.
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

__all__ = ["WaitQueue", "Waiter"]

BULK_SHARE = 10
"""While bulk calls wait, at least one grant in this many goes to a bulk call."""


class _State(Enum):
    WAITING = auto()
    GRANTED = auto()
    ABORTED = auto()
    CANCELLED = auto()


@define(eq=False)
class Waiter:
    """One call in a queue."""

    call: Call
    value: Any = field(default=None, init=False)
    """The granted value, in queues that grant more than a turn."""
    state: _State = field(default=_State.WAITING, init=False)
    _woken: anyio.Event = field(factory=anyio.Event, init=False)

    @property
    def is_granted(self) -> bool:
        """True if the owner of the queue has granted the turn."""
        return self.state is _State.GRANTED

    def __lt__(self, other: Waiter) -> bool:
        return self.call.number < other.call.number

    async def wait(self) -> None:
        """Wait for `wake()`. Raises `AttemptAborted` if the queue aborted this waiter."""
        await self._woken.wait()
        if self.state is _State.ABORTED:
            raise AttemptAborted

    def wake(self) -> None:
        """Let `wait()` return, whether or not the turn was granted."""
        self._woken.set()

    def rearm(self) -> None:
        """Let the next `wait()` wait again, unless the turn was granted."""
        if self.state is _State.WAITING:
            self._woken = anyio.Event()


class WaitQueue:
    """Two heaps of waiters, ordered by call number."""

    def __init__(self) -> None:
        self._interactive: list[Waiter] = []
        self._bulk: list[Waiter] = []
        self._waiting: dict[Priority, int] = {"interactive": 0, "bulk": 0}
        self._since_bulk = 0

    def __len__(self) -> int:
        """Return the number of calls that wait."""
        return self._waiting["interactive"] + self._waiting["bulk"]

    def join(self, call: Call) -> Waiter:
        """Add `call`, in the order of call numbers: a retry comes before later calls."""
        waiter = Waiter(call)
        heapq.heappush(self._bulk if call.priority == "bulk" else self._interactive, waiter)
        self._waiting[call.priority] += 1
        return waiter

    async def wait(self, waiter: Waiter, *, due: Callable[[], float], serve: Callable[[], None]) -> None:
        """Wait until `waiter` is granted. Only the head of the queue sleeps: at `due()` it calls `serve()`.

        `serve` must grant `next()` or make `due` later. Nothing is awaited between the grant and the
        return. If the call is cancelled after it was granted, this raises and `waiter.is_granted` is true:
        the caller must release what was granted.
        """
        try:
            while not waiter.is_granted:
                left = due() - anyio.current_time() if self.next() is waiter else math.inf
                if left <= 0:
                    serve()
                    continue
                with anyio.move_on_after(left if left < math.inf else None):
                    await waiter.wait()
                waiter.rearm()
        finally:
            self.leave(waiter)
            self.wake()

    def wake(self) -> None:
        """Wake the head of the queue, so that it checks `due()` again."""
        head = self.next()
        if head is not None:
            head.wake()

    def leave(self, waiter: Waiter) -> bool:
        """Remove a waiter. Return true if it was granted already: what it was granted must be released."""
        if waiter.state is _State.WAITING:
            waiter.state = _State.CANCELLED
            self._waiting[waiter.call.priority] -= 1
            self._compact()
        return waiter.state is _State.GRANTED

    def next(self, *, include_bulk: bool = True) -> Waiter | None:
        """Return the waiter to grant next, if any; without `include_bulk` only interactive calls count.

        A bulk call that is due by `BULK_SHARE` is returned in any case.
        """
        interactive, bulk = self._head(self._interactive), self._head(self._bulk)
        if interactive is None:
            return bulk if include_bulk else None
        return bulk if bulk is not None and self._since_bulk >= BULK_SHARE - 1 else interactive

    def grant(self, waiter: Waiter, value: object = None) -> None:
        """Grant its turn, and `value`, to the waiter that `next()` returned."""
        waiter.value = value
        heapq.heappop(self._bulk if waiter.call.priority == "bulk" else self._interactive)
        waiter.state = _State.GRANTED
        self._waiting[waiter.call.priority] -= 1
        passed_bulk = waiter.call.priority == "interactive" and self._waiting["bulk"] > 0
        self._since_bulk = self._since_bulk + 1 if passed_bulk else 0
        waiter.wake()

    def ahead_of(self, call: Call) -> int:
        """Return a lower bound of the grants before that of `call`: the last of its priority, or else a retry."""
        head = self._head(self._bulk if call.priority == "bulk" else self._interactive)
        if head is not None and call.number < head.call.number:
            return 0
        return self._waiting["interactive"] if call.priority == "interactive" else len(self)

    def abort(self, *, where: Callable[[Call], bool] = lambda _: True) -> None:
        """Raise `AttemptAborted` in every waiting call for which `where` is true."""
        for waiter in (*self._interactive, *self._bulk):
            if waiter.state is _State.WAITING and where(waiter.call):
                waiter.state = _State.ABORTED
                self._waiting[waiter.call.priority] -= 1
                waiter.wake()
        self._compact()

    def _head(self, heap: list[Waiter]) -> Waiter | None:
        while heap and heap[0].state is not _State.WAITING:
            heapq.heappop(heap)
        return heap[0] if heap else None

    def _compact(self) -> None:
        """Drop waiters that no longer wait once they outnumber the others (amortised constant time)."""
        if len(self._interactive) + len(self._bulk) > 2 * len(self) + 64:
            for heap in (self._interactive, self._bulk):
                heap[:] = [waiter for waiter in heap if waiter.state is _State.WAITING]
                heapq.heapify(heap)
