"""Virtual time on asyncio: an event loop whose selector moves the clock instead of sleeping."""

from __future__ import annotations

import asyncio
import selectors

from ._report import DeadlockError, deadlock

__all__ = ["VirtualTimeLoop"]

_END = 180 * 86_400.0
"""Seconds. asyncio runs timers that are due within 1 ns; a larger float cannot represent a difference of 1 ns."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock starts at 0 and jumps to the next timer when nothing is ready."""

    def __init__(self, patience: float) -> None:
        self._virtual_now = 0.0
        self._patience = patience
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual_now

    def jump(self, seconds: float) -> None:
        """Move the clock; timers that are due run next."""
        self._virtual_now += seconds
        if self._virtual_now > _END:
            raise OverflowError("Virtual time on asyncio ends after 180 days, and a timer is set for later.")

    @property
    def patience(self) -> float:
        """Seconds of real time before a deadlock is reported."""
        return self._patience


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Poll, then jump to the next timer. `timeout` is 0 if callbacks are ready, and `None` if there is no timer."""
        events = super().select(0 if timeout is not None else self._loop.patience)
        if events or timeout == 0:
            return events
        if timeout is None:
            tasks = [(task.get_name(), task.get_coro()) for task in asyncio.all_tasks(self._loop)]
            raise DeadlockError(deadlock(self._loop.time(), tasks))
        self._loop.jump(timeout)
        return events
