"""The progress of a run on stderr: a bar with figures on a terminal, else a line every 30 seconds."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Self

from attrs import Factory, define, field
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from ..output_options import count_of
from ..streams import is_terminal, print_error
from .run import Run

__all__ = ["ProgressDisplay", "duration"]

_PERIOD = 30.0  # seconds between two lines
_RECENT = 10.0  # seconds over which the current rate is measured


@define
class ProgressDisplay:
    """Call `show` inside the `with` block."""

    cost_per_1000: float | None
    clock: Callable[[], float] = time.monotonic
    _live: Live | None = field(init=False, default=None)
    _next: float = field(init=False, default=Factory(lambda self: self.clock() + _PERIOD, takes_self=True))
    _recent: deque[tuple[float, int]] = field(init=False, factory=deque[tuple[float, int]])

    def __enter__(self) -> Self:
        if is_terminal(sys.stderr):
            self._live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, run: Run) -> None:
        """Show the current state of the run."""
        self._recent.append((self.clock(), run.session.stats.attempts))
        while self._recent[-1][0] - self._recent[0][0] > _RECENT:
            self._recent.popleft()
        number = run.tally.queries
        of_total = (
            f"{number:,}/{run.total:,} queries" if run.total is not None else count_of(number, "query", "queries")
        )
        left = "" if run.seconds_left is None else f"{duration(run.seconds_left)} left"
        figures = self._figures(run)
        if self._live is not None:
            line = Table.grid(Column(ratio=1), *(Column(no_wrap=True) for _ in range(2)), padding=(0, 1), expand=True)
            bar = ProgressBar(total=run.total, completed=number, pulse=run.total is None)
            line.add_row(bar, Text(of_total, "bold"), Text(left, "cyan"))
            self._live.update(Group(line, Text(" · ".join(figures), "dim")), refresh=True)
        elif self.clock() >= self._next:
            self._next += _PERIOD
            print_error("; ".join(filter(None, (of_total, *figures, left))))

    @property
    def rate(self) -> float:
        """Requests per second in the last seconds."""
        (first, before), (last, after) = self._recent[0], self._recent[-1]
        return (after - before) / (last - first) if last > first else 0.0

    def _figures(self, run: Run) -> list[str]:
        stats = run.session.stats
        pace = f"{self.rate:.1f} requests/s" + (f" of {stats.rate:.1f}" if stats.rate is not None else "")
        figures = [
            pace,
            count_of(run.tally.images, "image"),
            f"{run.tally.failed:,} failed",
            f"{stats.throttled:,} throttled",
            count_of(stats.retries, "retry", "retries"),
        ]
        if self.cost_per_1000 is not None:
            figures.append(f"cost {run.sent.requests * self.cost_per_1000 / 1000:,.2f}")
        if stats.breaker != "closed" or stats.latched is not None:
            figures.append("waiting for the service")
        return figures


def duration(seconds: float) -> str:
    """Return `0:41`, `12:05` or `9:02:11`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
