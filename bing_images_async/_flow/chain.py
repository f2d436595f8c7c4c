"""A call on its way, and how links are joined into a chain.

A link is an async callable `(call, send) -> Reply`: it may wait before it sends, look at what comes
back, send again, or answer itself. `compose` joins links once, when a session is made. The chain
deals in replies for whatever the service answers, errors included, and in exceptions only where no
reply came; telling a good reply from a bad one is the business of whoever called it.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol

import anyio
from attrs import define, field

from .._wire.exchange import Reply, Request
from ..errors import DeadlineExceededError
from ..models import Attempt

__all__ = ["Call", "Clock", "Middleware", "Priority", "Send", "compose"]

Clock = Callable[[], float]
"""Seconds of a monotonic clock."""

Priority = Literal["interactive", "bulk"]


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
    attempts: list[Attempt] = field(factory=list[Attempt])
    """The attempts that have ended, oldest first."""
    waited: dict[str, float] = field(factory=dict[str, float])
    """Seconds that the attempt under way has waited, by what for."""
    waiting_for: str = "the service"
    """What the call is waiting for at this moment, in words."""
    scope: anyio.CancelScope | None = field(default=None, repr=False)
    """The scope that ends the call at its deadline."""

    @contextmanager
    def waiting(self, what: str, *, clock_stops: bool = False) -> Generator[None]:
        """Write down that, and how long, the call waits for `what`.

        With `clock_stops` the time spent here is not the call's: its deadline moves by as much.
        """
        before, self.waiting_for = self.waiting_for, what
        began = anyio.current_time()
        if clock_stops and self.scope is not None:
            self.scope.deadline = math.inf
        try:
            yield
        finally:
            spent = anyio.current_time() - began
            self.waiting_for = before
            self.waited[what] = self.waited.get(what, 0.0) + spent
            if clock_stops and self.scope is not None:
                self.deadline += spent
                self.scope.deadline = self.deadline

    def afford(self, seconds: float, what: str) -> None:
        """Raise `DeadlineExceededError` now if waiting `seconds` for `what` could only end too late."""
        left = self.deadline - anyio.current_time()
        if seconds > left:
            raise DeadlineExceededError(
                f"The call has {max(left, 0.0):.3g} s left and would wait {seconds:.3g} s for {what}. "
                "Give it a longer timeout, or timeout=None; many queries at once belong in search_all().",
                waited_for=what,
            )


Send = Callable[[Call], Awaitable[Reply]]
"""The rest of the chain."""


class Middleware(Protocol):
    """A link of the chain. Users' own links run once per attempt, before anything waits for quota."""

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Pass `call` on with `await send(call)`, and return a reply."""
        ...


def compose(links: Sequence[Middleware], terminal: Send) -> Send:
    """One `Send` out of `links`, outermost first, and the `terminal` that ends the chain."""
    send = terminal
    for link in reversed(links):
        send = _joined(link, send)
    return send


def _joined(link: Middleware, send: Send) -> Send:
    def joined(call: Call) -> Awaitable[Reply]:
        return link(call, send)

    return joined
