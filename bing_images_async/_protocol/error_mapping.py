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

_EXCERPT = 200  # characters of a body without a text

_SEARCHED = 4_000  # characters of a text in which a quota or a wait is looked for

_TEXTS = (
    "message",
    "errormessage",
    "errordescription",  # RFC 6749, section 5.2
    "detail",  # RFC 9457
    "description",
    "details",
    "faultstring",
    "info",
    "messages",
    "msg",
    "reason",
    "error",
    "errors",
    "title",
)
"""Names of the text in error bodies, in lower case and without underscores, the best first."""
_CODES = ("code", "errorcode", "statuscode", "error", "title", "type", "status")
_INNER = ("error", "errors", "fault", "detail", "response", "result", "data")
"""Names of the object or list that may hold the text."""

_MARKUP = re.compile(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>|<[^<>]*>", re.DOTALL | re.IGNORECASE)

_QUOTA_STATUSES = frozenset({401, 402, 403, 429})
_WAIT = re.compile(
    r"\b(?:in|after|for) \d[\d.,:]*(?: ?(?:s|secs?|seconds?|m|mins?|minutes?|h|hours?|days?)\b)?", re.ASCII
)
_SHORT_PERIOD = re.compile(r"\b(?:seconds?|secs?|minutes?|mins?|hours?|hourly|qps|rps|rpm)\b", re.ASCII)
_LONG_PERIOD = re.compile(
    r"\b(?:month(?:s|ly)?|days?|daily|weeks?|weekly|years?|yearly|annual(?:ly)?|total|lifetime|billing|trial)\b",
    re.ASCII,
)
_ALLOWANCE = re.compile(
    r"\b(?:quotas?|limits?|limited|allowances?|usage|volume|credits?|requests?|calls?|searches|queries|transactions)\b",
    re.ASCII,
)
_USED_UP = re.compile(
    r"\b(?:out of|insufficient|not? (?:have )?(?:enough|more)|current|your)\b"
    r"[^.]{0,20} (?:quotas?|credits?|volume|searches)\b"
    r"|\bquota\b[^.]{0,20}\b(?:exhausted|used up|depleted|replenished|limited)\b",
    re.ASCII,
)

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
    excerpt: str = ""
    """The beginning of a body in which no text was found."""

    @property
    def words(self) -> str:
        """The text. At times the service puts it into `parameter`."""
        error = self.error
        return next((words for words in (error.message, error.more_details, error.parameter) if words), "")


def api_error(reply: Reply) -> errors.ApiError:
    """The error for a reply whose status is not 2xx, or that is 200 with an empty body."""
    return _build(reply, _read(reply), _kind)


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


def _is_quota(text: str) -> bool:
    """Does an error's text speak of a quota of days, months or in total, and not of a rate?"""
    words = _WAIT.sub("", text[: 2 * _LONGEST].replace("_", " ").lower())
    if _SHORT_PERIOD.search(words):
        return False
    return _USED_UP.search(words) is not None or (
        _LONG_PERIOD.search(words) is not None and _ALLOWANCE.search(words) is not None
    )


def _kind_by_code(_: int, error: Error) -> type[errors.ApiError]:
    code = error.code or ""
    status = int(code) if re.fullmatch(r"[45]\d\d", code, re.ASCII) else _STATUS_OF_CODE.get(code, 0)
    return _kind(status, error)


def _build(reply: Reply, said: _Said, choose: Callable[[int, Error], type[errors.ApiError]]) -> errors.ApiError:
    error, words = said.error, said.words
    kind: type[errors.ApiError] = choose(reply.status, error)
    code, message = (error.code or "")[:_SEARCHED], (error.message or "")[:_SEARCHED]
    if reply.status in _QUOTA_STATUSES and _is_quota(f"{code} {(words or said.excerpt)[:_SEARCHED]}"):
        kind = errors.QuotaExhaustedError
    if kind is errors.SuspectedAbuseError:
        words = "The service sent nothing, its way of turning away clients it suspects of abuse."
    wait = retry_after(reply.headers)
    if wait is None and kind is errors.QuotaExhaustedError:
        wait = quota_refill(message)
    if wait is None and kind in {errors.RateLimitedError, errors.QuotaExhaustedError}:
        wait = wait_in_message(message)
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
    name = _cut(".".join(part for part in (error.code, error.sub_code) if part)).rstrip(".")
    head = f"HTTP {reply.status}" + (f" {name}" if name and name != str(reply.status) else "")
    what = _cut(words).rstrip()
    if error.more_details and error.more_details != words:
        what += f" {_cut(error.more_details)}"
    if error.parameter and error.parameter != words:
        what += f" (parameter {_cut(error.parameter)}" + (f"={_cut(error.value)!r})" if error.value else ")")
    if said.excerpt and not what:
        what = f"the body begins with {said.excerpt!r}"
    if said.others:
        what += f" (and {said.others} more)"
    head += f": {what}" if what else ""
    advice = _NO_DATA if error.sub_code == "ResourceError" else _ADVICE.get(reply.status, kind.advice)
    trace = "" if reply.trace_id is None else f"[trace id {reply.trace_id}]"
    head += "" if head.endswith((".", "!", "?", "…", ")")) else "."
    return " ".join(part for part in (head, advice, trace) if part)


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"


def _read(reply: Reply) -> _Said:
    """Read the body of an error. It has the class its status says, whatever the body is."""
    try:
        parsed, _ = parse(reply.body)
    except NotJsonError:
        return _unstructured(reply)
    said = _said(parsed)
    return said if said is not None and said.words else _other_shape(parsed) or said or _unstructured(reply)


def _said(parsed: Any) -> _Said | None:
    """The four shapes of error bodies that can come with any status: the service's own, and three of gateways."""
    if not isinstance(parsed, dict):
        return None
    parsed = cast("dict[str, Any]", parsed)
    if isinstance(parsed.get("errors"), list):
        try:
            response, _ = structure(parsed, ErrorResponse)
        except DecodingError:
            return None
        return _Said(response.errors[0], len(response.errors) - 1) if response.errors else None
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


def _other_shape(parsed: Any, levels: int = 2) -> _Said | None:
    """Find the text, and the code if there is one, in an error body of any other gateway.

    Such bodies are objects with one of a few names for the text, at times inside of an `error` or a list.
    """
    if isinstance(parsed, str):
        return _Said(Error(message=parsed)) if parsed.strip() else None
    if isinstance(parsed, list):
        items = cast("list[Any]", parsed)
        said = _other_shape(items[0], levels) if items else None
        return said and _Said(said.error, len(items) - 1)
    if not isinstance(parsed, dict):
        return None
    members = {name.lower().replace("_", ""): value for name, value in cast("dict[str, Any]", parsed).items()}
    found = [(name, members[name]) for name in _TEXTS if isinstance(members.get(name), str) and members[name].strip()]
    if found:
        used, text = found[0]
        codes = (members.get(name) for name in _CODES if name != used)
        code = next((str(code) for code in codes if isinstance(code, str) or type(code) is int), None)
        return _Said(Error(code=code, message=text))
    inner = (members.get(name) for name in _INNER) if levels else ()
    return next((said for value in inner if (said := _other_shape(value, levels - 1)) is not None), None)


def _unstructured(reply: Reply) -> _Said:
    """The text of `text/plain`; of any other body, its beginning."""
    body = reply.body[: 4 * _LONGEST].decode("utf-8", "replace").strip()
    if reply.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/plain" and body:
        return _Said(Error(message=_cut(body)))
    if body.startswith("<"):
        return _Said(Error(), excerpt=" ".join(_MARKUP.sub(" ", body).split())[:_EXCERPT])
    return _Said(Error(), excerpt=body[:_EXCERPT])
