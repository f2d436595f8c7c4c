"""`(status, headers, body)` to a model, or to the exception that says what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, TypeVar, cast

from ..errors import MalformedResponseError, UnexpectedRedirectError
from ..models import Answer, Attempt, ImageInsights, Problem, ResponseMeta
from .decoding import DecodingError, described, structure, wire_names
from .error_mapping import api_error, embedded_error
from .json import NotJsonError, TooManyValuesError, parse
from .messages import Reply, repeated_once

fast_decoding: ModuleType | None
try:
    from . import fast_decoding
except ImportError:  # the file is optional
    fast_decoding = None

__all__ = ["read_response", "redirect_error"]

A = TypeVar("A", bound=Answer)

_EXCERPT = 200  # bytes
_LONGEST_LOCATION = 200  # characters of a redirect's target in our message
_TYPES = {"ImageAnswer": "Images", "ImageInsights": "ImageInsights", "TrendingImages": "TrendingImages"}
_LISTS = {"ImageAnswer": "value", "TrendingImages": "categories"}


def read_response(
    reply: Reply,
    kind: type[A],
    *,
    attempts: tuple[Attempt, ...] = (),
    elapsed: float = 0.0,
    keep_raw: bool = False,
    json_ld: bool = False,
) -> A:
    """The model in `reply`.

    With `json_ld` the body is an opaque object: it is `answer.raw`, and no field is read.

    Raises an `ApiError` for what the service calls an error, `UnexpectedRedirectError` for 3xx, and
    `MalformedResponseError` for anything that is not the JSON of this endpoint.
    """
    meta = _meta(reply, attempts, elapsed)
    if 300 <= reply.status < 400:
        raise redirect_error(reply)
    if reply.status >= 400 or (reply.status == 200 and not reply.body.strip()):
        raise api_error(reply)
    if not 200 <= reply.status < 300:
        raise _malformed(reply, f"HTTP {reply.status} is not a final answer")
    parsed, note = _parsed(reply) if keep_raw or json_ld else (None, None)
    if fast_decoding is not None and note is None and not json_ld:
        model: A | None = fast_decoding.decode(reply.body, kind)
        if model is not None and model.type_ == _TYPES[kind.__name__]:
            return _complete(model, meta=meta, raw=parsed)
    if parsed is None:
        parsed, note = _parsed(reply)
    if json_ld and parsed.get("_type") != "ErrorResponse":
        return kind(meta=meta, raw=parsed)
    _check_shape(reply, parsed, kind)
    try:
        answer, problems = structure(parsed, kind)
    except DecodingError as error:
        raise _malformed(reply, error.reason, error.path) from None
    if note is not None:
        problems = (Problem(path="", reason=note), *problems)
    raw = parsed if keep_raw else None
    return _complete(answer, meta=meta, problems=problems, raw=raw)


def _complete(answer: A, **added: Any) -> A:
    """Fill in what the library knows. The answer was made a line ago and nobody else has seen it."""
    for name, value in added.items():
        object.__setattr__(answer, name, value)
    return answer


def _meta(reply: Reply, attempts: tuple[Attempt, ...], elapsed: float) -> ResponseMeta:
    headers = reply.headers
    return ResponseMeta(
        status=reply.status,
        trace_id=reply.trace_id,
        market=_header(headers, "bingapis-market"),
        client_id=_header(headers, "x-msedge-clientid"),
        session_id=_header(headers, "bingapis-sessionid"),
        headers=headers,
        attempts=attempts,
        elapsed=elapsed,
    )


def _header(headers: Mapping[str, str], name: str) -> str | None:
    """Return the value of a header; `None` if there is none, or an empty one."""
    value = headers.get(name)
    return value if value is None else repeated_once(value) or None


def _parsed(reply: Reply) -> tuple[dict[str, Any], str | None]:
    try:
        parsed, note = parse(reply.body)
    except TooManyValuesError as fault:
        raise _malformed(reply, f"the body holds {fault}") from None
    except NotJsonError as fault:
        what = "an HTML page" if reply.body.lstrip()[:1] == b"<" else f"no JSON ({fault})"
        raise _malformed(reply, f"the body is {what}") from None
    if not isinstance(parsed, dict):
        raise _malformed(reply, f"expected an object, found {described(parsed)}")
    return cast("dict[str, Any]", parsed), note


def _check_shape(reply: Reply, parsed: dict[str, Any], kind: type[Answer]) -> None:
    """Is this an answer of the endpoint? Its `_type` says so, or else the names of its fields."""
    name = kind.__name__
    essential = _LISTS.get(name)
    if essential is not None:
        found = parsed.get(essential)
        if found is not None and not isinstance(found, list):
            raise _malformed(reply, f"expected a list, found {described(found)}", essential)
    if parsed.get("_type") == _TYPES[name] or parsed.get(essential or "") is not None:
        return
    error = embedded_error(reply, parsed)
    if error is not None:
        raise error
    if kind is ImageInsights and parsed.keys() & _INSIGHTS:
        return
    raise _malformed(reply, f"this is no {name}: its _type is {described(parsed.get('_type'))}")


_INSIGHTS = set(wire_names(ImageInsights).values()) - set(wire_names(Answer).values())


def _malformed(reply: Reply, reason: str, path: str = "") -> MalformedResponseError:
    place = f" at {path}" if path else ""
    trace = f" [trace id {reply.trace_id}]" if reply.trace_id is not None else ""
    excerpt = reply.body[:_EXCERPT].decode("utf-8", "replace")
    return MalformedResponseError(
        f"The service answered HTTP {reply.status}, but not with Image Search JSON{place}: {reason}. "
        f"Check that base_url is an Image Search v7 endpoint. The body starts: {excerpt!r}{trace}",
        path=path,
        excerpt=excerpt,
        trace_id=reply.trace_id,
    )


def redirect_error(reply: Reply) -> UnexpectedRedirectError:
    """The error for a reply whose status is 3xx."""
    location = reply.headers.get("location")
    shown = location if location is None or len(location) <= _LONGEST_LOCATION else f"{location[:_LONGEST_LOCATION]}…"
    return UnexpectedRedirectError(
        f"The service answered HTTP {reply.status} to {shown!r}. Redirects are not followed, so that the key "
        "goes nowhere else. If this is where the service lives now, set base_url to it.",
        status=reply.status,
        location=location,
    )
