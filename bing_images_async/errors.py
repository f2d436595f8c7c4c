"""Every error this library raises.

    BingImagesError
    ├─ InvalidRequestError (ValueError)      our own check; nothing was sent
    ├─ SessionStateError (RuntimeError)      not entered, closed, other event loop, other process
    ├─ ConnectionFailedError                 no reply: DNS, connect, TLS, reset
    ├─ AttemptTimeoutError                   one attempt ran out of time
    ├─ DeadlineExceededError (TimeoutError)  the whole call ran out of time
    ├─ ServiceUnavailableError               the circuit breaker is open
    ├─ BudgetExceededError                   the session's own budget is spent
    ├─ MalformedResponseError                a reply that is not the JSON of this API
    ├─ ResponseTooLargeError                 a reply beyond the size limits
    ├─ UnexpectedRedirectError               a 3xx; redirects are never followed
    └─ ApiError                              the service answered with an error
       ├─ BadRequestError       400          ├─ ServiceRetiredError  410
       ├─ AuthenticationError   401          ├─ HttpsRequiredError   410
       ├─ AccessDeniedError     403          ├─ RateLimitedError     429
       ├─ QuotaExhaustedError   403, 429     ├─ SuspectedAbuseError  200 with an empty body
       └─ NotFoundError         404          └─ ServerError          5xx

All of them can be pickled, say in their text what to do next, and never hold the key. An error
of a call carries `attempts`: what was tried, when, and how each try ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .models.meta import Attempt

__all__ = [
    "AccessDeniedError",
    "ApiError",
    "AttemptTimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "BingImagesError",
    "BudgetExceededError",
    "ConnectionFailedError",
    "DeadlineExceededError",
    "HttpsRequiredError",
    "InvalidRequestError",
    "MalformedResponseError",
    "NotFoundError",
    "QuotaExhaustedError",
    "RateLimitedError",
    "ResponseTooLargeError",
    "ServerError",
    "ServiceRetiredError",
    "ServiceUnavailableError",
    "SessionStateError",
    "SuspectedAbuseError",
    "UnexpectedRedirectError",
]


class BingImagesError(Exception):
    """The root: `except BingImagesError` catches whatever this library raises.

    `args` is the message alone and every other fact is a plain attribute, so that the default
    pickling of exceptions carries all of it.
    """

    attempts: tuple[Attempt, ...] = ()
    """What was tried for this call, oldest first; empty if nothing was sent."""
    reason: str | None = None
    """Why it was not tried again: `not_retryable`, `attempts`, `deadline`, `retry_after` or `retry_budget`."""


class InvalidRequestError(BingImagesError, ValueError):
    """A parameter is wrong. Raised before any I/O."""

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter
        """The Python name of the parameter, if one is to blame."""


class SessionStateError(BingImagesError, RuntimeError):
    """The session cannot be used here or now: not entered, closed, another event loop or process."""


class ConnectionFailedError(BingImagesError):
    """No reply came: name resolution, connecting, TLS, or the connection broke.

    `retryable` is false where another try cannot help, as with a certificate that is not valid. `limit` names the
    limit of this process or machine that was reached (`EMFILE`: open files), if that is the reason; it says nothing
    about the service.
    """

    def __init__(self, message: str, *, retryable: bool = True, limit: str | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.limit = limit


class AttemptTimeoutError(BingImagesError):
    """One attempt took longer than `RetryPolicy.attempt_timeout`."""


class DeadlineExceededError(BingImagesError, TimeoutError):
    """The whole call (queueing, pacing, attempts, waits) took longer than `timeout`, or was bound to.

    `waited_for` names what the call was doing when its time ran out.
    """

    def __init__(self, message: str, *, waited_for: str | None = None) -> None:
        super().__init__(message)
        self.waited_for = waited_for


class ServiceUnavailableError(BingImagesError):
    """The circuit breaker is open: the service failed many times in a row. `retry_after` is in seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BudgetExceededError(BingImagesError):
    """The session's own budget of `requests` is spent; nothing was sent."""

    def __init__(self, message: str, *, requests: int | None = None) -> None:
        super().__init__(message)
        self.requests = requests


class MalformedResponseError(BingImagesError):
    """The reply is not the JSON of this API.

    `path` names the place (`value[3].width`; empty for the whole body), `excerpt` shows the first
    bytes of the body, `trace_id` is the service's log id.
    """

    def __init__(self, message: str, *, path: str = "", excerpt: str = "", trace_id: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.excerpt = excerpt
        self.trace_id = trace_id


class ResponseTooLargeError(BingImagesError):
    """The reply is larger than the limits on wire bytes, decoded bytes or headers (`limit`, in bytes)."""

    def __init__(self, message: str, *, limit: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit


class UnexpectedRedirectError(BingImagesError):
    """The service answered 3xx. It was not followed: the key goes to the configured origin only."""

    def __init__(self, message: str, *, status: int | None = None, location: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.location = location


class ApiError(BingImagesError):
    """The service answered with an error. The class follows the HTTP status, then the code.

    `status` is the HTTP status; `code`, `sub_code`, `message`, `more_details`, `parameter` and
    `value` are the service's own words (`errors[0]` of the body), each `None` if it sent none;
    `trace_id` is its log id; `retry_after` the wait it asks for, in seconds.
    """

    advice: ClassVar[str] = ""

    def __init__(
        self,
        text: str,
        *,
        status: int,
        code: str | None = None,
        sub_code: str | None = None,
        message: str | None = None,
        more_details: str | None = None,
        parameter: str | None = None,
        value: str | None = None,
        trace_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.sub_code = sub_code
        self.message = message
        self.more_details = more_details
        self.parameter = parameter
        self.value = value
        self.trace_id = trace_id
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        # `status` is required, so the default (class, args) is not enough.
        return (_rebuild_api_error, (type(self), str(self), self.status), self.__dict__)


def _rebuild_api_error(kind: type[ApiError], text: str, status: int) -> ApiError:
    return kind(text, status=status)


class BadRequestError(ApiError):
    """400: the service refuses a parameter (`.parameter`, `.value`)."""

    advice = "Change the parameter that the message names."


class AuthenticationError(ApiError):
    """401: no key, an unknown key, or a key of another endpoint."""

    advice = (
        "Check the key, and that it belongs to this base_url: "
        "keys of api.cognitive.microsoft.com and api.bing.microsoft.com are not interchangeable."
    )


class AccessDeniedError(ApiError):
    """403: the key is switched off, expired, or not allowed to do this."""

    advice = "Check that the key is active and that its plan includes this endpoint."


class QuotaExhaustedError(ApiError):
    """403 or 429: the quota of the day or month is used up. `retry_after` says when it refills, if known."""

    advice = "Wait for the quota to refill, or use a larger plan."


class NotFoundError(ApiError):
    """404: the path is not served here, or the URL is longer than the service takes."""

    advice = "Check base_url: it must hold the version segment, as in https://api.bing.microsoft.com/v7.0."


class ServiceRetiredError(ApiError):
    """410: this endpoint is closed for good."""

    advice = (
        "Microsoft retired its public Bing Search endpoints on 2025-08-11. Set base_url to a gateway or "
        "contract endpoint that still serves Image Search v7, or use ImageSearchSession.local()."
    )


class HttpsRequiredError(ApiError):
    """410: the request came over plain HTTP."""

    advice = "Use an https:// base_url."


class RateLimitedError(ApiError):
    """429: more requests per second than the plan allows. `retry_after` is in seconds."""

    advice = "Lower rate_limit, or let this session be the only one that uses the key."


class SuspectedAbuseError(ApiError):
    """200 with an empty body: how the service answers when it suspects abuse. It never means "no results"."""

    advice = "Stop for a while and lower rate_limit before going on."


class ServerError(ApiError):
    """5xx: the service failed."""

    advice = "Try again later."
