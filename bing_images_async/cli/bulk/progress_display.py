"""How far a run is: a bar with figures on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from attrs import define, field
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..streams import interactive, say
from .run import Run

__all__ = ["Board", "duration"]

_PERIOD = 30.0  # seconds from line to line


@define
class Board:
    """Shows a run on stderr: `show` it, inside the block."""

    cost_per_1000: float | None
    clock: Callable[[], float] = time.monotonic
    _live: Live | None = field(init=False, default=None)
    _next: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._next = self.clock() + _PERIOD

    def __enter__(self) -> Self:
        if interactive(sys.stderr):
            self._live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, run: Run) -> None:
        """The run as it is now."""
        if self._live is not None:
            self._live.update(self._picture(run), refresh=True)
        elif self.clock() >= self._next:
            self._next += _PERIOD
            left = time_left(run)
            say(f"{_progress(run)} queries, {'; '.join(self._figures(run))}" + (f"; {left} left" if left else ""))

    def _picture(self, run: Run) -> RenderableType:
        line = Table.grid(padding=(0, 1), expand=True)
        line.add_column(ratio=1)
        for _ in range(3):
            line.add_column(justify="right", no_wrap=True)
        share = f"{run.done / run.total:.0%}" if run.total else ""
        bar = ProgressBar(total=run.total, completed=run.done, pulse=run.total is None)
        left = time_left(run)
        line.add_row(bar, Text(_progress(run), "bold"), Text(share), Text(f"{left} left" if left else "", "cyan"))
        figures = Text(" · ").join(Text(figure, self._style(figure)) for figure in self._figures(run))
        return Group(line, figures)

    def _figures(self, run: Run) -> list[str]:
        stats = run.session.stats
        pace = f"{run.watch.requests_per_second:.1f} requests/s"
        if stats.rate is not None:
            pace += f" of {stats.rate:.1f}"
        figures = [
            pace,
            f"{run.images:,} images",
            f"{run.failed:,} failed",
            f"{stats.throttled:,} throttled",
            f"{stats.retries:,} retries",
        ]
        if self.cost_per_1000 is not None:
            figures.append(f"cost {run.watch.total.requests * self.cost_per_1000 / 1000:,.2f}")
        if stats.breaker != "closed" or stats.latched is not None:
            figures.append("waiting for the service")
        return figures

    @staticmethod
    def _style(figure: str) -> str:
        bad = figure.endswith(("failed", "throttled", "service")) and not figure.startswith("0 ")
        return "yellow" if bad else "dim"


def time_left(run: Run) -> str:
    """By the pace of this run; "" if that cannot be known."""
    here = run.answered + run.failed
    if run.total is None or not here:
        return ""
    return duration(run.watch.here / here * (run.total - run.done))


def duration(seconds: float) -> str:
    """`0:41`, `12:05`, `9:02:11`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _progress(run: Run) -> str:
    return f"{run.done:,}" if run.total is None else f"{run.done:,}/{run.total:,}"
