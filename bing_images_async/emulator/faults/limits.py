"""Limits per key: a rate limit (sliding window) and a quota per period."""

from __future__ import annotations

from collections import deque
from typing import Literal

import attrs

from ..lru_cache import LruCache

__all__ = ["LimitExceeded", "Limits", "Quota", "SlidingWindow"]

_KEYS = 10_000
"""Number of keys with counters; beyond it the least recently used are dropped."""


class SlidingWindow:
    """Sliding-window rate limit: at most `limit` calls within any `window` seconds.

    A call exactly one window ago no longer counts. With `count_rejected` rejected calls count as well, as some
    services do: a client that retries at once stays limited.
    """

    def __init__(self, limit: int, window: float, *, count_rejected: bool = False) -> None:
        self._window = window
        self._count_rejected = count_rejected
        # Only the last `limit` calls matter: a call is allowed when the oldest of them has left the window.
        self._calls: deque[float] = deque(maxlen=limit)

    def count(self, now: float) -> float:
        """Count a call at `now` (monotonic seconds). Return 0.0 if it is allowed, else the seconds to wait."""
        full = len(self._calls) == self._calls.maxlen
        if full and self._calls[0] + self._window > now:
            if self._count_rejected:
                self._calls.append(now)
            return self._calls[0] + self._window - now
        self._calls.append(now)
        return 0.0


@attrs.define
class Quota:
    """Quota of `limit` calls per period; the first period begins with the first call."""

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
        """Return seconds until the quota is reset."""
        return self.period if self._ends is None else self._ends - now


@attrs.frozen
class LimitExceeded:
    """The limit that was exceeded, and seconds until a call is allowed."""

    limit: Literal["rate", "quota"]
    wait: float


class Limits:
    """Rate limit and quota for each key. A call that exceeds the rate limit uses no quota."""

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
        self._windows = LruCache[SlidingWindow](_KEYS)
        self._quotas = LruCache[Quota](_KEYS)

    def count(self, key: str, now: float) -> LimitExceeded | None:
        """Count a call of `key` at `now` (seconds). Return None if it is allowed."""
        quota = self._quota_of(key)
        if quota is not None and quota.left(now) <= 0:
            return LimitExceeded("quota", quota.refill(now))
        window = self._window_of(key)
        wait = 0.0 if window is None else window.count(now)
        if wait > 0.0:
            return LimitExceeded("rate", wait)
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
