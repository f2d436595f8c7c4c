"""How long a service asks to wait (RFC 9110, section 10.2.3; API page "Throttling requests").

No result is above the longest wait for a quota: a service that asks for decades is mistaken.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC
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


def retry_after(headers: Mapping[str, str], *, clock: Callable[[], float] = time.time) -> float | None:
    """Return the seconds that `Retry-After` asks for: a number, or a date.

    A date is compared with the answer's own `Date`, or with `clock` if there is none that can be read
    (RFC 9110, section 6.6.1). Returns `None` if the header is missing or is neither; never negative.
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
    if text.count(":") != 2:  # the parser ignores whatever follows a date, such as another date
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
