"""Signals from one step to others, apart from the call and its reply.

A reply in one step may concern calls that wait in other steps: a refused key aborts all of them, a 429 pauses the
clocks of those with `on_outage="wait"`. The step calls a signal, and `Pipeline` connects the signal to its receivers.
docs/design.md shows the sequence.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

__all__ = ["Signals"]


def _nothing(*_: object) -> None:
    """Receiver of a signal that is not connected."""


@define(eq=False)
class Signals:
    """The signals of one pipeline: plain calls, which return when the receiver has acted."""

    abort_waiting: Callable[[], None] = _nothing
    """A probe gate was shut: abort the attempts that are not sent. Receivers: concurrency limit, rate limit."""
    outage_over: Callable[[], None] = _nothing
    """The circuit breaker was closed: start again without a burst. Receiver: rate limit."""
    paused: Callable[[float], None] = _nothing
    """Nothing is sent for this many more seconds. Receiver: deadline."""
