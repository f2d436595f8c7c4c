"""How long the service asks to wait (RFC 9110, section 10.2.3): a number or a date; anything else is ignored."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bing_images_async._protocol.error_mapping import api_error
from bing_images_async._protocol.messages import Reply
from bing_images_async._protocol.retry_after import (
    LONGEST_QUOTA_WAIT,
    LONGEST_RATE_LIMIT_WAIT,
    quota_refill,
    retry_after,
    wait_in_message,
)
from bing_images_async.errors import QuotaExhaustedError, RateLimitedError, ServerError

NOW = "Sun, 06 Nov 1994 08:49:37 GMT"
SECOND_OF_NOW = 784_111_777.0
LATER = "Sun, 06 Nov 1994 08:50:07 GMT"


def no_clock() -> float:
    raise AssertionError("the answer has a date of its own")


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        (" 26 ", 26.0),
        ("007", 7.0),
        ("2.5", 2.5),
        ("0.25", 0.25),
        ("3, 3", 3.0),
        ("3,3", 3.0),
        ("3, 3, 3", 3.0),
        ("2.5, 2.5", 2.5),
    ],
)
def test_retry_after_number_is_seconds(asked: str, seconds: float) -> None:
    """With a fraction or without; a header that was sent several times with the same value counts once."""
    assert retry_after({"retry-after": asked}) == seconds


@pytest.mark.parametrize(
    "asked",
    ["", " ", "nan", "inf", "-1", "+1", "1e9", "2.", ".5", "2.5.1", "2,5", "0x10", "\u0663", "\u0663.5", "\u00b2",
     "soon", "1, 2", "1, 2, 1", "3,", ",3", "1 2", "1_000", "1 s", "Sat, 01 Jan 100000 00:00:00 GMT",
     "Sun, 06 Nov 1994", "Sun, 32 Nov 1994 08:49:37 GMT", f"{NOW}, {LATER}", "\x00", ",", ":", ", ",
     "Mon, 01 Jan 2020 00:00:00 +9999999999"],
)  # fmt: skip
@pytest.mark.parametrize("date", [{"date": NOW}, {}])
def test_retry_after_garbage_is_ignored(asked: str, date: dict[str, str]) -> None:
    """Then the ordinary back-off applies."""
    assert retry_after({"retry-after": asked, **date}) is None


@pytest.mark.parametrize(
    ("asked", "date", "seconds"),
    [
        (LATER, NOW, 30.0),
        ("Mon, 07 Nov 1994 08:49:37 GMT", NOW, 86_400.0),
        ("Sunday, 06-Nov-94 08:50:07 GMT", NOW, 30.0),
        ("Sun Nov  6 08:50:07 1994", NOW, 30.0),
        ("Sun, 06 Nov 1994 09:50:07 +0100", NOW, 30.0),
        (f"{LATER}, {LATER}", NOW, 30.0),
        (LATER, f"{NOW}, {NOW}", 30.0),
        (NOW, NOW, 0.0),
        ("Sun, 06 Nov 1994 08:49:36 GMT", NOW, 0.0),
    ],
)
def test_retry_after_date_is_compared_with_the_date_of_the_answer(asked: str, date: str, seconds: float) -> None:
    """The clock of this machine plays no part. A date in the past means now."""
    assert retry_after({"retry-after": asked, "date": date}, clock=no_clock) == seconds


@pytest.mark.parametrize("date", [{}, {"date": ""}, {"date": "now"}, {"date": f"{NOW}, {LATER}"}])
@pytest.mark.parametrize(
    ("asked", "seconds"), [(LATER, 29.5), (f"{LATER}, {LATER}", 29.5), ("Sun Nov  6 08:50:07 1994", 29.5), (NOW, 0.0)]
)
def test_retry_after_date_without_a_date_of_the_answer_is_compared_with_the_clock(
    asked: str, date: dict[str, str], seconds: float
) -> None:
    """The recipient's clock stands in for a missing `Date` (RFC 9110, section 6.6.1), and for one that is garbage."""
    assert retry_after({"retry-after": asked, **date}, clock=lambda: SECOND_OF_NOW + 0.5) == seconds


def test_retry_after_date_uses_the_clock_of_this_machine_by_default() -> None:
    """A date in the past means now; one in the far future counts as the longest wait."""
    assert retry_after({"retry-after": NOW}) == 0.0
    assert retry_after({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}) == LONGEST_QUOTA_WAIT


def test_retry_after_missing_is_none() -> None:
    """Most answers have no such header."""
    assert retry_after({"date": NOW}) is None


@pytest.mark.parametrize("asked", ["2678401", "999999999", "9" * 10, "9" * 5_000, "1000000000.5"])
def test_retry_after_giant_number_is_the_longest_wait(asked: str) -> None:
    """It is a number, so it is no garbage; but no service means it."""
    assert retry_after({"retry-after": asked}) == LONGEST_QUOTA_WAIT


ALMOST_DATES = r"\A[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{0,9} [+-]?[0-9GMT]{0,6}\Z"


@given(st.text() | st.from_regex(ALMOST_DATES), st.text() | st.just(NOW), st.integers(1, 3))
def test_retry_after_is_a_bounded_number_or_none_for_any_header(asked: str, date: str, times: int) -> None:
    """Never negative, never infinite, never an exception."""
    wait = retry_after({"retry-after": ", ".join([asked] * times), "date": date})
    assert wait is None or 0.0 <= wait <= LONGEST_QUOTA_WAIT


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit is exceeded. Try again in 26 seconds.", 26.0),
        ("Try again in 1 second.", 1.0),
        ("Try again in 2.5 seconds.", 2.5),
        ("Try again in 9999999999 seconds.", LONGEST_QUOTA_WAIT),
        ("Try again in \u0663 seconds.", None),
        ("Try again in a few seconds.", None),
        ("within 5 seconds", None),
        ("", None),
        (None, None),
    ],
)
def test_wait_in_message_reads_the_seconds(message: str | None, seconds: float | None) -> None:
    """The older gateway's 429 has them in its text."""
    assert wait_in_message(message) == seconds


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Quota will be replenished in 22.14:18:12.", 1_952_292.0),
        ("Quota will be replenished in 14:18:12.", 51_492.0),
        ("Quota will be replenished in 00:00:00.", 0.0),
        ("Quota will be replenished in 31.00:00:00.", LONGEST_QUOTA_WAIT),
        ("Quota will be replenished in 31.00:00:01.", LONGEST_QUOTA_WAIT),
        ("Quota will be replenished in 99999.23:59:59.", LONGEST_QUOTA_WAIT),
        (f"Quota will be replenished in {'9' * 5_000}.00:00:00.", LONGEST_QUOTA_WAIT),
        ("Quota will be replenished soon.", None),
        ("", None),
        (None, None),
    ],
)
def test_quota_refill_reads_a_time_span(message: str | None, seconds: float | None) -> None:
    """Days, hours, minutes and seconds, in the older gateway's format."""
    assert quota_refill(message) == seconds


def _gateway(status: int, message: str, **headers: str) -> Reply:
    body = f'{{"statusCode": {status}, "message": "{message}"}}'.encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("reply", "kind", "seconds"),
    [
        (_gateway(429, "", retry_after="3600"), RateLimitedError, 3600.0),
        (_gateway(429, "", retry_after="3601"), RateLimitedError, LONGEST_RATE_LIMIT_WAIT),
        (_gateway(429, "", retry_after="999999999"), RateLimitedError, LONGEST_RATE_LIMIT_WAIT),
        (_gateway(429, "", retry_after="Fri, 31 Dec 9999 23:59:59 GMT"), RateLimitedError, LONGEST_RATE_LIMIT_WAIT),
        (_gateway(429, "Try again in 999999999 seconds."), RateLimitedError, LONGEST_RATE_LIMIT_WAIT),
        (_gateway(503, "", retry_after="86400"), ServerError, LONGEST_RATE_LIMIT_WAIT),
        (_gateway(403, "Out of quota.", retry_after="86400"), QuotaExhaustedError, 86_400.0),
        (_gateway(403, "Out of quota.", retry_after="999999999"), QuotaExhaustedError, LONGEST_QUOTA_WAIT),
        (
            _gateway(403, "Out of quota. Quota will be replenished in 99999.23:59:59."),
            QuotaExhaustedError,
            LONGEST_QUOTA_WAIT,
        ),
    ],
)
def test_api_error_caps_the_wait(reply: Reply, kind: type[Exception], seconds: float) -> None:
    """At an hour, and for a quota at 31 days: a wait above the cap counts as the cap."""
    error = api_error(reply)
    assert type(error) is kind
    assert error.retry_after == seconds
