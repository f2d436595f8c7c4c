"""Wrong responses over real sockets, through a whole session.

Decompression bombs, unknown encodings, bodies that are not JSON or not of this API, redirects: the result is a model
with problems or an error of the library, memory stays bounded, and the next call succeeds.
"""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import os
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from fault_kit import ATTEMPTS, GOOD, KEY, PAGE, Faulty, assert_logs_secret, assert_secret, faulty_session
from session_kit import page
from support.raw_server import Play, RawConnection, RawServer, answer, answering, serving

from bing_images_async.errors import (
    BingImagesError,
    ConnectionFailedError,
    MalformedResponseError,
    ResponseTooLargeError,
    SuspectedAbuseError,
    UnexpectedRedirectError,
)

pytestmark = pytest.mark.anyio

MIB = 2**20
WIRE_LIMIT, DECODED_LIMIT = 4 * MIB, 16 * MIB
GZIP = b"Content-Encoding: gzip"


def packed(mebibytes: int, filler: bytes = b" ") -> bytes:
    """Return a gzip stream of a page followed by so many MiB."""
    packer = zlib.compressobj(level=9, wbits=16 + zlib.MAX_WBITS)
    parts = [packer.compress(PAGE)]
    parts += [packer.compress(filler * (MIB // len(filler))) for _ in range(mebibytes)]
    return b"".join([*parts, packer.flush()])


def endless(head: bytes, piece: bytes) -> Play:
    """Send data until the client closes."""

    async def play(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(head)
        while True:
            await connection.send(piece)

    return play


# --- size ----------------------------------------------------------------------------------------

BOMB = packed(200)
NOISE = b"%x\r\n%b\r\n" % (32_768, os.urandom(32_768))

BOMBS: dict[str, tuple[Play, type[BingImagesError], int]] = {
    "200 MiB in a few KB": (answering(answer(BOMB, GZIP)), ResponseTooLargeError, DECODED_LIMIT),
    "the same in many members": (
        answering(answer(gzip.compress(bytes(MIB)) * 200, GZIP)),
        ResponseTooLargeError,
        DECODED_LIMIT,
    ),
    "gzip in gzip": (answering(answer(gzip.compress(BOMB), GZIP)), MalformedResponseError, 0),
    "gzip in gzip, declared": (
        answering(answer(gzip.compress(BOMB), GZIP + b", gzip")),
        MalformedResponseError,
        0,
    ),
    "endless, without a length": (
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", NOISE),
        ResponseTooLargeError,
        WIRE_LIMIT,
    ),
    "endless, to the end of the connection": (
        endless(b"HTTP/1.1 200 OK\r\n\r\n", NOISE),
        ResponseTooLargeError,
        WIRE_LIMIT,
    ),
    "10 GB, as declared": (
        endless(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", NOISE),
        ResponseTooLargeError,
        0,
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_oversized_body_needs_no_memory_beyond_the_limits(bomb: str) -> None:
    """Compressed or not, with and without a length."""
    play, kind, limit = BOMBS[bomb]
    async with faulty_session(Faulty(play)) as setup:
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            with pytest.raises(BingImagesError) as caught:
                await setup.search()
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
        assert type(caught.value) is kind
        assert len(caught.value.attempts) == 1
        assert peak <= limit + 2 * MIB, f"{peak / MIB:.2f} MiB"
        await setup.heals()


# --- wrong length and encoding --------------------------------------------------------------


def head_of(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length


MALFORMED = (MalformedResponseError, 1)

LIES: dict[str, tuple[bytes, tuple[type[BingImagesError], int]]] = {
    "Content-Length too large": (head_of(len(PAGE) + 1) + PAGE, (ConnectionFailedError, ATTEMPTS)),
    "Content-Length too small": (head_of(len(PAGE) - 10) + PAGE, MALFORMED),
    "Content-Length beyond the limit": (head_of(WIRE_LIMIT + 1) + PAGE, (ResponseTooLargeError, 1)),
    "Content-Length of 1,000 digits": (
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 1_000 + b"\r\n\r\n" + PAGE,
        (ConnectionFailedError, ATTEMPTS),
    ),
    "short gzip": (answer(gzip.compress(PAGE)[:-9], GZIP), (ConnectionFailedError, ATTEMPTS)),
    "no gzip": (answer(PAGE, GZIP), MALFORMED),
    "gzip with a wrong checksum": (answer(gzip.compress(PAGE)[:-8] + bytes(8), GZIP), MALFORMED),
    "garbage after gzip": (answer(gzip.compress(PAGE) + b"garbage", GZIP), MALFORMED),
    "gzip, undeclared": (answer(gzip.compress(PAGE)), MALFORMED),
    "gzip in gzip": (answer(gzip.compress(gzip.compress(PAGE)), GZIP), MALFORMED),
    "gzip in gzip, declared": (answer(gzip.compress(gzip.compress(PAGE)), GZIP + b", gzip"), MALFORMED),
    "brotli": (answer(b"\x0b\x02\x80{}\x03", b"Content-Encoding: br"), MALFORMED),
    "deflate": (answer(zlib.compress(PAGE), b"Content-Encoding: deflate"), MALFORMED),
    "an encoding nobody knows": (answer(PAGE, b"Content-Encoding: rot13"), MALFORMED),
}


@pytest.mark.parametrize("lie", LIES)
async def test_wrong_length_or_encoding_gives_the_promised_error(lie: str) -> None:
    """Declared and actual body differ."""
    response, (kind, attempts) = LIES[lie]
    async with faulty_session(Faulty(answering(response))) as setup:
        with pytest.raises(BingImagesError) as caught:
            await setup.search()
        assert type(caught.value) is kind
        assert len(caught.value.attempts) == attempts
        assert_secret(caught.value)
        await setup.heals()


async def test_data_after_a_response_is_not_used_for_the_next_request() -> None:
    """A second response follows the first, which ended by its Content-Length."""
    forged = answer(json.dumps(page("forged")).encode())

    async def play(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(GOOD + forged)
        await connection.until_closed()

    async with faulty_session(Faulty(play)) as setup:
        for _ in range(3):
            answered = await setup.search()
            assert [image.name for image in answered.value] == ["boat"]
            assert len(answered.meta.attempts) == 1


# --- not JSON, or not of this API ---------------------------------------------------------

STRANGE: tuple[Any, ...] = (None, True, -1, 1.5, 10**30, "strange", [], {}, [[]], [None, 1], {"strange": {}})


def wrong_types() -> dict[str, bytes]:
    """Yield a page with every field in every wrong type, and every JSON value in place of the page."""
    bodies = {f"all is {strange!r}": strange for strange in STRANGE}
    whole = page("boat", queryContext={"originalQuery": "boat"}, relatedSearches=[{"text": "ship"}])
    for (name, _), strange in itertools.product(whole.items(), STRANGE):
        bodies[f"{name} is {strange!r}"] = {**whole, name: strange}
    for name, strange in itertools.product(("name", "width", "thumbnail", "provider", "isFamilyFriendly"), STRANGE):
        bodies[f"{name} of an image is {strange!r}"] = {**whole, "value": [{name: strange}, whole["value"][0]]}
    return {what: json.dumps(body).encode() for what, body in bodies.items()}


async def test_wrong_types_give_a_model_or_a_library_error() -> None:
    """Never an exception of the decoder."""
    bodies = wrong_types()
    outcomes: dict[str, str] = {}
    asked = iter(bodies.items())

    async def play(connection: RawConnection) -> None:
        while True:
            await connection.request()
            await connection.send(answer(next(asked)[1]))

    async with faulty_session(Faulty(play)) as setup:
        for what in bodies:
            try:
                answered = await setup.search()
                outcomes[what] = "problems" if answered.problems else "fine"
            except MalformedResponseError:
                outcomes[what] = "malformed"
        assert len(setup.server.accepted) == 1  # bad content must not close the connection
    assert set(outcomes) == set(bodies)
    assert {what for what, outcome in outcomes.items() if outcome == "malformed"} == {
        what
        for what in bodies
        if what.startswith("all is ") or (what.startswith("value is ") and not what.endswith(("None", "]")))
    }
    assert {what for what, outcome in outcomes.items() if outcome == "fine" and what.startswith("width")} == {
        f"width of an image is {number}" for number in (None, -1, 10**30)
    }


NO_JSON: dict[str, bytes] = {
    "an HTML page": b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
    "half a page": PAGE[:-10],
    "two pages": PAGE * 2,
    "UTF-16": PAGE.decode().encode("utf-16"),
    "NaN": PAGE.replace(b'"totalEstimatedMatches": 1', b'"totalEstimatedMatches": NaN'),
    "Infinity": PAGE.replace(b'"totalEstimatedMatches": 1', b'"totalEstimatedMatches": -Infinity'),
    "1e999": PAGE.replace(b'"totalEstimatedMatches": 1', b'"totalEstimatedMatches": 1e999'),
    "an integer of 5,000 digits": b'{"nextOffset":' + b"9" * 5_000 + b"," + PAGE[1:],
    "10,000 levels": b'{"value":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "10,000 levels where nobody looks": b'{"x":' + b'{"x":' * 10_000 + b"1" + b"}" * 10_000 + b"," + PAGE[1:],
    "10,000 levels that never end": b"[" * 10_000,
    "a list": b"[]",
    "null": b"null",
    "a text": b'"boat"',
    "an object of another kind": b'{"_type":"News","value":{}}',
    "images that are no list": b'{"_type":"Images","value":{}}',
}


@pytest.mark.parametrize("body", NO_JSON)
async def test_body_that_is_not_json_of_this_api_is_malformed(body: str) -> None:
    """HTML pages of proxies, for example."""
    async with faulty_session(Faulty(answer(NO_JSON[body]))) as setup:
        with pytest.raises(BingImagesError) as caught:
            await setup.search()
        assert type(caught.value) is MalformedResponseError
        assert len(caught.value.attempts) == 1
        assert_secret(caught.value)
        await setup.heals()


READABLE: dict[str, tuple[bytes, str, list[str]]] = {
    "a BOM": (b"\xef\xbb\xbf" + PAGE, "boat", []),
    "latin-1": (PAGE.replace(b'"boat"', b'"caf\xe9"'), "caf\ufffd", [""]),
    "a lone surrogate": (PAGE.replace(b'"boat"', b'"\\ud800"'), "\ufffd", [""]),
    "members twice": (b'{"_type":"Images","value":[],' + PAGE[1:], "boat", []),
    "a wrong type": (PAGE.replace(b'"boat"', b'"boat","width":"800"'), "boat", ["value[0].width"]),
    "images that are none": (
        PAGE.replace(b'"value": [', b'"value": [1,null,[],'),
        "boat",
        [f"value[{n}]" for n in range(3)],
    ),
}


@pytest.mark.parametrize("body", READABLE)
async def test_readable_part_of_a_body_is_a_model_with_problems(body: str) -> None:
    """One bad value must not lose the page."""
    sent, name, problems = READABLE[body]
    async with faulty_session(Faulty(answer(sent))) as setup:
        answered = await setup.search()
        assert [image.name for image in answered.value] == [name]
        assert [problem.path for problem in answered.problems] == problems
        await setup.heals()


@pytest.mark.parametrize("body", [b"", b" \r\n"], ids=["empty", "blank"])
async def test_empty_answer_is_suspected_abuse_and_is_cached(body: bytes) -> None:
    """Later calls are not sent."""
    async with faulty_session(Faulty(answer(body))) as setup:
        for number in (1, 0):
            with pytest.raises(SuspectedAbuseError) as caught:
                await setup.search()
            assert len(caught.value.attempts) == number
            assert_secret(caught.value)
        assert len(setup.server.requests) == 1


# --- redirects -----------------------------------------------------------------------------------

ELSEWHERE: dict[str, Callable[[str], str]] = {
    "another origin": lambda other: f"{other}/v7.0/images/search?q=boat",
    "another origin without a scheme": lambda other: f"//{other.partition('//')[2]}/",
    "another origin with credentials": lambda other: other.replace("//", "//user:word@"),
    "the same origin": lambda _: "/v7.0/images/search",
    "no address": lambda _: "http://[",
    "a port there is not": lambda _: "http://127.0.0.1:99999/",
    "a file": lambda _: "file:///etc/hostname",
}


@pytest.mark.parametrize(
    ("target", "status"),
    [(target, 302) for target in ELSEWHERE] + [("another origin", status) for status in (300, 301, 303, 304, 307, 308)],
)
async def test_redirect_is_not_followed(target: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    """The other host gets no request, and so no key."""
    caplog.set_level(logging.DEBUG)
    async with RawServer(serving()) as other:
        location = ELSEWHERE[target](other.url).encode()
        reply = answer(b"", b"Location: " + location, status=b"%d Moved" % status)
        async with faulty_session(Faulty(reply)) as setup:
            with pytest.raises(BingImagesError) as caught:
                await setup.search()
            error = caught.value
            assert type(error) is UnexpectedRedirectError
            assert len(error.attempts) == len(setup.server.requests) == 1
            assert KEY.encode() in setup.server.requests[0]
            assert_secret(error)
            await setup.heals()
        assert other.accepted == []
    assert_logs_secret(caplog.records)
