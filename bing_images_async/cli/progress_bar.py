"""A progress bar on stderr, if that is a terminal."""

from __future__ import annotations

import sys
from threading import Lock
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .streams import is_terminal

__all__ = ["ProgressBar", "StoppedError"]


class StoppedError(Exception):
    """The `with` block of the progress bar has ended."""


class ProgressBar:
    """A bar that appears with the first report and disappears after the block.

    Reports may come from any thread. A report after the block raises `StoppedError`, which ends a worker thread
    that was abandoned; the process would otherwise wait for it at exit.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._progress: Progress | None = None
        self._ended = False
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._ended = True
            if self._progress is not None:
                self._progress.stop()

    def report(self, done: int, total: int) -> None:
        """Show that `done` of `total` are done."""
        with self._lock:
            if self._ended:
                raise StoppedError
            if not is_terminal(sys.stderr):
                return
            if self._progress is None:
                self._progress = self._begin()
            self._progress.update(self._progress.task_ids[0], completed=done, total=total)

    def _begin(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        progress = Progress(*columns, console=Console(stderr=True), transient=True)
        progress.add_task(self._label)
        progress.start()
        return progress
