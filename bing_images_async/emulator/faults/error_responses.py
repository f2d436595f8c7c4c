"""Faults that take the place of an answer: the service or its gateway says no, or nothing.

Statuses, codes and words are those of the API's page "Error codes" and of Azure API Management.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http import HTTPStatus
from typing import Literal

import msgspec

from ..api.error_bodies import Fault, gateway_body, service_body
from ..deterministic_random import digits
from .emulated_reply import Case, Reply

__all__ = ["Hint", "REFUSALS", "out_of_quota", "throttled"]

Hint = Literal["seconds", "date", "message", "none"]
"""How a 429 tells when to come back: "seconds" and "date" in `Retry-After`, "message" in words only, "none"."""


def throttled(wait: float, hint: Hint, now: datetime) -> Reply:
    """429 of the per-second quota. `wait`: seconds until a call would be let in, rounded up to whole ones."""
    seconds = max(1, math.ceil(wait))
    if hint == "message":
        return Reply.json(429, _management(429, f"Rate limit is exceeded. Try again in {seconds} seconds."))
    body = service_body(Fault("RateLimitExceeded", None, "Rate limit is exceeded."))
    if hint == "none":
        return Reply.json(429, body)
    if hint == "date":
        then = now.replace(microsecond=0) + timedelta(seconds=seconds)
        return Reply.json(429, body, retry_after=format_datetime(then, usegmt=True))
    return Reply.json(429, body, retry_after=str(seconds))


def out_of_quota(refill: float, *, by_gateway: bool) -> Reply:
    """403 of the quota per month. `refill`: seconds until it is whole again, which only the gateway tells."""
    if not by_gateway:
        return Reply.json(403, service_body(Fault("RateLimitExceeded", None, "Out of call volume quota.")))
    minutes, seconds = divmod(math.ceil(refill), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    span = f"{days}." * (days > 0) + f"{hours:02}:{minutes:02}:{seconds:02}"  # as .NET writes a TimeSpan
    return Reply.json(403, _management(403, f"Out of call volume quota. Quota will be replenished in {span}."))


def _management(status: int, message: str) -> bytes:
    return msgspec.json.encode({"statusCode": status, "message": message})


def _service(status: int, code: str, sub_code: str, message: str, case: Case) -> Reply:
    return Reply.json(status, service_body(Fault(code, sub_code, message)), bingapis_traceid=digits(32, case.key))


def _throttled(hint: Hint, case: Case) -> Reply:
    return throttled(case.amount_or(1.0), hint, case.now)


def _unauthorized(case: Case) -> Reply:
    message = "Access denied due to invalid subscription key or wrong API endpoint."
    return Reply.json(401, gateway_body(401, message), apim_request_id=digits(32, case.key))


def _retired(case: Case) -> Reply:
    message = "The Image Search API was retired. See https://aka.ms/BingAPIsRetirement."
    return Reply.json(410, msgspec.json.encode({"error": {"code": "Gone", "message": message}}))


def _empty(status: int, case: Case) -> Reply:
    return Reply(status, {"content-type": "text/plain"})


def _html(status: int, case: Case) -> Reply:
    title = f"{status} {HTTPStatus(status).phrase}"
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1><hr>edge</body></html>"
    return Reply(status, {"content-type": "text/html"}, page.encode())


def _unavailable(case: Case) -> Reply:
    return Reply.json(503, gateway_body(503, "Service unavailable."), retry_after=str(math.ceil(case.amount_or(1.0))))


def _redirect(status: int, location: str, case: Case) -> Reply:
    return Reply(status, {"location": location})


def _redirect_to_itself(case: Case) -> Reply:
    return Reply(307, {"location": case.url})


REFUSALS: Mapping[str, Callable[[Case], Reply]] = {
    "401": _unauthorized,
    "403-disabled": lambda case: _service(
        403, "InsufficientAuthorization", "AuthorizationDisabled", "The key is disabled.", case
    ),
    "403-expired": lambda case: _service(
        403, "InsufficientAuthorization", "AuthorizationExpired", "The key has expired.", case
    ),
    "403-quota": lambda case: out_of_quota(0.0, by_gateway=False),
    "403-replenished": lambda case: out_of_quota(case.amount_or(3_600.0), by_gateway=True),
    "410-retired": _retired,
    "410-https": lambda case: _service(
        410, "InvalidRequest", "HttpNotAllowed", "HTTP is not allowed; use HTTPS.", case
    ),
    "429": partial(_throttled, "seconds"),
    "429-date": partial(_throttled, "date"),
    "429-message": partial(_throttled, "message"),
    "429-silent": partial(_throttled, "none"),
    "200-empty": partial(_empty, 200),
    "200-html": partial(_html, 200),
    "500": lambda case: _service(500, "ServerError", "UnexpectedError", "An unexpected error occurred.", case),
    "500-resource": lambda case: _service(500, "ServerError", "ResourceError", "A resource failed.", case),
    "500-not-implemented": lambda case: _service(500, "ServerError", "NotImplemented", "Not implemented.", case),
    **{str(status): partial(_html, status) for status in (502, 504)},
    "503": lambda case: Reply.json(503, gateway_body(503, "Service unavailable.")),
    "503-retry-after": _unavailable,
    **{f"{status}-empty": partial(_empty, status) for status in (500, 502, 503, 504)},
    **{f"{status}-html": partial(_html, status) for status in (500, 503)},
    "redirect": partial(_redirect, 302, "https://elsewhere.invalid/"),
    "redirect-garbage": partial(_redirect, 301, "http://[nowhere"),
    "redirect-loop": _redirect_to_itself,
}
"""By name. `amount`: seconds to wait for 429s, 503-retry-after and 403-replenished."""
