"""What a session counts, and its public snapshot."""

from __future__ import annotations

from attrs import define, frozen

__all__ = ["Counters", "SessionStats"]


@frozen(kw_only=True)
class SessionStats:
    """A snapshot of a session and its siblings; counts are since the session was made."""

    calls: int
    """Calls that passed their checks."""
    succeeded: int
    failed: int
    """Calls that ended in an error."""
    cancelled: int
    attempts: int
    """Requests that were sent."""
    retries: int
    throttled: int
    """Replies that said there were too many requests (429)."""
    waiting: int
    """Calls that wait: for the service to be reachable again, for a permit, or for a slot of the rate limit."""
    in_flight: int
    """Requests that have been sent and have not ended."""
    permits: int
    """Concurrent attempts allowed now; fewer while the service is congested."""
    permits_in_use: int
    rate: float | None
    """Requests per second at this moment; `None` if unpaced."""
    breaker: str
    """`closed`, `open` or `half-open`."""
    latched: str | None
    """Name of the error that calls get without being sent (the error cache)."""
    latched_for: float | None = None
    """Seconds for which calls get it; `None` if there is none."""
    next_probe: float | None = None
    """Seconds until a call with `on_outage="wait"` asks the service again; `None` if those calls get it as well."""
    budget_spent: int | None
    """Requests of the budget that were sent, or are about to be; `None` without a budget."""
    budget_left: int | None
    """Requests that may still be sent."""
    cost: float | None
    """Of `budget_spent`, if the budget knows what requests cost."""
    retry_tokens: int
    """Tokens left in the retry budget, of 500."""
    idle_connections: int | None
    """`None` with a lent client."""
    open_connections: int | None


@define
class Counters:
    """What a session has counted since it was made."""

    calls: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    attempts: int = 0
    retries: int = 0
