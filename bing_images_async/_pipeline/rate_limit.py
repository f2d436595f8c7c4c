"""Rate limiter: a quota as a ceiling in every window, and one pause for all calls after a rejection.

An attempt waits twice at most. First it waits to start; starts are one spacing apart. If a connection is
open the request is sent at once, in the send slot that comes with the start. If a connection has to be made,
the send slot goes back, and once the connection stands the attempt waits for another one. So a connection
that takes long to make costs no part of the quota, connections are made at the pace of the requests that
need them, and failing connections are paced as well.

How the quota holds against a sliding window at the service:

* The spacing leaves room for the spread of the one-way delay: (W + J) / N instead of W / N. Any window of
  W seconds at the service then sees at most N arrivals, for J / W of the quota.
* While calls wait, the next slot follows from the planned time of the last one, not from when a timer woke
  up: a millisecond of lateness per slot would add up to 15 % at 250 requests per second.
* What counts is when a request is sent. Whatever delays it, it is sent when the N-th last request is a
  whole window ago (send_times.py).
* After a rejection nothing is sent before the pause is over; what waited is then sent one spacing apart.
  What it means for the pace is decided in adaptive_pace.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
from attrs import define, field, frozen

from .. import _validation as checks
from .._protocol.messages import Reply
from ..errors import ApiError
from ..events import Dispatcher, RateChanged, Throttled
from .adaptive_pace import AdaptivePace
from .call import AttemptAborted, Call, Send
from .classification import failure_of, is_throttle, pause_of
from .gcra import Gcra
from .send_times import SendTime, SendTimes
from .signals import Signals
from .wait_queue import WaitQueue

__all__ = ["RateLimit", "RateLimiter"]

_DEFAULT_WINDOW = 1.0  # seconds, for a session without a quota
_DEFAULT_JITTER = 0.03
_ROUNDING = 1e-6  # seconds added to the spacing, so that rounding errors cannot exceed the quota


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
    """A quota: at most `requests` in any window of `per` seconds, retries included.

    Args:
        requests: most requests in one window, 1 or more.
        per: length of the window, in seconds or as a `timedelta`.
        burst: requests that may be sent at once after an idle time, 1 to `requests`. The quota still holds, so a
            larger burst means a lower steady rate.
        jitter: spread of the one-way delay to the service, in seconds.

    Raises:
        InvalidRequestError: a value is out of range.
    """

    requests: int = field(validator=_requests)
    per: float = field(default=1.0, converter=_seconds, validator=_above_zero)
    burst: int = field(default=1, validator=_burst)
    jitter: float = field(default=0.03, validator=_jitter)

    @property
    def spacing(self) -> float:
        """Seconds from one request to the next."""
        return (self.per + self.jitter) / (self.requests - self.burst + 1) + _ROUNDING

    @property
    def window(self) -> tuple[int, float]:
        """Requests per window, and the seconds of a window with the spread of the one-way delay added."""
        return self.requests, self.per + self.jitter


@define(eq=False)
class _SendSlot:
    """Permission to send one request: the TAT after its slot, the spacing, and the recorded send time."""

    tat: float
    step: float
    sent: SendTime


@define(eq=False)
class _Attempt:
    """One attempt that has started: the TAT after its start, and the spacing."""

    tat: float
    step: float
    aborts: int
    """Value of the limiter's counter of aborts when the attempt started."""
    send_slot: _SendSlot | None
    """`None` while a connection is made, and while the attempt waits with a connection."""
    has_connected: bool = False
    is_sent: bool = False


class RateLimiter:
    """Grants slots by call number, interactive calls first. Without a `limit` it paces only after a rejection."""

    def __init__(
        self,
        limit: RateLimit | None,
        *,
        random: Callable[[], float],
        events: Dispatcher,
        longest_pause: float,
        signals: Signals | None = None,
    ) -> None:
        self._random = random
        self._events = events
        self._longest_pause = longest_pause
        self._signals = signals or Signals()
        self._signals.outage_over = self.restart
        number, span = (math.inf, _DEFAULT_WINDOW + _DEFAULT_JITTER) if limit is None else limit.window
        per = _DEFAULT_WINDOW if limit is None else limit.per
        self._spacing_at_1 = span if limit is None else limit.spacing * limit.requests / limit.per
        self._tolerance = 0.0 if limit is None else (limit.burst - 1) * limit.spacing
        self._lateness = (_DEFAULT_JITTER if limit is None else limit.jitter) / 2
        self._pace = AdaptivePace(number / per, per)
        self._send_times = SendTimes(number, span)
        self._starts = Gcra()
        self._sends = Gcra()
        self._starting = WaitQueue()
        self._connected = WaitQueue()
        self._without_slot = 0  # attempts that have started and have no send slot
        self._resume_at = -math.inf
        self._aborts = 0
        self.throttled = 0

    @property
    def waiting(self) -> int:
        """Calls that wait for a slot."""
        return len(self._starting) + len(self._connected)

    @property
    def rate(self) -> float | None:
        """Requests per second at this moment; `None` if there is no limit."""
        rate = self._pace.rate(anyio.current_time())
        return None if rate == math.inf else rate

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send in a slot, and take note of a rejection."""
        attempt = await self._start(call)
        call.state.on_connecting = partial(self._connecting, call, attempt)
        if attempt.step or attempt.send_slot is None:  # else sending needs no second look unless a connection is made
            call.state.on_sending = partial(self._sending, call, attempt)
        try:
            reply = await send(call)
            attempt.is_sent = True  # also by a transport that calls no hooks
        finally:
            attempt.is_sent = attempt.is_sent or (call.state.sent is not None and not attempt.has_connected)
            self._end(attempt)
            call.state.on_connecting = call.state.on_sending = None
        failure = failure_of(call, reply)
        if failure is not None and is_throttle(failure):
            self._reject(call, attempt, failure)
        return reply

    def abort(self) -> None:
        """Abort every attempt that is not sent yet: those that wait, and those that are connecting."""
        self._aborts += 1
        self._starting.abort()
        self._connected.abort()

    def restart(self) -> None:
        """After an outage: continue one spacing apart, whatever burst the idle time would allow."""
        self._delay(anyio.current_time())

    # --- the first wait: to start

    async def _start(self, call: Call) -> _Attempt:
        now = anyio.current_time()
        if not self._starting and now >= self._start_due():
            return self._take_start(now, now)
        attempt: _Attempt = await self._wait(call, self._starting, self._start_due, self._serve_starts, self._end)
        return attempt

    def _start_due(self) -> float:
        """While attempts are without a send slot, others may start without one, too: their connections take time."""
        due = max(self._starts.due(self._tolerance), self._resume_at)
        return due if self._without_slot else max(due, self._send_due())

    def _serve_starts(self) -> None:
        """Grant all starts that are due: a busy event loop may call this more rarely than they become due."""
        now = anyio.current_time()
        while (due := self._start_due()) <= now and (waiter := self._starting.next()) is not None:
            self._starting.grant(waiter, self._take_start(now, due))
        self._starting.wake()

    def _take_start(self, now: float, planned: float) -> _Attempt:
        at, step = self._base(now, planned), self._spacing(now)
        send_slot = None if self._without_slot else self._take_send(now, at, step)
        self._without_slot += send_slot is None
        return _Attempt(self._starts.take(at, step), step, self._aborts, send_slot)

    # --- the second wait: to send, once a connection stands

    def _connecting(self, call: Call, attempt: _Attempt) -> None:
        """Give the send slot back while a connection is made (`Call.on_connecting`)."""
        attempt.has_connected = True
        call.state.on_sending = partial(self._sending, call, attempt)
        if attempt.send_slot is not None and not attempt.is_sent:
            self._lose_slot(attempt)

    async def _sending(self, call: Call, attempt: _Attempt, *, may_wait: bool = True) -> float:
        """Wait until the request may be sent, record that it is, and return the time (`CallState.on_sending`)."""
        if not attempt.is_sent and attempt.aborts != self._aborts:
            raise AttemptAborted
        now = anyio.current_time()
        if attempt.send_slot is not None:
            sent = attempt.send_slot.sent
            if attempt.is_sent or (now >= self._resume_at and self._send_times.allows(sent, now)):
                self._send_times.move(sent, now)
                attempt.is_sent = True
                return now
            self._lose_slot(attempt)  # it comes too late to be used
        if not self._connected and now >= self._send_due():
            send_slot = self._take_send(now, now, self._spacing(now))
        elif not may_wait:
            raise AttemptAborted  # the next attempt waits before it starts, and the connection stands by then
        else:
            send_slot = await self._wait(call, self._connected, self._send_due, self._serve_sends, self._give_back)
            if attempt.aborts != self._aborts:  # between the grant and this task's turn
                self._give_back(send_slot)
                raise AttemptAborted
            now = anyio.current_time()
        attempt.send_slot = send_slot
        attempt.is_sent = True
        self._without_slot -= 1
        return now

    def _send_due(self) -> float:
        return max(self._sends.due(self._tolerance), self._send_times.next(), self._resume_at)

    def _serve_sends(self) -> None:
        now = anyio.current_time()
        while (due := self._send_due()) <= now and (waiter := self._connected.next()) is not None:
            self._connected.grant(waiter, self._take_send(now, self._base(now, due), self._spacing(now)))
        self._connected.wake()

    def _take_send(self, now: float, at: float, step: float) -> _SendSlot:
        return _SendSlot(self._sends.take(at, step), step, self._send_times.add(now))

    # --- slots

    async def _wait(
        self,
        call: Call,
        queue: WaitQueue,
        due: Callable[[], float],
        serve: Callable[[], None],
        release: Callable[[Any], None],
    ) -> Any:
        now = anyio.current_time()
        if call.counts_queueing:
            call.afford(max(0.0, due() - now) + queue.ahead_of(call) * self._spacing(now), "rate_limit")
        waiter = queue.join(call)
        try:
            with call.waiting("rate_limit", clock_stops=not call.counts_queueing):
                await queue.wait(waiter, due=due, serve=serve)
        except BaseException:
            if waiter.is_granted:
                release(waiter.value)
            raise
        return waiter.value

    def _base(self, now: float, planned: float) -> float:
        """Return the time from which the next slot counts: the planned one, unless that is too long ago."""
        return now if now - planned > self._lateness else planned

    def _spacing(self, now: float) -> float:
        """Return the seconds from one request to the next."""
        return self._spacing_at_1 / self._pace.rate(now)

    def _lose_slot(self, attempt: _Attempt) -> None:
        """Take the send slot from an attempt that goes on; it waits for another one when it is to be sent."""
        assert attempt.send_slot is not None
        send_slot, attempt.send_slot = attempt.send_slot, None
        self._without_slot += 1
        self._give_back(send_slot)

    def _give_back(self, send_slot: _SendSlot) -> None:
        """Make a slot that was not used available again."""
        self._send_times.discard(send_slot.sent)
        self._sends.give_back(send_slot.tat, send_slot.step)
        self._starting.wake()
        self._connected.wake()

    def _end(self, attempt: _Attempt) -> None:
        """Give back what an attempt has and did not use. A start that led to a connection was used."""
        if not attempt.has_connected and not attempt.is_sent:
            self._starts.give_back(attempt.tat, attempt.step)
        if attempt.send_slot is None:
            self._without_slot -= 1
            self._starting.wake()
        elif not attempt.is_sent:
            self._give_back(attempt.send_slot)

    def _delay(self, until: float) -> None:
        """Take no slot before `until`, and from then on one spacing apart."""
        self._starts.delay(until + self._tolerance)
        self._sends.delay(until + self._tolerance)

    # --- rejections

    def _reject(self, call: Call, attempt: _Attempt, failure: ApiError) -> None:
        now = anyio.current_time()
        self.throttled += 1
        before = self.rate
        asked = min(pause_of(failure), self._longest_pause)
        pause = asked + self._random() * max(0.1 * asked, 1.0 / self._pace.rate(now))
        resume_at = now + pause
        if attempt.send_slot is not None:
            sent = attempt.send_slot.sent
            accepted = self._send_times.reject(sent)
            if self._pace.reject(now=now, sent=sent.at, accepted=accepted, resume_at=resume_at) and self._events:
                self._events.emit(RateChanged(at=now, rate=self._pace.rate(now), previous=before))
        if resume_at > self._resume_at:
            self._signals.paused(resume_at - max(now, self._resume_at))
            self._resume_at = resume_at
            self._delay(resume_at)
            for queue in (self._starting, self._connected):
                queue.abort(where=lambda waiting: waiting.counts_queueing and waiting.deadline < resume_at)
                queue.wake()
        if self._events:
            self._events.emit(Throttled(at=now, call=call.number, pause=pause))
