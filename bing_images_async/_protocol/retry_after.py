"""Parsing of `Retry-After` and of waits in error messages (RFC 9110, section 10.2.3; API page "Throttling requests").

Every result is limited to `LONGEST_QUOTA_WAIT`, because a service that asks for years is mistaken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from .messages import repeated_once

__all__ = ["LONGEST_QUOTA_WAIT", "LONGEST_RATE_LIMIT_WAIT", "quota_refill", "retry_after", "wait_in_message"]

LONGEST_RATE_LIMIT_WAIT: Final = 3600.0
"""Seconds: rate limits have windows of an hour at most."""

LONGEST_QUOTA_WAIT: Final = 31 * 86_400.0
"""Seconds: quotas refill within a month."""

_SECONDS = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_IN_SECONDS = re.compile(r"\bin (\d+(?:\.\d+)?) seconds?\b", re.ASCII)
_REFILL = re.compile(r"\breplenished in (?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})", re.ASCII)


def _now() -> float:
    return datetime.now(UTC).timestamp()


def retry_after(headers: Mapping[str, str], *, clock: Callable[[], float] = _now) -> float | None:
    """Return the seconds of `Retry-After`, 0 or more; `None` if it is missing or neither a number nor a date.

    A date is compared with the `Date` of the same response, or with `clock` if that cannot be read
    (RFC 9110, section 6.6.1).
    """
    asked = repeated_once(headers.get("retry-after", ""))
    if _SECONDS.fullmatch(asked):
        return min(float(asked), LONGEST_QUOTA_WAIT)
    until = _http_date(asked)
    if until is None:
        return None
    sent = _http_date(repeated_once(headers.get("date", "")))
    return min(max(0.0, until - (clock() if sent is None else sent)), LONGEST_QUOTA_WAIT)


def _http_date(text: str) -> float | None:
    """Return the seconds since 1970 of an HTTP-date."""
    if text.count(":") != 2:  # the parser would ignore a second date
        return None
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()


def wait_in_message(message: str | None) -> float | None:
    """Return the seconds in an API-Management message: "Rate limit is exceeded. Try again in 26 seconds."."""
    match = _IN_SECONDS.search(message or "")
    return min(float(match[1]), LONGEST_QUOTA_WAIT) if match else None


def quota_refill(message: str | None) -> float | None:
    """Return the seconds until a quota refills: "Quota will be replenished in 22.14:18:12." (days.hours:…)."""
    match = _REFILL.search(message or "")
    if match is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return min(days * 86_400 + hours * 3600 + minutes * 60 + seconds, LONGEST_QUOTA_WAIT)
