"""Bounds of decoding: whatever a body of 4 MiB holds, it costs little time and memory.

`pytest tests/protocol/test_bounds.py -m figures -s` prints what each of the bodies below costs.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import bodies
import pytest

from bing_images_async._protocol.decoding import MOST_ITEMS
from bing_images_async._protocol.messages import Reply
from bing_images_async._protocol.response_reading import read_response
from bing_images_async.errors import ApiError, BingImagesError, MalformedResponseError, RateLimitedError
from bing_images_async.models import Answer, ImageAnswer, ImageInsights, TrendingImages

SMALL, LARGE = 2**18, 2**22
SEARCH, DETAILS, ERROR = b'{"_type":"Images",', b'{"_type":"ImageInsights",', b'{"_type":"ErrorResponse",'


def listed(head: bytes, item: bytes, tail: bytes, size: int) -> bytes:
    """Return a body of about `size` bytes with a list of equal items."""
    return head + b",".join([item] * ((size - len(head) - len(tail)) // (len(item) + 1))) + tail


def keys(count: int, template: str) -> bytes:
    return ",".join(template % (number, number) for number in range(count)).encode()


def images(levels: int, inside: bytes = b"{}") -> bytes:
    """Return an image in an image in an image …"""
    return b'{"image":' * levels + inside + b"}" * levels


PAGE, UNKNOWN = SEARCH + b'"value":[', SEARCH + b'"x":['
REGION = b'{"matchingEntities":[' + b",".join([b"{}"] * 6) + b'],"region":{}}'
GROUP = b'{"recognizedEntityRegions":[' + b",".join([REGION] * 20) + b"]}"
PROVIDERS = b'{"provider":[' + b",".join([b'{"name":"a","url":"b","id":"c","bingId":"d"}'] * 10) + b"]}"
LARGEST_PAGE = PAGE + b",".join([images(60)] * 190)

MALFORMED: dict[str, Callable[[int], bytes]] = {
    "empty objects": lambda size: listed(PAGE, b"{}", b"]}", size),
    "numbers": lambda size: listed(PAGE, b"1", b"]}", size),
    "nulls": lambda size: listed(PAGE, b"null", b"]}", size),
    "objects with a fault": lambda size: listed(PAGE, b'{"width":""}', b"]}", size),
    "lists": lambda size: listed(PAGE, b"[]", b"]}", size),
    "tags": lambda size: listed(DETAILS + b'"imageTags":{"value":[', b'{"name":"a"}', b"]}}", size),
    "objects inside an image": lambda size: listed(PAGE + b'{"provider":[', b"{}", b"]}]}", size),
    "numbers that nobody knows": lambda size: listed(DETAILS + b'"detectedObjects":{"a":[', b"1", b"]}}", size),
    "one or many": lambda size: listed(SEARCH + b'"queryExpansions":[', b"{}", b"]}", size),
    "tiles": lambda size: listed(b'{"_type":"TrendingImages","categories":[{"tiles":[', b"{}", b"]}]}", size),
    "open brackets": lambda size: b"[" * size,
    "open braces": lambda size: b'{"a":' * (size // 5),
    "unknown objects": lambda size: listed(UNKNOWN, b"{}", b"]}", size),
}
READ: dict[str, bytes] = {
    "images in images": LARGEST_PAGE + b"]}",
    "images in images, a fault": LARGEST_PAGE + b',{"width":"x"}]}',
    "images in images, a fault, not UTF-8, blanks": LARGEST_PAGE
    + b',{"width":"x","name":"\xff"}]'
    + b" " * 4_000_000
    + b"}",
    "regions": DETAILS + b'"recognizedEntityGroups":{"value":[' + b",".join([GROUP] * 70) + b"]}}",
    "regions, a fault": DETAILS + b'"recognizedEntityGroups":{"value":[' + b",".join([GROUP] * 70) + b",1]}}",
    "texts": PAGE + b",".join([PROVIDERS] * 990) + b"]}",
    "texts, a fault, not UTF-8": PAGE + b",".join([PROVIDERS] * 990) + b',{"width":"x","name":"\xff"}]}',
    "unknown keys": SEARCH + b'"x":{' + keys(81_000, '"key%08d":"value%08d"') + b"}}",
    "unknown keys of the answer": SEARCH + keys(81_000, '"key%08d":"value%08d"') + b"}",
    "unknown keys, not UTF-8": SEARCH + b'"x":{' + keys(81_000, '"key%08d":"value%08d"') + b'},"y":"\xff"}',
    "unknown keys, surrogates": SEARCH
    + b'"x":{'
    + keys(81_000, '"k\u00e9y%08d":"val\u00fce%08d"')
    + b'},"y":"\\ud800"}',
    "objects that stay as parsed": DETAILS + b'"detectedObjects":{' + keys(11_900, '"%x":{"%x":[]}') + b"}}",
    "a thousand faults": PAGE + b",".join([b'{"width":"x"}'] * 1_000) + b"]}",
    "long numbers": listed(UNKNOWN, b"9" * 999, b"]}", LARGE),
    "one long text": SEARCH + b'"id":"' + "\U0001f6a3".encode() + b"a" * (LARGE - 100) + b'"}',
    "one long text, not UTF-8": SEARCH + b'"id":"' + "\U0001f6a3".encode() + b"a" * (LARGE - 100) + b'\xff"}',
    "nothing that is UTF-8": SEARCH + b'"id":"' + b"\xff" * (LARGE - 100) + b'"}',
    "surrogates": SEARCH + b'"id":"' + b"\\ud800" * 49_999 + b"a" * 3_800_000 + b'"}',
    "backslashes": SEARCH + b'"width":"x","id":"' + b"\\\\" * (LARGE // 2 - 100) + b'"}',
    "quotes": SEARCH + b'"y":1e400,"id":"' + b'\\"' * (LARGE // 2 - 100) + b'"}',
    "one long key": SEARCH + b'"' + b"k" * (LARGE - 100) + b'":1}',
}
REFUSED: dict[str, bytes] = {
    "more than a thousand faults": PAGE + b",".join([b'{"width":"x","name":1}'] * 990) + b"]}",
    "surrogates without end": SEARCH + b'"id":"' + b"\\ud800" * (LARGE // 6 - 100) + b'"}',
    "a number without end": SEARCH + b'"x":' + b"3" * (LARGE - 100) + b"}",
    "numbers of many digits": listed(UNKNOWN, b"9" * 4_300, b"]}", LARGE),
}


def kind_of(body: bytes) -> type[Answer]:
    return next((kind for kind in (ImageInsights, TrendingImages) if kind.__name__.encode() in body[:40]), ImageAnswer)


@pytest.mark.parametrize("size", [SMALL - 10, SMALL + 10, LARGE], ids=["below", "above", "largest"])
@pytest.mark.parametrize("case", MALFORMED)
def test_read_response_too_many_values_are_malformed(case: str, size: int) -> None:
    """On either side of the size above which values are counted before parsing."""
    body = MALFORMED[case](size)
    with pytest.raises(MalformedResponseError):
        read_response(Reply(200, {}, body), kind_of(body))


@pytest.mark.parametrize("status", [400, 403, 429, 503])
def test_api_error_of_a_body_with_too_many_values_is_that_of_its_status(status: int) -> None:
    """An error stays what its status says, whatever its body is."""
    expected = type(error_of(Reply(status, {}, b"")))
    for item in (b"{}", b"1", b"null", b'{"code":""}'):
        for size in (SMALL, LARGE):
            error = error_of(Reply(status, {}, listed(ERROR + b'"errors":[', item, b"]}", size)))
            assert (type(error), error.status) == (expected, status)


@pytest.mark.parametrize("text", ["the monthly quota is exceeded", "quota replenished in 01:00:00", "in 5 seconds"])
def test_api_error_of_a_huge_text_is_searched_at_its_beginning_only(text: str) -> None:
    """The patterns take half a second for 4 MiB."""
    error = error_of(Reply(429, {}, b'{"message":"' + b"a " * 10_000 + text.encode() + b'"}'))
    assert (type(error), error.retry_after) == (RateLimitedError, None)
    assert error.message is not None
    assert error.message.endswith(text)


def error_of(reply: Reply) -> ApiError:
    with pytest.raises(ApiError) as caught:
        read_response(reply, ImageAnswer)
    return caught.value


@pytest.mark.parametrize("case", READ)
def test_read_response_large_bodies_within_the_bounds_are_read(case: str) -> None:
    """The bounds do not forbid what they need not."""
    body = READ[case]
    assert len(body) <= LARGE
    assert type(read_response(Reply(200, {}, body), kind_of(body))) is kind_of(body)


@pytest.mark.parametrize("case", REFUSED)
def test_read_response_what_would_take_too_long_is_malformed(case: str) -> None:
    """Not only many values do."""
    with pytest.raises(MalformedResponseError):
        read_response(Reply(200, {}, REFUSED[case]), ImageAnswer)


LISTS: dict[str, tuple[type[Answer], Callable[[int], dict[str, Any]]]] = {
    "value": (ImageAnswer, lambda n: {"value": [{}] * n}),
    "queryExpansions": (ImageAnswer, lambda n: {"queryExpansions": [{}] * n}),
    "value[1].provider": (ImageAnswer, lambda n: {"value": [{}, {"provider": [{}] * n}]}),
    "pivotSuggestions[0].suggestions": (ImageAnswer, lambda n: {"pivotSuggestions": {"suggestions": [{}] * n}}),
    "imageTags.value": (ImageInsights, lambda n: {"imageTags": {"value": [{"name": "a"}] * n}}),
    "detectedObjects": (ImageInsights, lambda n: {"detectedObjects": {"a": {"b": [1] * n}}}),
    "categories[0].tiles": (TrendingImages, lambda n: {"categories": [{"tiles": [{}] * n}]}),
}


@pytest.mark.parametrize("path", LISTS)
def test_read_response_a_list_has_a_thousand_items_at_most(path: str) -> None:
    """The next one makes the answer malformed; the error names the list."""
    kind, make = LISTS[path]
    word = {ImageAnswer: "Images"}.get(kind, kind.__name__)
    answer = read_response(bodies.reply(make(MOST_ITEMS) | {"_type": word}), kind)
    assert (type(answer), answer.problems) == (kind, ())
    with pytest.raises(MalformedResponseError, match="expected at most 1,000 items, found 1,001") as caught:
        read_response(bodies.reply(make(MOST_ITEMS + 1) | {"_type": word}), kind)
    assert caught.value.path == path


def test_read_response_large_proper_pages_are_read() -> None:
    """A page with all there is in an image, many times what a service sends: 1.9 MiB."""
    page = bodies.search_2020(500)
    assert len(read_response(bodies.reply(page), ImageAnswer).value) == 500


TEXTS = ["a", "quota", "your", "limit", "in 1", "month calls", "replenished in"]


def everything() -> dict[str, bytes]:
    made = {f"{name}, {size >> 10} KiB": make(size) for name, make in MALFORMED.items() for size in (SMALL - 10, LARGE)}
    texts = {
        f"text of {text!r}": b'{"message":"%b"}' % (f"{text} " * ((LARGE - 20) // (len(text) + 1))).encode()
        for text in TEXTS
    }
    return made | READ | REFUSED | texts


@pytest.mark.figures
def test_read_response_time_and_memory_of_any_body_are_bounded() -> None:
    """At most 150 ms of the event loop's time and 60 MiB beyond the body, as an answer and as an error."""
    print(f"\n{'body':48} {'KiB':>5} {'status':>6} {'ms':>5} {'MiB':>5}")
    for name, body in everything().items():
        for status, keep_raw in ((200, False), (200, True), (429, False)):
            reply = Reply(status, {}, body)
            seconds = min(_measured(reply, keep_raw, time.thread_time) for _ in range(2))
            tracemalloc.start()
            _measured(reply, keep_raw, time.thread_time)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            print(f"{name:48} {len(body) >> 10:5} {status:6} {seconds * 1e3:5.0f} {peak / 2**20:5.1f}")
            assert (seconds <= 0.15, peak <= 60 * 2**20) == (True, True)


def _measured(reply: Reply, keep_raw: bool, clock: Callable[[], float]) -> float:
    started = clock()
    with suppress(BingImagesError):
        read_response(reply, kind_of(reply.body), keep_raw=keep_raw)
    return clock() - started
