"""Classification of replies and errors, for each status and error class."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import given, strategies as st
from step_kit import ABUSE, QUOTA, a_call, refused, reply, throttled

from bing_images_async._pipeline import classification
from bing_images_async._pipeline.call import Call
from bing_images_async._protocol.messages import Reply, Request
from bing_images_async.errors import (
    ApiError,
    AttemptTimeoutError,
    ConnectionFailedError,
    DeadlineExceededError,
    MalformedResponseError,
    QuotaExhaustedError,
    RateLimitedError,
    ResponseTooLargeError,
    ServerError,
    SuspectedAbuseError,
    UnexpectedRedirectError,
)

TRANSIENT = {408, 500, 502, 503, 504, 520, 521, 522, 523, 524}


def a_failure(answer: Reply) -> Any:
    return classification.failure_of(Call("search", Request("GET", "https://api.example/")), answer)


def coded(status: int, sub_code: str) -> Reply:
    return reply(
        status, b'{"_type":"ErrorResponse","errors":[{"code":"ServerError","subCode":"%s"}]}' % sub_code.encode()
    )


@pytest.mark.parametrize("status", range(100, 600))
def test_each_status_has_one_classification(status: int) -> None:
    """2xx with a body is a success, 429 is throttling, and some other statuses are transient."""
    failure = a_failure(reply(status, b"{}"))
    assert (failure is None) == (200 <= status < 300)
    if failure is not None:
        assert classification.is_transient(failure, "search") == (status in TRANSIENT)
        assert classification.is_throttle(failure) == (status == 429)


@given(st.integers(400, 599), st.integers(0, 999))
def test_503_with_retry_after_is_throttling(status: int, after: int) -> None:
    """And then it is not a transient failure."""
    failure = a_failure(throttled(after, status=status))
    assert classification.is_throttle(failure) == (status in {429, 503})
    assert classification.is_transient(failure, "search") == (status in TRANSIENT - {503})
    assert classification.pause_of(failure) == after


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(ABUSE, SuspectedAbuseError), (reply(200, b" \r\n"), SuspectedAbuseError), (QUOTA, QuotaExhaustedError),
     (throttled(), RateLimitedError), (reply(500), ServerError), (reply(301), ApiError)],
)  # fmt: skip
def test_failure_of_returns_the_error_class(answer: Reply, kind: type[ApiError]) -> None:
    """Steps use the class."""
    assert type(a_failure(answer)) is kind


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (refused(), True),
        (ConnectionFailedError("certificate", retryable=False), False),
        (AttemptTimeoutError("slow"), True),
        (DeadlineExceededError("late"), False),
        (MalformedResponseError("HTML"), False),
        (ResponseTooLargeError("bomb"), False),
        (UnexpectedRedirectError("elsewhere"), False),
    ],
)
def test_only_network_errors_are_transient(failure: Any, expected: bool) -> None:
    """A reply that cannot be read stays unreadable."""
    assert classification.is_transient(failure, "search") is expected
    assert classification.is_throttle(failure) is False


@pytest.mark.parametrize(
    ("endpoint", "sub_code", "expected"),
    [
        ("search", "NotImplemented", False),
        ("trending", "NotImplemented", False),
        ("trending", "ResourceError", False),
        ("search", "ResourceError", True),
        ("trending", "UnexpectedError", True),
    ],
)
def test_permanent_500_errors_are_not_transient(endpoint: str, sub_code: str, expected: bool) -> None:
    """NotImplemented, and trending in a market without data."""
    assert classification.is_transient(a_failure(coded(500, sub_code)), endpoint) is expected


def test_pause_without_retry_after_is_one_second() -> None:
    """`Retry-After: 0` means no pause."""
    assert classification.pause_of(a_failure(throttled())) == 1.0
    assert classification.pause_of(a_failure(throttled(0))) == 0.0


def test_failure_of_parses_each_reply_once() -> None:
    """Five steps call it."""
    call = Call("search", Request("GET", "https://api.example/"))
    bad = reply(500)
    first = classification.failure_of(call, bad)
    assert first is not None
    assert classification.failure_of(call, bad) is first
    assert classification.failure_of(call, reply()) is None
    assert classification.failure_of(call, bad) is not first


@pytest.mark.anyio
async def test_was_sent_and_failed_ignores_unsent_and_cancelled_attempts() -> None:
    """A cancellation by the call's own deadline is a timeout."""
    call = a_call(timeout=5)
    assert classification.was_sent_and_failed(call, refused()) is False
    call.state.sent = 0.0
    assert classification.was_sent_and_failed(call, refused()) is True
    assert classification.was_sent_and_failed(call, MalformedResponseError("HTML")) is False
    cancelled = anyio.get_cancelled_exc_class()
    error = BaseException() if cancelled is None else KeyboardInterrupt()
    assert classification.was_sent_and_failed(call, error) is False
    await anyio.sleep(5)
    assert classification.was_sent_and_failed(call, error) is True
