"""The settings of a session: each option is defined once here, checked when the session is made, then frozen."""

from __future__ import annotations

import codecs
import math
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from inspect import isawaitable
from pathlib import Path
from typing import Any, TypedDict

from attrs import Attribute, Converter, evolve, field, fields_dict, frozen

from . import _validation as checks
from ._pipeline.call import OnOutage, Priority
from ._pipeline.client_errors import httpx_of
from ._pipeline.retry import RetryPolicy
from ._pipeline.send import KeySource
from ._protocol.credentials import ApiKey, Auth, SubscriptionKey
from ._protocol.request_building import header_pairs
from ._transport.proxy import Proxies
from ._transport.tls import TLSContext
from ._version import __version__
from .errors import InvalidRequestError
from .params import CommonParams, DetailsParams, Location, SafeSearch, SearchParams

__all__ = [
    "KeyLike",
    "LOCAL_URL",
    "OptionChanges",
    "SessionOptions",
    "auth_header",
    "check_lent_client",
    "decoded",
    "environment",
    "hidden",
    "key_source",
    "missing_environment",
    "network_settings",
    "seconds",
]

KeyLike = str | ApiKey | Callable[[], str | Awaitable[str]]

_STANDARD_HEADERS = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip"),
    ("User-Agent", f"bing-images-async/{__version__}"),
)

_RESERVED_HEADERS = (
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


# --- what may differ between siblings


def seconds(name: str, value: float | timedelta | None) -> float:
    """A duration in seconds, `inf` for `None`. Raises `InvalidRequestError` unless it is above 0."""
    if value is None:
        return math.inf
    number = value.total_seconds() if isinstance(value, timedelta) else value
    checked = checks.number(name, number, 0.0, 1e9)
    if not checked:
        raise checks.refuse(name, value, "it must be above 0 (None means no limit)")
    return checked


def _timeout(name: str, value: float | timedelta | None) -> float | None:
    return None if value is None else seconds(name, value)


def _extra_params(_: str, params: Any) -> dict[str, str]:
    pairs = checks.mapping("params", params)
    for name, value in pairs.items():
        if isinstance(name, str) and name.lower() in _OWN_PARAMS:
            raise checks.refuse("params", name, "it has a parameter of its own: give it with the call")
        if checks.text("params", name) is None or checks.text(f"params[{name!r}]", value) is None:
            raise checks.refuse("params", name, "names and values must be texts that are not blank")
    return pairs


def _option(check: Callable[[str, Any], Any], **settings: Any) -> Any:
    """A field whose values are converted by `check(name, value)`, which leaves converted values as they are."""

    def convert(value: Any, attribute: Attribute[Any]) -> Any:
        return check(attribute.name, value)

    return field(converter=Converter(convert, takes_field=True), **settings)


@frozen(kw_only=True, repr=False)  # a traceback with locals shows instances whose attributes are not all set yet
class SessionOptions:
    """The options that `with_options` can change, checked. `ImageSearchSession` explains them."""

    defaults: CommonParams
    """`market`, `country_code`, … `location`: sent with every call that does not say otherwise."""
    timeout: float | None = _option(_timeout)
    """Seconds."""
    retry: RetryPolicy = _option(partial(checks.instance, kind=RetryPolicy))
    on_outage: OnOutage = _option(partial(checks.one_of_texts, allowed=("fail", "wait"), needed=True))
    priority: Priority = _option(partial(checks.one_of_texts, allowed=("interactive", "bulk"), needed=True))
    coalesce: bool = _option(checks.flag)
    keep_raw: bool = _option(checks.flag)
    headers: tuple[tuple[str, str], ...]
    """Those of the library, then the user's."""
    params: dict[str, str] = _option(_extra_params)
    counts_queueing: bool = True
    """Waiting for permits and slots counts against the timeout. False in a run over many queries."""

    @classmethod
    def of(cls, options: Mapping[str, Any], auth_header: str) -> SessionOptions:
        """The options by their names in `OptionChanges`, all of them. Raises `InvalidRequestError`."""
        own, common = _split(options, auth_header)
        return cls(defaults=CommonParams(**common), **own)

    def changed(self, options: Mapping[str, Any], auth_header: str) -> SessionOptions:
        """A copy with some options changed. Raises `InvalidRequestError` for a name or value that is not allowed."""
        unknown = options.keys() - OptionChanges.__annotations__.keys()
        if unknown:
            raise InvalidRequestError(
                f"with_options has no {', '.join(sorted(unknown))}; it has "
                f"{', '.join(sorted(OptionChanges.__annotations__))}. For the rest, make another session.",
                parameter=min(unknown),
            )
        own, common = _split(options, auth_header)
        if common:
            own["defaults"] = CommonParams(**common).merged(self.defaults)
        return evolve(self, **own)


def _split(options: Mapping[str, Any], auth_header: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that are fields of `SessionOptions`, and those that are common parameters."""
    names = fields_dict(SessionOptions)
    own = {name: value for name, value in options.items() if name in names}
    if "headers" in own:
        reserved = (*_RESERVED_HEADERS, auth_header.lower())
        own["headers"] = (*_STANDARD_HEADERS, *header_pairs("headers", own["headers"], reserved=reserved))
    return own, {name: value for name, value in options.items() if name not in names}


class OptionChanges(TypedDict, total=False):
    """The keyword arguments of `with_options`, for type checkers; `SessionOptions` checks them."""

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


# --- network


def network_settings(
    proxy: str | None, verify: ssl.SSLContext | str | None, *, trust_env: bool
) -> tuple[Proxies, TLSContext]:
    """Proxies and TLS context of a session's own client. Raises `InvalidRequestError`."""
    if not isinstance(verify, ssl.SSLContext):
        path = checks.text("verify", verify)
        if path is not None and not Path(path).exists():
            raise checks.refuse("verify", path, "there is no such file or folder")
    from_env = checks.flag("trust_env", trust_env)
    proxies = Proxies.from_env() if from_env and proxy is None else Proxies.fixed(checks.text("proxy", proxy))
    return proxies, TLSContext(verify, trust_env=from_env)


def check_lent_client(client: object, **settings: object) -> None:
    """Raise `InvalidRequestError` for what is no client, and for settings that a lent client has itself."""
    try:
        httpx_of(client)
    except TypeError:
        raise checks.refuse("client", client, "it must be an httpx.AsyncClient (or httpx2.AsyncClient)") from None
    for name, value in settings.items():
        if value is not None and value is not False:
            raise InvalidRequestError(
                f"{name} and client exclude each other: give {name} to the client that you lend.", parameter=name
            )


# --- the key


def auth_header(auth: Auth | None) -> str:
    """The name of the header that carries the key. Raises `InvalidRequestError` for what is no `Auth`."""
    try:
        name, _ = (SubscriptionKey() if auth is None else auth).header("")
    except (AttributeError, TypeError, ValueError):
        raise checks.refuse("auth", auth, 'it must be SubscriptionKey(), Bearer() or HeaderKey("name")') from None
    return name


def hidden(api_key: KeyLike | None) -> ApiKey | Callable[[], str | Awaitable[str]] | None:
    """The same key, as an `ApiKey` if it was a text."""
    try:
        return api_key if api_key is None or callable(api_key) else _as_key(api_key)
    finally:
        del api_key  # tracebacks can show the variables of this frame


def key_source(api_key: KeyLike | None) -> KeySource:
    """One way to ask for the key, whether a key or a function was given."""
    try:
        if callable(api_key):
            return KeySource(_asking(api_key), is_function=True)
        key = None if api_key is None else _as_key(api_key)
    finally:
        del api_key  # tracebacks can show the variables of this frame

    async def known() -> ApiKey | None:
        return key

    return KeySource(known, is_function=False, known=key)


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


LOCAL_URL = "local:"
"""The value of `BING_IMAGES_URL` that asks for the library's own service."""

_VARIABLES = ("BING_IMAGES_KEY", "BING_IMAGES_KEY_FILE", "BING_IMAGES_URL")
_OTHER_VARIABLES = "BING_SEARCH_V7_"
"""How those of Microsoft's own examples begin."""


def missing_environment() -> InvalidRequestError:
    """The error for an environment that names neither a key nor a service."""
    others = ", ".join(sorted(name for name in os.environ if name.startswith(_OTHER_VARIABLES)))
    hint = f" What is set, but not read: {others}." if others else ""
    return InvalidRequestError(
        f"The environment names no service: {', '.join(_VARIABLES)} are not set.{hint} Set BING_IMAGES_KEY (or "
        "BING_IMAGES_KEY_FILE), and BING_IMAGES_URL for a service other than Microsoft's. For the library's own, "
        f"set BING_IMAGES_URL={LOCAL_URL}, or use ImageSearchSession.local().",
        parameter="api_key",
    )


def environment() -> tuple[ApiKey | None, str | None]:
    """Key and base URL from `BING_IMAGES_KEY` or `BING_IMAGES_KEY_FILE`, and `BING_IMAGES_URL`.

    The URL can be `LOCAL_URL`. Empty variables count as not set. Raises `InvalidRequestError` if both forms of the
    key are set, or the file cannot be read.
    """
    # No variable here holds the key itself: tracebacks can show them.
    file = _variable("KEY_FILE")
    has_key = _variable("KEY") is not None
    if has_key and file is not None:
        raise InvalidRequestError(
            "BING_IMAGES_KEY and BING_IMAGES_KEY_FILE are both set: unset one of them.", parameter="api_key"
        )
    key = ApiKey(_variable("KEY")) if has_key else None if file is None else _key_in(file)
    url = _variable("URL")
    return key, LOCAL_URL if url is not None and url.strip().lower() == LOCAL_URL else url


def _variable(name: str) -> str | None:
    return os.environ.get(f"BING_IMAGES_{name}") or None


def _key_in(file: str) -> ApiKey:
    """Return the key in a file."""
    try:
        return ApiKey(decoded(Path(file).read_bytes()))
    except OSError as fault:
        reason = f"cannot be read ({type(fault).__name__})."
    except InvalidRequestError as refusal:
        reason = f"cannot be used: {str(refusal).replace('api_key', 'its content')}"
    raise InvalidRequestError(f"BING_IMAGES_KEY_FILE={file!r} {reason}", parameter="api_key")


def decoded(data: bytes) -> str:
    """Return the text of a key file: UTF-8, or what a byte order mark says; what cannot be decoded becomes U+FFFD."""
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf_16 else "utf-8-sig", "replace")
