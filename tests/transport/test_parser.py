"""The response parser alone: byte scripts, fed whole, byte by byte and in random pieces."""

from __future__ import annotations

import random
from typing import Any

import httpcore
import pytest
from attrs import frozen
from hypothesis import example, given, strategies as st

from bing_images_async._transport.parser import HEAD_LIMIT, INTERIM_LIMIT, ResponseParser
from bing_images_async.errors import ResponseTooLargeError

Cut = tuple[int, ...]
"""Sizes of the pieces; the last one is repeated."""

WHOLE, BYTEWISE = (10**9,), (1,)
RANDOM = tuple(random.Random(7).choices(range(1, 12), k=500))
CUTS = pytest.mark.parametrize("cut", [WHOLE, BYTEWISE, RANDOM, (2,), (3, 1)], ids=["whole", "1", "random", "2", "3+1"])


@frozen
class Result:
    """What came of a response."""

    status: int | None = None
    body: bytes = b""
    is_complete: bool = False
    is_reusable: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()
    version: bytes = b""


def run(
    data: bytes, cut: Cut = WHOLE, *, end: bool = False, has_body: bool = True, parser: ResponseParser | None = None
) -> Result:
    """Feed `data` in pieces, and the end of the stream with `end`."""
    parser = parser or ResponseParser()
    parser.start(has_body=has_body)
    body, start, number = b"", 0, 0
    while start < len(data):
        size = min(cut[min(number, len(cut) - 1)], parser.room)
        parser.feed(data[start : start + size])
        body += parser.take_body()
        start, number = start + size, number + 1
    if end:
        parser.feed_end()
        body += parser.take_body()
    return Result(parser.status, body, parser.is_complete, parser.is_reusable, tuple(parser.headers), parser.version)


def head(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([status, *lines]) + b"\r\n\r\n"


OK = head(b"Content-Length: 5") + b"hello"
CHUNKED = head(b"Transfer-Encoding: chunked")
CONTINUE = head(status=b"HTTP/1.1 100 Continue")

# --- responses

RESPONSES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "length": (OK, {}),
    "length 0": (head(b"Content-Length: 0"), {"body": b""}),
    "chunked": (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", {}),
    "chunked, other case": (head(b"transfer-ENCODING: Chunked") + b"5\r\nhello\r\n0\r\n\r\n", {}),
    "chunked, leading zeros": (CHUNKED + b"0005\r\nhello\r\n000\r\n\r\n", {}),
    "chunked, nothing": (CHUNKED + b"0\r\n\r\n", {"body": b""}),
    "chunk extensions": (CHUNKED + b'5;a;b=c;d="e f"\r\nhello\r\n0;z\r\n\r\n', {}),
    "trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nX: y\r\nServer: z\r\n\r\n", {}),
    "interim response": (CONTINUE + OK, {}),
    "interim responses with headers": (
        head(b"Link: </a>", b"Content-Length: 0", status=b"HTTP/1.1 103 Early Hints") * 2 + OK,
        {"headers": ((b"Content-Length", b"5"),)},
    ),
    "unknown interim response": (head(b"A: b", status=b"HTTP/1.1 199 ?") + OK, {}),
    "no reason phrase": (OK.replace(b" OK", b" "), {}),
    "no reason phrase and no space": (OK.replace(b" OK", b""), {}),
    "reason phrase of other bytes": (OK.replace(b"OK", b"\xc3\xa4 \t\xff"), {}),
    "unknown status": (OK.replace(b"200", b"799"), {"status": 799}),
    "204": (head(status=b"HTTP/1.1 204 No Content"), {"status": 204, "body": b""}),
    "204 with a length": (
        head(b"Content-Length: 5", status=b"HTTP/1.1 204 No Content"),
        {"status": 204, "body": b""},
    ),
    "304": (head(status=b"HTTP/1.1 304 Not Modified"), {"status": 304, "body": b""}),
    "304 with a length": (
        head(b"Content-Length: 5", status=b"HTTP/1.1 304 Not Modified"),
        {"status": 304, "body": b""},
    ),
    "304 chunked": (
        head(b"Transfer-Encoding: chunked", status=b"HTTP/1.1 304 Not Modified"),
        {"status": 304, "body": b""},
    ),
    "closing": (head(b"Connection: close", b"Content-Length: 5") + b"hello", {"is_reusable": False}),
    "closing, among others": (
        head(b"Connection: x, Close", b"Content-Length: 5") + b"hello",
        {"is_reusable": False},
    ),
    "HTTP/1.0": (OK.replace(b"1.1", b"1.0"), {"is_reusable": False, "version": b"HTTP/1.0"}),
    "HTTP/1.0, kept": (
        head(b"Connection: keep-alive", b"Content-Length: 5", status=b"HTTP/1.0 200 OK") + b"hello",
        {"version": b"HTTP/1.0"},
    ),
    "HTTP/1.0 in chunks": (  # RFC 9112, section 6.1: framing that cannot be trusted
        head(b"Connection: keep-alive", b"Transfer-Encoding: chunked", status=b"HTTP/1.0 200 OK")
        + b"5\r\nhello\r\n0\r\n\r\n",
        {"version": b"HTTP/1.0", "is_reusable": False},
    ),
    "length and chunked": (
        head(b"Content-Length: 7", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
        {"is_reusable": False},
    ),
    "chunked and length": (
        head(b"Transfer-Encoding: chunked", b"Content-Length: 7") + b"5\r\nhello\r\n0\r\n\r\n",
        {"is_reusable": False},
    ),
    "empty value": (
        head(b"X:", b"Content-Length: 5") + b"hello",
        {"headers": ((b"X", b""), (b"Content-Length", b"5"))},
    ),
    "blanks around a value": (
        head(b"X: \t a b \t", b"Content-Length: 5") + b"hello",
        {"headers": ((b"X", b"a b"), (b"Content-Length", b"5"))},
    ),
    "bytes of Latin-1 and UTF-8": (
        head(b"X: \xfc \xc3\xbc", b"Content-Length: 5") + b"hello",
        {"headers": ((b"X", b"\xfc \xc3\xbc"), (b"Content-Length", b"5"))},
    ),
    "body that looks like responses": (
        head(b"Content-Length: %d" % len(CONTINUE * 20)) + CONTINUE * 20,
        {"body": CONTINUE * 20},
    ),
}


@CUTS
@pytest.mark.parametrize("name", RESPONSES)
def test_parser_response_is_complete_at_its_end(name: str, cut: Cut) -> None:
    data, expected = RESPONSES[name]
    result = run(data, cut)
    default = {"status": 200, "body": b"hello", "is_reusable": True, "version": b"HTTP/1.1"}
    for field, value in {**default, "is_complete": True, **expected}.items():
        assert getattr(result, field) == value, field
    if result.body:
        assert not run(data[:-1], cut).is_complete


@CUTS
def test_parser_body_without_length_ends_with_the_stream(cut: Cut) -> None:
    for data in (head(), head(b"Connection: keep-alive"), head(status=b"HTTP/1.0 200 OK")):
        result = run(data + b"hello", cut)
        assert (result.status, result.body, result.is_complete) == (200, b"hello", False)
        result = run(data + b"hello", cut, end=True)
        assert (result.body, result.is_complete, result.is_reusable) == (b"hello", True, False)


@CUTS
@pytest.mark.parametrize("lines", [(b"Content-Length: 5",), (b"Transfer-Encoding: chunked",), ()])
def test_parser_response_to_head_or_connect_ends_with_its_head(lines: tuple[bytes, ...], cut: Cut) -> None:
    result = run(CONTINUE + head(*lines), cut, has_body=False)
    assert (result.status, result.body, result.is_complete) == (200, b"", True)
    assert result.is_reusable == bool(lines)


@CUTS
@pytest.mark.parametrize("surplus", [b"H", b"hello", OK, CONTINUE, b"\0", b"\r\nx", b"5\r\nhello\r\n0\r\n\r\n"])
@pytest.mark.parametrize("response", [OK, CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", head(status=b"HTTP/1.1 204 -")])
def test_parser_surplus_after_a_response_prevents_reuse(response: bytes, surplus: bytes, cut: Cut) -> None:
    alone = run(response, cut)
    assert alone.is_reusable
    result = run(response + surplus, cut)
    assert (result.status, result.body, result.headers) == (alone.status, alone.body, alone.headers)
    assert result.is_complete
    assert not result.is_reusable


@CUTS
def test_parser_body_after_a_response_to_head_prevents_reuse(cut: Cut) -> None:
    result = run(OK, cut, has_body=False)
    assert (result.status, result.body, result.is_complete, result.is_reusable) == (200, b"", True, False)


@CUTS
def test_parser_end_of_the_stream_after_a_response_prevents_reuse(cut: Cut) -> None:
    result = run(OK, cut, end=True)
    assert (result.body, result.is_complete, result.is_reusable) == (b"hello", True, False)


@CUTS
def test_parser_parses_many_responses_one_after_the_other(cut: Cut) -> None:
    """Whatever came before: trailers, interim responses, a response to HEAD."""
    parser = ResponseParser()
    reusable = [name for name, (_, expected) in RESPONSES.items() if expected.get("is_reusable", True)]
    for name in reusable * 2:
        data, _ = RESPONSES[name]
        assert run(data, cut, parser=parser) == run(data)
        assert run(head(b"Content-Length: 5"), cut, has_body=False, parser=parser).is_reusable
        assert parser.received == len(head(b"Content-Length: 5"))


# --- what is refused

REFUSED: dict[str, bytes] = {
    "garbage": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "another protocol": OK.replace(b"HTTP", b"ICAP"),
    "a request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": OK.replace(b"HTTP/1.1", b"HTTP"),
    "status of two digits": OK.replace(b"200", b"20"),
    "status of four digits": OK.replace(b"200", b"2000"),
    "status below 100": OK.replace(b"200", b"099"),
    "status 0": OK.replace(b"200", b"000"),
    "101": head(b"Upgrade: h2c", b"Connection: upgrade", status=b"HTTP/1.1 101 Switching Protocols"),
    "101 without headers": head(status=b"HTTP/1.1 101 Switching Protocols"),
    "101 before a response": head(status=b"HTTP/1.1 101 Switching Protocols") + OK,
    "interim response with a body": head(b"Content-Length: 3", status=b"HTTP/1.1 110 -") + b"abc" + OK,
    "interim response with a length": head(b"Content-Length: 3", status=b"HTTP/1.1 199 -") + OK,
    "interim response in chunks": head(b"Transfer-Encoding: chunked", status=b"HTTP/1.1 199 -") + OK,
    "other encoding": head(b"Transfer-Encoding: gzip") + b"hello",
    "encoding before chunked": head(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "encoding in a field of its own": head(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "encoding after chunked": head(b"Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n",
    "chunked twice": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "identity": head(b"Transfer-Encoding: identity") + b"hello",
    "two lengths": head(b"Content-Length: 5", b"Content-Length: 6") + b"hello",
    "negative length": head(b"Content-Length: -5") + b"hello",
    "signed length": head(b"Content-Length: +5") + b"hello",
    "length in hexadecimal": head(b"Content-Length: 0x5") + b"hello",
    "empty length": head(b"Content-Length:") + b"hello",
    "list of lengths": head(b"Content-Length: 5, 6") + b"hello",
    "length of 30 digits": head(b"Content-Length: " + b"9" * 30),
    "broken chunk size": CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n",
    "negative chunk size": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "chunk size of 30 digits": CHUNKED + b"f" * 30 + b"\r\nhello",
    "chunk longer than its size": CHUNKED + b"4\r\nhello\r\n0\r\n\r\n",
    "NUL in a value": head(b"X: a\0b", b"Content-Length: 0"),
    "CR in a value": head(b"X: a\rb", b"Content-Length: 0"),
    "space in a name": head(b"X y: a", b"Content-Length: 0"),
    "space after a name": head(b"Content-Length : 5") + b"hello",
    "no name": head(b": a", b"Content-Length: 0"),
    "no colon": head(b"abc", b"Content-Length: 0"),
}


@CUTS
@pytest.mark.parametrize("name", REFUSED)
def test_parser_refuses_what_is_not_a_response(name: str, cut: Cut) -> None:
    with pytest.raises(httpcore.RemoteProtocolError):
        run(REFUSED[name], cut, end=True)


@CUTS
@pytest.mark.parametrize("name", [name for name in RESPONSES if RESPONSES[name][1].get("is_reusable", True)])
def test_parser_response_cut_short_is_an_error(name: str, cut: Cut) -> None:
    """At every byte of it, the last one excepted."""
    data, _ = RESPONSES[name]
    for size in range(len(data)):
        with pytest.raises(httpcore.RemoteProtocolError):
            run(data[:size], cut, end=True)


@CUTS
@pytest.mark.parametrize(
    "data",
    [
        OK.replace(b"\r\n", b"\n"),
        OK.replace(b"Content-Length: 5\r\n", b"Content-Length: 5\r\nContent-Length: 5\r\n"),
        head(b"X: a", b" b", b"Content-Length: 5") + b"hello",
        head(b"X: a\x01b", b"Content-Length: 5") + b"hello",
        OK.replace(b"OK", b"O\0K"),
    ],
    ids=["bare LF", "two equal lengths", "obsolete line folding", "control character", "NUL in the reason phrase"],
)
def test_parser_reads_or_refuses_what_it_may(data: bytes, cut: Cut) -> None:
    """Nothing in between: a body is never cut, nor taken from elsewhere."""
    try:
        result = run(data, cut, end=True)
    except httpcore.RemoteProtocolError:
        return
    assert (result.status, result.body) == (200, b"hello")


# --- limits


def head_of(size: int) -> bytes:
    """A whole response without a body, of so many bytes."""
    return head(b"X: " + b"y" * (size - len(head(b"X: ", status=b"HTTP/1.1 204 -"))), status=b"HTTP/1.1 204 -")


LARGE_CUTS = pytest.mark.parametrize("cut", [WHOLE, (999,), (65_535, 1)], ids=str)


@LARGE_CUTS
@pytest.mark.parametrize("before", [b"", CONTINUE], ids=["alone", "after an interim response"])
def test_parser_head_of_64_kib_is_read_and_one_byte_more_refused(before: bytes, cut: Cut) -> None:
    size = HEAD_LIMIT - len(before)
    assert run(before + head_of(size), cut).status == 204
    with pytest.raises(ResponseTooLargeError, match="65536") as caught:
        run(before + head_of(size + 1), cut)
    assert caught.value.limit == HEAD_LIMIT


@LARGE_CUTS
@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 200 " + b"x" * 70_000,
        head(b"X: " + b"y" * 70_000),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 12_000,
        b"\r\n" * 40_000,
    ],
    ids=["reason phrase", "value", "fields", "line breaks"],
)
def test_parser_endless_head_is_refused(endless: bytes, cut: Cut) -> None:
    with pytest.raises(ResponseTooLargeError):
        run(endless, cut)


@LARGE_CUTS
@pytest.mark.parametrize(
    "endless",
    [
        CHUNKED + b"0\r\n" + b"X: y\r\n" * 30_000,
        CHUNKED + b"0\r\nX: " + b"y" * 200_000,
        CHUNKED + b"5;" + b"x" * 200_000,
        CHUNKED + b"0" * 200_000,
    ],
    ids=["trailers", "one trailer", "chunk extension", "zeros of a chunk size"],
)
def test_parser_endless_trailers_and_chunk_headers_are_refused(endless: bytes, cut: Cut) -> None:
    """llhttp refuses some of them itself."""
    with pytest.raises((ResponseTooLargeError, httpcore.RemoteProtocolError)):
        run(endless, cut)


@LARGE_CUTS
def test_parser_trailers_of_60_kib_are_skipped(cut: Cut) -> None:
    result = run(CHUNKED + b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", cut)
    assert (result.body, result.is_complete, result.is_reusable) == (b"hello", True, True)


@LARGE_CUTS
@pytest.mark.parametrize("size", [300_000, 65_536])
def test_parser_body_has_no_limit(size: int, cut: Cut) -> None:
    assert run(head(b"Content-Length: %d" % size) + b"x" * size, cut).body == b"x" * size
    assert run(CHUNKED + b"1\r\nx\r\n" * 30_000 + b"0\r\n\r\n", cut).body == b"x" * 30_000


@CUTS
def test_parser_skips_eight_interim_responses_and_refuses_a_ninth(cut: Cut) -> None:
    assert run(CONTINUE * INTERIM_LIMIT + OK, cut).body == b"hello"
    for after in (OK, b"", head(status=b"HTTP/1.1 101 -"), head(b"Transfer-Encoding: gzip")):
        with pytest.raises(ResponseTooLargeError, match="interim"):
            run(CONTINUE * (INTERIM_LIMIT + 1) + after, cut)


# --- any bytes

PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n",
        b"HTTP/1.1 103 -\r\n",
        b"HTTP/1.1 199 -\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n",
        b"HTTP/1.1 204 No Content\r\n",
        b"HTTP/1.1 304\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/2.0 500 \r\n",
        b"HTTP/1.1 ",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Length: 1\r\n",
        b"Content-Length: x\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive\r\n",
        b"Connection: upgrade\r\nUpgrade: h2c\r\n",
        b"X: y\r\n",
        b" folded\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"5\r\nhello\r\n",
        b"1;a=b\r\nx\r\n",
        b"0\r\n",
        b"hello",
    ]
)
STREAMS = st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=24).map(b"".join)


def outcome(data: bytes, cut: Cut, *, end: bool, has_body: bool) -> Result | type[Exception]:
    """What `run` returns, or the kind of the documented error that it raises."""
    try:
        return run(data, cut, end=end, has_body=has_body)
    except (httpcore.RemoteProtocolError, ResponseTooLargeError) as error:
        return type(error)


@given(
    data=STREAMS,
    cut=st.lists(st.integers(1, 20), min_size=1, max_size=40).map(tuple),
    end=st.booleans(),
    has_body=st.booleans(),
)
@example(data=CONTINUE * 9 + head(b"Transfer-Encoding: gzip"), cut=(1,), end=False, has_body=True)
@example(data=head(b"Content-Length: 3", status=b"HTTP/1.1 199 -") + OK, cut=(1,), end=False, has_body=True)
def test_parser_result_does_not_depend_on_the_pieces(data: bytes, cut: Cut, end: bool, has_body: bool) -> None:
    """Any bytes give a response or one of the two documented errors, however they are cut."""
    whole = outcome(data, WHOLE, end=end, has_body=has_body)
    assert outcome(data, cut, end=end, has_body=has_body) == whole
    assert outcome(data, BYTEWISE, end=end, has_body=has_body) == whole
