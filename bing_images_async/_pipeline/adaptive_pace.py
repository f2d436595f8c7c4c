"""The pace after rejections: cut it when the service enforces a lower quota, ignore random rejections.

A quota rejects requests once the same number was accepted in the window before; rejections that come
at random do not. So the pace is cut when three rejections in a row agree on that number, and only then:

* It is cut to 95 % of what was accepted, but to no less than half in one step.
* It is held there for 20 s, or 200 requests if that takes longer: each try above a real quota costs a
  rejection or two, so at most about 1 % of all requests. A rejection while it is held refutes the number
  and ends the hold.
* After that it grows by 20 % per second, up to the ceiling.

`python -m benchmarks throttling` prints what this achieves.
"""

from __future__ import annotations

import math
from collections import deque

__all__ = ["AdaptivePace"]

_AGREEING = 3  # rejections in a row
_TOLERANCE = 0.1  # of the number accepted; at least 1
_BELOW = 0.95  # of the number accepted
_LARGEST_CUT = 0.5
_HOLD = 20.0  # seconds
_HOLD_REQUESTS = 200
_GROWTH = 1.2  # per second
_FORGOTTEN = 60.0  # seconds after the hold; growth has passed any ceiling by then
_LEAST_LEARNED = 3.0  # requests per second


class AdaptivePace:
    """Requests per second as a function of time and of the rejections so far.

    Args:
        ceiling: requests per second, at most; `math.inf` if there is no quota. Then the first rejection
            sets a pace at once, because without one the calls that waited would all be sent together.
        per: seconds of the window in which accepted requests are counted.
    """

    def __init__(self, ceiling: float, per: float) -> None:
        self._ceiling = ceiling
        self._per = per
        self._cut_to = ceiling
        self._cut_at = -math.inf
        self._held_until = -math.inf
        self._accepted: deque[int] = deque(maxlen=_AGREEING)

    def rate(self, now: float) -> float:
        """Return requests per second at time `now`; `math.inf` if there is neither a quota nor a recent cut."""
        since = now - self._held_until
        if since > _FORGOTTEN:
            return self._ceiling
        return min(self._ceiling, self._cut_to * math.pow(_GROWTH, max(0.0, since)))

    def reject(self, *, now: float, sent: float, accepted: int, resume_at: float) -> bool:
        """Take note of a rejection; return true if the pace was cut.

        Args:
            now: when the rejection arrived.
            sent: when the rejected request was sent. Requests that were sent before the last cut say
                nothing about the pace since then.
            accepted: requests that the service accepted in the window before.
            resume_at: when the pause that follows is over.
        """
        if sent <= self._cut_at:
            return False
        self._accepted.append(accepted)
        if now < self._held_until:
            self._held_until = resume_at
            return False
        rate = self.rate(now)
        if rate < math.inf and not self._agree():
            return False
        self._cut(now, rate, resume_at)
        return True

    def _agree(self) -> bool:
        least, most = min(self._accepted), max(self._accepted)
        return len(self._accepted) == _AGREEING and most - least <= max(1.0, _TOLERANCE * most)

    def _cut(self, now: float, rate: float, resume_at: float) -> None:
        target = _BELOW * min(self._accepted) / self._per
        lowest = _LEAST_LEARNED if rate == math.inf else _LARGEST_CUT * rate
        self._cut_to = min(rate, max(target, lowest))
        self._cut_at = now
        hold = max(_HOLD, _HOLD_REQUESTS / self._cut_to) if target >= lowest or rate == math.inf else 0.0
        self._held_until = resume_at + hold
