"""What the library says about an answer, beside what the service said in it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

__all__ = ["Attempt", "Problem", "ResponseMeta"]


@frozen(kw_only=True)
class Problem:
    """One place of a body that could not be decoded. Everything else of the body is there."""

    path: str
    """Where, in the API's own names: `value[3].thumbnail.width`."""
    reason: str
    """What was expected and what was found."""


@frozen(kw_only=True)
class Attempt:
    """One try at sending a call."""

    number: int
    """1 for the first."""
    started: float
    """Seconds from the start of the call to the start of this attempt."""
    elapsed: float
    """Seconds from there to its end, waits included."""
    status: int | None = None
    """The HTTP status, if a reply came."""
    error: str | None = None
    """The class name of the error, if none came."""
    waited: Mapping[str, float] = field(factory=dict[str, float], hash=False)
    """Seconds spent waiting, by what: `permit`, `rate_limit`, `breaker`, `latch`, `back_off`, `key`."""


@frozen(kw_only=True)
class ResponseMeta:
    """What the response headers and the session know of an answer (API reference: Headers)."""

    status: int = 200
    """The HTTP status."""
    trace_id: str | None = None
    """`BingAPIs-TraceId`, or `apim-request-id` of older gateways: the service's log id."""
    market: str | None = None
    """`BingAPIs-Market`: the market that was used; it may differ from the one asked for."""
    client_id: str | None = None
    """`X-MSEdge-ClientID`: send it as `client_id` in further calls of the same user and device."""
    session_id: str | None = None
    """`BingAPIs-SessionId`."""
    headers: Mapping[str, str] = field(factory=dict[str, str], hash=False, repr=False)
    """All response headers, names in lower case."""
    attempts: tuple[Attempt, ...] = ()
    """What it took to get this answer, oldest first."""
    elapsed: float = 0.0
    """Seconds the whole call took."""
