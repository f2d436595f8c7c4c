"""A clock that stands still until a test moves it."""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """A clock to inject where a `Callable[[], float]` is asked for; for code that decides without waiting.

        clock = FakeClock()
        clock()            # 0.0
        clock.advance(2.5)
        clock()            # 2.5

    Code that waits needs `virtual_time` instead.
    """

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    def __call__(self) -> float:
        """Seconds on this clock."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Moves the clock; raises ValueError for a step back, which no monotonic clock makes."""
        if seconds < 0:
            raise ValueError(f"A clock does not go back: advance({seconds!r}).")
        self._now += seconds

    def __repr__(self) -> str:
        return f"FakeClock({self._now!r})"
