"""Error cache: reply from memory while the service would refuse every call.

Cached are a refused key (401), a used-up quota (403), suspected abuse (200 without a body), and a rejection with a
pause longer than `RetryPolicy.max_retry_after` (429). Later calls get the cached reply until the key changes or the
time is up. Then one call is sent as a probe, and its reply decides. So a thousand calls cause one request.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

import anyio
from attrs import evolve

from .._protocol.credentials import ApiKey
from .._protocol.messages import Reply
from ..errors import ApiError, AuthenticationError, QuotaExhaustedError, SuspectedAbuseError
from ..events import Dispatcher, LatchChanged
from .call import AttemptAborted, Call, Send
from .classification import failure_of, is_throttle
from .probe_gate import ProbeGate
from .signals import Signals

__all__ = ["ErrorCache"]

_PERIOD = 60.0  # seconds, if the service names none
_FIRST_PROBE = 60.0  # seconds until a call with on_outage="wait" probes; doubles with each probe
_LONGEST_PROBE_GAP = 1_800.0  # seconds


class ErrorCache:
    """Step that keeps the latest such reply, for a session and its siblings."""

    def __init__(
        self,
        get_key: Callable[[], Awaitable[ApiKey | None]],
        *,
        longest_pause: float,
        events: Dispatcher,
        signals: Signals | None = None,
    ) -> None:
        self._get_key = get_key
        self._longest_pause = longest_pause
        self._events = events
        self._gate = ProbeGate(signals or Signals())
        self._reply: Reply | None = None
        self._failure: ApiError | None = None
        self._for_key: int | None = None  # hash of the key, for an error about the key
        self._probe_gap = _FIRST_PROBE

    @property
    def error(self) -> str | None:
        """Class name of the cached error; `None` if there is none."""
        return None if self._failure is None else type(self._failure).__name__

    @property
    def retry_after(self) -> float | None:
        """Seconds until the cached error expires; `None` if there is none."""
        return self._gate.retry_after() if self._gate.is_shut else None

    @property
    def next_probe(self) -> float | None:
        """Seconds until a waiting call probes the service; `None` if calls do not wait for this error."""
        return self._gate.next_probe() if _may_pass(self._failure) else None

    @property
    def waiting(self) -> int:
        """Calls that wait for the cached error to be cleared."""
        return self._gate.waiting

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Return the cached reply, or send `call`; start again if the attempt is aborted before it is sent."""
        while True:
            try:
                cached = await self._enter(call)
                if cached is not None:
                    return cached
                reply = await send(call)
            except AttemptAborted:
                self._gate.release(call)
                continue
            except BaseException:
                self._gate.release(call)
                raise
            self._learn(call, reply)
            return reply

    def guard(self, call: Call, send: Send, /) -> Awaitable[Reply]:
        """Send `call`, or raise `AttemptAborted` if an error was cached while it waited in another step."""
        self._gate.check(call)
        return send(call)

    async def _enter(self, call: Call) -> Reply | None:
        """Wait until `call` may be sent and return `None`, or return the cached reply."""
        while self._reply is not None:
            if self._for_key is not None and await self._is_for_another_key():
                self._clear()
            elif self._gate.admits(call):
                return None
            elif call.on_outage == "wait" and _may_pass(self._failure):
                await self._gate.wait(call, "latch")
            else:
                return self._with_time_left(self._reply)
        return None

    def _with_time_left(self, reply: Reply) -> Reply:
        """Return the cached reply; if it named a wait, with `Retry-After` set to the rest of it."""
        if self._failure is None or self._failure.retry_after is None:
            return reply
        left = math.ceil(self._gate.retry_after())
        return evolve(reply, headers={**reply.headers, "retry-after": str(left)})

    async def _is_for_another_key(self) -> bool:
        key = await self._get_key()
        return self._for_key is not None and hash(key) != self._for_key  # another call may have cleared it

    def _learn(self, call: Call, reply: Reply) -> None:
        failure = failure_of(call, reply)
        if failure is not None and self._is_lasting(failure):
            self._store(call, reply, failure)
        elif failure is None and self._gate.is_probed_by(call):  # any other call was sent before the error came
            self._clear()
        else:
            self._gate.release(call)

    def _is_lasting(self, failure: ApiError) -> bool:
        if isinstance(failure, AuthenticationError | QuotaExhaustedError | SuspectedAbuseError):
            return True
        return is_throttle(failure) and (failure.retry_after or 0.0) > self._longest_pause

    def _store(self, call: Call, reply: Reply, failure: ApiError) -> None:
        now = anyio.current_time()
        wait = _PERIOD if failure.retry_after is None else failure.retry_after
        is_probe = self._gate.is_probed_by(call)
        is_new = is_probe or self.error != type(failure).__name__
        if is_new:
            self._probe_gap = min(2 * self._probe_gap, _LONGEST_PROBE_GAP) if is_probe else _FIRST_PROBE
        self._reply, self._failure = reply, failure
        self._for_key = call.state.key_id if isinstance(failure, AuthenticationError | QuotaExhaustedError) else None
        self._gate.shut(now + wait, probe_at=now + self._probe_gap if _may_pass(failure) else None)
        if not _may_pass(failure):
            self._gate.abort()  # the calls that waited for another error to end
        if self._events and is_new:  # one event, though many requests in flight may get this reply
            self._events.emit(LatchChanged(at=now, error=self.error, retry_after=wait, next_probe=self.next_probe))

    def _clear(self) -> None:
        self._reply = self._failure = self._for_key = None
        self._gate.open()
        if self._events:
            self._events.emit(LatchChanged(at=anyio.current_time(), error=None))


def _may_pass(failure: ApiError | None) -> bool:
    """Return true if calls with `on_outage="wait"` wait for it: a pause ends by itself, a refused key does not."""
    return failure is not None and (isinstance(failure, SuspectedAbuseError) or is_throttle(failure))
