"""Checks of a server before it answers: limits, quotas, keys."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Collection
from datetime import timedelta

import attrs

from .journal import Entry
from .server import Reply

KEY_HEADER = "ocp-apim-subscription-key"
Gate = Callable[[Entry], Reply | None]
"""Returns a reply that refuses the request, or None."""


@attrs.define
class SlidingWindow:
    """At most `limit` requests in any `window` seconds, together or for each key.

    counts_rejected: rejected requests count as well, so a client that does not slow down is always rejected.
    retry_after: seconds for the header; None leaves it out; by default the time until a request is allowed,
        rounded up to whole seconds as the service does.
    """

    limit: int
    window: float = 1.0
    counts_rejected: bool = False
    retry_after: float | Callable[[float], float | None] | None = lambda room: float(math.ceil(room))
    by_key: bool = True
    _counted: dict[str, deque[float]] = attrs.field(factory=dict, init=False)

    def __call__(self, entry: Entry) -> Reply | None:
        key = entry.headers.get(KEY_HEADER, "") if self.by_key else ""
        counted = self._counted.setdefault(key, deque())
        while counted and counted[0] <= entry.time - self.window:
            counted.popleft()
        admitted = len(counted) < self.limit
        if admitted or self.counts_rejected:
            counted.append(entry.time)
        return None if admitted else self._refusal(counted[-self.limit] + self.window - entry.time)

    def _refusal(self, room: float) -> Reply:
        """Return the reply. room: seconds until one more request is allowed."""
        asked = self.retry_after(room) if callable(self.retry_after) else self.retry_after
        headers = () if asked is None else (("Retry-After", f"{asked:.0f}"),)
        return error(429, {"error": {"code": "429", "message": "Rate limit is exceeded."}}, headers)


@attrs.define
class Quota:
    """A quota of `total` requests; then 403, with the time until the quota is full again."""

    total: int
    refills_at: float = timedelta(days=30).total_seconds()
    used: int = attrs.field(default=0, init=False)

    def __call__(self, entry: Entry) -> Reply | None:
        if self.used < self.total:
            self.used += 1
            return None
        days, rest = divmod(int(self.refills_at - entry.time), 86_400)
        wait = f"{days}.{rest // 3_600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
        message = f"Out of call volume quota. Quota will be replenished in {wait}."
        return error(403, {"statusCode": 403, "message": message})


@attrs.frozen
class Keys:
    """Refuses every other key, and requests without a key, with 401."""

    known: Collection[str]

    def __call__(self, entry: Entry) -> Reply | None:
        if entry.headers.get(KEY_HEADER) in self.known:
            return None
        message = "Access denied due to invalid subscription key or wrong API endpoint."
        return error(401, {"error": {"code": "401", "message": message}})


def error(status: int, body: object, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Return an error of the gateway: immediate, in JSON."""
    return Reply(status=status, body=json.dumps(body).encode(), headers=headers, delay=0.0)
