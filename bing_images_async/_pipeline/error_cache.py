"""Latches: answers after which asking again is no use for a while.

A refused key (401), a used-up quota (403), a suspicion of abuse (200 without a body), a pause longer
than anyone wants to wait (429): the answer that said so is given to every later call, without asking
the service, until the key changes or the time is up; then one call asks, and its answer decides.
A thousand waiting calls cost one request, not a thousand.
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

_PERIOD = 60.0  # seconds, where the service names none
_FIRST_PROBE = 60.0  # seconds until a call that waits for a pause to end probes; doubles with each probe
_LONGEST_PROBE_GAP = 1_800.0


class ErrorCache:
    """Remembers one such answer at a time, for a session and its siblings."""

    def __init__(
        self,
        key: Callable[[], Awaitable[ApiKey | None]],
        *,
        longest_pause: float,
        events: Dispatcher,
        signals: Signals | None = None,
    ) -> None:
        self._key = key
        self._longest_pause = longest_pause
        self._events = events
        self._gate = ProbeGate(signals or Signals())
        self._reply: Reply | None = None
        self._failure: ApiError | None = None
        self._for_key: int | None = None
        self._probe_gap = _FIRST_PROBE

    @property
    def error(self) -> str | None:
        """The name of the error that calls get without being sent, if there is one."""
        return None if self._failure is None else type(self._failure).__name__

    @property
    def retry_after(self) -> float | None:
        """Seconds for which calls get the remembered error; `None` if there is none."""
        return self._gate.retry_after() if self._gate.is_shut else None

    @property
    def next_probe(self) -> float | None:
        """Seconds until a call that waits probes the service; `None` if no call can wait."""
        return self._gate.next_probe() if _may_pass(self._failure) else None

    @property
    def waiting(self) -> int:
        """Calls that wait for it to open."""
        return self._gate.waiting

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Answer from memory while latched; else send, and start anew if the attempt was turned back."""
        while True:
            try:
                answer = await self._enter(call)
                if answer is not None:
                    return answer
                reply = await send(call)
            except AttemptAborted:
                self._gate.abandon(call)
                continue
            except BaseException:
                self._gate.abandon(call)
                raise
            self._learn(call, reply)
            return reply

    def guard(self, call: Call, send: Send, /) -> Awaitable[Reply]:
        """The last look before the wire."""
        self.check(call)
        return send(call)

    def check(self, call: Call) -> None:
        """Raise `AttemptAborted` if the latch was shut while `call` was on its way."""
        self._gate.turn_back(call)

    async def _enter(self, call: Call) -> Reply | None:
        """Wait, or take the remembered answer, or go on (`None`)."""
        while self._reply is not None:
            if self._for_key is not None and await self._is_for_another_key():
                self._release()
            elif self._gate.admits(call):
                return None
            elif call.on_outage == "wait" and _may_pass(self._failure):
                await self._gate.wait(call, "latch")
            else:
                return self._remembered(self._reply)
        return None

    def _remembered(self, reply: Reply) -> Reply:
        """Return the remembered reply; if it named a wait, anywhere, with what is left of that."""
        if self._failure is None or self._failure.retry_after is None:
            return reply
        left = math.ceil(self._gate.retry_after())
        return evolve(reply, headers={**reply.headers, "retry-after": str(left)})

    async def _is_for_another_key(self) -> bool:
        key = await self._key()
        return self._for_key is not None and hash(key) != self._for_key  # another call may have released it meanwhile

    def _learn(self, call: Call, reply: Reply) -> None:
        failure = failure_of(call, reply)
        if failure is not None and self._is_lasting(failure):
            self._hold(call, reply, failure)
        elif failure is None and self._gate.is_probed_by(call):  # of one sent before the latch it says nothing
            self._release()
        else:
            self._gate.abandon(call)

    def _is_lasting(self, failure: ApiError) -> bool:
        if isinstance(failure, AuthenticationError | QuotaExhaustedError | SuspectedAbuseError):
            return True
        return is_throttle(failure) and (failure.retry_after or 0.0) > self._longest_pause

    def _hold(self, call: Call, reply: Reply, failure: ApiError) -> None:
        now = anyio.current_time()
        wait = _PERIOD if failure.retry_after is None else failure.retry_after
        is_probe = self._gate.is_probed_by(call)
        is_news = is_probe or self.error != type(failure).__name__
        if is_news:
            self._probe_gap = min(2 * self._probe_gap, _LONGEST_PROBE_GAP) if is_probe else _FIRST_PROBE
        self._reply, self._failure = reply, failure
        self._for_key = call.state.key_id if isinstance(failure, AuthenticationError | QuotaExhaustedError) else None
        self._gate.shut(now + wait, probe_at=now + self._probe_gap if _may_pass(failure) else None)
        if not _may_pass(failure):
            self._gate.dismiss()  # who waited for something else to pass
        if self._events and is_news:  # of 64 answers that were under way, one is enough
            self._events.emit(LatchChanged(at=now, error=self.error, retry_after=wait, next_probe=self.next_probe))

    def _release(self) -> None:
        self._reply = self._failure = self._for_key = None
        self._gate.open()
        if self._events:
            self._events.emit(LatchChanged(at=anyio.current_time(), error=None))


def _may_pass(failure: ApiError | None) -> bool:
    """Worth waiting for, by those who wait for outages to end: a key does not mend itself, a pause is over one day."""
    return failure is not None and (isinstance(failure, SuspectedAbuseError) or is_throttle(failure))
