"""A call on its way through the pipeline, and the types of the pipeline's steps.

A step is an async callable `(call, send) -> Reply`: it may wait before it sends, look at the reply, send again,
or reply itself. Steps deal in replies for whatever the service answers, errors included, and in exceptions only
where no reply came.
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
    """Abort an attempt before it is sent.

    The steps between the one that raises it and the error cache, which catches it, release what they hold. They learn
    nothing from it, because nothing was sent.
    """


@define(eq=False)
class InFlight:
    """The counter of requests that have been sent and have not ended."""

    requests: int = 0


@define(eq=False)
class CallState:
    """What the pipeline keeps about a call while it runs. Not public: middleware has no use for it."""

    deadline: float = math.inf
    """When the call must have ended, on the clock of the event loop. Moves while the call's clock is paused."""
    scope: anyio.CancelScope | None = None
    """The scope that ends the call at its deadline."""
    clock_paused: bool = False
    """The time that passes now does not count against the deadline."""
    attempt_timeout: float = math.inf
    """Seconds that one attempt may take once it is sent."""
    sent: float | None = None
    """When the current attempt was sent; `None` before."""
    is_probe: bool = False
    """The current attempt was let through a shut gate, to see whether the service is back."""
    on_connecting: Callable[[], None] | None = None
    """Called when a connection is about to be made for the current attempt."""
    on_sending: Callable[[], Awaitable[None]] | None = None
    """Awaited when a connection stands, before the first byte of the current attempt is written."""
    key_id: int | None = None
    """Tells the key of the last attempt from other keys, and nothing else about it."""
    may_resend: bool = False
    """The last attempt met a kept connection that was closed, and may be repeated at once."""
    needs_new_connection: bool = False
    """The current attempt must not use a kept connection."""
    reason: str | None = None
    """Why the call was given up although it could have been retried."""
    attempts: list[Attempt] = field(factory=list[Attempt])
    """The attempts that have ended, oldest first."""
    waited: dict[str, float] = field(factory=dict[str, float])
    """Seconds that the current attempt has waited, by what for."""
    waiting_for: str = "the service"
    """What the call is waiting for now, in words."""
    judged: tuple[Reply, ApiError | None] | None = None
    """The last reply and its classification, so that each reply is classified once."""


def _refuse_assignment(call: Call, attribute: Any, _: object) -> NoReturn:
    raise AttributeError(
        f"Call.{attribute.name} cannot be assigned: a call is frozen. To send another request, "
        "use `await send(call.with_request(request))`."
    )


@define(eq=False, on_setattr=_refuse_assignment)
class Call:
    """One call: what is asked, and how long it may take. Frozen; `with_request` gives a call with another request."""

    endpoint: str
    """`search`, `details` or `trending`."""
    request: Request
    """What is sent, without the key."""
    started: float = 0.0
    """When the call began, on the clock of the event loop."""
    priority: Priority = "interactive"
    on_outage: OnOutage = "fail"
    coalesce: bool = False
    """Share the reply of an equal request that is in flight."""
    counts_queueing: bool = field(default=True, kw_only=True, repr=False)
    """Waiting for a permit or a slot counts against the deadline."""
    number: int = field(factory=_numbers.__next__, kw_only=True)
    """The position among all calls: queues are ordered by it, and retries keep it."""
    state: CallState = field(factory=CallState, kw_only=True, repr=False)
    """Belongs to the pipeline."""

    @property
    def deadline(self) -> float:
        """When the call must have ended, on the clock of the event loop; `inf` for never."""
        return self.state.deadline

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts that have ended, oldest first."""
        return tuple(self.state.attempts)

    def with_request(self, request: Request) -> Call:
        """The same call with another request, for a middleware to send."""
        return evolve(self, request=request)

    # --- for the steps of the pipeline

    def extend(self, seconds: float) -> None:
        """Move the deadline by `seconds` that do not count against it."""
        state = self.state
        state.deadline += seconds
        if state.scope is not None and not state.clock_paused:
            state.scope.deadline = state.deadline

    def waiting(self, what: str, *, clock_stops: bool = False) -> _Waiting:
        """A context that records that, and how long, the call waits for `what`.

        With `clock_stops` the time spent there does not count: the deadline moves by as much.
        """
        return _Waiting(self, what, clock_stops)

    def afford(self, seconds: float, what: str) -> None:
        """Raise `DeadlineExceededError` now if waiting `seconds` for `what` could only end too late."""
        left = self.state.deadline - anyio.current_time()
        if seconds > left:
            raise DeadlineExceededError(
                f"The call has {max(left, 0.0):.3g} s left and would wait {seconds:.3g} s for {what}. "
                "Give it a longer timeout, or timeout=None; many queries at once belong in search_all().",
                waited_for=what,
            )


class _Waiting:
    """The context of `Call.waiting`. A class, because a generator would cost every attempt three times as much."""

    __slots__ = ("_before", "_began", "_call", "_clock_stops", "_what")

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

    def __exit__(self, *_: object) -> None:
        state, what = self._call.state, self._what
        spent = anyio.current_time() - self._began
        if state.scope is None or not state.scope.cancel_called:  # else the error names what was waited for
            state.waiting_for = self._before
        state.waited[what] = state.waited.get(what, 0.0) + spent
        if self._clock_stops:
            state.clock_paused = False
            self._call.extend(spent)


Send = Callable[[Call], Awaitable[Reply]]
"""The rest of the pipeline."""


class Middleware(Protocol):
    """A user's step. It runs once per attempt, before the attempt waits for anything."""

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Pass `call` on with `await send(call)`, and return a reply."""
        ...


Step = Callable[[Call, Send], Awaitable[Reply]]
"""What a pipeline is made of: middleware, and steps that return the awaitable of what they send."""


def compose(steps: Sequence[Step], last: Send) -> Send:
    """One `Send` out of `steps`, outermost first, and the `last` one, which sends nothing on."""
    send = last
    for step in reversed(steps):
        send = _joined(step, send)
    return send


def _joined(step: Step, send: Send) -> Send:
    def joined(call: Call) -> Awaitable[Reply]:
        return step(call, send)

    return joined
