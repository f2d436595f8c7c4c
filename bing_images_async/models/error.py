"""Body of an error response; the session raises it as an `ApiError`."""

from __future__ import annotations

from attrs import field, frozen

from .common import Instrumentation, wire

__all__ = ["Error", "ErrorResponse"]


@frozen(kw_only=True)
class Error:
    """One error, as the service describes it."""

    type_: str | None = wire("_type")
    code: str | None = None
    """`InvalidRequest`, `RateLimitExceeded`, … (open set)."""
    sub_code: str | None = None
    """`ParameterMissing`, `ParameterInvalidValue`, … (open set)."""
    message: str | None = None
    more_details: str | None = None
    parameter: str | None = None
    """API name of the bad parameter; sometimes the service puts its message here."""
    value: str | None = None


@frozen(kw_only=True)
class ErrorResponse:
    """A body whose `_type` is `ErrorResponse`."""

    type_: str | None = wire("_type")
    id: str | None = None
    read_link: str | None = None
    web_search_url: str | None = None
    instrumentation: Instrumentation | None = None
    errors: tuple[Error, ...] = field(default=(), metadata={"essential": True})
