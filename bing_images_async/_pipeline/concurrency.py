"""Concurrency limit: a number of permits for attempts, adapted to congestion (AIMD).

Additive increase, multiplicative decrease. The limit is cut only if more than a fifth of the recent attempts failed
with timeouts, resets or 5xx. A cut after every failure would keep the limit too low for a service in which a few per
cent of the requests fail.
"""

from __future__ import annotations

from collections import deque

import anyio

from .._protocol.messages import Reply
from ..events import ConcurrencyChanged, Dispatcher
from .call import Call, InFlight, Send
from .classification import failure_of, is_transient, was_sent_and_failed
from .wait_queue import WaitQueue

__all__ = ["ConcurrencyLimiter"]

_LEAST = 4  # permits
_CUT = 0.7
_CONGESTED = 0.2  # share of recent attempts that failed
_RECENT = 20  # attempts, at least
_SPARE_FROM = 8  # from this limit on, one permit is reserved for interactive calls


class ConcurrencyLimiter:
    """Step that grants at most `max_concurrency` permits, interactive calls first, by call number."""

    def __init__(self, max_concurrency: int, in_flight: InFlight, events: Dispatcher) -> None:
        self._most = max_concurrency
        self._limit = float(max_concurrency)
        self._in_flight = in_flight
        self._events = events
        self._queue = WaitQueue()
        self._in_use = 0
        self._recent: deque[bool] = deque()  # True: failed
        self._failures = 0
        self._successes = 0
        self._last_cut = -1.0

    @property
    def limit(self) -> int:
        """Current number of permits."""
        return int(self._limit)

    @property
    def in_use(self) -> int:
        """Permits in use."""
        return self._in_use

    @property
    def waiting(self) -> int:
        """Calls that wait for a permit."""
        return len(self._queue)

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send `call` with a permit, and record its result."""
        await self._acquire(call)
        try:
            reply = await send(call)
            failure = failure_of(call, reply)
            self._learn(call, failed=failure is not None and is_transient(failure, call.endpoint))
            return reply
        except BaseException as error:
            if was_sent_and_failed(call, error):
                self._learn(call, failed=True)
            raise
        finally:
            self._in_use -= 1
            self._grant()

    def abort(self) -> None:
        """Abort every waiting call."""
        self._queue.abort()

    async def _acquire(self, call: Call) -> None:
        if not self._queue and self._is_free(call):
            self._in_use += 1
            return
        waiter = self._queue.join(call)
        # The reserved permit may be free for an interactive call although bulk calls wait.
        self._grant()
        try:
            with call.waiting("permit", clock_stops=not call.counts_queueing):
                await waiter.wait()
        except BaseException:
            if self._queue.leave(waiter):
                self._in_use -= 1
                self._grant()
            raise

    def _is_free(self, call: Call) -> bool:
        return self._in_use < (self._limit_for_bulk if call.priority == "bulk" else self.limit)

    @property
    def _limit_for_bulk(self) -> int:
        return self.limit - 1 if self.limit >= _SPARE_FROM else self.limit

    def _grant(self) -> None:
        while self._in_use < self.limit:
            waiter = self._queue.next(include_bulk=self._in_use < self._limit_for_bulk)
            if waiter is None:
                return
            self._in_use += 1
            self._queue.grant(waiter)

    def _learn(self, call: Call, *, failed: bool) -> None:
        self._recent.append(failed)
        self._failures += failed
        size = max(_RECENT, self.limit)
        while len(self._recent) > size:
            self._failures -= self._recent.popleft()
        if failed:
            # Requests that were sent before the last cut say nothing about the limit since then.
            if self._failures > _CONGESTED * size and call.state.sent is not None and call.state.sent > self._last_cut:
                self._cut()
        elif self._limit < self._most and self._in_flight.requests * 2 >= self.limit:
            self._successes += 1
            if self._successes >= self.limit:
                self._change_to(min(self._most, self._limit + 1))

    def _cut(self) -> None:
        self._last_cut = anyio.current_time()
        self._recent.clear()
        self._failures = 0
        self._change_to(max(min(_LEAST, self._most), self._limit * _CUT))

    def _change_to(self, limit: float) -> None:
        before, self._limit = self.limit, limit
        self._successes = 0
        if self._events and self.limit != before:
            self._events.emit(ConcurrencyChanged(at=anyio.current_time(), limit=self.limit, previous=before))
