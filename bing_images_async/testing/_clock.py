"""A clock that only a test moves."""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """Clock for code that takes a `Callable[[], float]` and does not wait.

        clock = FakeClock()
        clock()            # 0.0
        clock.advance(2.5)
        clock()            # 2.5

    For code that waits use `virtual_time`.

    Args:
        now: time at the start, in seconds.
    """

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`; raise `ValueError` for a negative number."""
        if seconds < 0:
            raise ValueError(f"A monotonic clock does not go back: advance({seconds!r}) is not allowed.")
        self._now += seconds

    def __repr__(self) -> str:
        return f"FakeClock({self._now!r})"
