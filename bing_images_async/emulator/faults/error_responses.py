"""Error responses: replies that the service or its gateway sends instead of an answer.

Statuses, codes and messages are those of the API's page "Error codes" and of Azure API Management.
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

from ..api.error_bodies import ErrorEntry, gateway_body, service_body
from ..deterministic_random import digits
from .emulated_reply import EmulatedReply, FaultContext

__all__ = ["ERROR_RESPONSES", "Hint", "quota_exceeded", "rate_limited"]

Hint = Literal["seconds", "date", "message", "none"]
"""Form of the wait in a 429: "seconds" or "date" in `Retry-After`, "message" in the text only, or "none"."""


def rate_limited(wait: float, hint: Hint, now: datetime) -> EmulatedReply:
    """Return the 429 of the rate limit. `wait`: seconds until a call is allowed; rounded up to whole seconds."""
    seconds = max(1, math.ceil(wait))
    if hint == "message":
        return EmulatedReply.json(429, _api_management(429, f"Rate limit is exceeded. Try again in {seconds} seconds."))
    body = service_body(ErrorEntry("RateLimitExceeded", None, "Rate limit is exceeded."))
    if hint == "none":
        return EmulatedReply.json(429, body)
    if hint == "date":
        then = now.replace(microsecond=0) + timedelta(seconds=seconds)
        return EmulatedReply.json(429, body, retry_after=format_datetime(then, usegmt=True))
    return EmulatedReply.json(429, body, retry_after=str(seconds))


def quota_exceeded(refill: float, *, by_gateway: bool) -> EmulatedReply:
    """Return the 403 of the monthly quota. `refill`: seconds until it is reset; only the gateway's message has them."""
    if not by_gateway:
        return EmulatedReply.json(403, service_body(ErrorEntry("RateLimitExceeded", None, "Out of call volume quota.")))
    minutes, seconds = divmod(math.ceil(refill), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    span = f"{days}." * (days > 0) + f"{hours:02}:{minutes:02}:{seconds:02}"  # as .NET writes a TimeSpan
    return EmulatedReply.json(
        403, _api_management(403, f"Out of call volume quota. Quota will be replenished in {span}.")
    )


def _api_management(status: int, message: str) -> bytes:
    return msgspec.json.encode({"statusCode": status, "message": message})


def _service(status: int, code: str, sub_code: str, message: str, context: FaultContext) -> EmulatedReply:
    return EmulatedReply.json(
        status, service_body(ErrorEntry(code, sub_code, message)), bingapis_traceid=digits(32, context.key)
    )


def _rate_limited(hint: Hint, context: FaultContext) -> EmulatedReply:
    return rate_limited(context.amount_or(1.0), hint, context.now)


def _unauthorized(context: FaultContext) -> EmulatedReply:
    message = "Access denied due to invalid subscription key or wrong API endpoint."
    return EmulatedReply.json(401, gateway_body(401, message), apim_request_id=digits(32, context.key))


def _retired(context: FaultContext) -> EmulatedReply:
    message = "The Image Search API was retired. See https://aka.ms/BingAPIsRetirement."
    return EmulatedReply.json(410, msgspec.json.encode({"error": {"code": "Gone", "message": message}}))


def _empty(status: int, context: FaultContext) -> EmulatedReply:
    return EmulatedReply(status, {"content-type": "text/plain"})


def _html(status: int, context: FaultContext) -> EmulatedReply:
    title = f"{status} {HTTPStatus(status).phrase}"
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1><hr>edge</body></html>"
    return EmulatedReply(status, {"content-type": "text/html"}, page.encode())


def _unavailable(context: FaultContext) -> EmulatedReply:
    return EmulatedReply.json(
        503, gateway_body(503, "Service unavailable."), retry_after=str(math.ceil(context.amount_or(1.0)))
    )


def _redirect(status: int, location: str, context: FaultContext) -> EmulatedReply:
    return EmulatedReply(status, {"location": location})


def _redirect_to_itself(context: FaultContext) -> EmulatedReply:
    return EmulatedReply(307, {"location": context.url})


ERROR_RESPONSES: Mapping[str, Callable[[FaultContext], EmulatedReply]] = {
    "401": _unauthorized,
    "403-disabled": lambda context: _service(
        403, "InsufficientAuthorization", "AuthorizationDisabled", "The key is disabled.", context
    ),
    "403-expired": lambda context: _service(
        403, "InsufficientAuthorization", "AuthorizationExpired", "The key has expired.", context
    ),
    "403-quota": lambda context: quota_exceeded(0.0, by_gateway=False),
    "403-replenished": lambda context: quota_exceeded(context.amount_or(3_600.0), by_gateway=True),
    "410-retired": _retired,
    "410-https": lambda context: _service(
        410, "InvalidRequest", "HttpNotAllowed", "HTTP is not allowed; use HTTPS.", context
    ),
    "429": partial(_rate_limited, "seconds"),
    "429-date": partial(_rate_limited, "date"),
    "429-message": partial(_rate_limited, "message"),
    "429-silent": partial(_rate_limited, "none"),
    "200-empty": partial(_empty, 200),
    "200-html": partial(_html, 200),
    "500": lambda context: _service(500, "ServerError", "UnexpectedError", "An unexpected error occurred.", context),
    "500-resource": lambda context: _service(500, "ServerError", "ResourceError", "A resource failed.", context),
    "500-not-implemented": lambda context: _service(500, "ServerError", "NotImplemented", "Not implemented.", context),
    **{str(status): partial(_html, status) for status in (502, 504)},
    "503": lambda context: EmulatedReply.json(503, gateway_body(503, "Service unavailable.")),
    "503-retry-after": _unavailable,
    **{f"{status}-empty": partial(_empty, status) for status in (500, 502, 503, 504)},
    **{f"{status}-html": partial(_html, status) for status in (500, 503)},
    "redirect": partial(_redirect, 302, "https://elsewhere.invalid/"),
    "redirect-garbage": partial(_redirect, 301, "http://[nowhere"),
    "redirect-loop": _redirect_to_itself,
}
"""Error responses by name. `amount`: seconds of the wait in 429s, 503-retry-after and 403-replenished."""
