"""Parameters: each becomes its documented pair, and what the service would refuse is refused before any I/O."""

from __future__ import annotations

import io
import math
import unicodedata
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, get_type_hints

import attrs
import pytest
from hypothesis import given, strategies as st

from bing_images_async import _validation as checks
from bing_images_async.errors import InvalidRequestError
from bing_images_async.models import NormalizedRectangle
from bing_images_async.params import (
    UNSET,
    Aspect,
    Color,
    CommonParams,
    CropType,
    DetailsParams,
    Freshness,
    ImageContent,
    ImageSize,
    ImageType,
    ItemAvailability,
    License,
    Location,
    Module,
    SafeSearch,
    SearchParams,
    TrendingParams,
)
from bing_images_async.params.keywords import CommonOptions, DetailsOptions, SearchOptions

HERE = Location(47.60357, -122.3295, 100)
CROP = NormalizedRectangle(left=0.25, top=0, right=1, bottom=0.5)


def search(**options: Any) -> SearchParams:
    return SearchParams("boat", **options)


def refused(kind: Any, *args: Any, **options: Any) -> InvalidRequestError:
    """The error for these parameters."""
    with pytest.raises(InvalidRequestError) as caught:
        kind(*args, **options)
    return caught.value


# --- what is sent (API reference: Query parameters, Headers)

COMMON_QUERY: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"market": "en-US"}, ("mkt", "en-US")),
    ({"market": "zh-Hant-TW"}, ("mkt", "zh-Hant-TW")),
    ({"country_code": "CH"}, ("cc", "CH")),
    ({"set_lang": "fr-ca"}, ("setLang", "fr-ca")),
    ({"set_lang": "zh-hans"}, ("setLang", "zh-hans")),
    ({"safe_search": "strict"}, ("safeSearch", "Strict")),
    ({"safe_search": SafeSearch.OFF}, ("safeSearch", "Off")),
]
HEADERS: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"accept_language": "de-CH, fr;q=0.8"}, ("Accept-Language", "de-CH, fr;q=0.8")),
    ({"user_agent": "Mozilla/5.0 (X11)"}, ("User-Agent", "Mozilla/5.0 (X11)")),
    ({"user_agent": "  padded "}, ("User-Agent", "padded")),
    ({"client_id": "0E1F-2A"}, ("X-MSEdge-ClientID", "0E1F-2A")),
    ({"client_ip": "192.0.2.7"}, ("X-MSEdge-ClientIP", "192.0.2.7")),
    ({"client_ip": "2001:DB8::1"}, ("X-MSEdge-ClientIP", "2001:db8::1")),
    ({"client_ip": IPv4Address("192.0.2.7")}, ("X-MSEdge-ClientIP", "192.0.2.7")),
    ({"client_ip": IPv6Address("2001:db8::1")}, ("X-MSEdge-ClientIP", "2001:db8::1")),
    ({"location": HERE}, ("X-Search-Location", "lat:47.60357;long:-122.3295;re:100")),
    ({"no_cache": True}, ("Pragma", "no-cache")),
    ({"accept": "application/json"}, ("Accept", "application/json")),
    ({"accept": "application/ld+json"}, ("Accept", "application/ld+json")),
    ({"bing_apis_sdk": True}, ("X-BingApis-SDK", "true")),
]
SEARCH_QUERY: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"count": 150}, ("count", "150")),
    ({"count": 1}, ("count", "1")),
    ({"offset": 0}, ("offset", "0")),
    ({"offset": 2**31 - 1}, ("offset", "2147483647")),
    ({"image_id": "A1"}, ("id", "A1")),
    ({"aspect": "wide"}, ("aspect", "Wide")),
    ({"color": "COLORONLY"}, ("color", "ColorOnly")),
    ({"freshness": Freshness.WEEK}, ("freshness", "Week")),
    ({"image_content": "portrait"}, ("imageContent", "Portrait")),
    ({"image_type": "animatedgifhttps"}, ("imageType", "AnimatedGifHttps")),
    ({"license": "ModifyCommercially"}, ("license", "ModifyCommercially")),
    ({"size": "wallpaper"}, ("size", "Wallpaper")),
    ({"width": 65_535}, ("width", "65535")),
    ({"min_width": 0}, ("minWidth", "0")),
    ({"max_width": 300}, ("maxWidth", "300")),
    ({"height": 200}, ("height", "200")),
    ({"min_height": 100}, ("minHeight", "100")),
    ({"max_height": 300}, ("maxHeight", "300")),
    ({"min_file_size": 1_000}, ("minFileSize", "1000")),
    ({"max_file_size": 2_000_000}, ("maxFileSize", "2000000")),
]
DETAILS_QUERY: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"image_id": "A1"}, [("id", "A1")]),
    ({"query": "boat"}, [("q", "boat")]),
    ({"modules": ["Tags", Module.BRQ]}, [("modules", "Tags,BRQ")]),
    ({"modules": " similarimages , tags,TAGS"}, [("modules", "SimilarImages,Tags")]),
    ({"modules": "RecognizedEntities"}, [("modules", "RecognizedEntities")]),
    ({"modules": (module for module in ["all"])}, [("modules", "All")]),
    ({"modules": None}, []),
    ({"crop": CROP}, [("cal", "0.25"), ("cat", "0"), ("car", "1"), ("cab", "0.5")]),
    ({"crop": CROP, "crop_type": "rectangular"},
     [("cal", "0.25"), ("cat", "0"), ("car", "1"), ("cab", "0.5"), ("ct", "Rectangular")]),
    ({"crop": CROP, "crop_type": CropType.ZERO},
     [("cal", "0.25"), ("cat", "0"), ("car", "1"), ("cab", "0.5"), ("ct", "0")]),
]  # fmt: skip


@pytest.mark.parametrize("kind", [search, TrendingParams, CommonParams])
@pytest.mark.parametrize(("options", "pair"), COMMON_QUERY)
def test_shared_parameters(kind: Any, options: dict[str, Any], pair: tuple[str, str]) -> None:
    """Each becomes its pair, on every endpoint."""
    assert [p for p in kind(**options).query_pairs() if p[0] != "q"] == [pair]


@pytest.mark.parametrize("kind", [search, TrendingParams, CommonParams])
@pytest.mark.parametrize(("options", "pair"), HEADERS)
def test_headers(kind: Any, options: dict[str, Any], pair: tuple[str, str]) -> None:
    """Each becomes its header, on every endpoint, and nothing in the query string."""
    params = kind(**options)
    assert (params.header_pairs(), [p for p in params.query_pairs() if p[0] != "q"]) == ([pair], [])


@pytest.mark.parametrize(("options", "pair"), SEARCH_QUERY)
def test_search_parameters(options: dict[str, Any], pair: tuple[str, str]) -> None:
    """Each becomes its pair, behind the query."""
    assert search(**options).query_pairs() == [("q", "boat"), pair]


@pytest.mark.parametrize(("options", "pairs"), DETAILS_QUERY)
def test_details_parameters(options: dict[str, Any], pairs: list[tuple[str, str]]) -> None:
    """Each becomes its pairs; without `modules` everything is asked for."""
    expected = pairs if "modules" in options else [("modules", "All"), *pairs]
    found = DetailsParams(insights_token="t*\\_", **options).query_pairs()
    assert sorted(found) == sorted([("insightsToken", "t*\\_"), *expected])


def test_sources_of_details() -> None:
    """A token and an address are parameters; an upload is none."""
    assert DetailsParams(image_url="https://img.example/a|b").query_pairs()[0] == ("imgUrl", "https://img.example/a|b")
    for image in (b"x", bytearray(b"x"), memoryview(b"x"), Path("x"), io.BytesIO(b"x")):
        assert DetailsParams(image=image).query_pairs() == [("modules", "All")]  # type: ignore[arg-type]  # wrong on purpose


def test_every_parameter_is_tried_above() -> None:
    """A field that no test sends is a field that may be sent wrong."""
    tried: dict[type, set[str]] = {CommonParams: set(), SearchParams: {"query"}, DetailsParams: {"insights_token"}}
    tried[DetailsParams] |= {"image_url", "image"}
    for options, _ in COMMON_QUERY + HEADERS:
        tried[CommonParams] |= set(options)
    for options, _ in SEARCH_QUERY:
        tried[SearchParams] |= set(options)
    for options, _ in DETAILS_QUERY:
        tried[DetailsParams] |= set(options)
    for kind, names in tried.items():
        assert {a.name for a in attrs.fields(kind) if kind is CommonParams or not a.inherited} == names


@pytest.mark.parametrize(
    ("kind", "name", "enum"),
    [
        (search, "safe_search", SafeSearch), (search, "aspect", Aspect), (search, "color", Color),
        (search, "freshness", Freshness), (search, "image_content", ImageContent), (search, "image_type", ImageType),
        (search, "license", License), (search, "size", ImageSize),
    ],
)  # fmt: skip
def test_words_in_any_case(kind: Any, name: str, enum: Any) -> None:
    """Every word is taken as the enum's member, its text, and its text in other cases; the documented case is sent."""
    for member in enum:
        for form in (member, str(member), member.value.upper(), member.value.lower()):
            params = kind(**{name: form})
            assert getattr(params, name) is member
            assert params.query_pairs()[-1][1] == member.value


@pytest.mark.parametrize(
    ("enum", "words"),
    [
        (SafeSearch, "Off Moderate Strict"),
        (Aspect, "All Square Wide Tall"),
        (Color, "ColorOnly Monochrome Black Blue Brown Gray Green Orange Pink Purple Red Teal White Yellow"),
        (Freshness, "Day Week Month"),
        (ImageContent, "Face Portrait"),
        (ImageType, "AnimatedGif AnimatedGifHttps Clipart Line Photo Shopping Transparent"),
        (License, "All Any Public Share ShareCommercially Modify ModifyCommercially"),
        (ImageSize, "All Small Medium Large Wallpaper"),
        (Module, ("All BRQ Caption Collections PagesIncluding Recipes RecognizedEntities RelatedSearches "
         "ShoppingSources SimilarImages SimilarProducts Tags")),
        (CropType, "0 Rectangular"),
        (ItemAvailability, ("Discontinued InStock InStoreOnly LimitedAvailability OnlineOnly OutOfStock PreOrder "
         "SoldOut")),
    ],
)  # fmt: skip
def test_the_words_are_the_documented_ones(enum: Any, words: str) -> None:
    """No word more, no word less."""
    assert [member.value for member in enum] == words.split()


# --- what is refused, and how it is said

REFUSED: list[tuple[Any, dict[str, Any], str, str]] = [
    (search, {"count": 0}, "count=0", "from 1 to 150"),
    (search, {"count": 151}, "count=151", "from 1 to 150"),
    (search, {"count": True}, "count=True", "an int from 1"),
    (search, {"count": 35.0}, "count=35.0", "an int"),
    (search, {"count": "35"}, "count='35'", "an int"),
    (search, {"offset": -1}, "offset=-1", "from 0 to 2,147,483,647"),
    (search, {"offset": 2**31}, "offset=2147483648", "from 0 to 2,147,483,647"),
    (search, {"offset": False}, "offset=False", "an int"),
    (search, {"offset": 10**5_000}, "offset=<int>", "from 0 to 2,147,483,647"),
    (search, {"width": 65_536}, "width=65536", "from 0 to 65,535"),
    (search, {"min_width": -1}, "min_width=-1", "from 0 to 65,535"),
    (search, {"max_width": "1"}, "max_width='1'", "an int"),
    (search, {"height": 1.5}, "height=1.5", "an int"),
    (search, {"min_height": 70_000}, "min_height=70000", "from 0 to 65,535"),
    (search, {"max_height": -2}, "max_height=-2", "from 0 to 65,535"),
    (search, {"min_file_size": -1}, "min_file_size=-1", "from 0"),
    (search, {"max_file_size": 2**31}, "max_file_size=2147483648", "to 2,147,483,647"),
    (search, {"image_id": " "}, "image_id=' '", "blank"),
    (search, {"image_id": 5}, "image_id=5", "a str"),
    (search, {"size": "huge"}, "size='huge'", "All, Small, Medium, Large, Wallpaper"),
    (search, {"size": 3}, "size=3", "Wallpaper"),
    (search, {"size": True}, "size=True", "Wallpaper"),
    (search, {"aspect": ""}, "aspect=''", "All, Square, Wide, Tall"),
    (search, {"color": "Grey"}, "color='Grey'", "Gray"),
    (search, {"freshness": "2020-01-01..2020-02-01"}, "freshness='2020-01-01..2020-02-01'", "Day, Week, Month"),
    (search, {"image_content": b"Face"}, "image_content=b'Face'", "Face, Portrait"),
    (search, {"image_type": "\ud800"}, "image_type='\\ud800'", "AnimatedGif"),
    (search, {"license": ["Share"]}, "license=['Share']", "ShareCommercially"),
    (search, {"safe_search": "on"}, "safe_search='on'", "Off, Moderate, Strict"),
    (search, {"market": "english"}, "market='english'", "en-US"),
    (search, {"market": "en_US"}, "market='en_US'", "en-US"),
    (search, {"market": "en-US\n"}, "market='en-US\\n'", "en-US"),
    (search, {"market": "\u0435n-US"}, "market='\u0435n-US'", "en-US"),
    (search, {"market": ""}, "market=''", "blank"),
    (search, {"country_code": "CHE"}, "country_code='CHE'", "two-letter"),
    (search, {"set_lang": "e"}, "set_lang='e'", "en-GB"),
    (search, {"accept_language": "de\r\nX-Evil: 1"}, "accept_language='de\\r\\nX-Evil: 1'", "CR, LF, NUL"),
    (search, {"user_agent": "a\nb"}, "user_agent='a\\nb'", "CR, LF, NUL"),
    (search, {"user_agent": "a\n"}, "user_agent='a\\n'", "CR, LF, NUL"),
    (search, {"user_agent": "a\x00b"}, "user_agent='a\\x00b'", "CR, LF, NUL"),
    (search, {"user_agent": "caf\u00e9"}, "user_agent='caf\u00e9'", "ASCII"),
    (search, {"user_agent": ""}, "user_agent=''", "blank"),
    (search, {"user_agent": b"agent"}, "user_agent=b'agent'", "a str"),
    (search, {"client_id": "id\x7f"}, "client_id='id\\x7f'", "CR, LF, NUL"),
    (search, {"client_id": "\udcff"}, "client_id='\\udcff'", "lone surrogate"),
    (search, {"client_ip": "192.0.2"}, "client_ip='192.0.2'", "IPv4 or IPv6"),
    (search, {"client_ip": "192.0.2.x"}, "client_ip='192.0.2.x'", "not masked"),
    (search, {"client_ip": 1}, "client_ip=1", "IPv4 or IPv6"),
    (search, {"client_ip": True}, "client_ip=True", "IPv4 or IPv6"),
    (search, {"client_ip": b"\x7f\x00\x00\x01"}, "client_ip=b'\\x7f\\x00\\x00\\x01'", "IPv4 or IPv6"),
    (search, {"client_ip": "fe80::1%a\r\nX-Evil: 1"}, "client_ip='fe80::1%a\\r\\nX-Evil: 1'", "IPv4 or IPv6"),
    (search, {"location": "lat:1;long:2;re:3"}, "location='lat:1;long:2;re:3'", "a Location"),
    (search, {"no_cache": 1}, "no_cache=1", "True or False"),
    (search, {"bing_apis_sdk": "true"}, "bing_apis_sdk='true'", "True or False"),
    (search, {"accept": "text/html"}, "accept='text/html'", "application/json, application/ld+json"),
    (search, {"accept": []}, "accept=[]", "application/json, application/ld+json"),
    (search, {"min_width": 5, "max_width": 4}, "min_width=5 is above max_width=4", "empty"),
    (search, {"min_height": 5, "max_height": 4}, "min_height=5 is above max_height=4", "empty"),
    (search, {"min_file_size": 5, "max_file_size": 4}, "min_file_size=5 is above max_file_size=4", "empty"),
    (search, {"width": 1, "min_width": 0}, "width=1 and min_width=0", "one of them"),
    (search, {"width": 1, "max_width": 3}, "width=1 and max_width=3", "one of them"),
    (search, {"height": 1, "min_height": 0}, "height=1 and min_height=0", "one of them"),
    (search, {"height": 1, "max_height": 3}, "height=1 and max_height=3", "one of them"),
    (search, {"market": "en-US", "country_code": "US"}, "market='en-US' and country_code='US'", "one of them"),
    (search, {"set_lang": "en", "accept_language": "en"}, "set_lang='en' and accept_language='en'", "one of them"),
    (SearchParams, {"query": ""}, "query=''", "blank"),
    (SearchParams, {"query": " \t\n"}, "query=' \\t\\n'", "blank"),
    (SearchParams, {"query": None}, "query=None", "required"),
    (SearchParams, {"query": UNSET}, "query=UNSET", "required"),
    (SearchParams, {"query": b"boat"}, "query=b'boat'", "a str"),
    (SearchParams, {"query": "a\ud800b"}, "query='a\\ud800b'", "lone surrogate"),
    (DetailsParams, {}, "exactly one of insights_token, image_url and image", "given: none"),
    (DetailsParams, {"insights_token": "t", "image_url": "u"}, "exactly one of", "given: insights_token and image_url"),
    (DetailsParams, {"image": b"x", "image_url": "u"}, "exactly one of", "given: image_url and image"),
    (DetailsParams, {"image": "boat.jpg"}, "image='boat.jpg'", "image_url="),
    (DetailsParams, {"image": 5}, "image=5", "open binary file"),
    (DetailsParams, {"insights_token": ""}, "insights_token=''", "blank"),
    (DetailsParams, {"image_url": "u", "query": " "}, "query=' '", "blank"),
    (DetailsParams, {"image_url": "u", "modules": "Tag"}, "modules='Tag'", "SimilarProducts, Tags"),
    (DetailsParams, {"image_url": "u", "modules": ""}, "modules=''", "All, BRQ"),
    (DetailsParams, {"image_url": "u", "modules": "Tags,"}, "modules=''", "All, BRQ"),
    (DetailsParams, {"image_url": "u", "modules": []}, "modules=[]", "at least one of All, BRQ"),
    (DetailsParams, {"image_url": "u", "modules": [None]}, "modules=[None]", "at least one of"),
    (DetailsParams, {"image_url": "u", "modules": [1]}, "modules=1", "All, BRQ"),
    (DetailsParams, {"image_url": "u", "modules": 5}, "modules=5", "a list of All, BRQ"),
    (DetailsParams, {"image_url": "u", "modules": b"Tags"}, "modules=84", "All, BRQ"),
    (DetailsParams, {"image_url": "u", "modules": ["RecognizedEntities", "Tags"]}, "modules=['Recog", "only module"),
    (DetailsParams, {"image_url": "u", "modules": "All,RecognizedEntities"}, "modules='All,Rec", "only module"),
    (DetailsParams, {"image_url": "u", "crop": (0, 0, 1, 1)}, "crop=(0, 0, 1, 1)", "NormalizedRectangle"),
    (DetailsParams, {"image_url": "u", "crop": NormalizedRectangle(left=0, top=0, right=1)}, "crop.bottom=None",
     "all four"),
    (DetailsParams, {"image_url": "u", "crop": attrs.evolve(CROP, left=-0.1)}, "crop.left=-0.1", "from 0 to 1"),
    (DetailsParams, {"image_url": "u", "crop": attrs.evolve(CROP, right=1.1)}, "crop.right=1.1", "from 0 to 1"),
    (DetailsParams, {"image_url": "u", "crop": attrs.evolve(CROP, top=math.nan)}, "crop.top=nan", "finite"),
    (DetailsParams, {"image_url": "u", "crop": attrs.evolve(CROP, bottom=math.inf)}, "crop.bottom=inf", "finite"),
    (DetailsParams, {"image_url": "u", "crop": attrs.evolve(CROP, right=True)}, "crop.right=True", "number"),
    (DetailsParams, {"image_url": "u", "crop": attrs.evolve(CROP, right="1")}, "crop.right='1'", "number"),
    (DetailsParams, {"image_url": "u", "crop": attrs.evolve(CROP, right=0.25)}, "crop=Norm", "left must be below"),
    (DetailsParams, {"image_url": "u", "crop": attrs.evolve(CROP, top=0.75)}, "crop=Norm", "top below bottom"),
    (DetailsParams, {"image_url": "u", "crop_type": "0"}, "crop_type=", "needs a crop"),
    (DetailsParams, {"image_url": "u", "crop": CROP, "crop_type": "round"}, "crop_type='round'", "0, Rectangular"),
    (TrendingParams, {"market": "x"}, "market='x'", "en-US"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "shown", "allowed"), REFUSED)
def test_what_the_service_would_refuse(kind: Any, options: dict[str, Any], shown: str, allowed: str) -> None:
    """The message names the parameter, the value and what is allowed; it is a `ValueError` as well."""
    error = refused(kind, **options)
    assert shown in str(error)
    assert allowed in str(error)
    assert isinstance(error, ValueError)
    assert error.parameter is not None
    assert error.parameter.partition(".")[0] in {*options, "insights_token"}


def test_long_values_are_cut_in_messages() -> None:
    """A message is a line, however long the value was."""
    assert len(str(refused(search, image_type="x" * 10_000))) < 300


def test_values_without_a_repr_are_refused_like_any_other() -> None:
    """An object of the user's that fails to show itself does not hide which parameter was wrong."""

    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError

    assert "count=<Shy> is not allowed" in str(refused(search, count=Shy()))


def test_parameters_of_other_endpoints_do_not_exist() -> None:
    """Trending takes no query and no filters, details no page: a typo cannot go out silently."""
    for kind, name in ((TrendingParams, "count"), (TrendingParams, "query"), (DetailsParams, "count"),
                       (DetailsParams, "offset"), (DetailsParams, "size"), (search, "modules"),
                       (search, "min_hight")):  # fmt: skip
        with pytest.raises(TypeError, match=name):
            kind(**{name: 1})


@given(st.text())
def test_any_text_is_a_query_or_refused(query: str) -> None:
    """A query is sent as it was given, unless nothing of it is visible or it holds controls or surrogates."""
    try:
        params = SearchParams(query)
    except InvalidRequestError:
        kinds = {unicodedata.category(c) for c in query if not c.isspace() or c in "\x1c\x1d\x1e\x1f"}
        assert kinds <= {"Cf", "Mn"} or kinds & {"Cc", "Cs"}
    else:
        assert params.query_pairs() == [("q", query)]


@pytest.mark.parametrize(
    "query", ["a\0", "\x1b[2J", "a\x7f", "\x80", "\x1c", "\u200b", "\ufeff \u2060", "\u202e", "\ufe0f", "\xad"]
)
@pytest.mark.parametrize("kind", [SearchParams, partial(DetailsParams, insights_token="t")])
def test_query_with_controls_or_nothing_visible_is_refused(kind: Any, query: str) -> None:
    with pytest.raises(InvalidRequestError, match="query="):
        kind(query=query)


@pytest.mark.parametrize(
    "query", ["a\tb\nc", "a\u200db", "\u0b95\u0bcd", "e\u0301", "\ue000", "\U000e0041x", "❤\ufe0f", "\x85x"]
)
def test_query_with_something_visible_is_accepted(query: str) -> None:
    assert SearchParams(query).query == query


@given(st.text(max_size=20))
def test_any_text_is_a_header_or_refused(value: str) -> None:
    """What passes can stand in a header: one line of ASCII, no blanks at its ends."""
    try:
        ((_, sent),) = search(user_agent=value).header_pairs()
    except InvalidRequestError:
        assert not value.strip() or not value.isascii() or any(ord(c) < 32 or ord(c) == 127 for c in value)
    else:
        assert sent == value.strip()
        assert all(c == "\t" or 32 <= ord(c) < 127 for c in sent)


# --- defaults of the session


def test_what_is_unset_comes_from_the_defaults() -> None:
    """`None` switches a default off, a value replaces it, and the rest of the question stays."""
    defaults = CommonParams(market="de-DE", safe_search="Strict", user_agent="agent", no_cache=True)
    params = search(count=5, safe_search=None, user_agent="other").with_defaults(defaults)
    assert params.query_pairs() == [("q", "boat"), ("count", "5"), ("mkt", "de-DE")]
    assert params.header_pairs() == [("User-Agent", "other"), ("Pragma", "no-cache")]


def test_defaults_of_defaults_stay_unset() -> None:
    """A sibling's defaults over the session's: what neither names is still open."""
    both = CommonParams(market="de-DE").with_defaults(CommonParams(client_id="C"))
    assert (both.market, both.client_id, both.user_agent) == ("de-DE", "C", UNSET)


@pytest.mark.parametrize(
    ("own", "default", "kept"),
    [
        ({"market": "en-GB"}, {"country_code": "CH", "accept_language": "de"}, [("mkt", "en-GB")]),
        ({"country_code": "CH", "accept_language": "de"}, {"market": "en-GB"}, [("cc", "CH")]),
        ({"set_lang": "de"}, {"accept_language": "fr"}, [("setLang", "de")]),
        ({"accept_language": "fr"}, {"set_lang": "de"}, []),
        ({"market": None}, {"country_code": "CH", "accept_language": "de"}, [("cc", "CH")]),
    ],
)
def test_what_is_given_keeps_its_opposite_out(
    own: dict[str, Any], default: dict[str, Any], kept: list[tuple[str, str]]
) -> None:
    """Of two parameters that exclude each other, the call's own wins over the session's."""
    params = search(**own).with_defaults(CommonParams(**default))
    assert [pair for pair in params.query_pairs() if pair[0] != "q"] == kept


def test_a_country_needs_languages_after_defaults() -> None:
    """`cc` without `Accept-Language` is refused, but only once the session's defaults have been counted."""
    question = search(country_code="CH")
    assert question.with_defaults(CommonParams(accept_language="de")).accept_language == "de"
    error = refused(question.with_defaults, CommonParams())
    assert (error.parameter, "accept_language" in str(error)) == ("country_code", True)
    assert refused(search(accept_language=None).with_defaults, CommonParams(country_code="CH", accept_language="de"))


def test_questions_are_values() -> None:
    """Equal if they ask the same, hashable, not to be changed, and an upload is not shown."""
    assert search(size="LARGE") == search(size=ImageSize.LARGE)
    assert hash(search(size="large")) == hash(search(size="Large"))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        search().count = 5  # type: ignore[misc]  # frozen, which is the point
    assert "secret" not in repr(DetailsParams(image=b"secret"))
    assert repr(UNSET) == "UNSET"


def test_names_of_parameters() -> None:
    """Messages about what goes out speak of the names that users know."""
    params = search()
    assert [params.name_of(wire) for wire in ("q", "minFileSize", "customConfig")] == [
        "query",
        "min_file_size",
        "customConfig",
    ]


# --- location


def test_a_location_is_rendered_in_the_documented_order() -> None:
    """All nine keys, plain numbers, the name encoded."""
    whole = Location(
        47.5, -122, 22, timestamp=1_600_000_000, heading=0, speed=2.25, altitude=-3.5, altitude_accuracy=10,
        display_name="Seattle, Wash;ington",
    )  # fmt: skip
    assert str(whole) == (
        "lat:47.5;long:-122;re:22;ts:1600000000;head:0;sp:2.25;alt:-3.5;are:10;disp:Seattle%2C%20Wash%3Bington"
    )


@pytest.mark.parametrize(
    ("latitude", "text"),
    [(0.00001, "0.00001"), (1e-12, "0"), (-1e-12, "0"), (-0.0, "0"), (90, "90"), (89.1234567890123, "89.123456789")],
)
def test_coordinates_are_plain_decimals(latitude: float, text: str) -> None:
    """No exponents, no needless digits, no negative zero."""
    assert str(Location(latitude, 0, 1)) == f"lat:{text};long:0;re:1"


LOCATIONS: list[tuple[dict[str, Any], str]] = [
    ({"latitude": 90.1}, "latitude"),
    ({"latitude": math.nan}, "latitude"),
    ({"latitude": -math.inf}, "latitude"),
    ({"latitude": True}, "latitude"),
    ({"latitude": "47"}, "latitude"),
    ({"latitude": None}, "latitude"),
    ({"latitude": 10**400}, "latitude"),
    ({"longitude": -180.5}, "longitude"),
    ({"longitude": None}, "longitude"),
    ({"accuracy": -1}, "accuracy"),
    ({"accuracy": None}, "accuracy"),
    ({"timestamp": 1.5}, "timestamp"),
    ({"timestamp": -1}, "timestamp"),
    ({"heading": 90}, "heading"),
    ({"heading": 90, "speed": 0}, "heading"),
    ({"heading": 361, "speed": 1}, "heading"),
    ({"speed": -1}, "speed"),
    ({"altitude": math.nan}, "altitude"),
    ({"altitude_accuracy": 3}, "altitude_accuracy"),
    ({"altitude_accuracy": -3, "altitude": 1}, "altitude_accuracy"),
    ({"display_name": ""}, "display_name"),
    ({"display_name": "\ud800"}, "display_name"),
]


@pytest.mark.parametrize(("options", "blamed"), LOCATIONS)
def test_impossible_locations(options: dict[str, Any], blamed: str) -> None:
    """Out of range, not finite, missing, or without what they need beside them."""
    error = refused(Location, **{"latitude": 0, "longitude": 0, "accuracy": 1, **options})
    assert error.parameter == blamed


# --- keyword arguments of the session


@pytest.mark.parametrize(
    ("options", "params", "positional"),
    [(CommonOptions, CommonParams, set()), (SearchOptions, SearchParams, {"query"}),
     (DetailsOptions, DetailsParams, set()), (CommonOptions, TrendingParams, set())],
)  # fmt: skip
def test_keyword_arguments_are_the_fields(options: Any, params: Any, positional: set[str]) -> None:
    """What type checkers know of a call is what the parameter class takes, under the same types but for `UNSET`."""
    assert set(get_type_hints(options)) == {a.name for a in attrs.fields(params)} - positional
    assert options.__required_keys__ == frozenset()
    own, fields = get_type_hints(options), get_type_hints(params)
    for name in own.keys() - {"accept", "modules", "image"}:
        assert set(getattr(own[name], "__args__", (own[name],))) == set(
            getattr(fields[name], "__args__", (fields[name],))
        ) - {type(UNSET)}


# --- the checks themselves


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e8, max_value=1e8))
def test_decimals_say_the_number(value: float) -> None:
    """To ten places, in digits only."""
    text = checks.decimal(value)
    assert math.isclose(float(text), value, abs_tol=1e-10)
    assert set(text) <= set("-.0123456789")
    assert text != "-0"


def test_checks_of_settings() -> None:
    """What must be there, and of which class; the value itself comes back."""
    assert checks.required("n", 0) == 0
    assert checks.instance("n", HERE, Location) is HERE
    assert "n=None is not allowed: it is required" in str(refused(checks.required, "n", None))
    assert "n=5 is not allowed: it must be a Location" in str(refused(checks.instance, "n", 5, Location))


def test_none_means_not_given() -> None:
    """Every check passes `None` on."""
    passed = [
        checks.integer("n", None, 0, 1), checks.number("n", None, 0, 1), checks.text("n", None),
        checks.header_value("n", None), checks.one_of("n", None, Aspect),
    ]  # fmt: skip
    assert passed == [None] * 5
