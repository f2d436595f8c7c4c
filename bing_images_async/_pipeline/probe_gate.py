"""A gate that is shut for a time and then lets single calls through, to see whether it may open again.

The circuit breaker and the latches are gates that differ in what shuts and opens them. A gate is
looked at twice: when a call arrives, and at the last moment before the wire (`turn_back`), because
it may have been shut while the call waited for a permit or a slot.
"""

from __future__ import annotations

import math

import anyio

from .call import AttemptAborted, Call
from .signals import Signals
from .wait_queue import WaitQueue

__all__ = ["ProbeGate"]


class ProbeGate:
    """Open, or shut until a time at which one call, the probe, may pass.

    Calls that wait for the gate (`on_outage="wait"`) may probe it earlier than others.
    """

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._shut_until: float | None = None
        self._probe_at = -math.inf  # for calls that wait
        self._probe: Call | None = None
        self._queue = WaitQueue()

    @property
    def is_shut(self) -> bool:
        """Only a probe passes."""
        return self._shut_until is not None

    @property
    def has_probe(self) -> bool:
        """A probe is under way."""
        return self._probe is not None

    @property
    def waiting(self) -> int:
        """Calls that wait for it to open."""
        return len(self._queue)

    def retry_after(self) -> float:
        """Return the seconds until any call may be the probe."""
        return 0.0 if self._shut_until is None else max(0.0, self._shut_until - anyio.current_time())

    def next_probe(self) -> float | None:
        """Return the seconds until a call that waits may be the probe; `None` if the gate is open."""
        return None if self._shut_until is None else max(0.0, self._probe_at - anyio.current_time())

    def admits(self, call: Call) -> bool:
        """May `call` go on? If it is time for a probe and none is under way, `call` becomes it."""
        if self._shut_until is None or self._probe is call:
            return True
        probe_at = self._probe_at if call.on_outage == "wait" else self._shut_until
        if self._probe is None and not self._queue and anyio.current_time() >= probe_at:
            self._take_as_probe(call)
            return True
        return False

    async def wait(self, call: Call, what: str) -> None:
        """Wait until the gate opens, or until `call` may pass as the probe; the call's clock stands still."""
        waiter = self._queue.join(call)
        with call.waiting(what, clock_stops=True):
            try:
                await self._queue.wait(waiter, due=self._due, serve=self._send_probe)
            except BaseException:
                self.abandon(call)
                raise

    def is_probed_by(self, call: Call) -> bool:
        """`call` is the probe that is under way."""
        return self._probe is call

    def turn_back(self, call: Call) -> None:
        """Raise `AttemptAborted` if the gate was shut while `call` was on its way."""
        if self._shut_until is not None and self._probe is not call:
            raise AttemptAborted

    def shut(self, until: float, *, probe_at: float | None = None) -> None:
        """Shut the gate, or keep it shut, and abort the attempts that were let in and not sent.

        Args:
            until: when any call may be the probe.
            probe_at: when a call that waits may be the probe; by default at `until`.
        """
        self._shut_until = until
        self._probe_at = until if probe_at is None else min(until, probe_at)
        self._probe = None
        self._signals.abort_waiting()
        self._queue.abort(where=lambda call: call.on_outage == "fail")
        self._queue.wake()

    def dismiss(self) -> None:
        """Turn back everybody who waits."""
        self._queue.abort()

    def open(self) -> None:
        """Open it: everybody who waits may go on, in order."""
        self._shut_until = self._probe = None
        while (waiter := self._queue.next()) is not None:
            self._queue.grant(waiter)

    def abandon(self, call: Call) -> None:
        """`call` ends without having found out anything; if it was the probe, the next in line is."""
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
