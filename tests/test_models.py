"""Answers: what can be read off a model beside its fields, and what kind of object it is."""

from __future__ import annotations

import copy
import inspect
import pickle
from datetime import UTC, datetime
from typing import Any, get_type_hints

import attrs
import bodies
import pytest
from hypothesis import given, strategies as st

from bing_images_async import models
from bing_images_async._protocol.decoding import structure, wire_names
from bing_images_async._protocol.response_reading import read_response
from bing_images_async.errors import BadRequestError, InvalidRequestError
from bing_images_async.models import (
    Attempt,
    Image,
    ImageAnswer,
    ImageInsights,
    Offer,
    ResponseMeta,
    Thumbnail,
    TrendingImages,
)

CLASSES = [getattr(models, name) for name in models.__all__]
PAGES: list[tuple[dict[str, Any], Any]] = [
    (bodies.search_2020(), ImageAnswer),
    (bodies.details(), ImageInsights),
    (bodies.trending(), TrendingImages),
]
THUMBNAIL = "https://tse1.mm.bing.example/th?id=OIP.Aa_bB-1%2f&pid=Api"


@pytest.mark.parametrize("cls", CLASSES, ids=models.__all__)
def test_models_are_frozen_and_slotted(cls: Any) -> None:
    """An answer can be shared between tasks; every field has a default or is the library's own."""
    assert attrs.has(cls)
    assert "__dict__" not in dir(cls)
    required = [a for a in attrs.fields(cls) if a.default is attrs.NOTHING]
    model = cls(**{a.name: 1 for a in required})
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(model, attrs.fields(cls)[0].name, None)
    assert all(a.kw_only for a in attrs.fields(cls))


@pytest.mark.parametrize("cls", CLASSES, ids=models.__all__)
def test_what_is_missing_is_none_or_empty(cls: Any) -> None:
    """A missing list is `()`, a missing anything else `None`: no third kind of nothing."""
    if cls in {models.Attempt, models.Problem, models.ResponseMeta}:
        return
    hints = get_type_hints(cls)
    for name in wire_names(cls):
        assert getattr(cls(), name) == (() if "tuple" in str(hints[name]) else None)


@pytest.mark.parametrize("cls", CLASSES, ids=models.__all__)
def test_every_model_says_what_it_is(cls: Any) -> None:
    """A docstring of its own, not that of its parent."""
    assert inspect.getdoc(cls)
    assert cls.__doc__ not in {parent.__doc__ for parent in cls.__mro__[1:]}


@pytest.mark.parametrize(("body", "cls"), PAGES)
def test_answers_are_values(body: dict[str, Any], cls: Any) -> None:
    """Decoded models are equal to their copies, can be pickled, changed by `evolve`, and are true instances."""
    answer, _ = structure(body, cls)
    assert type(answer) is cls
    assert pickle.loads(pickle.dumps(answer)) == answer
    assert copy.deepcopy(answer) == answer
    assert hash(answer) == hash(copy.copy(answer))
    assert attrs.evolve(answer, id="other") != answer
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        answer.id = "other"


def test_what_the_session_knows_does_not_make_answers_differ() -> None:
    """The same page that took another route is the same page."""
    first, second = (
        read_response(bodies.reply(bodies.search_2017(), bingapis_traceid=trace), ImageAnswer, keep_raw=keep)
        for trace, keep in (("T-1", True), ("T-2", False))
    )
    assert first == second
    assert (first.meta.trace_id, second.meta.trace_id) == ("T-1", "T-2")


def test_meta_holds_what_the_headers_say() -> None:
    """The documented response headers by name, all of them as they came, and how the call went."""
    attempts = (Attempt(number=1, started=0.0, elapsed=0.25, status=200),)
    headers = {
        "bingapis-traceid": "T-1", "bingapis-market": "de-DE", "x-msedge-clientid": "C-1", "bingapis-sessionid": "S-1",
    }  # fmt: skip
    reply = bodies.reply(bodies.trending(), **headers)
    meta = read_response(reply, TrendingImages, attempts=attempts, elapsed=0.5).meta
    assert meta == ResponseMeta(
        status=200, trace_id="T-1", market="de-DE", client_id="C-1", session_id="S-1", headers=headers,
        attempts=attempts, elapsed=0.5,
    )  # fmt: skip


def test_meta_without_headers() -> None:
    """All of them are optional."""
    meta = read_response(bodies.reply(bodies.trending()), TrendingImages).meta
    assert (meta.trace_id, meta.market, meta.client_id, meta.session_id) == (None, None, None, None)


def test_the_raw_json_is_kept_on_request() -> None:
    """Whole, unknown keys too; otherwise not at all."""
    body = bodies.search_2020() | {"weather": "fine"}
    assert read_response(bodies.reply(body), ImageAnswer, keep_raw=True).raw == body
    assert read_response(bodies.reply(body), ImageAnswer).raw is None


def test_json_ld_is_opaque() -> None:
    """Its shape is not documented, so it comes whole, and no field is read."""
    body = {"@context": "https://schema.example", "value": "no list"}
    answer = read_response(bodies.reply(body, bingapis_traceid="T-1"), ImageAnswer, json_ld=True)
    assert (answer.raw, answer.value, answer.problems, answer.meta.trace_id) == (body, (), (), "T-1")
    with pytest.raises(BadRequestError):
        read_response(bodies.reply(bodies.service_error()), ImageAnswer, json_ld=True)


def test_insights_without_a_type() -> None:
    """An answer is known by its fields where `_type` is missing or another."""
    assert read_response(bodies.reply({"imageTags": {"value": []}}), ImageInsights).image_tags is not None
    assert read_response(bodies.reply({"value": []}), ImageAnswer).value == ()
    assert read_response(bodies.reply({"_type": "Videos", "categories": []}), TrendingImages).type_ == "Videos"


# --- sizes, dates


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("48213 B", 48_213), ("0 B", 0), ("48213B", 48_213), (None, None), ("", None), ("48213", None), ("48 KB", None),
        ("48213 b", None), ("-1 B", None), ("1.5 B", None), (" 48213 B", None), ("48213 B\n", None), ("48213  B", None),
        ("\u0664 B", None), ("9" * 18 + " B", 10**18 - 1), ("9" * 5_000 + " B", None),
    ],
)  # fmt: skip
def test_content_size_in_bytes(text: str | None, size: int | None) -> None:
    """The number, if the unit is bytes; the text stays as sent."""
    image = Image(content_size=text)
    assert (image.content_size_bytes, image.content_size) == (size, text)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2014-11-02T12:00:00.0000000Z", datetime(2014, 11, 2, 12, tzinfo=UTC)),
        ("2014-11-02T12:00:00.1234567Z", datetime(2014, 11, 2, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2014-11-02T12:00:00Z", datetime(2014, 11, 2, 12, tzinfo=UTC)),
        ("2001-01-01T00:00:00.0000000Z", datetime(2001, 1, 1, tzinfo=UTC)),
        ("2020-08-12T00:00:00.0000000", datetime(2020, 8, 12, tzinfo=UTC)),
        ("2020-08-12", datetime(2020, 8, 12, tzinfo=UTC)),
        ("2011-10-29T11:26:00", datetime(2011, 10, 29, 11, 26, tzinfo=UTC)),
        ("2020-08-12T14:00:00+02:00", datetime(2020, 8, 12, 12, tzinfo=UTC)),
        ("2020-08-12T14:00:00+08:00", datetime(2020, 8, 12, 6, tzinfo=UTC)),
        ("2020-01-01T00:30:00-23:59", datetime(2020, 1, 2, 0, 29, tzinfo=UTC)),
        ("2020-08-12T14:00:00+00:00", datetime(2020, 8, 12, 14, tzinfo=UTC)),
        ("2020-08-12T14:00:00-00:00", datetime(2020, 8, 12, 14, tzinfo=UTC)),
    ],
)
def test_dates(text: str, date: datetime) -> None:
    """Seven digits of a second are cut to six; a date is aware and in UTC, whatever zone was sent or none."""
    body = {"_type": "ImageInsights", "image": {"datePublished": text}, "shoppingSources": {"lastUpdated": text}}
    insights, problems = structure(body, ImageInsights)
    assert insights.image is not None
    assert isinstance(insights.shopping_sources, Offer)
    dates = [insights.image.date_published, insights.shopping_sources.last_updated]
    assert [(repr(found), problems) for found in dates] == [(repr(date), ())] * 2
    assert repr(read_response(bodies.reply(body), ImageInsights)) == repr(insights)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "2020-08",
        "2020-02-30",
        "12/08/2020",
        "2020-08-12T25:00:00Z",
        "0000-01-01",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_what_is_no_date(text: str) -> None:
    """It is a problem at its place, not an error."""
    insights, problems = structure({"image": {"datePublished": text, "name": "boat"}}, ImageInsights)
    assert insights.image == Image(name="boat")
    assert [problem.path for problem in problems] == ["image.datePublished"]


# --- thumbnails (API page "Resize and crop thumbnail images")


@pytest.mark.parametrize(
    ("options", "added"),
    [
        ({}, ""),
        ({"padding": True}, ""),
        ({"width": 150}, "&w=150&p=0"),
        ({"height": 90}, "&h=90&p=0"),
        ({"width": 150, "height": 90}, "&w=150&h=90&p=0"),
        ({"width": 150, "height": 90, "padding": True}, "&w=150&h=90"),
        ({"width": 150, "height": 90, "crop": "blind"}, "&w=150&h=90&c=4&p=0"),
        ({"width": 150, "height": 90, "crop": "smart"}, "&w=150&h=90&c=7&p=0"),
        ({"width": 150, "height": 90, "crop": "smart", "padding": True}, "&w=150&h=90&c=7"),
        ({"width": 1, "height": 65_535}, "&w=1&h=65535&p=0"),
    ],
)
def test_thumbnails_in_other_sizes(options: dict[str, Any], added: str) -> None:
    """Only `w`, `h`, `c` and `p` are set; the rest stays byte for byte."""
    assert Image(thumbnail_url=THUMBNAIL).thumbnail_at(**options) == THUMBNAIL + added


@pytest.mark.parametrize(
    ("url", "resized"),
    [
        ("https://h.example/th?id=A&w=1&pid=Api&h=2&c=4&p=0&rs=1", "https://h.example/th?id=A&pid=Api&rs=1&w=5&p=0"),
        ("https://h.example/th?id=a%2fb_c-d+e|f&ow=3&W=1", "https://h.example/th?id=a%2fb_c-d+e|f&ow=3&W=1&w=5&p=0"),
        ("https://h.example/th", "https://h.example/th?w=5&p=0"),
        ("https://h.example/th?", "https://h.example/th?w=5&p=0"),
        ("https://h.example/th?id=A#w=1", "https://h.example/th?id=A&w=5&p=0#w=1"),
        ("https://h.example/th?w", "https://h.example/th?w=5&p=0"),
    ],
)
def test_sizes_are_replaced_and_the_rest_is_kept(url: str, resized: str) -> None:
    """Sizes that are there already go; ids are not decoded, other parameters keep their order."""
    assert Image(thumbnail_url=url).thumbnail_at(width=5) == resized


@given(st.integers(1, 65_535), st.integers(1, 65_535), st.sampled_from(["smart", "blind", None]), st.booleans())
def test_resizing_twice_is_resizing_once(width: int, height: int, crop: Any, padding: bool) -> None:
    """The last size counts."""
    once = Image(thumbnail_url=THUMBNAIL).thumbnail_at(width=width, height=height, crop=crop, padding=padding)
    before = Image(thumbnail_url=THUMBNAIL).thumbnail_at(width=9, height=9, crop="blind")
    twice = Image(thumbnail_url=before).thumbnail_at(width=width, height=height, crop=crop, padding=padding)
    assert twice == once


@pytest.mark.parametrize(
    ("options", "blamed"),
    [
        ({"width": 0}, "width"), ({"width": -5}, "width"), ({"height": 0}, "height"), ({"width": 65_536}, "width"),
        ({"width": True}, "width"), ({"height": 9.0}, "height"), ({"width": "9"}, "width"),
        ({"crop": "smart"}, "crop"), ({"crop": "smart", "width": 9}, "crop"), ({"crop": "blind", "height": 9}, "crop"),
        ({"crop": "round", "width": 9, "height": 9}, "crop"), ({"crop": 7, "width": 9, "height": 9}, "crop"),
    ],
)  # fmt: skip
def test_impossible_thumbnails(options: dict[str, Any], blamed: str) -> None:
    """A size below 1, a crop that is none, a crop without both sizes."""
    with pytest.raises(InvalidRequestError) as caught:
        Image(thumbnail_url=THUMBNAIL).thumbnail_at(**options)
    assert caught.value.parameter == blamed


def test_no_thumbnail_no_address() -> None:
    """There is nothing to resize."""
    assert Image().thumbnail_at(width=9) is None


@pytest.mark.parametrize(
    ("thumbnail", "href"),
    [
        (Thumbnail(), None),
        (Thumbnail(url="u"), "u"),
        (Thumbnail(thumbnail_url="t"), "t"),
        (Thumbnail(content_url="c", width=3), "c"),
        (Thumbnail(url="u", thumbnail_url="t", content_url="c"), "t"),
    ],
)
def test_the_three_shapes_of_a_querys_thumbnail(thumbnail: Thumbnail, href: str | None) -> None:
    """Whichever name the address came under, `href` has it."""
    assert thumbnail.href == href
