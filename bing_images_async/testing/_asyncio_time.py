"""Virtual time on asyncio: a selector that, instead of sleeping, moves the clock."""

from __future__ import annotations

import asyncio
import selectors

from ._report import DeadlockError, deadlock

__all__ = ["VirtualTimeLoop"]

_END = 180 * 86_400.0
"""asyncio runs what is due within 1 ns; beyond this a float can no longer tell 1 ns apart."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock starts at 0 and jumps to the next timer when nothing is ready."""

    def __init__(self, patience: float) -> None:
        self._virtual_now = 0.0
        self._patience = patience
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._virtual_now

    def jump(self, seconds: float) -> None:
        """Moves the clock; what is due then runs next."""
        self._virtual_now += seconds
        if self._virtual_now > _END:
            raise OverflowError("Virtual time on asyncio ends after 180 days: a timer is set for later.")

    @property
    def patience(self) -> float:
        return self._patience


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """`timeout` is 0 when callbacks are ready, None when not even a timer is set."""
        events = super().select(0 if timeout is not None else self._loop.patience)
        if events or timeout == 0:
            return events
        if timeout is None:
            tasks = [(task.get_name(), task.get_coro()) for task in asyncio.all_tasks(self._loop)]
            raise DeadlockError(deadlock(self._loop.time(), tasks))
        self._loop.jump(timeout)
        return events
