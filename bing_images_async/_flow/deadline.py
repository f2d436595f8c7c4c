"""The outermost link: one monotonic deadline over everything a call does.

Queueing, pacing, attempts, bodies and back-off all count. A scope around the whole is what holds
against a peer that sends a byte now and then, which timeouts per read do not.
"""

from __future__ import annotations

import math

import anyio

from .._wire.exchange import Reply
from ..errors import DeadlineExceededError
from .chain import Call, Send

__all__ = ["deadline"]


async def deadline(call: Call, send: Send, /) -> Reply:
    """End the call at `call.deadline` with `DeadlineExceededError`."""
    if call.deadline == math.inf:
        return await send(call)
    with anyio.CancelScope(deadline=call.deadline) as call.scope:
        return await send(call)
    raise DeadlineExceededError(
        f"The call did not end within {call.deadline - call.started:.3g} s: it was waiting for {call.waiting_for}. "
        "Give it a longer timeout, or more room (rate_limit, max_concurrency).",
        waited_for=call.waiting_for,
    )
