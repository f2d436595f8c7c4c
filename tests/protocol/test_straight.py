"""The fast way gives what the thorough way gives: the same model, the same problems, the same error.

The thorough way is the reference here: bytes to parsed JSON (`parse`), then field by field (`salvage`),
without msgspec's twins.
"""

from __future__ import annotations

import json
import subprocess
import sys
import timeit
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import bodies
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from strategies import BROKEN, ENDPOINTS, answers, damaged, dumped, mutated

from bing_images_async._protocol import decoding as convert, fast_decoding as twins, response_reading as reply_module
from bing_images_async._protocol.decoding import Flawed, converter, straight, structure
from bing_images_async._protocol.json import NotJsonError, parse
from bing_images_async._protocol.messages import Reply
from bing_images_async._protocol.response_reading import decipher
from bing_images_async._protocol.salvage import salvage
from bing_images_async.errors import BingImagesError, MalformedResponseError
from bing_images_async.models import Answer, ImageAnswer, ImageInsights, MediaSize, Offer, TrendingImages

Body = Callable[[], dict[str, Any]]

MANY = settings(
    max_examples=max(500, settings.get_profile("default").max_examples, settings().max_examples),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
KINDS = st.sampled_from(list(ENDPOINTS))


@contextmanager
def thorough_only() -> Iterator[None]:
    """Inside, no twin is made: neither of bytes nor of parsed JSON."""
    with (
        patch.object(reply_module, "straight", lambda body, cls: None),
        patch.object(convert, "converter", SimpleNamespace(structure=salvage)),
    ):
        yield


def outcome(body: bytes, kind: type[Answer], *, keep_raw: bool = False) -> tuple[Any, ...]:
    """All that can be seen of an answer, or of the error in its place; `repr` tells `1` from `1.0` and `-0.0`."""
    try:
        answer = decipher(Reply(200, {}, body), kind, keep_raw=keep_raw)
    except BingImagesError as error:
        return type(error), str(error), vars(error)
    return answer, repr(answer), repr(answer.raw)


def same_both_ways(body: bytes, kind: type[Answer]) -> None:
    with thorough_only():
        expected = outcome(body, kind)
        expected_raw = outcome(body, kind, keep_raw=True)
    assert outcome(body, kind) == expected
    assert outcome(body, kind, keep_raw=True) == expected_raw


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
def test_both_ways_agree_on_any_body(example: tuple[type[Answer], bytes]) -> None:
    """Same model down to the class of each part, same problems, same error; with and without `keep_raw`."""
    kind, body = example
    if beyond_range_where_nobody_looks(body, kind):
        return
    same_both_ways(body, kind)


def beyond_range_where_nobody_looks(body: bytes, kind: type[Answer]) -> bool:
    """The one difference there is, which has a test of its own."""
    try:
        parse(body)
    except NotJsonError as error:
        return "out of range" in str(error) or "too long" in str(error)
    return False


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(KINDS.flatmap(lambda kind: st.tuples(st.just(kind), answers(kind))))
def test_proper_bodies_go_straight(example: tuple[type[Answer], dict[str, Any]]) -> None:
    """Any body in the shape of the models takes the fast way: or the tests above would compare nothing."""
    kind, body = example
    expected = salvage(body, kind)
    for fast in (straight(dumped(body), kind), converter.structure(body, kind)):
        assert (fast, repr(fast)) == (expected, repr(expected))


@pytest.mark.parametrize(
    ("make", "kind"),
    [(bodies.search_2017, ImageAnswer), (bodies.search_2020, ImageAnswer), (bodies.details, ImageInsights),
     (bodies.trending, TrendingImages)],
)  # fmt: skip
def test_proper_bodies_are_never_parsed_into_dicts(make: Body, kind: type[Answer]) -> None:
    """That is what makes the fast way fast."""
    body = make() | {"weather": {"wind": [3, None]}}
    with patch.object(reply_module, "parse", side_effect=AssertionError):
        answer = decipher(bodies.reply(body), kind)
    assert (answer, answer.problems) == structure(body, kind)


# --- every kind of value, in every kind of place

VALUES = [
    b"null", b"true", b"false", b"0", b"-0", b"5", b"-1", b"5.0", b"-0.0", b"0.1", b"1e2", b"1E+2", b"25e-1",
    b"1e308", b"5e-324", b"1e-400", b"9007199254740993", b"9223372036854775808", b"18446744073709551615",
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
WHOLE_BUT_LARGE = b"9" * 400

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
def test_both_ways_agree_on_every_value(place: str) -> None:
    """Whatever stands in the place, both ways make the same of it."""
    kind, template = PLACES[place]
    for value in [*VALUES, WHOLE_BUT_LARGE]:
        same_both_ways(template % value, kind)


@pytest.mark.parametrize("place", [place for place in PLACES if not place.startswith("unknown")])
def test_both_ways_agree_on_numbers_out_of_range(place: str) -> None:
    """Where a model has a field they make a body malformed."""
    kind, template = PLACES[place]
    for value in OUT_OF_RANGE:
        same_both_ways(template % value, kind)


@pytest.mark.parametrize(
    "around", [b" \r\n\t%s\n ", b"\xef\xbb\xbf%s", b"\xef\xbb\xbf\xef\xbb\xbf%s", b"%s\x00", b"\x00%s", b"%s}"]
)
def test_both_ways_agree_on_what_is_around_a_body(around: bytes) -> None:
    """Blanks, byte order marks, what does not belong there."""
    for make, kind in ((bodies.search_2020, ImageAnswer), (bodies.trending, TrendingImages)):
        same_both_ways(around % json.dumps(make(), indent=1, ensure_ascii=False).encode(), kind)


@pytest.mark.parametrize("value", OUT_OF_RANGE, ids=range(len(OUT_OF_RANGE)))
@pytest.mark.parametrize("place", ["unknown", "unknown, nested"])
def test_the_one_difference(place: str, value: bytes) -> None:
    """A number beyond all ranges is no reason to lose a page in which nobody reads it; `keep_raw` would have to."""
    kind, template = PLACES[place]
    body = Reply(200, {}, template % value)
    assert decipher(body, kind) == decipher(Reply(200, {}, template % b"1"), kind)
    with pytest.raises(MalformedResponseError):
        decipher(body, kind, keep_raw=True)


@pytest.mark.parametrize(
    ("opened", "closed", "levels"),
    [(b"[", b"]", 1), (b'{"a":', b"}", 1), (b'[{"a":', b"}]", 2)],
    ids=["lists", "objects", "both"],
)
def test_no_depth_of_what_is_skipped_is_a_recursion_error(opened: bytes, closed: bytes, levels: int) -> None:
    """Well below the recursion limit it is a model, far beyond it malformed, and around it either."""
    limit = sys.getrecursionlimit() // levels
    for depth in [limit // 2, *range(limit - 60, limit + 10), 100_000]:
        body = b'{"_type":"Images","rank":' + opened * depth + b"1" + closed * depth + b"}"
        made = outcome(body, ImageAnswer)
        if made[0] is MalformedResponseError:
            assert "nested too deep" in made[1]
            assert depth > limit // 2
        else:
            assert (made[0].type_, made[0].problems) == ("Images", ())
            assert depth < limit


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_parsed_json_may_come_from_elsewhere(number: float) -> None:
    """Python's own parser lets through what no JSON may hold; a model does not."""
    with pytest.raises(Flawed) as caught:
        converter.structure({"price": number, "name": "boat"}, Offer)
    assert (caught.value.value, [p.path for p in caught.value.problems]) == (Offer(name="boat"), ["price"])


# --- what it costs


def test_nothing_is_generated_before_it_is_needed() -> None:
    """Importing the package makes no twins, and an answer only those of its own classes."""
    script = (
        "import bing_images_async, json\n"
        "from bing_images_async._protocol import decoding as convert, fast_decoding as twins\n"
        "from bing_images_async.models import TrendingImages\n"
        "print(len(twins._twins))\n"
        "convert.straight(b'{}', TrendingImages)\n"
        "print(*sorted(cls.__name__ for cls in twins._twins if 'Recipe' in cls.__name__ or 'Trending' in cls.__name__))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "TrendingImages", "TrendingImagesCategory", "TrendingImagesTile"]


THREADS = """
import sys
from threading import Barrier, Thread
from bing_images_async._protocol.decoding import straight
from bing_images_async.models import ImageAnswer, ImageInsights, TrendingImages

def decode(cls):
    start.wait()
    models.append(straight(b'{"value": [{"name": "Boat"}], "categories": []}', cls))

sys.setswitchinterval(1e-6)
start, models = Barrier(9), []
threads = [Thread(target=decode, args=[cls]) for cls in 3 * [ImageAnswer, ImageInsights, TrendingImages]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(models), None in models)
"""


def test_threads_can_decode_their_first_page_at_the_same_time() -> None:
    """msgspec crashes if a struct is used while another thread has it read its types; five runs in eight did."""
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["9", "False"]


def test_filling_a_model_is_as_fast_as_filling_slots() -> None:
    """If one method of a thawed class were a Python function, every assignment would take ten times as long."""
    plain = type("Plain", (), {"__slots__": ("width",)})

    def seconds(cls: type) -> float:
        return min(timeit.repeat("new.width = 5", globals={"new": object.__new__(cls)}, number=5_000, repeat=9))

    assert seconds(twins._thawed(MediaSize)) < 4 * seconds(plain)


def test_answers_are_not_much_larger_than_their_bodies() -> None:
    """Whoever keeps pages keeps at most four times their JSON."""
    body = json.dumps(bodies.search_2020(35), ensure_ascii=False).encode()
    decipher(bodies.reply(body), ImageAnswer)
    tracemalloc.start()
    try:
        kept = [decipher(bodies.reply(body), ImageAnswer) for _ in range(8)]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size <= 4 * len(body) * len(kept)
