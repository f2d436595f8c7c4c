"""The parameters that all endpoints take, and how a class of parameters becomes a query string and headers.

Each field names the query parameter or header it becomes, and the check it must pass; `query_pairs()` and
`header_pairs()` read them off. `None` means "do not send". Fields that all endpoints share are `UNSET` by default:
the session's default applies, and `None` switches that off for one call.
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
        # A number or bytes would pass for an address; what stands behind a % is this machine's business.
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
    """A field that becomes the query parameter `name`."""
    return field(default=default, metadata={"query": name, "check": check})


def _header(name: str, check: Check, default: object = UNSET) -> Any:
    """A field that becomes the request header `name`."""
    return field(default=default, metadata={"header": name, "check": check})


def _read_fields(cls: type, role: str) -> tuple[tuple[str, Any], ...]:
    """(field name, metadata value) of the fields of `cls` that have `role`: own first, shared last."""
    having = [a for a in attrs.fields(cls) if role in a.metadata]
    return tuple((a.name, a.metadata[role]) for a in sorted(having, key=lambda a: a.inherited))


_fields: Callable[[Any, str], tuple[tuple[str, Any], ...]] = cache(_read_fields)


EXCLUSIVE: Final = (("market", "country_code"), ("set_lang", "accept_language"))
"""Pairs of which at most one may be sent (API reference: Query parameters)."""


@frozen(kw_only=True)
class CommonParams:
    """What every endpoint takes; also the form of a session's defaults."""

    market: str | Unset | None = query_field("mkt", _market, UNSET)
    """`en-US`; the service maps markets it does not list to the nearest. Excludes `country_code`."""
    country_code: str | Unset | None = query_field("cc", _country, UNSET)
    """For users of several languages; needs `accept_language`. Excludes `market`."""
    set_lang: str | Unset | None = query_field("setLang", _language, UNSET)
    """Language of labels. Excludes `accept_language`."""
    safe_search: SafeSearch | str | Unset | None = query_field(
        "safeSearch", partial(checks.one_of, kind=SafeSearch), UNSET
    )
    accept_language: str | Unset | None = _header("Accept-Language", checks.header_value)
    user_agent: str | Unset | None = _header("User-Agent", checks.header_value)
    """Of the end user's browser; it decides between results for phones and desktops."""
    client_id: str | Unset | None = _header("X-MSEdge-ClientID", checks.header_value)
    """`answer.meta.client_id` of an earlier call of the same user and device."""
    client_ip: str | Unset | None = _header("X-MSEdge-ClientIP", _client_ip)
    location: Location | Unset | None = _header("X-Search-Location", _location)
    no_cache: bool | Unset = _header("Pragma", checks.flag)
    """Ask the service to pass over its cache (`Pragma: no-cache`)."""
    accept: str | Unset | None = _header("Accept", _accept)
    """`application/ld+json` for JSON-LD; its shape is not documented, so it comes whole, on `answer.raw`."""
    bing_apis_sdk: bool | Unset = _header("X-BingApis-SDK", checks.flag)
    """Say that an SDK is calling, as Microsoft's did; it seems to trim undocumented fields."""

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
        """Check some of the parameters, by name, without the others. Raises `InvalidRequestError`."""
        given = {name: value for name, value in values.items() if value is not None and value is not UNSET}
        for name, check in _fields(cls, "check"):
            if name in given:
                given[name] = check(name, given[name])
        cls._check_together(given)

    @classmethod
    def _check_together(cls, given: Mapping[str, Any]) -> None:
        """Check what the parameters that were given mean for each other."""
        for one, other in EXCLUSIVE:
            if one in given and other in given:
                raise checks.not_both(one, given[one], other, given[other])

    def with_defaults(self, defaults: CommonParams) -> Self:
        """A copy in which what is `UNSET` is taken from `defaults`, ready to be sent.

        Raises `InvalidRequestError` for a country code without languages (API reference: `cc`).
        """
        whole = self.merged(defaults)
        if _given(whole.country_code) is not None and _given(whole.accept_language) is None:
            raise checks.refuse("country_code", whole.country_code, "it needs accept_language beside it")
        return whole

    def merged(self, defaults: CommonParams) -> Self:
        """A copy in which what is `UNSET` is taken from `defaults`.

        Of two parameters that exclude each other, the one given here keeps the other's default out.
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
        """What is said of the parameters that all endpoints share: all that is not `UNSET`."""
        return {name: value for name in _COMMON if (value := getattr(self, name)) is not UNSET}

    @classmethod
    def query_names(cls) -> tuple[str, ...]:
        """All query parameters there are."""
        names = (name for _, name in _fields(cls, "query"))
        return tuple(edge for name in names for edge in (_EDGES if name == "crop" else (name,)))

    def query_pairs(self) -> Pairs:
        """The query string, as pairs of names and unencoded values."""
        return [pair for name, wire in _fields(type(self), "query") for pair in _pair(wire, getattr(self, name))]

    def name_of(self, wire: str) -> str:
        """The Python name of the query parameter `wire`; that itself if it is none of these."""
        return next((name for name, other in _fields(type(self), "query") if other == wire), wire)

    def header_pairs(self) -> Pairs:
        """The headers that this question adds to a request; never the key."""
        return [pair for name, wire in _fields(type(self), "header") for pair in _pair(wire, getattr(self, name))]


_COMMON = tuple(a.name for a in attrs.fields(CommonParams))
_EDGES = ("cal", "cat", "car", "cab")


def _given(value: Any) -> Any:
    return None if value is UNSET else value


def _pair(name: str, value: Any) -> Pairs:
    """One parameter as it goes out; none if there is nothing to say."""
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
