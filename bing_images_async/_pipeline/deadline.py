"""One monotonic deadline for the whole call: queueing, pacing, attempts, bodies and back-off.

It is a cancel scope around the call, because timeouts per read do not limit a peer that sends a byte at a time. For
calls with `on_outage="wait"` the clock is paused while a probe gate or a pause of the service holds them: probe gates
pause it with `Call.waiting`, pauses with `pause()`.
"""

from __future__ import annotations

import math

import anyio

from .._protocol.messages import Reply
from ..errors import DeadlineExceededError, SessionStateError
from .call import Call, Send
from .signals import Signals

__all__ = ["Deadline"]


class Deadline:
    """Step that ends each call at its deadline."""

    def __init__(self, signals: Signals | None = None) -> None:
        if signals is not None:
            signals.paused = self.pause
        self._calls: set[Call] = set()
        self._waiting: set[Call] = set()
        self._is_closed = False
        self._paused_until = -math.inf

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send `call`; raise `DeadlineExceededError` at its deadline, and `SessionStateError` after `close`."""
        # With `counts_queueing=False` the rate limit pauses the clock itself, also during a pause of the service.
        waits = call.on_outage == "wait" and call.counts_queueing
        if waits:
            call.state.deadline += max(0.0, self._paused_until - call.started)
            self._waiting.add(call)
        self._calls.add(call)
        try:
            with anyio.CancelScope(deadline=call.deadline) as call.state.scope:
                return await send(call)
        finally:
            self._calls.discard(call)
            if waits:
                self._waiting.discard(call)
        if self._is_closed:
            raise SessionStateError("The session was closed: this call was not completed.")
        raise DeadlineExceededError(
            f"The call did not end in time ({call.deadline - call.started:.3g} s): it was waiting for "
            f"{call.state.waiting_for}. Give it a longer timeout, or more room (rate_limit, max_concurrency).",
            waited_for=call.state.waiting_for,
        )

    def close(self) -> None:
        """End every call, because the session is closed."""
        self._is_closed = True
        for call in self._calls:
            assert call.state.scope is not None
            call.state.scope.cancel()

    def pause(self, seconds: float) -> None:
        """Move the deadlines of calls with `on_outage="wait"` by `seconds` in which nothing is sent."""
        self._paused_until = max(self._paused_until, anyio.current_time()) + seconds
        for call in self._waiting:
            if not call.state.clock_paused:
                call.extend(seconds)
