"""A call on its way, and how links are joined into a chain.

A link is an async callable `(call, send) -> Reply`: it may wait before it sends, look at what comes
back, send again, or answer itself. `compose` joins links once, when a session is made. The chain
deals in replies for whatever the service answers, errors included, and in exceptions only where no
reply came; telling a good reply from a bad one is the business of whoever called it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

import anyio
from attrs import define, field

from .._protocol.messages import Reply, Request
from ..errors import ApiError, DeadlineExceededError
from ..models import Attempt

__all__ = [
    "AttemptAborted",
    "Call",
    "Clock",
    "Link",
    "Middleware",
    "OnOutage",
    "Priority",
    "Send",
    "InFlight",
    "compose",
]

Clock = Callable[[], float]
"""Seconds of a monotonic clock."""

Priority = Literal["interactive", "bulk"]
OnOutage = Literal["fail", "wait"]

_numbers = itertools.count()


class AttemptAborted(Exception):  # noqa: N818  # control flow inside the chain, no error that a user sees
    """Signal, inside the chain, that an attempt ends before it is sent and starts again at its gate.

    The links between the one that raises it and the gate that catches it release what they hold and
    learn nothing from it, because nothing was sent.
    """


@define(eq=False)
class InFlight:
    """What is between this session and the service at this moment."""

    requests: int = 0
    """Attempts that have been sent and have not ended."""


@define(eq=False)
class Call:
    """One call: what is asked, how long it may take, and what has happened to it so far."""

    endpoint: str
    """`search`, `details` or `trending`."""
    request: Request
    """What is sent, all but the key; a middleware may put another in its place."""
    started: float = 0.0
    """When the call began, on the clock of the event loop."""
    deadline: float = math.inf
    """When it must have ended, on the same clock."""
    priority: Priority = "interactive"
    on_outage: OnOutage = "fail"
    counts_queueing: bool = True
    """Waiting for a permit or a slot takes the call's own time."""
    coalesce: bool = False
    """Share the answer of an equal request that is under way."""
    attempt_timeout: float = field(default=math.inf, init=False)
    """Seconds that one attempt may take once it is sent."""
    number: int = field(factory=_numbers.__next__, init=False)
    """The place of the call among all calls: waiting lines go by it, retries keep it."""
    sent: float | None = field(default=None, init=False)
    """When the attempt under way went to the wire; `None` before."""
    is_probe: bool = field(default=False, init=False)
    """The attempt under way was let through a closed gate, to see whether the service is back."""
    on_connecting: Callable[[], None] | None = field(default=None, init=False, repr=False)
    """To be called when the transport starts to make a connection for the attempt; set by the rate limiter."""
    on_sending: Callable[[], Awaitable[None]] | None = field(default=None, init=False, repr=False)
    """To be awaited right before the first byte of a request is written; set by the rate limiter.

    May wait for a slot, and raises what ends a wait for one (`DeadlineExceededError`, `AttemptAborted`). A
    second call in one attempt, after that of a CONNECT request, only moves the recorded send time.
    """
    key_id: int | None = field(default=None, init=False, repr=False)
    """Tells the key of the last attempt from other keys, and nothing else of it."""
    may_resend: bool = field(default=False, init=False, repr=False)
    """The last attempt met a kept connection that was closed, and may be repeated at once."""
    needs_new_connection: bool = field(default=False, init=False, repr=False)
    """The attempt under way must not use a kept connection."""
    reason: str | None = field(default=None, init=False)
    """Why the call was given up while it could have been retried, if it was."""
    attempts: list[Attempt] = field(factory=list[Attempt])
    """The attempts that have ended, oldest first."""
    waited: dict[str, float] = field(factory=dict[str, float])
    """Seconds that the attempt under way has waited, by what for."""
    waiting_for: str = "the service"
    """What the call is waiting for at this moment, in words."""
    scope: anyio.CancelScope | None = field(default=None, init=False, repr=False)
    """The scope that ends the call at its deadline."""
    clock_paused: bool = field(default=False, init=False, repr=False)
    """The time that passes at this moment is not the call's."""
    judged: tuple[Reply, ApiError | None] | None = field(default=None, init=False, repr=False)
    """The last reply and what it means, so that each is judged once."""

    def extend(self, seconds: float) -> None:
        """Move the deadline by `seconds` that are not the call's own."""
        self.deadline += seconds
        if self.scope is not None and not self.clock_paused:
            self.scope.deadline = self.deadline

    def waiting(self, what: str, *, clock_stops: bool = False) -> _Waiting:
        """A context in which is written down that, and how long, the call waits for `what`.

        With `clock_stops` the time spent there is not the call's: its deadline moves by as much.
        """
        return _Waiting(self, what, clock_stops)

    def afford(self, seconds: float, what: str) -> None:
        """Raise `DeadlineExceededError` now if waiting `seconds` for `what` could only end too late."""
        left = self.deadline - anyio.current_time()
        if seconds > left:
            raise DeadlineExceededError(
                f"The call has {max(left, 0.0):.3g} s left and would wait {seconds:.3g} s for {what}. "
                "Give it a longer timeout, or timeout=None; many queries at once belong in search_all().",
                waited_for=what,
            )


class _Waiting:
    """What `Call.waiting` gives. A class: every attempt passes it, and a generator would cost three times as much."""

    __slots__ = ("_before", "_began", "_call", "_clock_stops", "_what")

    def __init__(self, call: Call, what: str, clock_stops: bool) -> None:
        self._call = call
        self._what = what
        self._clock_stops = clock_stops

    def __enter__(self) -> None:
        call = self._call
        self._before, call.waiting_for = call.waiting_for, self._what
        self._began = anyio.current_time()
        if self._clock_stops and call.scope is not None:
            call.clock_paused, call.scope.deadline = True, math.inf

    def __exit__(self, *_: object) -> None:
        call, what = self._call, self._what
        spent = anyio.current_time() - self._began
        if call.scope is None or not call.scope.cancel_called:  # else the deadline wants to know
            call.waiting_for = self._before
        call.waited[what] = call.waited.get(what, 0.0) + spent
        if self._clock_stops:
            call.clock_paused = False
            call.extend(spent)


Send = Callable[[Call], Awaitable[Reply]]
"""The rest of the chain."""


class Middleware(Protocol):
    """A link of the chain. Users' own links run once per attempt, before anything waits for quota."""

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Pass `call` on with `await send(call)`, and return a reply."""
        ...


Link = Callable[[Call, Send], Awaitable[Reply]]
"""What a chain is made of: middleware, and links that need no frame of their own while what they sent is under way."""


def compose(links: Sequence[Link], terminal: Send) -> Send:
    """One `Send` out of `links`, outermost first, and the `terminal` that ends the chain."""
    send = terminal
    for link in reversed(links):
        send = _joined(link, send)
    return send


def _joined(link: Link, send: Send) -> Send:
    def joined(call: Call) -> Awaitable[Reply]:
        return link(call, send)

    return joined
