"""What an attempt's end means: the one place that tells the service's faults apart.

Links ask it in words: did it succeed, was it throttled, may another try succeed?
"""

from __future__ import annotations

import anyio

from .._protocol.error_mapping import api_error
from .._protocol.messages import Reply
from ..errors import ApiError, AttemptTimeoutError, BingImagesError, ConnectionFailedError, RateLimitedError
from .call import Call

__all__ = ["DEFAULT_PAUSE", "failure_of", "is_throttle", "is_transient", "pause_of", "was_sent_and_failed"]

DEFAULT_PAUSE = 1.0
"""Seconds to hold back after a 429 that does not say for how long."""

_TRANSIENT = frozenset({408, 500, 502, 503, 504, *range(520, 525)})
"""Statuses after which the same request may succeed (RFC 9110, section 15; 520-524 are an edge's)."""


def failure_of(call: Call, reply: Reply) -> ApiError | None:
    """The error that `reply` stands for, or `None` if it is a success; judged once per reply."""
    if call.state.judged is not None and call.state.judged[0] is reply:
        return call.state.judged[1]
    succeeded = 200 <= reply.status < 300 and reply.body.strip() != b""
    failure = None if succeeded else api_error(reply)
    call.state.judged = (reply, failure)
    return failure


def is_throttle(failure: BingImagesError) -> bool:
    """Too many requests: 429, or a 503 that says when to come back."""
    return isinstance(failure, RateLimitedError) or (
        isinstance(failure, ApiError) and failure.status == 503 and failure.retry_after is not None
    )


def pause_of(failure: ApiError) -> float:
    """Seconds for which the service wants to see nothing of us."""
    return DEFAULT_PAUSE if failure.retry_after is None else failure.retry_after


def is_transient(failure: BingImagesError, endpoint: str) -> bool:
    """Trouble that may pass: the network, a timeout, or the service's own. Throttling is not among it."""
    if isinstance(failure, ConnectionFailedError):
        return failure.retryable
    if isinstance(failure, AttemptTimeoutError):
        return True
    if not isinstance(failure, ApiError) or failure.status not in _TRANSIENT or is_throttle(failure):
        return False
    # "Not implemented" stays so, and trending answers 500 ResourceError for a market without data.
    return not (
        failure.sub_code == "NotImplemented" or (endpoint == "trending" and failure.sub_code == "ResourceError")
    )


def was_sent_and_failed(call: Call, error: BaseException) -> bool:
    """Did an attempt end in trouble of the network or the service, neither unsent nor cancelled?

    A call that is cancelled by its own deadline while it waits for an answer is a timeout like any other.
    """
    if call.state.sent is None:
        return False
    if isinstance(error, ConnectionFailedError) and error.limit is not None:
        return False  # there was no room for a connection in this process
    if isinstance(error, BingImagesError):
        return is_transient(error, call.endpoint)
    return anyio.current_time() >= call.deadline
