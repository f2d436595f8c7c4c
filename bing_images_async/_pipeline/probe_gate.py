"""Probe gate: shut for a time, then open to one call at a time, the probe, whose result opens or shuts it.

The circuit breaker and the error cache each have one; they decide what shuts and opens it. Every attempt passes a probe
gate twice: when it arrives (`admits`), and before it is sent (`check`), because the gate may have been shut while
the attempt waited for a permit or a slot.
"""

from __future__ import annotations

import math

import anyio

from .call import AttemptAborted, Call
from .signals import Signals
from .wait_queue import WaitQueue

__all__ = ["ProbeGate"]


class ProbeGate:
    """Open, or shut until a time at which one call may pass as the probe.

    For calls that wait in it (`on_outage="wait"`) that time may be earlier than for others.
    """

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._shut_until: float | None = None
        self._probe_at = -math.inf  # for calls that wait
        self._probe: Call | None = None
        self._queue = WaitQueue()

    @property
    def is_shut(self) -> bool:
        """True if only a probe may pass."""
        return self._shut_until is not None

    @property
    def has_probe(self) -> bool:
        """True while a probe is in progress."""
        return self._probe is not None

    @property
    def waiting(self) -> int:
        """Calls that wait for the gate to open."""
        return len(self._queue)

    def retry_after(self) -> float:
        """Return the seconds until any call may be the probe."""
        return 0.0 if self._shut_until is None else max(0.0, self._shut_until - anyio.current_time())

    def next_probe(self) -> float | None:
        """Return the seconds until a waiting call may be the probe; `None` if the gate is open."""
        return None if self._shut_until is None else max(0.0, self._probe_at - anyio.current_time())

    def admits(self, call: Call) -> bool:
        """Return true if `call` may pass. If a probe is due and there is none, `call` becomes the probe."""
        if self._shut_until is None or self._probe is call:
            return True
        probe_at = self._probe_at if call.on_outage == "wait" else self._shut_until
        if self._probe is None and not self._queue and anyio.current_time() >= probe_at:
            self._take_as_probe(call)
            return True
        return False

    async def wait(self, call: Call, what: str) -> None:
        """Wait, with the call's clock paused, until the gate opens or `call` may pass as the probe."""
        waiter = self._queue.join(call)
        with call.waiting(what, clock_stops=True):
            try:
                await self._queue.wait(waiter, due=self._due, serve=self._send_probe)
            except BaseException:
                self.release(call)
                raise

    def is_probed_by(self, call: Call) -> bool:
        """Return true if `call` is the current probe."""
        return self._probe is call

    def check(self, call: Call) -> None:
        """Raise `AttemptAborted` if the gate is shut and `call` is not the probe."""
        if self._shut_until is not None and self._probe is not call:
            raise AttemptAborted

    def shut(self, until: float, *, probe_at: float | None = None) -> None:
        """Shut the gate, or keep it shut, and abort the attempts that have passed it and were not sent.

        Args:
            until: time from which any call may be the probe.
            probe_at: time from which a waiting call may be the probe; by default `until`.
        """
        self._shut_until = until
        self._probe_at = until if probe_at is None else min(until, probe_at)
        self._probe = None
        self._signals.abort_waiting()
        self._queue.abort(where=lambda call: call.on_outage == "fail")
        self._queue.wake()

    def abort(self) -> None:
        """Abort every waiting call."""
        self._queue.abort()

    def open(self) -> None:
        """Open the gate and let the waiting calls pass in order."""
        self._shut_until = self._probe = None
        while (waiter := self._queue.next()) is not None:
            self._queue.grant(waiter)

    def release(self, call: Call) -> None:
        """End the probe without a result, if `call` is the probe; the next waiting call becomes the probe."""
        if self._probe is call:
            self._probe = None
            call.state.is_probe = False
            self._queue.wake()

    def _due(self) -> float:
        assert self._shut_until is not None, "opening the gate grants every waiter"
        return math.inf if self._probe is not None else self._probe_at

    def _send_probe(self) -> None:
        waiter = self._queue.next()
        assert waiter is not None
        self._take_as_probe(waiter.call)
        self._queue.grant(waiter)

    def _take_as_probe(self, call: Call) -> None:
        self._probe = call
        call.state.is_probe = True
