"""How many calls a key may make: so many in any window of time, and so many a month."""

from __future__ import annotations

from collections import deque
from typing import Literal

import attrs

from ..api.service_state import Recent

__all__ = ["Limits", "Quota", "Refusal", "SlidingWindow"]

_KEYS = 10_000
"""Keys that are remembered; of more, the ones used last."""


class SlidingWindow:
    """Lets in a call unless `limit` others were counted within the `window` seconds that end with it.

    A call exactly one window ago counts no more. With `count_rejected` a call that is not let in counts too, as
    some services do: who keeps knocking stays outside.
    """

    def __init__(self, limit: int, window: float, *, count_rejected: bool = False) -> None:
        self._window = window
        self._count_rejected = count_rejected
        # Only the last `limit` can matter: a call may enter when the oldest of those has left the window.
        self._counted: deque[float] = deque(maxlen=limit)

    def enter(self, now: float) -> float:
        """Counts a call at `now` (seconds, never going back); 0.0 lets it in, else seconds until one would be."""
        full = len(self._counted) == self._counted.maxlen
        if full and self._counted[0] + self._window > now:
            if self._count_rejected:
                self._counted.append(now)
            return self._counted[0] + self._window - now
        self._counted.append(now)
        return 0.0


@attrs.define
class Quota:
    """Lets in `limit` calls per period; the first period begins with the first call."""

    limit: int
    period: float
    used: int = 0
    _ends: float | None = None

    def left(self, now: float) -> int:
        if self._ends is None:
            self._ends = now + self.period
        if now >= self._ends:
            self._ends += self.period * ((now - self._ends) // self.period + 1)
            self.used = 0
        return self.limit - self.used

    def refill(self, now: float) -> float:
        """Seconds until it is whole again."""
        return self.period if self._ends is None else self._ends - now


@attrs.frozen
class Refusal:
    """Which limit was reached, and seconds until it would let a call in."""

    limit: Literal["rate", "quota"]
    wait: float


class Limits:
    """Both limits, for each key its own. A call that the rate turned away uses up no quota."""

    def __init__(
        self,
        *,
        qps: int | None,
        window: float,
        count_rejected: bool,
        quota: int | None,
        quota_period: float,
    ) -> None:
        self._qps = qps
        self._window = window
        self._count_rejected = count_rejected
        self._quota = quota
        self._quota_period = quota_period
        self._windows = Recent[SlidingWindow](_KEYS)
        self._quotas = Recent[Quota](_KEYS)

    def enter(self, key: str, now: float) -> Refusal | None:
        """Counts a call of `key` at `now` (seconds); None lets it in."""
        quota = self._quota_of(key)
        if quota is not None and quota.left(now) <= 0:
            return Refusal("quota", quota.refill(now))
        window = self._window_of(key)
        wait = 0.0 if window is None else window.enter(now)
        if wait > 0.0:
            return Refusal("rate", wait)
        if quota is not None:
            quota.used += 1
        return None

    def _quota_of(self, key: str) -> Quota | None:
        if self._quota is None:
            return None
        quota = self._quotas.get(key)
        if quota is None:
            quota = Quota(self._quota, self._quota_period)
            self._quotas.put(key, quota)
        return quota

    def _window_of(self, key: str) -> SlidingWindow | None:
        if self._qps is None:
            return None
        window = self._windows.get(key)
        if window is None:
            window = SlidingWindow(self._qps, self._window, count_rejected=self._count_rejected)
            self._windows.put(key, window)
        return window
