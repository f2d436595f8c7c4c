"""How long the service asks to wait: digits or a date are read, and garbage is nothing (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bing_images_async._protocol.retry_after import quota_refill, retry_after, wait_in_message

NOW = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("0", 0.0), ("1", 1.0), (" 26 ", 26.0), ("007", 7.0), ("999999999", 999_999_999.0)],
)
def test_digits_are_seconds(asked: str, seconds: float) -> None:
    """At most nine of them."""
    assert retry_after({"retry-after": asked}) == seconds


@pytest.mark.parametrize(
    "asked",
    ["", " ", "nan", "inf", "-1", "+1", "1e9", "1.5", "0x10", "\u0663", "\u00b2", "9" * 10, "9" * 5_000, "soon", "1, 2",
     "1 2", "Sat, 01 Jan 100000 00:00:00 GMT", "Sun, 06 Nov 1994", "Sun, 32 Nov 1994 08:49:37 GMT", "\x00", ",", ":",
     "Mon, 01 Jan 2020 00:00:00 +9999999999"],
)  # fmt: skip
def test_garbage_is_nothing(asked: str) -> None:
    """Then the caller's ordinary back-off applies."""
    assert retry_after({"retry-after": asked, "date": NOW}) is None


@pytest.mark.parametrize(
    ("asked", "date", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:50:07 GMT", NOW, 30.0),
        ("Mon, 07 Nov 1994 08:49:37 GMT", NOW, 86_400.0),
        ("Sunday, 06-Nov-94 08:50:07 GMT", NOW, 30.0),
        ("Sun Nov  6 08:50:07 1994", NOW, 30.0),
        ("Sun, 06 Nov 1994 09:50:07 +0100", NOW, 30.0),
        (NOW, NOW, 0.0),
        ("Sun, 06 Nov 1994 08:49:36 GMT", NOW, 0.0),
        ("Sun, 06 Nov 1994 08:50:07 GMT", "", None),
        ("Sun, 06 Nov 1994 08:50:07 GMT", "now", None),
    ],
)
def test_a_date_is_compared_with_the_answers_own(asked: str, date: str, seconds: float | None) -> None:
    """The clock of this machine plays no part; a date in the past is now, and without a `Date` there is no telling."""
    assert retry_after({"retry-after": asked, "date": date}) == seconds


def test_no_header_is_nothing() -> None:
    """Most answers have none."""
    assert retry_after({"date": NOW}) is None


ALMOST_DATES = r"\A[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{0,9} [+-]?[0-9GMT]{0,6}\Z"


@given(st.text() | st.from_regex(ALMOST_DATES), st.text() | st.just(NOW))
def test_any_header_is_a_wait_or_nothing(asked: str, date: str) -> None:
    """Never negative, never an exception."""
    wait = retry_after({"retry-after": asked, "date": date})
    assert wait is None or 0.0 <= wait < float("inf")


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit is exceeded. Try again in 26 seconds.", 26.0),
        ("Try again in 1 second.", 1.0),
        ("Try again in 9999999999 seconds.", None),
        ("Try again in \u0663 seconds.", None),
        ("Try again in a few seconds.", None),
        ("within 5 seconds", None),
        ("", None),
        (None, None),
    ],
)
def test_a_message_may_name_the_wait(message: str | None, seconds: float | None) -> None:
    """The older gateway's 429 says it in words."""
    assert wait_in_message(message) == seconds


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Quota will be replenished in 22.14:18:12.", 1_952_292.0),
        ("Quota will be replenished in 14:18:12.", 51_492.0),
        ("Quota will be replenished in 00:00:00.", 0.0),
        ("Quota will be replenished in 99999.23:59:59.", 99_999 * 86_400 + 86_399.0),
        ("Quota will be replenished in 999999.00:00:00.", None),
        ("Quota will be replenished soon.", None),
        ("", None),
        (None, None),
    ],
)
def test_a_message_may_name_the_refill(message: str | None, seconds: float | None) -> None:
    """Days, hours, minutes and seconds, as the older gateway writes a span of time."""
    assert quota_refill(message) == seconds
