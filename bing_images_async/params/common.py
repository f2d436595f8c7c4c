"""Parameters that all endpoints share, and the conversion of parameter classes into query strings and headers.

The metadata of each field name its query parameter or header and its check; `query_pairs()` and `header_pairs()` read
them. `None` means "do not send". Shared fields are `UNSET` by default: then the session's default applies, and `None`
disables it for one call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, Self, cast

import attrs
from attrs import evolve, field, frozen

from .. import _validation as checks
from ..models import NormalizedRectangle
from .enums import SafeSearch
from .location import Location
from .unset import UNSET, Unset

__all__ = ["CommonParams", "EXCLUSIVE", "JSON_LD", "LARGEST_INT32", "pixels", "query_field", "size_in_bytes"]

Pairs = list[tuple[str, str]]
Check = Callable[[str, Any], Any]

_MARKET = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]+)?-[A-Za-z]{2}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{2,8})*")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_LARGEST_PIXELS = 65_535  # the documentation's unsigned short
LARGEST_INT32 = 2**31 - 1


def _client_ip(name: str, value: Any) -> str:
    try:
        # `ip_address` also accepts numbers and bytes. A zone (after %) has a meaning on this machine only.
        if isinstance(value, str | IPv4Address | IPv6Address) and "%" not in str(value):
            return str(ip_address(value))
    except ValueError:
        pass
    raise checks.refuse(name, value, "it must be an IPv4 or IPv6 address, not masked")


def _location(name: str, value: Any) -> Location:
    if isinstance(value, Location):
        return value
    raise checks.refuse(name, value, "it must be a Location")


JSON_LD: Final = "application/ld+json"


def _accept(name: str, value: Any) -> str | None:
    checks.one_of_texts(name, value, ("application/json", JSON_LD))
    return value if value is None else str(value)


_market = partial(checks.text, pattern=_MARKET, allowed="it must look like en-US")
_country = partial(checks.text, pattern=_COUNTRY, allowed="it must be a two-letter country code")
_language = partial(checks.text, pattern=_LANGUAGE, allowed="it must look like en or en-GB")
_safe_search = partial(checks.one_of, kind=SafeSearch)
pixels = partial(checks.integer, low=0, high=_LARGEST_PIXELS)
size_in_bytes = partial(checks.integer, low=0, high=LARGEST_INT32)


def query_field(name: str, check: Check, default: object = None) -> Any:
    """Define a field that is sent as the query parameter `name`."""
    return field(default=default, metadata={"query": name, "check": check})


def _header(name: str, check: Check, default: object = UNSET) -> Any:
    """Define a field that is sent as the request header `name`."""
    return field(default=default, metadata={"header": name, "check": check})


def _read_fields(cls: type, role: str) -> tuple[tuple[str, Any], ...]:
    """Return names and metadata values of the fields of `cls` with the metadata `role`: own first, shared last."""
    having = [a for a in attrs.fields(cls) if role in a.metadata]
    return tuple((a.name, a.metadata[role]) for a in sorted(having, key=lambda a: a.inherited))


_fields: Callable[[Any, str], tuple[tuple[str, Any], ...]] = cache(_read_fields)


EXCLUSIVE: Final = (("market", "country_code"), ("set_lang", "accept_language"))
"""Pairs of which at most one may be sent (API reference: Query parameters)."""


@frozen(kw_only=True)
class CommonParams:
    """Parameters of every endpoint; also the class of a session's defaults.

    Raises:
        InvalidRequestError: a value is not allowed, or two of them exclude each other.
    """

    market: str | Unset | None = query_field("mkt", _market, UNSET)
    """Market such as `en-US`; the service replaces unknown markets with the nearest. Excludes `country_code`."""
    country_code: str | Unset | None = query_field("cc", _country, UNSET)
    """Country for users of several languages; needs `accept_language`. Excludes `market`."""
    set_lang: str | Unset | None = query_field("setLang", _language, UNSET)
    """Language of labels. Excludes `accept_language`."""
    safe_search: SafeSearch | str | Unset | None = query_field(
        "safeSearch", partial(checks.one_of, kind=SafeSearch), UNSET
    )
    accept_language: str | Unset | None = _header("Accept-Language", checks.header_value)
    user_agent: str | Unset | None = _header("User-Agent", checks.header_value)
    """User agent of the end user's browser; the service uses it to choose results for phones or desktops."""
    client_id: str | Unset | None = _header("X-MSEdge-ClientID", checks.header_value)
    """`answer.meta.client_id` of an earlier call of the same user and device."""
    client_ip: str | Unset | None = _header("X-MSEdge-ClientIP", _client_ip)
    location: Location | Unset | None = _header("X-Search-Location", _location)
    no_cache: bool | Unset = _header("Pragma", checks.flag)
    """Tell the service not to use its cache (`Pragma: no-cache`)."""
    accept: str | Unset | None = _header("Accept", _accept)
    """`application/ld+json` for JSON-LD; its structure is not documented, so only `answer.raw` is filled."""
    bing_apis_sdk: bool | Unset = _header("X-BingApis-SDK", checks.flag)
    """Identify as an SDK, as Microsoft's SDKs did; the service then seems to leave out undocumented fields."""

    def __attrs_post_init__(self) -> None:
        given: dict[str, Any] = {}
        for name, check in _fields(type(self), "check"):
            value = getattr(self, name)
            if value is not None and value is not UNSET:
                given[name] = check(name, value)
                object.__setattr__(self, name, given[name])
        self._check_together(given)

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        """Check some parameters by name, without the others; raise `InvalidRequestError` if one is wrong."""
        given = {name: value for name, value in values.items() if value is not None and value is not UNSET}
        for name, check in _fields(cls, "check"):
            if name in given:
                given[name] = check(name, given[name])
        cls._check_together(given)

    @classmethod
    def _check_together(cls, given: Mapping[str, Any]) -> None:
        """Check combinations of the parameters that were given."""
        for one, other in EXCLUSIVE:
            if one in given and other in given:
                raise checks.not_both(one, given[one], other, given[other])

    def with_defaults(self, defaults: CommonParams) -> Self:
        """Return a copy that can be sent, with `UNSET` values taken from `defaults`.

        Raises:
            InvalidRequestError: a country code is given without `accept_language` (API reference: `cc`).
        """
        whole = self.merged(defaults)
        if _given(whole.country_code) is not None and _given(whole.accept_language) is None:
            raise checks.refuse("country_code", whole.country_code, "it needs accept_language as well")
        return whole

    def merged(self, defaults: CommonParams) -> Self:
        """Return a copy with `UNSET` values taken from `defaults`.

        If one of two exclusive parameters is given here, the default of the other is not used.
        """
        missing = {name: value for name, value in defaults.given.items() if getattr(self, name) is UNSET}
        for one, other in EXCLUSIVE:
            if _given(getattr(self, one)) is not None:
                missing.pop(other, None)
            if _given(getattr(self, other)) is not None:
                missing.pop(one, None)
        return evolve(self, **missing) if missing else self

    @property
    def given(self) -> dict[str, Any]:
        """Shared parameters that are not `UNSET`."""
        return {name: value for name in _COMMON if (value := getattr(self, name)) is not UNSET}

    @classmethod
    def query_names(cls) -> tuple[str, ...]:
        """Return the names of all query parameters."""
        names = (name for _, name in _fields(cls, "query"))
        return tuple(edge for name in names for edge in (_EDGES if name == "crop" else (name,)))

    def query_pairs(self) -> Pairs:
        """Return the query string as pairs of names and unencoded values."""
        return [pair for name, wire in _fields(type(self), "query") for pair in _pair(wire, getattr(self, name))]

    def name_of(self, wire: str) -> str:
        """Return the Python name of the query parameter `wire`, or `wire` if there is none."""
        return next((name for name, other in _fields(type(self), "query") if other == wire), wire)

    def header_pairs(self) -> Pairs:
        """Return the headers for these parameters, without the key."""
        return [pair for name, wire in _fields(type(self), "header") for pair in _pair(wire, getattr(self, name))]


_COMMON = tuple(a.name for a in attrs.fields(CommonParams))
_EDGES = ("cal", "cat", "car", "cab")


def _given(value: Any) -> Any:
    return None if value is UNSET else value


def _pair(name: str, value: Any) -> Pairs:
    """Return the pairs to send for one parameter; none for `None`, `UNSET` and `False`."""
    if value is None or value is UNSET or value is False:
        return []
    if value is True:
        return [(name, "no-cache" if name == "Pragma" else "true")]
    if isinstance(value, tuple):
        return [(name, ",".join(cast("tuple[str, ...]", value)))]
    if isinstance(value, NormalizedRectangle):
        edges = zip(_EDGES, (value.left, value.top, value.right, value.bottom), strict=True)
        return [(edge, checks.decimal(fraction)) for edge, fraction in edges if fraction is not None]
    return [(name, str(value))]
