"""Virtual time on trio: trio's mock clock, and an instrument that detects deadlocks."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, NoReturn

import trio
import trio.testing

from ._report import DeadlockError, deadlock

__all__ = ["virtual_clock"]


def virtual_clock(patience: float) -> dict[str, Any]:
    """Return options for one `trio.run`. In a second run the clock would start where the first ended."""
    return {"clock": trio.testing.MockClock(autojump_threshold=0), "instruments": [_DeadlockWatch(patience)]}


class _DeadlockWatch(trio.abc.Instrument):
    """Raises `DeadlockError` in the main task when no task has run for `patience` seconds and no timer is set.

    Without a timer trio polls, and this instrument counts the time between polls. One idle poll is not enough: a test
    runner that uses trio in guest mode stops in this state between two tests.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._stepped = True
        self._idle_since: float | None = None
        self._report: str | None = None

    def raise_if_deadlocked(self) -> None:
        """Raise the `DeadlockError` that was raised in the main task, without an exception group."""
        if self._report is not None:
            raise DeadlockError(self._report)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._stepped = True

    def before_io_wait(self, timeout: float) -> None:
        if self._stepped or trio.lowlevel.current_statistics().seconds_to_next_deadline < math.inf:
            self._stepped = False
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since >= self._patience:
            self._idle_since = None
            self._break_up()

    def _break_up(self) -> None:
        root = trio.lowlevel.current_root_task()
        assert root is not None
        (main,) = root.child_nurseries[-1].child_tasks  # the outer nurseries belong to trio
        report = self._report = deadlock(trio.current_time(), [(task.name, task.coro) for task in _family(main)])

        def give_up() -> NoReturn:
            raise DeadlockError(report)

        # As trio does for KeyboardInterrupt. Cancelling would lose the reason, and a guest run whose main task is
        # cancelled does not end.
        main._attempt_abort(give_up)  # pyright: ignore[reportPrivateUsage]  # no public way


def _family(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _family(child)
