"""Send times of the latest requests: an exact check of the quota, by when requests were really sent.

A slot says when a request should be sent. A busy event loop, or a connection that had to be made first,
delays the request itself. Whatever the delays, the next request is sent only when the N-th last one is a
whole window ago.
"""

from __future__ import annotations

import math
from collections import deque

from attrs import define

__all__ = ["SendTime", "SendTimes"]


@define(eq=False)
class SendTime:
    """Time at which one request was sent; until it is sent, the time at which it was granted."""

    at: float
    tally: int
    """Requests in the window before this one that were not rejected yet, plus all that were rejected ever."""
    is_rejected: bool = False


class SendTimes:
    """The latest send times: at most `number`, and none older than `span` seconds.

    Args:
        number: requests that one window allows; `math.inf` if there is no quota.
        span: seconds of one window.
    """

    def __init__(self, number: float, span: float) -> None:
        self._number = number
        self._span = span
        self._latest: deque[SendTime] = deque()
        self._rejected = 0
        self._rejected_latest = 0  # how many of the latest

    def add(self, now: float) -> SendTime:
        """Record a request that is sent, or granted, now."""
        latest = self._latest
        while latest and (len(latest) >= self._number or latest[0].at + self._span < now):
            self._rejected_latest -= latest.popleft().is_rejected
        latest.append(SendTime(now, len(latest) - self._rejected_latest + self._rejected))
        return latest[-1]

    def allows(self, granted: SendTime, now: float) -> bool:
        """Return whether a request that was granted earlier may be sent now."""
        latest = self._latest  # the others among them are fewer than a window allows
        return bool(latest and latest[-1] is granted) or granted in latest or now >= self.next()

    def move(self, granted: SendTime, now: float) -> None:
        """Record that a request is sent now, not when it was granted."""
        latest = self._latest
        if latest and latest[-1] is granted:
            granted.at = now
            return
        self.discard(granted)
        moved = self.add(now)
        granted.at, granted.tally, latest[-1] = moved.at, moved.tally, granted

    def discard(self, sent: SendTime) -> None:
        """Remove a request that was not sent or not answered; does nothing if it is no longer recorded."""
        latest = self._latest
        if latest and latest[-1] is sent:
            latest.pop()
        elif sent in latest:
            latest.remove(sent)

    def reject(self, sent: SendTime) -> int:
        """Note that the service rejected a request; return how many it had accepted in the window before it.

        Requests that were sent earlier and are not answered yet count as accepted: a service answers in
        order, by and large, and rejections come first.
        """
        accepted = max(0, sent.tally - self._rejected)
        self._rejected += 1
        if sent in self._latest:
            sent.is_rejected = True
            self._rejected_latest += 1
        return accepted

    def next(self) -> float:
        """Return the earliest time at which one more request keeps the quota."""
        if len(self._latest) < self._number:
            return -math.inf
        return self._latest[0].at + self._span
