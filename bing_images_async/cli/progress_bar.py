"""A progress bar on stderr, for those who watch."""

from __future__ import annotations

import sys
from threading import Lock
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .streams import interactive

__all__ = ["Bar", "StoppedError"]


class StoppedError(Exception):
    """The block that wanted the work has ended."""


class Bar:
    """A bar that appears with the first report, and is gone after the block.

    Reports may come from any thread. One that comes after the block raises `StoppedError`: that ends a
    worker thread which nobody waits for any more, and which the process would otherwise wait for.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._progress: Progress | None = None
        self._ended = False
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._ended = True
            if self._progress is not None:
                self._progress.stop()

    def report(self, done: int, total: int) -> None:
        """`done` of `total` are done."""
        with self._lock:
            if self._ended:
                raise StoppedError
            if not interactive(sys.stderr):
                return
            if self._progress is None:
                self._progress = self._begin()
            self._progress.update(self._progress.task_ids[0], completed=done, total=total)

    def _begin(self) -> Progress:
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        progress.add_task(self._label)
        progress.start()
        return progress
