"""Circuit breaker: send nothing while the service is down, except single calls as probes.

It opens after ten failures in a row. Then it lets probes through after 1, 2, 4, … seconds, with jitter. The gap
between probes is at most an eighth of the outage so far, or 8 s if that is longer, and never more than 30 s. A probe
may take as long as its gap (2 s at least). So the end of a short outage is noticed within seconds, and probes become
rarer during a long one. Meanwhile `on_outage` decides what other calls do: "fail" raises at once, "wait" waits with
the call's clock paused.

If the service does not answer at all, ten failures take as long as the attempt timeout, and by then all permits may be
in use. So the breaker also stalls: while ten or more requests have had no answer for several times the usual latency,
nothing more is sent until one of them is answered or fails.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import anyio

from .._protocol.messages import Reply
from ..errors import BingImagesError, ConnectionFailedError, ServiceUnavailableError, SessionStateError
from ..events import BreakerChanged, Dispatcher
from .call import AttemptAborted, Call, InFlight, Send
from .classification import failure_of, is_transient, was_sent_and_failed
from .probe_gate import ProbeGate
from .signals import Signals

__all__ = ["CircuitBreaker"]

_THRESHOLD = 10  # failures in a row, or requests without an answer
_FIRST_GAP = 1.0  # seconds
_SHORT_GAP = 8.0  # seconds; allowed in any outage
_LONGEST_GAP = 30.0  # seconds
_SHARE_OF_OUTAGE = 1 / 8
_SHORTEST_PROBE = 2.0  # seconds
_SILENCE = 0.25  # seconds, at least
_LATENCIES = 5  # times the usual latency


class CircuitBreaker:
    """Step that is closed, open or, while a probe is in flight, half-open; shared by a session and its siblings."""

    def __init__(
        self,
        in_flight: InFlight,
        *,
        random: Callable[[], float],
        events: Dispatcher,
        signals: Signals | None = None,
    ) -> None:
        self._random = random
        self._events = events
        self._signals = signals or Signals()
        self._gate = ProbeGate(self._signals)
        self._stall = _Stall(in_flight)
        self._failures = 0
        self._gap = _FIRST_GAP
        self._open_since = 0.0
        self._probed_at = 0.0

    @property
    def state(self) -> str:
        """`closed`, `open` or `half-open`."""
        if not self._gate.is_shut:
            return "closed"
        return "half-open" if self._gate.has_probe else "open"

    @property
    def waiting(self) -> int:
        """Calls that wait for the end of the outage."""
        return self._gate.waiting

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send `call` if the breaker is closed or `call` is the probe, and record its result."""
        await self._enter(call)
        try:
            reply = await send(call)
        except BaseException as error:
            if was_sent_and_failed(call, error):
                self._learn(call, failed=True)
            elif call.state.sent is not None and _proves_response(error):
                self._learn(call, failed=False)  # the service is up, even if its reply cannot be read
            else:
                self._gate.release(call)
                self._stall.update()
            raise
        failure = failure_of(call, reply)
        self._stall.answered(call)
        self._learn(call, failed=failure is not None and is_transient(failure, call.endpoint))
        return reply

    def guard(self, call: Call, send: Send, /) -> Awaitable[Reply]:
        """Send `call`, or raise `AttemptAborted` if the breaker opened while it waited in another step."""
        self._gate.check(call)
        if self._gate.is_probed_by(call):
            self._probed_at = anyio.current_time()
            self._emit("half-open")
            call.state.attempt_timeout = min(call.state.attempt_timeout, max(_SHORTEST_PROBE, self._gap))
        elif self._stall.is_on():
            raise AttemptAborted
        self._stall.sending()
        return send(call)

    async def _enter(self, call: Call) -> None:
        while True:
            if not self._gate.admits(call):
                if call.on_outage == "fail":
                    raise self._unavailable()
                await self._gate.wait(call, "breaker")
            elif self._gate.is_probed_by(call) or not self._stall.is_on():
                return
            else:
                await self._stall.wait(call)

    def _learn(self, call: Call, *, failed: bool) -> None:
        self._stall.update()
        if not failed:
            self._failures = 0
            if self._gate.is_shut:
                self._close()
            return
        self._failures += 1
        if not self._gate.is_shut:
            if self._failures >= _THRESHOLD:
                self._open_since = anyio.current_time()
                self._gap = _FIRST_GAP
                self._shut(self._open_since)
        elif self._gate.is_probed_by(call):
            outage = anyio.current_time() - self._open_since
            longest = min(_LONGEST_GAP, max(_SHORT_GAP, _SHARE_OF_OUTAGE * outage))
            self._gap = min(2 * self._gap, longest)
            self._shut(self._probed_at)

    def _shut(self, since: float) -> None:
        self._stall.reset()
        self._gate.shut(since + self._gap * (0.75 + 0.25 * self._random()))
        self._emit("open", self._gate.retry_after())

    def _close(self) -> None:
        self._signals.outage_over()
        self._gate.open()
        self._emit("closed")

    def _emit(self, state: Literal["open", "half-open", "closed"], retry_after: float | None = None) -> None:
        if self._events:
            self._events.emit(BreakerChanged(at=anyio.current_time(), state=state, retry_after=retry_after))

    def _unavailable(self) -> ServiceUnavailableError:
        wait = self._gate.retry_after()
        return ServiceUnavailableError(
            f"The service failed {self._failures} times in a row; the next attempt is due in {wait:.3g} s. "
            'To wait for it, use on_outage="wait".',
            retry_after=wait,
        )


def _proves_response(error: BaseException) -> bool:
    """Return true if the service sent a response, though not one that can be used. A bad certificate is not one."""
    return isinstance(error, BingImagesError) and not isinstance(error, ConnectionFailedError | SessionStateError)


class _Stall:
    """Detects that many requests are in flight and none is answered, before they time out."""

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self._latency: float | None = None
        self._unanswered = 0
        self._silent_since: float | None = None
        self._over: anyio.Event | None = None

    def sending(self) -> None:
        """Record a request that is sent now."""
        self._unanswered += 1
        if self._silent_since is None:
            self._silent_since = anyio.current_time()

    def answered(self, call: Call) -> None:
        """Record a response and its latency."""
        if call.state.sent is None:
            return
        latency = anyio.current_time() - call.state.sent
        self._latency = latency if self._latency is None else 0.9 * self._latency + 0.1 * latency
        self._unanswered = 0
        self._silent_since = None

    def update(self) -> None:
        """Check again after the end of an attempt, and wake the waiting calls if the stall is over."""
        if self._in_flight.requests == 0:
            self._unanswered = 0
            self._silent_since = None
        if not self.is_on():
            self._release()

    def reset(self) -> None:
        """End the stall, because the breaker has opened."""
        self._unanswered = 0
        self._silent_since = None
        self._release()

    async def wait(self, call: Call) -> None:
        """Wait for the end of the stall."""
        if self._over is None:
            self._over = anyio.Event()
        with call.waiting("an answer to earlier requests", clock_stops=call.on_outage == "wait"):
            await self._over.wait()

    def is_on(self) -> bool:
        """Return true while nothing more may be sent."""
        if self._unanswered < _THRESHOLD or self._silent_since is None or self._latency is None:
            return False
        return anyio.current_time() - self._silent_since > max(_SILENCE, _LATENCIES * self._latency)

    def _release(self) -> None:
        if self._over is not None:
            self._over.set()
            self._over = None
