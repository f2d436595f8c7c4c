"""Classification of replies and errors: success, throttling, transient or permanent failure.

The only module that decides this. Steps call its functions and do not look at statuses.
"""

from __future__ import annotations

import anyio

from .._protocol.error_mapping import api_error
from .._protocol.messages import Reply
from ..errors import ApiError, AttemptTimeoutError, BingImagesError, ConnectionFailedError, RateLimitedError
from .call import Call

__all__ = ["DEFAULT_PAUSE", "failure_of", "is_throttle", "is_transient", "pause_of", "was_sent_and_failed"]

DEFAULT_PAUSE = 1.0
"""Seconds without requests after a 429 without `Retry-After`."""

_TRANSIENT = frozenset({408, 500, 502, 503, 504, *range(520, 525)})
"""Statuses after which the same request may succeed (RFC 9110, section 15; 520-524 come from CDNs)."""


def failure_of(call: Call, reply: Reply) -> ApiError | None:
    """Return the error for `reply`, or `None` if it is a success; computed once per reply."""
    if call.state.classified is not None and call.state.classified[0] is reply:
        return call.state.classified[1]
    succeeded = 200 <= reply.status < 300 and reply.body.strip() != b""
    failure = None if succeeded else api_error(reply)
    call.state.classified = (reply, failure)
    return failure


def is_throttle(failure: BingImagesError) -> bool:
    """Return true for too many requests: 429, or 503 with `Retry-After`."""
    return isinstance(failure, RateLimitedError) or (
        isinstance(failure, ApiError) and failure.status == 503 and failure.retry_after is not None
    )


def pause_of(failure: ApiError) -> float:
    """Return the seconds without requests for which the service asks."""
    return DEFAULT_PAUSE if failure.retry_after is None else failure.retry_after


def is_transient(failure: BingImagesError, endpoint: str) -> bool:
    """Return true for a failure of the network or the service that may be temporary. Throttling is not one."""
    if isinstance(failure, ConnectionFailedError):
        return failure.retryable
    if isinstance(failure, AttemptTimeoutError):
        return True
    if not isinstance(failure, ApiError) or failure.status not in _TRANSIENT or is_throttle(failure):
        return False
    # Both are permanent. The service sends 500 ResourceError for trending in a market without data.
    return not (
        failure.sub_code == "NotImplemented" or (endpoint == "trending" and failure.sub_code == "ResourceError")
    )


def was_sent_and_failed(call: Call, error: BaseException) -> bool:
    """Return true if an attempt was sent and failed because of the network or the service.

    A cancellation by the call's own deadline after sending counts as a timeout; any other cancellation does not count.
    """
    if call.state.sent is None:
        return False
    if isinstance(error, ConnectionFailedError) and error.limit is not None:
        return False  # there was no room for a connection in this process
    if isinstance(error, BingImagesError):
        return is_transient(error, call.endpoint)
    return anyio.current_time() >= call.deadline
