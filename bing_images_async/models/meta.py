"""Data that the library adds to an answer: response headers, attempts, decoding problems."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

__all__ = ["Attempt", "Problem", "ResponseMeta"]


@frozen(kw_only=True)
class Problem:
    """One value of a body that could not be decoded."""

    path: str
    """Place in the body, in JSON names: `value[3].thumbnail.width`."""
    reason: str
    """Expected type and found value."""


@frozen(kw_only=True)
class Attempt:
    """One attempt to send a call."""

    number: int
    """Number of the attempt, from 1."""
    started: float
    """Seconds from the start of the call to the start of this attempt."""
    elapsed: float
    """Seconds from the start to the end of this attempt, waits included."""
    status: int | None = None
    """HTTP status; `None` if there was no response."""
    error: str | None = None
    """Class name of the error; `None` if there was a response."""
    waited: Mapping[str, float] = field(factory=dict[str, float], hash=False)
    """Seconds of waiting by reason: `permit`, `rate_limit`, `breaker`, `latch`, `back_off`, `key`."""


@frozen(kw_only=True)
class ResponseMeta:
    """Response headers and statistics of a call (API reference: Headers)."""

    status: int = 200
    """HTTP status."""
    trace_id: str | None = None
    """Log id of the service: `BingAPIs-TraceId`, or `apim-request-id` of older gateways."""
    market: str | None = None
    """`BingAPIs-Market`: the market that the service used; it may differ from the requested one."""
    client_id: str | None = None
    """`X-MSEdge-ClientID`: send it as `client_id` in further calls of the same user and device."""
    session_id: str | None = None
    """`BingAPIs-SessionId`."""
    headers: Mapping[str, str] = field(factory=dict[str, str], hash=False, repr=False)
    """All response headers, names in lower case."""
    attempts: tuple[Attempt, ...] = ()
    """Attempts of the call, oldest first."""
    elapsed: float = 0.0
    """Seconds of the whole call."""
