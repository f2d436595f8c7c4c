"""The fast path gives what the reference decoder gives: the same model, the same problems, the same error.

The reference is bytes to parsed JSON (`parse`), then cattrs (`structure`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import timeit
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import bodies
import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st
from strategies import BROKEN, ENDPOINTS, answers, damaged, dumped, mutated
from walk import places

from bing_images_async._protocol import response_reading as reply_module
from bing_images_async._protocol.decoding import DecodingError, fields, structure
from bing_images_async._protocol.json import MOST_LEVELS
from bing_images_async._protocol.messages import Reply
from bing_images_async._protocol.response_reading import read_response
from bing_images_async.errors import BingImagesError, MalformedResponseError
from bing_images_async.models import Answer, Image, ImageAnswer, ImageInsights, MediaSize, Offer, TrendingImages

fast_decoding = pytest.importorskip("bing_images_async._protocol.fast_decoding", exc_type=ImportError)

Body = Callable[[], dict[str, Any]]

MANY = settings(
    max_examples=max(500, settings.get_profile("default").max_examples, settings().max_examples),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
KINDS = st.sampled_from(list(ENDPOINTS))


@pytest.fixture
def no_unknown_keys() -> Iterator[None]:
    """Forget the keys that other tests have added to the mirrors."""
    with patch.dict(fast_decoding._unknown, clear=True), patch.dict(fast_decoding._decoders, clear=True):
        yield


@contextmanager
def without_fast_path() -> Iterator[None]:
    """Decode with the reference decoder only."""
    with patch.object(reply_module, "fast_decoding", None):
        yield


def outcome(body: bytes, kind: type[Answer], *, keep_raw: bool = False) -> tuple[Any, ...]:
    """Return all that can be seen of an answer or an error; `repr` tells `1` from `1.0` and `-0.0`."""
    try:
        answer = read_response(Reply(200, {}, body), kind, keep_raw=keep_raw)
    except BingImagesError as error:
        return type(error), str(error), vars(error)
    return answer, repr(answer), repr(answer.raw)


def same_both_ways(body: bytes, kind: type[Answer]) -> tuple[Any, ...]:
    with without_fast_path():
        expected = outcome(body, kind)
        expected_raw = outcome(body, kind, keep_raw=True)
    assert outcome(body, kind) == expected  # this may add keys to mirrors, the next uses them
    assert outcome(body, kind) == expected
    assert outcome(body, kind, keep_raw=True) == expected_raw
    assert expected_raw[:2] == expected[:2]
    return expected


@st.composite
def any_bodies(draw: st.DrawFn) -> tuple[type[Answer], bytes]:
    """Bodies of an endpoint, most of them with something wrong; those of another endpoint now and then."""
    kind = draw(KINDS)
    made = answers(kind)
    body = draw(
        st.one_of(made.map(dumped), mutated(made).map(dumped), mutated(made).map(json.dumps).map(str.encode))
        | damaged(made.map(dumped))
        | BROKEN
    )
    return draw(st.sampled_from([kind, kind, kind, ImageAnswer])), body


@MANY
@given(any_bodies())
def test_read_response_any_body_gives_the_same_on_both_ways(example: tuple[type[Answer], bytes]) -> None:
    """Same model down to the class of each part, same problems, same error; with and without `keep_raw`."""
    kind, body = example
    same_both_ways(body, kind)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(KINDS.flatmap(lambda kind: st.tuples(st.just(kind), answers(kind))))
def test_fast_path_takes_bodies_in_the_shape_of_the_models(example: tuple[type[Answer], dict[str, Any]]) -> None:
    """Or the tests above would compare nothing. Images inside images of images are left to the reference."""
    kind, body = example
    assume(max(path.count("image") for path in places(body)) < 2)
    expected, _ = structure(body, kind)
    found = fast_decoding.decode(dumped(body), kind)
    assert (found, repr(found)) == (expected, repr(expected))


@pytest.mark.usefixtures("no_unknown_keys")
@pytest.mark.parametrize(
    ("make", "kind"),
    [(bodies.search_2017, ImageAnswer), (bodies.search_2020, ImageAnswer), (bodies.details, ImageInsights),
     (bodies.trending, TrendingImages)],
)  # fmt: skip
def test_fast_path_proper_bodies_are_never_parsed(make: Body, kind: type[Answer]) -> None:
    """That is what makes it fast; also with a key that no model has."""
    body = make() | {"weather": {"wind": [3, None]}}
    with patch.object(reply_module, "parse", side_effect=AssertionError):
        answer = read_response(bodies.reply(body), kind)
    assert (answer, answer.problems) == structure(body, kind)


# --- every kind of value, in every kind of place

VALUES = [
    b"null", b"true", b"false", b"0", b"-0", b"5", b"-1", b"5.0", b"-0.0", b"0.1", b"1e2", b"1E+2", b"25e-1",
    b"1e308", b"5e-324", b"1e-400", b"640.0", b"-35.0", b"1e20", b"9007199254740993", b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616", b"-9223372036854775809", b"1" * 30, b"1" * 308, b"123456789012345678901234567890.5",
    b"0." + b"3" * 800, b'""', b'"boat"', b'"5"', b'"NaN"', b'"caf\xc3\xa9"', b'"caf\\u00e9"',
    b'"\\/\\"\\\\\\b\\f\\n\\r\\t"', b'"a\\u0000b"', b'"\xf0\x9f\x9a\xa3"', b'"\\ud83d\\udea3"', b'"\\uD83D"',
    b'"\\udea3 x"', b'"\\ud83dx"', b'"\x7f"', b'"\xe2\x80\xa8"', b'"\xff"', b'"caf\xe9"', b'"\xed\xa0\x80"',
    b'"\xc0\x80"', b'"\xf4\x90\x80\x80"', b'"a\x00b"', b'"a\nb"', b'"\\q"', b'"\\u12"', b'"2020-08-12"',
    b'"2020-08-12T00:00:00.1234567"', b'"2014-11-02T12:00:00.9999999Z"', b'"2020-08-12T14:00:00+02:00"',
    b'"2020-08-12 14:00"', b'"20200812"', b'"2020-W33-3"', b'"2020-08-12T24:00:00"', b'"2020-08-12T23:59:60Z"',
    b'"2020-02-30"', b'"0000-01-01"', b'"\xd9\xa2020-08-12"', b'"2020-08-12T00:00:00\\ud800"', b"1600000000", b"{}",
    b"[]", b"[null]", b"[{}]", b"[[]]", b"[5]", b'{"name":"x"}', b'{"width":1,"width":2}', b'{"width":"1","width":2}',
    b'{"width":2,"width":null}', b'{"width":"x"}', b'{"name":{"a":[1,2.0,{"b":null}]}}', b'{"na\\u006de":"y"}',
    b'{"":1}', b'{"a\\ud800":1}', b'{"a\xff":1}', b'{"name":"\xff"}', b'{"x":"\xff"}', b'{"x":["\\ud800"]}',
    b'[{"value":5}]', b'{"value":[]}', b"nul", b"NaN", b"-Infinity", b"01", b"+1", b"1.", b".5", b"1e", b"-", b"[1,]",
    b'{"a":1,}', b"{1:1}", b"'x'", b"", b"1 2", b"//",
]  # fmt: skip
"""A value of every kind there is in JSON, and of some kinds that there are not."""

OUT_OF_RANGE = [b"1e309", b"-1e999", b"1e400", b"1" * 400 + b".5", b"9" * 5_000]

PLACES: dict[str, tuple[type[Answer], bytes]] = {
    "text": (ImageAnswer, b'{"_type":"Images","value":[{"name":%s,"width":3}]}'),
    "whole number": (ImageAnswer, b'{"_type":"Images","nextOffset":%s,"value":[{"height":4}]}'),
    "number": (ImageInsights, b'{"_type":"ImageInsights","shoppingSources":{"price":%s}}'),
    "true or false": (ImageAnswer, b'{"_type":"Images","value":[{"isFresh":%s}]}'),
    "date": (ImageAnswer, b'{"_type":"Images","value":[{"datePublished":%s}]}'),
    "object": (ImageAnswer, b'{"_type":"Images","value":[{"thumbnail":%s}]}'),
    "own list": (ImageAnswer, b'{"_type":"Images","value":%s}'),
    "item": (TrendingImages, b'{"_type":"TrendingImages","categories":[{"title":"a"},%s,{"title":"b"}]}'),
    "list": (ImageAnswer, b'{"_type":"Images","value":[{"provider":%s}]}'),
    "one or many": (ImageAnswer, b'{"_type":"Images","queryExpansions":%s}'),
    "any object": (ImageInsights, b'{"_type":"ImageInsights","detectedObjects":%s}'),
    "inside any object": (ImageInsights, b'{"_type":"ImageInsights","detectedObjects":{"a":[%s]}}'),
    "type": (ImageAnswer, b'{"_type":%s,"value":[]}'),
    "type alone": (ImageInsights, b'{"image":{"name":"x"},"_type":%s}'),
    "inner type": (ImageAnswer, b'{"_type":"Images","value":[{"_type":%s}]}'),
    "unknown": (ImageAnswer, b'{"_type":"Images","value":[{"rank":%s,"name":"x"}]}'),
    "unknown, nested": (TrendingImages, b'{"_type":"TrendingImages","region":{"box":[%s,1]},"categories":[]}'),
    "twice, bad first": (ImageAnswer, b'{"_type":"Images","value":[{"width":%s,"width":5}]}'),
    "twice, bad last": (ImageAnswer, b'{"_type":"Images","value":[{"width":5,"width":%s}]}'),
    "before": (ImageAnswer, b'%s{"_type":"Images"}'),
    "behind": (ImageAnswer, b'{"_type":"Images"}%s'),
    "whole body": (ImageAnswer, b"%s"),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_read_response_every_value_in_every_place_gives_the_same_on_both_ways(place: str) -> None:
    """Whatever stands in the place, both ways make the same of it."""
    kind, template = PLACES[place]
    for value in [*VALUES, *OUT_OF_RANGE, b"9" * 400]:
        same_both_ways(template % value, kind)


@pytest.mark.parametrize("value", OUT_OF_RANGE, ids=range(len(OUT_OF_RANGE)))
@pytest.mark.parametrize("place", PLACES)
def test_read_response_a_number_out_of_range_is_malformed_where_a_model_has_a_field(place: str, value: bytes) -> None:
    """Elsewhere it is ignored, as all unknown fields are."""
    kind, template = PLACES[place]
    body = Reply(200, {}, template % value)
    if place.startswith("unknown"):
        for keep_raw in (False, True):
            assert read_response(body, kind, keep_raw=keep_raw) == read_response(Reply(200, {}, template % b"1"), kind)
    elif place != "twice, bad first":  # where the second value counts
        with pytest.raises(MalformedResponseError):
            read_response(body, kind)


@pytest.mark.parametrize(
    "around", [b" \r\n\t%s\n ", b"\xef\xbb\xbf%s", b"\xef\xbb\xbf\xef\xbb\xbf%s", b"%s\x00", b"\x00%s", b"%s}"]
)
def test_read_response_whatever_is_around_a_body_gives_the_same_on_both_ways(around: bytes) -> None:
    """Blanks, byte order marks, what does not belong there."""
    for make, kind in ((bodies.search_2020, ImageAnswer), (bodies.trending, TrendingImages)):
        same_both_ways(around % json.dumps(make(), indent=1, ensure_ascii=False).encode(), kind)


# --- levels of nesting

LEVELS = [1, 2, 3, 8, 31, MOST_LEVELS - 1, MOST_LEVELS, MOST_LEVELS + 1, MOST_LEVELS + 2, 150, 320, 340, 900, 1_100]
"""Around the limit, around what cattrs can structure (330 levels) and around the recursion limit."""

NESTS: dict[str, tuple[type[Answer], int, bytes, bytes, bytes, bytes]] = {
    # kind, levels outside, what is around the nest, one level of it
    "lists, unknown": (ImageAnswer, 1, b'{"_type":"Images","rank":', b"}", b"[", b"]"),
    "objects, unknown": (ImageAnswer, 1, b'{"_type":"Images","rank":', b"}", b'{"a":', b"}"),
    "siblings, unknown": (ImageAnswer, 3, b'{"_type":"Images","rank":', b"}", b'{"b":{"a":[]},"a":', b',"c":[{}]}'),
    "brackets in texts": (ImageAnswer, 1, b'{"_type":"Images","rank":', b"}", b'["]}",', b',"]}]}"]'),
    "brackets in keys": (ImageAnswer, 1, b'{"_type":"Images","rank":', b"}", b'{"}\\"}":', b"}"),
    "escapes": (ImageAnswer, 1, b'{"_type":"Images","rank":', b"}", b'["\\\\","\\"]","\\\\\\"]",', b"]"),
    "blanks": (ImageAnswer, 1, b'{"_type":"Images","rank":', b"}", b" [\n", b"\t] "),
    "in an item": (ImageAnswer, 3, b'{"_type":"Images","value":[{"name":"a"},{"rank":', b"}]}", b"[", b"]"),
    "images": (ImageInsights, 1, b'{"_type":"ImageInsights","image":', b"}", b'{"image":', b"}"),
    "any object": (ImageInsights, 1, b'{"_type":"ImageInsights","detectedObjects":', b"}", b'{"value":', b"}"),
    "not closed": (ImageAnswer, 1, b'{"_type":"Images","rank":', b"}", b"[", b""),
}


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("nest", NESTS)
def test_read_response_nested_bodies_are_read_up_to_the_limit_on_both_ways(nest: str, levels: int) -> None:
    """64 levels are read, 65 are malformed, whatever stands in texts, and no depth is a RecursionError."""
    kind, outside, head, tail, opened, closed = NESTS[nest]
    deeper = levels - outside
    made = same_both_ways(head + opened * deeper + b"null" * (deeper >= 0) + closed * deeper + tail, kind)
    if levels > MOST_LEVELS:
        assert made[0] is MalformedResponseError
        assert "nested too deep" in made[1]
    elif deeper > 0 and closed:
        assert isinstance(made[0], kind)
        assert made[0].problems == ()


def test_read_response_brackets_in_texts_are_no_levels() -> None:
    """A title may hold any number of them."""
    for text in ("[" * 500, "{[" * 200, '\\"[' * 300, "\\\\[" * 99, "}" * 500):
        body = bodies.search_2020() | {"readLink": text, "rank": [text, {text: text}]}
        made = same_both_ways(json.dumps(body).encode(), ImageAnswer)
        assert (made[0].read_link, made[0].problems) == (text, ())


def test_mirrors_are_bounded_in_depth() -> None:
    """What they accept stays below the limit of levels, so that the fast path need not count them."""

    def levels(cls: type, inner: bool) -> int:
        below = [0, 4]  # JSON of no model, in a field of any kind
        for f in fields(cls):
            if f.wire is not None and f.is_model and not (inner and f.name == "image"):
                below += [f.is_list + levels(f.type, inner or f.name == "image")]
        return 1 + max(below)

    assert max(levels(kind, inner=False) for kind in ENDPOINTS) <= MOST_LEVELS


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("key", ["price", "offerCount", "name", "lastUpdated", "seller"])
def test_structure_a_number_that_is_not_finite_is_refused(key: str, number: float) -> None:
    """Python's own parser lets through what no JSON may hold; a model does not."""
    with pytest.raises(DecodingError, match="out of range"):
        structure({key: number}, Offer)


# --- keys that no model has


@pytest.mark.usefixtures("no_unknown_keys")
def test_fast_path_unknown_keys_are_added_at_the_first_body() -> None:
    """All at once, to the mirrors of their classes."""
    body = bodies.search_2020()
    for image in body["value"]:
        image |= {"rank": 0.5, "region": {"x": 1}, "labels": ["a", None]}
        image["thumbnail"]["ratio"] = 1.5
    body["weather"] = "fine"
    found = [fast_decoding.decode(dumped(body), ImageAnswer) for _ in range(2)]
    assert found == [structure(body, ImageAnswer)[0]] * 2
    assert fast_decoding._unknown[MediaSize] == ["ratio"]
    assert fast_decoding._unknown[Image] == ["rank", "region", "labels"]


@pytest.mark.usefixtures("no_unknown_keys")
@pytest.mark.parametrize(
    "key", ["a`b", "x` - at `$.value[0]`", "", " ", "a.b", "$", "caf\u00e9", "type_", "k" * 250, "image"]
)
def test_fast_path_any_key_may_be_unknown(key: str) -> None:
    """Whatever it is called, both ways agree; and it is not taken for the field of a model."""
    for _ in range(3):
        same_both_ways(dumped({"_type": "Images", key: 5, "value": [{"thumbnail": {key: 5}}]}), ImageAnswer)


@pytest.mark.usefixtures("no_unknown_keys")
@pytest.mark.parametrize("key", ['"', "\\", "\n", "k" * 5_000, "\u007f" * 200])
def test_fast_path_keys_that_msgspec_cannot_name_stay_unknown(key: str) -> None:
    """The reference decodes the bodies that have one."""
    for _ in range(2):
        made = same_both_ways(json.dumps({"_type": "Images", key: 5}).encode(), ImageAnswer)
        assert made[0].problems == ()
    assert fast_decoding._unknown.get(ImageAnswer, []) == []


@pytest.mark.usefixtures("no_unknown_keys")
def test_fast_path_the_number_of_unknown_keys_is_bounded() -> None:
    """A server that invents keys costs time, not memory."""
    for number in range(60):
        read_response(bodies.reply({"_type": "Images", f"key{number}": 1}), ImageAnswer)
    assert len(fast_decoding._unknown[ImageAnswer]) == 32


@pytest.mark.usefixtures("no_unknown_keys")
def test_fast_path_a_body_with_many_unknown_keys_adds_none() -> None:
    """Or one odd body would leave no room for the keys that a service really sends."""
    read_response(bodies.reply({"_type": "Images"} | {f"key{number}": 1 for number in range(33)}), ImageAnswer)
    assert fast_decoding._unknown[ImageAnswer] == []


# --- what it costs


def test_fast_path_nothing_is_generated_before_it_is_needed() -> None:
    """Importing the package makes no mirrors."""
    script = (
        "import bing_images_async\n"
        "from bing_images_async._protocol import fast_decoding\n"
        "from bing_images_async.models import TrendingImages\n"
        "print(len(fast_decoding._decoders))\n"
        "print(fast_decoding.decode(b'{}', TrendingImages) == TrendingImages(), len(fast_decoding._decoders))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True", "1"]


THREADS = """
import sys
from threading import Barrier, Thread
from bing_images_async._protocol.fast_decoding import decode
from bing_images_async.models import ImageAnswer, ImageInsights, TrendingImages

def run(cls):
    start.wait()
    decode(b'{"value": [{"rank": 1}], "categories": [{"rank": 1}], "image": {"rank": 1}}', cls)
    models.append(decode(b'{"id": "5"}', cls))

sys.setswitchinterval(1e-6)
start, models = Barrier(9), []
threads = [Thread(target=run, args=[cls]) for cls in 3 * [ImageAnswer, ImageInsights, TrendingImages]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(models), None in models)
"""


def test_fast_path_threads_can_decode_their_first_page_at_the_same_time() -> None:
    """msgspec crashes if a struct is used while another thread has it read its types; five runs in eight did."""
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["9", "False"]


def test_fast_path_filling_a_model_is_as_fast_as_filling_slots() -> None:
    """If one method of an unfrozen subclass were a Python function, every assignment would take ten times as long."""
    plain = type("Plain", (), {"__slots__": ("width",)})

    def seconds(cls: type) -> float:
        return min(timeit.repeat("new.width = 5", globals={"new": object.__new__(cls)}, number=5_000, repeat=9))

    assert seconds(fast_decoding._unfrozen(MediaSize)) < 4 * seconds(plain)


def test_answers_are_not_much_larger_than_their_bodies() -> None:
    """Whoever keeps pages keeps at most four times their JSON."""
    body = json.dumps(bodies.search_2020(35), ensure_ascii=False).encode()
    read_response(bodies.reply(body), ImageAnswer)
    tracemalloc.start()
    try:
        kept = [read_response(bodies.reply(body), ImageAnswer) for _ in range(8)]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size <= 4 * len(body) * len(kept)
