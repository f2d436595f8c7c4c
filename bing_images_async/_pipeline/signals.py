"""Messages between steps against the direction of calls.

Calls go down the pipeline, replies come back up. What a step learns from a reply may concern calls that wait in
other steps: a refused key aborts all of them, a 429 pauses the clock of those that wait for outages. A step
sends a signal, and `Pipeline` connects it to the steps it concerns. docs/design.md draws the sequence.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

__all__ = ["Signals"]


def _nothing(*_: object) -> None:
    """No step is connected."""


@define(eq=False)
class Signals:
    """The signals of one pipeline. Each is a plain call that returns when the receiver has acted."""

    abort_waiting: Callable[[], None] = _nothing
    """A gate was shut: no attempt that is not sent yet may go on. Received by concurrency and rate limit."""
    outage_over: Callable[[], None] = _nothing
    """The circuit breaker has closed: start again without a burst. Received by the rate limit."""
    paused: Callable[[float], None] = _nothing
    """Nothing is sent for so many more seconds. Received by the deadline."""
