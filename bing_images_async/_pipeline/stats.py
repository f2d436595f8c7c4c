"""Counters of a session, and their public snapshot."""

from __future__ import annotations

from attrs import define, frozen

__all__ = ["Counters", "SessionStats"]


@frozen(kw_only=True)
class SessionStats:
    """Snapshot of a session and its siblings. Counters start when the session is created."""

    calls: int
    """Calls with valid parameters."""
    succeeded: int
    failed: int
    """Calls that raised an error."""
    cancelled: int
    attempts: int
    """Requests that were sent."""
    retries: int
    throttled: int
    """Replies for too many requests (429, or 503 with `Retry-After`)."""
    waiting: int
    """Calls that wait for the end of an outage, for a permit, or for a slot of the rate limit."""
    in_flight: int
    """Requests that were sent and have not ended."""
    permits: int
    """Concurrent attempts allowed now; fewer while the service is congested."""
    permits_in_use: int
    rate: float | None
    """Requests per second at this moment; `None` if unpaced."""
    breaker: str
    """`closed`, `open` or `half-open`."""
    latched: str | None
    """Class name of the error in the error cache, which calls get without being sent; `None` if it is empty."""
    latched_for: float | None = None
    """Seconds until the cached error expires; `None` if there is none."""
    next_probe: float | None = None
    """Seconds until a waiting call (`on_outage="wait"`) probes the service; `None` if those calls fail too."""
    budget_spent: int | None
    """Requests of the budget that were sent or are being sent; `None` without a budget."""
    budget_left: int | None
    """Remaining requests of the budget; `None` without a budget."""
    cost: float | None
    """Cost of `budget_spent` in the currency of `Budget.cost_per_1000`; `None` without one."""
    retry_tokens: int
    """Tokens left in the retry budget (500 at most)."""
    idle_connections: int | None
    """Open connections without a request; `None` with a lent client."""
    open_connections: int | None
    """Idle connections and those in use; `None` with a lent client."""


@define
class Counters:
    """Mutable counters behind `SessionStats`."""

    calls: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    attempts: int = 0
    retries: int = 0
