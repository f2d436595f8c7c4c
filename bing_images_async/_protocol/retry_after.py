"""How long the service asks to wait (RFC 9110, section 10.2.3; API page "Throttling requests")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

__all__ = ["quota_refill", "retry_after", "wait_in_message"]

_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_IN_SECONDS = re.compile(r"\bin (\d{1,9}) seconds?\b", re.ASCII)
_REFILL = re.compile(r"\breplenished in (?:(\d{1,5})\.)?(\d{1,2}):(\d{2}):(\d{2})", re.ASCII)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds asked for by `Retry-After`: digits, or a date compared with the answer's own `Date`.

    `None` if the header is missing or is neither of the two; never negative.
    """
    asked = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(asked):
        return float(asked)
    until, sent = _http_date(asked), _http_date(headers.get("date", ""))
    if until is None or sent is None:
        return None
    return max(0.0, (until - sent).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def wait_in_message(message: str | None) -> float | None:
    """Seconds named by an API-Management message: "Rate limit is exceeded. Try again in 26 seconds."."""
    match = _IN_SECONDS.search(message or "")
    return float(match[1]) if match else None


def quota_refill(message: str | None) -> float | None:
    """Seconds until a quota refills: "Quota will be replenished in 22.14:18:12." (days.hours:minutes:seconds)."""
    match = _REFILL.search(message or "")
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
