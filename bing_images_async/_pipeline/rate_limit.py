"""Pacing: so many requests per second, whatever happens, and one pause for all when the service asks for it.

The generic cell rate algorithm (ITU-T I.371): a theoretical arrival time (`_tat`) moves on by one
spacing with each grant. Four things make it hold against a sliding-window quota at the far end:

* The spacing has room for the spread of the one-way delay: (W + J) / N instead of W / N. Any window
  of W seconds at the service then sees N arrivals at most, at the price of J / W of the quota.
* While calls wait, the next slot follows from the planned one, not from when a timer woke up:
  lateness of a millisecond per grant would add up to 15 % at 250 requests per second.
* What counts is when a request leaves; one that has to make its connection first leaves later than its
  slot, and the requests a window later keep their distance from that (departures.py).
* After a 429 nothing is sent before the pause has passed, and then one by one: the pace is cut once
  for all requests that were under way, and recovers step by step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta

import anyio
from attrs import field, frozen

from .. import _validation as checks
from .._protocol.messages import Reply
from ..errors import ApiError
from ..events import Hub, RateChanged, Throttled
from .call import Call, Send
from .classification import failure_of, is_throttle, pause_of
from .send_times import Departure, Departures
from .wait_queue import WaitQueue

__all__ = ["RateLimit", "RateLimiter"]

_CUT = 0.7
_RECOVERY = 10.0  # seconds from the cut back to _RECOVERED of the old rate
_RECOVERED = 0.95
_LEAST_LEARNED = 3  # requests per second, for a session without a limit that was throttled; doubled every 10 s
_FORGOTTEN = 60.0  # seconds after which it has no limit again
_GROWTH = 0.005  # of the ceiling, per second, after that
_A_LITTLE = 1e-6  # seconds; keeps rounding on the safe side


def _above_zero(_: object, attribute: object, value: float) -> None:
    name = getattr(attribute, "name", "")
    if checks.number(name, value, 0.0, 1e9) in {None, 0.0}:
        raise checks.refuse(name, value, "it must be above 0")


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _requests(_: object, __: object, value: int) -> None:
    if checks.integer("requests", value, 1, 10**9) is None:
        raise checks.refuse("requests", value, "it must be an int above 0 (one in two seconds is RateLimit(1, per=2))")


def _burst(self: RateLimit, _: object, value: int) -> None:
    if checks.integer("burst", value, 1, 10**9) is None or value > self.requests:
        raise checks.refuse("burst", value, f"it must be an int from 1 to requests ({self.requests})")


def _jitter(_: object, __: object, value: float) -> None:
    if checks.number("jitter", value, 0.0, 3600.0) is None:
        raise checks.refuse("jitter", value, "it must be 0 or more seconds")


@frozen
class RateLimit:
    """A quota, `requests` in any `per` seconds (or a timedelta): the ceiling of all that is sent, retries included.

    `burst` requests may leave at once after a rest; it costs rate, for the quota holds all the same.
    `jitter` is the spread of the one-way delay to the service, in seconds.
    """

    requests: int = field(validator=_requests)
    per: float = field(default=1.0, converter=_seconds, validator=_above_zero)
    burst: int = field(default=1, validator=_burst)
    jitter: float = field(default=0.03, validator=_jitter)

    @property
    def spacing(self) -> float:
        """Seconds from one request to the next."""
        return (self.per + self.jitter) / (self.requests - self.burst + 1) + _A_LITTLE

    @property
    def window(self) -> tuple[int, float]:
        """A number of requests, and the seconds from the first of them to the one that follows."""
        return self.requests, self.per + self.jitter


@frozen
class _Slot:
    """A grant: what it moved the theoretical arrival time to, and by, and the departure it stands for."""

    tat: float
    step: float
    departure: Departure | None


class RateLimiter:
    """Grants slots by call number, interactive calls first. Without a `limit` it paces only once it was throttled."""

    def __init__(
        self,
        limit: RateLimit | None,
        *,
        random: Callable[[], float],
        hub: Hub,
        longest_pause: float,
        on_pause: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._limit = limit
        self._random = random
        self._hub = hub
        self._longest_pause = longest_pause
        self._on_pause = on_pause
        self._queue = WaitQueue()
        self._tat = -math.inf
        self._resume_at = -math.inf
        self._cut_at = -math.inf
        self._recovers_from: float | None = None
        self._cut_to = 0.0
        self._cut_from = 0.0
        self._is_learned = False
        self._pace = _Pace()
        self._departures = Departures()
        self.throttled = 0

    # --- what others may know

    @property
    def waiting(self) -> int:
        """Calls that wait for a slot."""
        return len(self._queue)

    @property
    def rate(self) -> float | None:
        """Requests per second at this moment; `None` if there is no limit."""
        now = anyio.current_time()
        self._forget(now)
        return None if self._limit is None else self._rate(now)

    # --- the link

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send in a slot, and take note if the service throttles."""
        slot = await self._acquire(call)
        call.on_sending = None if slot.departure is None else slot.departure.sending
        try:
            reply = await send(call)
        except BaseException:
            if call.sent is None:
                self._give_back(slot)
            raise
        failure = failure_of(call, reply)
        if failure is not None and is_throttle(failure):
            self._throttle(call, failure)
        return reply

    def dismiss(self) -> None:
        """Turn back every call that waits."""
        self._queue.abort()

    def restart(self) -> None:
        """After an outage: go on one by one, whatever burst a rest would have allowed."""
        self._tat = max(self._tat, anyio.current_time() + self._tolerance())

    async def _acquire(self, call: Call) -> _Slot:
        now = anyio.current_time()
        self._forget(now)
        due = self._due()
        if not self._queue and now >= due:
            return self._take(now, now)
        if call.queueing_counts:
            call.afford(max(0.0, due - now) + self._queue.ahead_of(call) * self._spacing(now), "rate_limit")
        waiter = self._queue.join(call)
        try:
            with call.waiting("rate_limit", clock_stops=not call.queueing_counts):
                await self._queue.wait(waiter, due=self._due, serve=self._serve)
        except BaseException:
            if waiter.is_granted:
                self._give_back(waiter.value)
            raise
        slot: _Slot = waiter.value
        return slot

    # --- slots

    def _due(self) -> float:
        """When the next request may leave."""
        due = max(self._tat - self._tolerance(), self._resume_at)
        if self._limit is None or self._is_learned:
            return due
        return max(due, self._departures.next_after(*self._limit.window))

    def _serve(self) -> None:
        """Grant all slots that are due: a busy event loop may come round more rarely than slots do."""
        now = anyio.current_time()
        while (due := self._due()) <= now and (waiter := self._queue.next()) is not None:
            self._queue.grant(waiter, self._take(now, due))
        self._queue.wake()

    def _take(self, now: float, planned: float) -> _Slot:
        late = now - planned
        start = now if self._limit is None or late > self._limit.jitter / 2 else planned
        step = self._spacing(now)
        self._tat = max(self._tat, start) + step
        self._pace.count(now)
        return _Slot(self._tat, step, None if self._limit is None else self._departures.plan(*self._limit.window))

    def _give_back(self, slot: _Slot) -> None:
        """A slot that was not used. Once another was granted after it, it is gone: two could then meet."""
        if slot.departure is not None:
            self._departures.forget(slot.departure)
        if self._tat == slot.tat:
            self._tat -= slot.step
        self._queue.wake()

    def _tolerance(self) -> float:
        return 0.0 if self._limit is None else (self._limit.burst - 1) * self._limit.spacing

    def _spacing(self, now: float) -> float:
        if self._limit is None:
            return 0.0
        return self._limit.spacing * (self._ceiling() / self._rate(now))

    # --- the rate, and what a throttle does to it

    def _forget(self, now: float) -> None:
        """A session that was made without a limit has none again, a while after it was last throttled."""
        if self._is_learned and self._recovers_from is not None and now - self._recovers_from > _FORGOTTEN:
            self._limit, self._is_learned, self._recovers_from = None, False, None

    def _ceiling(self) -> float:
        return 0.0 if self._limit is None else self._limit.requests / self._limit.per

    def _rate(self, now: float) -> float:
        ceiling = self._ceiling()
        if self._recovers_from is None:
            return ceiling
        since = max(0.0, now - self._recovers_from)
        knee = max(self._cut_to, _RECOVERED * self._cut_from)
        if since <= _RECOVERY:
            rate = self._cut_to + (knee - self._cut_to) * since / _RECOVERY
        elif self._is_learned:
            return knee * math.exp2((since - _RECOVERY) / _RECOVERY)
        else:
            rate = knee + _GROWTH * ceiling * (since - _RECOVERY)
        return min(rate, ceiling)

    def _throttle(self, call: Call, failure: ApiError) -> None:
        now = anyio.current_time()
        self.throttled += 1
        if self._limit is None:
            self._limit = RateLimit(max(_LEAST_LEARNED, self._pace.last_second(now)))
            self._is_learned = True
        if call.sent is not None and call.sent > self._cut_at:
            self._cut(now)
        asked = min(pause_of(failure), self._longest_pause)
        pause = asked + self._random() * max(0.1 * asked, 1.0 / self._rate(now))
        resume_at = now + pause
        if resume_at > self._resume_at:
            self._on_pause(resume_at - max(now, self._resume_at))
            self._resume_at = resume_at
            self._tat = max(self._tat, resume_at + self._tolerance())
            self._recovers_from = resume_at
            self._queue.abort(where=lambda waiting: waiting.queueing_counts and waiting.deadline < resume_at)
            self._queue.wake()
        if self._hub:
            self._hub.tell(Throttled(at=now, call=call.number, pause=pause))

    def _cut(self, now: float) -> None:
        before = self._rate(now)
        self._cut_at, self._cut_from, self._cut_to = now, before, before * _CUT
        self._recovers_from = now
        if self._hub:
            self._hub.tell(RateChanged(at=now, rate=self._cut_to, previous=before))


class _Pace:
    """How many requests left in the last second, near enough."""

    def __init__(self) -> None:
        self._second = -math.inf
        self._count = 0
        self._before = 0

    def count(self, now: float) -> None:
        if now - self._second >= 1.0:
            self._before = self._count if now - self._second < 2.0 else 0
            self._second, self._count = now, 0
        self._count += 1

    def last_second(self, now: float) -> int:
        return max(self._count, self._before if now - self._second < 2.0 else 0)
