"""A call in the pipeline, and the types of the pipeline's steps.

A step is an async callable `(call, send) -> Reply`. It may wait before it sends, inspect the reply, send again, or
return a reply of its own. Inside the pipeline every response is a `Reply`, also one with an error status; steps
raise an exception only if there was no response.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NoReturn, Protocol

import anyio
from attrs import define, evolve, field

from .._protocol.messages import Reply, Request
from ..errors import ApiError, DeadlineExceededError
from ..models import Attempt

__all__ = [
    "AttemptAborted",
    "Call",
    "CallState",
    "InFlight",
    "Middleware",
    "OnOutage",
    "Priority",
    "Send",
    "Step",
    "compose",
]

Priority = Literal["interactive", "bulk"]
OnOutage = Literal["fail", "wait"]

_numbers = itertools.count()


class AttemptAborted(Exception):  # noqa: N818  # a signal between steps, not an error that a caller sees
    """Abort an attempt that was not sent; the error cache catches this and starts the attempt again.

    The steps in between release what they hold and record nothing, because no request was sent.
    """


@define(eq=False)
class InFlight:
    """Counter of requests that were sent and have not ended."""

    requests: int = 0


@define(eq=False)
class CallState:
    """Mutable state of one call inside the pipeline. Private: middleware must not use it."""

    deadline: float = math.inf
    """Time by which the call must have ended, by the event loop's clock. Moves while the call's clock is paused."""
    scope: anyio.CancelScope | None = None
    """Cancel scope that ends the call at its deadline."""
    clock_paused: bool = False
    """The deadline moves with the time: waiting does not count against it now."""
    attempt_timeout: float = math.inf
    """Seconds that one attempt may take after it was sent."""
    sent: float | None = None
    """Time at which the current attempt was sent; `None` before."""
    is_probe: bool = False
    """The current attempt is a probe: it was let through a shut gate to test the service."""
    on_connecting: Callable[[], None] | None = None
    """Called before a connection is opened for the current attempt."""
    on_sending: Callable[..., Awaitable[float]] | None = None
    """Awaited once the attempt has a connection, before its first byte is written; returns the time of sending.

    With `may_wait=False` it raises `AttemptAborted` instead of waiting."""
    attempt_scope: anyio.CancelScope | None = None
    """Cancel scope of the attempt timeout, while the client has the request."""
    key_id: int | None = None
    """Hash of the key of the last attempt, to compare keys without keeping one."""
    may_resend: bool = False
    """The last attempt failed because its kept connection was closed; it may be repeated at once."""
    needs_new_connection: bool = False
    """The current attempt must not use a kept connection."""
    reason: str | None = None
    """Reason why the last failure was not retried: `attempts`, `deadline`, `retry_budget`, …"""
    attempts: list[Attempt] = field(factory=list[Attempt])
    """Ended attempts, oldest first."""
    waited: dict[str, float] = field(factory=dict[str, float])
    """Seconds that the current attempt has waited, by reason."""
    waiting_for: str = "the service"
    """Text for messages: the current reason for waiting."""
    classified: tuple[Reply, ApiError | None] | None = None
    """The last reply and its classification, so that each reply is classified once."""


def _refuse_assignment(call: Call, attribute: Any, _: object) -> NoReturn:
    raise AttributeError(
        f"Call.{attribute.name} cannot be assigned: a call is frozen. To send another request, "
        "use `await send(call.with_request(request))`."
    )


@define(eq=False, on_setattr=_refuse_assignment)
class Call:
    """One call of an endpoint: request, deadline and options. Frozen; `with_request` returns a changed copy."""

    endpoint: str
    """`search`, `details` or `trending`."""
    request: Request
    """The request, without the key."""
    started: float = 0.0
    """Start of the call, by the event loop's clock."""
    priority: Priority = "interactive"
    on_outage: OnOutage = "fail"
    coalesce: bool = False
    """Share the reply of an identical request that is in flight."""
    counts_queueing: bool = field(default=True, kw_only=True, repr=False)
    """Time in the queues of the concurrency limit and the rate limit counts against the deadline."""
    number: int = field(factory=_numbers.__next__, kw_only=True)
    """Sequence number in this process; queues are ordered by it, and retries keep it."""
    state: CallState = field(factory=CallState, kw_only=True, repr=False)
    """Private state of the pipeline."""

    @property
    def deadline(self) -> float:
        """Time by which the call must have ended, by the event loop's clock; `inf` if there is no limit."""
        return self.state.deadline

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Ended attempts, oldest first."""
        return tuple(self.state.attempts)

    def with_request(self, request: Request) -> Call:
        """Return a copy of this call with another request, for a middleware to send."""
        return evolve(self, request=request)

    # --- for the steps of the pipeline

    def extend(self, seconds: float) -> None:
        """Move the deadline by `seconds`."""
        state = self.state
        state.deadline += seconds
        if state.scope is not None and not state.clock_paused:
            state.scope.deadline = state.deadline

    def waiting(self, what: str, *, clock_stops: bool = False) -> _Waiting:
        """Return a context manager that records the time which the call waits for `what`.

        With `clock_stops` the deadline moves by that time.
        """
        return _Waiting(self, what, clock_stops)

    def afford(self, seconds: float, what: str) -> None:
        """Raise `DeadlineExceededError` if a wait of `seconds` for `what` would end after the deadline."""
        left = self.state.deadline - anyio.current_time()
        if seconds > left:
            raise DeadlineExceededError(
                f"The call has {max(left, 0.0):.3g} s left and would wait {seconds:.3g} s for {what}. "
                "Give it a longer timeout, or timeout=None; many queries at once belong in search_all().",
                waited_for=what,
            )


class _Waiting:
    """Context manager of `Call.waiting`. A class, because a generator takes three times as long on the hot path."""

    __slots__ = ("_attempt_deadline", "_before", "_began", "_call", "_clock_stops", "_what")

    def __init__(self, call: Call, what: str, clock_stops: bool) -> None:
        self._call = call
        self._what = what
        self._clock_stops = clock_stops

    def __enter__(self) -> None:
        state = self._call.state
        self._before, state.waiting_for = state.waiting_for, self._what
        self._began = anyio.current_time()
        if self._clock_stops and state.scope is not None:
            state.clock_paused, state.scope.deadline = True, math.inf
        if state.attempt_scope is not None:
            self._attempt_deadline, state.attempt_scope.deadline = state.attempt_scope.deadline, math.inf

    def __exit__(self, *_: object) -> None:
        state, what = self._call.state, self._what
        spent = anyio.current_time() - self._began
        if state.scope is None or not state.scope.cancel_called:  # else `Deadline` still needs the reason
            state.waiting_for = self._before
        state.waited[what] = state.waited.get(what, 0.0) + spent
        if state.attempt_scope is not None:
            state.attempt_scope.deadline = self._attempt_deadline + spent
        if self._clock_stops:
            state.clock_paused = False
            self._call.extend(spent)


Send = Callable[[Call], Awaitable[Reply]]
"""The remaining steps of the pipeline as one callable."""


class Middleware(Protocol):
    """A step of the user's. It runs once per attempt, before the attempt waits for anything."""

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send `call` with `await send(call)`, and return a reply."""
        ...


Step = Callable[[Call, Send], Awaitable[Reply]]
"""A step of the pipeline. One that has nothing to do after sending returns `send(call)` without awaiting it."""


def compose(steps: Sequence[Step], last: Send) -> Send:
    """Join `steps`, outermost first, and the `last` one, which calls no other, to one `Send`."""
    send = last
    for step in reversed(steps):
        send = _joined(step, send)
    return send


def _joined(step: Step, send: Send) -> Send:
    def joined(call: Call) -> Awaitable[Reply]:
        return step(call, send)

    return joined
