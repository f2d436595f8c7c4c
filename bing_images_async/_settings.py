"""What a session is made with: checked once, then frozen.

`View` is what `with_options` can change from sibling to sibling; the rest is the session's for good.
"""

from __future__ import annotations

import math
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from inspect import isawaitable
from pathlib import Path
from typing import Any, TypedDict

from attrs import evolve, field, frozen

from . import _validation as checks
from ._pipeline.call import OnOutage, Priority
from ._pipeline.retry import RetryPolicy
from ._pipeline.send import KeySource
from ._protocol.credentials import ApiKey, Auth, SubscriptionKey
from ._protocol.request_building import header_pairs
from ._version import __version__
from .errors import InvalidRequestError
from .params import CommonParams, DetailsParams, Location, SafeSearch, SearchParams

__all__ = ["KeyLike", "View", "ViewOptions", "auth_header", "environment", "hidden", "key_source"]

KeyLike = str | ApiKey | Callable[[], str | Awaitable[str]]

_STANDARD_HEADERS = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip"),
    ("User-Agent", f"bing-images-async/{__version__}"),
)

_OURS = (
    "accept",
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "accept-encoding",
    "cookie",
)


_OWN_PARAMS = frozenset(name.lower() for kind in (SearchParams, DetailsParams) for name in kind.query_names())


class ViewOptions(TypedDict, total=False):
    """What `with_options` can change; `ImageSearchSession` explains it."""

    market: str | None
    country_code: str | None
    accept_language: str | None
    set_lang: str | None
    safe_search: SafeSearch | str | None
    user_agent: str | None
    client_id: str | None
    client_ip: str | None
    location: Location | None
    timeout: float | timedelta | None
    retry: RetryPolicy
    on_outage: OnOutage
    priority: Priority
    coalesce: bool
    headers: Mapping[str, str] | None
    params: Mapping[str, str] | None
    keep_raw: bool


@frozen(kw_only=True)
class View:
    """What may differ between sibling sessions."""

    defaults: CommonParams
    timeout: float
    """Seconds; `inf` for none."""
    retry: RetryPolicy
    on_outage: OnOutage
    priority: Priority
    coalesce: bool
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    params: tuple[tuple[str, str], ...]
    keep_raw: bool
    counts_queueing: bool = True
    """Waiting for permits and slots is a call's own time."""

    @classmethod
    def of(cls, options: Mapping[str, Any], auth_header: str) -> View:
        """The view that `options`, all of them, describe."""
        return cls(**_checked(options, auth_header, CommonParams()))

    def changed(self, options: Mapping[str, Any], auth_header: str) -> View:
        """This view with some `options` changed."""
        return evolve(self, **_checked(options, auth_header, self.defaults))


def _checked(options: Mapping[str, Any], auth_header: str, defaults: CommonParams) -> dict[str, Any]:
    """Options as a view holds them. Raises `InvalidRequestError` for one that cannot be."""
    unknown = options.keys() - ViewOptions.__annotations__.keys()
    if unknown:
        raise InvalidRequestError(
            f"with_options has no {', '.join(sorted(unknown))}; it has "
            f"{', '.join(sorted(ViewOptions.__annotations__))}. For the rest, make another session.",
            parameter=min(unknown),
        )
    check: dict[str, Callable[[str, Any], Any]] = {
        "timeout": seconds,
        "retry": partial(checks.instance, kind=RetryPolicy),
        "on_outage": partial(checks.one_of_texts, allowed=("fail", "wait"), needed=True),
        "priority": partial(checks.one_of_texts, allowed=("interactive", "bulk"), needed=True),
        "coalesce": checks.flag,
        "headers": lambda _, headers: extra_headers(headers, auth_header),
        "params": lambda _, params: extra_params(params),
        "keep_raw": checks.flag,
    }
    checked = {name: check[name](name, value) for name, value in options.items() if name in check}
    common = {name: value for name, value in options.items() if name not in check}
    if common:
        checked["defaults"] = CommonParams(**common).merged(defaults)
    return checked


def seconds(name: str, value: float | timedelta | None) -> float:
    """A duration in seconds, `inf` for `None`. Raises `InvalidRequestError` unless it is above 0."""
    if value is None:
        return math.inf
    number = value.total_seconds() if isinstance(value, timedelta) else value
    checked = checks.number(name, number, 0.0, 1e9)
    if not checked:
        raise checks.refuse(name, value, "it must be above 0 (None means no limit)")
    return checked


def extra_headers(headers: Mapping[str, str] | None, auth_header: str) -> tuple[tuple[str, str], ...]:
    """The headers of every call: the library's own, then the user's."""
    return (*_STANDARD_HEADERS, *header_pairs("headers", headers, reserved=(*_OURS, auth_header.lower())))


def auth_header(auth: Auth | None) -> str:
    """The name of the header that carries the key."""
    try:
        name, _ = (SubscriptionKey() if auth is None else auth).header("")
    except (AttributeError, TypeError, ValueError):
        raise checks.refuse("auth", auth, 'it must be SubscriptionKey(), Bearer() or HeaderKey("name")') from None
    return name


def extra_params(params: Any) -> tuple[tuple[str, str], ...]:
    """Query parameters that the user wants sent with every call, such as `customConfig`."""
    pairs = tuple(checks.mapping("params", params).items())
    for name, value in pairs:
        if isinstance(name, str) and name.lower() in _OWN_PARAMS:
            raise checks.refuse("params", name, "it has a parameter of its own: give it with the call")
        if checks.text("params", name) is None or checks.text(f"params[{name!r}]", value) is None:
            raise checks.refuse("params", name, "names and values must be texts that are not blank")
    return pairs


def hidden(api_key: KeyLike | None) -> ApiKey | Callable[[], str | Awaitable[str]] | None:
    """The same key, hidden if it was a text."""
    try:
        return api_key if api_key is None or callable(api_key) else _as_key(api_key)
    finally:
        del api_key  # tracebacks can show the variables of this frame


def key_source(api_key: KeyLike | None) -> KeySource:
    """One way to ask for the key, whatever the user gave: the key, or a function that knows it."""
    try:
        if callable(api_key):
            return KeySource(_asking(api_key), takes_time=True)
        key = None if api_key is None else _as_key(api_key)
    finally:
        del api_key  # tracebacks can show the variables of this frame

    async def known() -> ApiKey | None:
        return key

    return KeySource(known, takes_time=False, known=key)


def _asking(function: Callable[[], str | Awaitable[str]]) -> Callable[[], Awaitable[ApiKey]]:
    async def asked() -> ApiKey:
        answer: Any = function()
        try:
            return _as_key(await answer if isawaitable(answer) else answer)
        finally:
            del answer

    return asked


def _as_key(given: Any) -> ApiKey:
    try:
        return given if isinstance(given, ApiKey) else ApiKey(given)
    finally:
        del given


def environment() -> tuple[ApiKey | None, str | None]:
    """Key and base URL from `BING_IMAGES_KEY` or `BING_IMAGES_KEY_FILE`, and `BING_IMAGES_URL`.

    Empty variables count as not set. Raises `InvalidRequestError` if both forms of the key are set,
    or the file cannot be read.
    """
    # No variable here holds the key itself: tracebacks can show them.
    file = _variable("KEY_FILE")
    has_key = _variable("KEY") is not None
    if has_key and file is not None:
        raise InvalidRequestError(
            "BING_IMAGES_KEY and BING_IMAGES_KEY_FILE are both set: unset one of them.", parameter="api_key"
        )
    key = ApiKey(_variable("KEY")) if has_key else None if file is None else ApiKey(_content(file))
    return key, _variable("URL")


def _variable(name: str) -> str | None:
    return os.environ.get(f"BING_IMAGES_{name}") or None


def _content(file: str) -> str:
    try:
        return Path(file).read_bytes().decode("utf-8", "replace")
    except OSError as fault:
        raise InvalidRequestError(
            f"BING_IMAGES_KEY_FILE={file!r} cannot be read ({type(fault).__name__}).", parameter="api_key"
        ) from None
