"""Questions: what can be asked of each endpoint, checked when it is written down.

`SearchParams`, `DetailsParams` and `TrendingParams` are frozen. Each field names the query parameter
or header it becomes and the check it must pass; `query_pairs()` and `header_pairs()` read them off.
`None` means "do not send". Fields shared by all endpoints are `UNSET` by default: the session's
default applies, and `None` switches that off for one call.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from functools import cache, partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import IO, Any, Final, Self, cast

import attrs
from attrs import evolve, field, frozen

from . import _validation as checks
from ._enums import (
    Aspect,
    Color,
    CropType,
    Freshness,
    ImageContent,
    ImageSize,
    ImageType,
    ItemAvailability,
    License,
    Module,
    SafeSearch,
)
from ._location import Location
from ._unset import UNSET, Unset
from .errors import InvalidRequestError
from .models import NormalizedRectangle

__all__ = [
    "Aspect",
    "Color",
    "CommonParams",
    "CropType",
    "DetailsParams",
    "Freshness",
    "ImageContent",
    "ImageSize",
    "ImageSource",
    "ImageType",
    "ItemAvailability",
    "License",
    "Location",
    "Module",
    "SafeSearch",
    "SearchParams",
    "TrendingParams",
    "UNSET",
    "Unset",
]


ImageSource = bytes | bytearray | memoryview | os.PathLike[str] | IO[bytes]
"""An image to upload: its bytes, the path of a file, or an open binary file."""

Pairs = list[tuple[str, str]]
Check = Callable[[str, Any], Any]

_MARKET = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]+)?-[A-Za-z]{2}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{2,8})*")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_PIXELS = 65_535  # the documentation's unsigned short
_INT32 = 2**31 - 1


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
_pixels = partial(checks.integer, low=0, high=_PIXELS)
_bytes = partial(checks.integer, low=0, high=_INT32)


def _query(name: str, check: Check, default: object = None) -> Any:
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


@frozen(kw_only=True)
class CommonParams:
    """What every endpoint takes; also the form of a session's defaults."""

    market: str | Unset | None = _query("mkt", _market, UNSET)
    """`en-US`; the service maps markets it does not list to the nearest. Excludes `country_code`."""
    country_code: str | Unset | None = _query("cc", _country, UNSET)
    """For users of several languages; needs `accept_language`. Excludes `market`."""
    set_lang: str | Unset | None = _query("setLang", _language, UNSET)
    """Language of labels. Excludes `accept_language`."""
    safe_search: SafeSearch | str | Unset | None = _query("safeSearch", partial(checks.one_of, kind=SafeSearch), UNSET)
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
        for name, check in _fields(type(self), "check"):
            value = getattr(self, name)
            if value is not None and value is not UNSET:
                object.__setattr__(self, name, check(name, value))
        checks.not_both("market", _given(self.market), "country_code", _given(self.country_code))
        checks.not_both("set_lang", _given(self.set_lang), "accept_language", _given(self.accept_language))

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
        for one, other in (("market", "country_code"), ("set_lang", "accept_language")):
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


@frozen(kw_only=True)
class SearchParams(CommonParams):
    """A question to `/images/search` (API reference: Query parameters). Only `query` is required."""

    query: str = field(kw_only=False, metadata={"query": "q", "check": checks.text})
    """What to look for; operators such as `site:` and quotes are the service's."""
    count: int | None = _query("count", partial(checks.integer, low=1, high=150))
    """Images per page, 1 to 150; the service sends 35 by default, and at times fewer than asked."""
    offset: int | None = _query("offset", _bytes)
    """Zero-based; for the next page, `answer.next_offset`."""
    image_id: str | None = _query("id", checks.text)
    """Puts this image first."""
    aspect: Aspect | str | None = _query("aspect", partial(checks.one_of, kind=Aspect))
    color: Color | str | None = _query("color", partial(checks.one_of, kind=Color))
    freshness: Freshness | str | None = _query("freshness", partial(checks.one_of, kind=Freshness))
    image_content: ImageContent | str | None = _query("imageContent", partial(checks.one_of, kind=ImageContent))
    image_type: ImageType | str | None = _query("imageType", partial(checks.one_of, kind=ImageType))
    license: License | str | None = _query("license", partial(checks.one_of, kind=License))
    size: ImageSize | str | None = _query("size", partial(checks.one_of, kind=ImageSize))
    width: int | None = _query("width", _pixels)
    """Exact, in pixels. Excludes `min_width` and `max_width`."""
    min_width: int | None = _query("minWidth", _pixels)
    max_width: int | None = _query("maxWidth", _pixels)
    height: int | None = _query("height", _pixels)
    """Exact, in pixels. Excludes `min_height` and `max_height`."""
    min_height: int | None = _query("minHeight", _pixels)
    max_height: int | None = _query("maxHeight", _pixels)
    min_file_size: int | None = _query("minFileSize", _bytes)
    """Bytes; approximate, and the service caps it at 520,192."""
    max_file_size: int | None = _query("maxFileSize", _bytes)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not isinstance(self.query, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # None, UNSET
            raise checks.refuse("query", self.query, "it is required")
        checks.not_both("width", self.width, "min_width", self.min_width)
        checks.not_both("width", self.width, "max_width", self.max_width)
        checks.not_both("height", self.height, "min_height", self.min_height)
        checks.not_both("height", self.height, "max_height", self.max_height)
        checks.ordered("min_width", self.min_width, "max_width", self.max_width)
        checks.ordered("min_height", self.min_height, "max_height", self.max_height)
        checks.ordered("min_file_size", self.min_file_size, "max_file_size", self.max_file_size)


def _modules(name: str, value: Any) -> tuple[Module, ...] | None:
    """The modules as a tuple; a text may list several, with commas."""
    names: Any = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, Iterable):
        raise checks.refuse(name, value, f"it must be a list of {', '.join(Module)}")
    chosen = tuple(dict.fromkeys(checks.one_of(name, _stripped(item), Module) for item in cast("Iterable[Any]", names)))
    if not chosen or None in chosen:
        raise checks.refuse(name, value, f"it must name at least one of {', '.join(Module)}")
    if Module.RECOGNIZED_ENTITIES in chosen and len(chosen) > 1:
        raise checks.refuse(name, value, "the service leaves RecognizedEntities out unless it is the only module")
    return tuple(module for module in chosen if module is not None)


def _stripped(item: Any) -> Any:
    return item.strip() if type(item) is str else item


def _crop(name: str, value: Any) -> NormalizedRectangle:
    if not isinstance(value, NormalizedRectangle):
        raise checks.refuse(name, value, "it must be a NormalizedRectangle")
    edges = {edge: getattr(value, edge) for edge in ("left", "top", "right", "bottom")}
    for edge, fraction in edges.items():
        if checks.number(f"{name}.{edge}", fraction, 0.0, 1.0) is None:
            raise checks.refuse(f"{name}.{edge}", None, "all four edges are required")
    if not (edges["left"] < edges["right"] and edges["top"] < edges["bottom"]):
        raise checks.refuse(name, value, "left must be below right, and top below bottom")
    return value


def _image(name: str, value: Any) -> Any:
    if not isinstance(value, bytes | bytearray | memoryview | os.PathLike) and not hasattr(value, "read"):
        raise checks.refuse(
            name, value, "it must be bytes, a pathlib.Path or an open binary file (for an address: image_url=)"
        )
    return cast("Any", value)


@frozen(kw_only=True)
class DetailsParams(CommonParams):
    """A question to `/images/details`: exactly one of `insights_token`, `image_url` and `image`."""

    insights_token: str | None = _query("insightsToken", checks.text)
    """`Image.image_insights_token` of a search."""
    image_url: str | None = _query("imgUrl", checks.text)
    """Address of an image of at most 1 MB, which the service fetches."""
    image: ImageSource | None = field(default=None, repr=False, metadata={"check": _image})
    """An image of at most 1 MB (2**20 bytes), to be uploaded."""
    image_id: str | None = _query("id", checks.text)
    query: str | None = _query("q", checks.text)
    """The query that found the image; RelatedSearches needs it."""
    modules: Iterable[Module | str] | str | None = _query("modules", _modules, (Module.ALL,))
    """What to find out; a tuple of `Module` once made."""
    crop: NormalizedRectangle | None = _query("crop", _crop)
    """The region to look at, for SimilarImages and RecognizedEntities."""
    crop_type: CropType | str | None = _query("ct", partial(checks.one_of, kind=CropType))
    """Rectangular is the only type, and what the service takes when nothing is sent."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        sources = {"insights_token": self.insights_token, "image_url": self.image_url, "image": self.image}
        given = [name for name, value in sources.items() if value is not None]
        if len(given) != 1:
            said = " and ".join(given) or "none"
            raise InvalidRequestError(
                f"details needs exactly one of insights_token, image_url and image; given: {said}.",
                parameter=given[-1] if given else "insights_token",
            )
        if self.crop_type is not None and self.crop is None:
            raise checks.refuse("crop_type", self.crop_type, "it needs a crop")


@frozen(kw_only=True)
class TrendingParams(CommonParams):
    """A question to `/images/trending`.

    Documented markets are en-US, en-CA, en-GB, en-AU, en-IN and zh-CN.
    """
