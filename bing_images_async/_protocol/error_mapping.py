"""An answer that is no success: status, headers and body to the right `ApiError` (API reference: Error codes).

The HTTP status decides first, then the code: `RateLimitExceeded` is a pace that was too fast with
429 and a quota that is used up with 403. Reading the body never hides the status.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from attrs import frozen

from .. import errors
from ..models.error import Error, ErrorResponse
from .decoding import DecodingError, structure
from .json import NotJsonError, parse
from .messages import Reply
from .retry_after import LONGEST_RATE_LIMIT_WAIT, quota_refill, retry_after, wait_in_message

__all__ = ["api_error", "embedded_error"]

_LONGEST = 500  # characters of the service's words in our message

_NO_DATA = "There may be no data for this; trending has some for few markets, en-US among them."

_ADVICE = {407: "A proxy on the way wants credentials: check those in proxy= or HTTP_PROXY."}  # RFC 9110, 15.5.8

_BY_STATUS: dict[int, type[errors.ApiError]] = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    403: errors.AccessDeniedError,
    404: errors.NotFoundError,
    410: errors.ServiceRetiredError,
    429: errors.RateLimitedError,
}

_STATUS_OF_CODE = {
    "InvalidRequest": 400,
    "InvalidAuthorization": 401,
    "InsufficientAuthorization": 403,
    "RateLimitExceeded": 429,
    "ServerError": 500,
    "Gone": 410,
}
"""What the codes mean in error bodies that came with the status 200; gateways give the status itself."""


@frozen
class _Said:
    """What an error body says, in whichever of its shapes."""

    error: Error
    others: int = 0


def api_error(reply: Reply) -> errors.ApiError:
    """The error for a reply whose status is not 2xx, or that is 200 with an empty body."""
    return _build(reply, _read(reply.body), _kind)


def embedded_error(reply: Reply, parsed: Any) -> errors.ApiError | None:
    """The error that a body with status 200 holds in place of an answer, if it is one."""
    said = _said(parsed)
    return None if said is None else _build(reply, said, _kind_by_code)


def _kind(status: int, error: Error) -> type[errors.ApiError]:
    if status == 200:
        return errors.SuspectedAbuseError
    if status == 403 and (error.code == "RateLimitExceeded" or "quota" in (error.message or "").lower()):
        return errors.QuotaExhaustedError
    if status == 410 and error.sub_code == "HttpNotAllowed":
        return errors.HttpsRequiredError
    if 500 <= status < 600:
        return errors.ServerError
    return _BY_STATUS.get(status, errors.ApiError)


def _kind_by_code(_: int, error: Error) -> type[errors.ApiError]:
    code = error.code or ""
    status = int(code) if re.fullmatch(r"[45]\d\d", code, re.ASCII) else _STATUS_OF_CODE.get(code, 0)
    return _kind(status, error)


def _build(reply: Reply, said: _Said, choose: Callable[[int, Error], type[errors.ApiError]]) -> errors.ApiError:
    error = said.error
    kind: type[errors.ApiError] = choose(reply.status, error)
    # At times the service puts its message into `parameter`.
    words = next((w for w in (error.message, error.more_details, error.parameter) if w), "")
    if kind is errors.SuspectedAbuseError:
        words = "The service sent nothing, its way of turning away clients it suspects of abuse."
    wait = retry_after(reply.headers)
    if wait is None and kind is errors.RateLimitedError:
        wait = wait_in_message(error.message)
    if wait is None and kind is errors.QuotaExhaustedError:
        wait = quota_refill(error.message)
    if wait is not None and kind is not errors.QuotaExhaustedError:
        wait = min(wait, LONGEST_RATE_LIMIT_WAIT)
    return kind(
        _text(reply, said, kind, words),
        status=reply.status,
        code=error.code,
        sub_code=error.sub_code,
        message=error.message,
        more_details=error.more_details,
        parameter=error.parameter,
        value=error.value,
        trace_id=reply.trace_id,
        retry_after=wait,
    )


def _text(reply: Reply, said: _Said, kind: type[errors.ApiError], words: str) -> str:
    """What happened, in the service's words, and what to do."""
    error = said.error
    name = _cut(".".join(part for part in (error.code, error.sub_code) if part))
    head = f"HTTP {reply.status}" + (f" {name}" if name and name != str(reply.status) else "")
    what = _cut(words).rstrip()
    if error.more_details and error.more_details != words:
        what += f" {_cut(error.more_details)}"
    if error.parameter and error.parameter != words:
        what += f" (parameter {_cut(error.parameter)}" + (f"={_cut(error.value)!r})" if error.value else ")")
    if said.others:
        what += f" (and {said.others} more)"
    head += f": {what}" if what else ""
    advice = _NO_DATA if error.sub_code == "ResourceError" else _ADVICE.get(reply.status, kind.advice)
    trace = "" if reply.trace_id is None else f"[trace id {reply.trace_id}]"
    head += "" if head.endswith((".", "!", "?", "…", ")")) else "."
    return " ".join(part for part in (head, advice, trace) if part)


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"


def _read(body: bytes) -> _Said:
    try:
        parsed, _ = parse(body)
    except NotJsonError:
        return _Said(Error())
    return _said(parsed) or _Said(Error())


def _said(parsed: Any) -> _Said | None:
    """The four shapes of error bodies: the service's own, two of the newer gateway, one of the older."""
    if not isinstance(parsed, dict):
        return None
    parsed = cast("dict[str, Any]", parsed)
    if isinstance(parsed.get("errors"), list):
        try:
            response, _ = structure(parsed, ErrorResponse)
        except DecodingError:
            return None
        if response.errors:
            return _Said(response.errors[0], len(response.errors) - 1)
        return None
    inner = parsed.get("error")
    if isinstance(inner, dict):
        inner = cast("dict[str, Any]", inner)
        return _gateway(inner.get("code"), inner.get("message"))
    code = parsed.get("statusCode", parsed.get("code"))
    if code is not None and "message" in parsed:
        return _gateway(code, parsed.get("message"))
    return None


def _gateway(code: Any, message: Any) -> _Said:
    return _Said(
        Error(
            code=str(code) if isinstance(code, str | int) else None,
            message=message if isinstance(message, str) else None,
        )
    )
