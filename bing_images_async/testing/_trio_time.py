"""Virtual time on trio: its own mock clock, and a watch for deadlocks."""

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
    """Options for `trio.run`. The clock cannot be used twice: it would start where the first run ended."""
    return {"clock": trio.testing.MockClock(autojump_threshold=0), "instruments": [_DeadlockWatch(patience)]}


class _DeadlockWatch(trio.abc.Instrument):
    """Raises into the main task when no task has run for a while and no timer is left to jump to.

    With nothing to jump to, trio polls; the rounds of that polling are what is watched. One idle round proves
    nothing: a test runner that drives trio as a guest stops between two tests in just this state.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._stepped = True
        self._idle_since: float | None = None
        self._report: str | None = None

    def raise_if_deadlocked(self) -> None:
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
        (main,) = root.child_nurseries[-1].child_tasks  # the outer nurseries are trio's own
        report = self._report = deadlock(trio.current_time(), [(task.name, task.coro) for task in _family(main)])

        def give_up() -> NoReturn:
            raise DeadlockError(report)

        # What trio itself does with a KeyboardInterrupt. Cancelling is no substitute: the reason gets lost on
        # the way, and a guest run whose main task is cancelled leaves its host waiting.
        main._attempt_abort(give_up)  # pyright: ignore[reportPrivateUsage]  # no public way


def _family(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _family(child)
