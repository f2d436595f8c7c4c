"""Bodies within bounds: what is too much, cut off, or not what it says, is an error before it is a problem."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import anyio
import pytest
from hypothesis import given, strategies as st
from session_kit import KEY, Chunks, session_with, streaming
from support.raw_server import RawServer, answering

from bing_images_async import ImageSearchSession, RetryPolicy
from bing_images_async._transport.body import BodyLimits, read_body
from bing_images_async.errors import (
    AuthenticationError,
    ConnectionFailedError,
    MalformedResponseError,
    ResponseTooLargeError,
)

pytestmark = pytest.mark.anyio

MIB = 2**20
LIMITS = BodyLimits()
PAGE = b'{"_type":"Images","value":[]}'


async def _pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def _read(
    body: bytes, *, encoding: str = "", size: int = 65_536, limits: BodyLimits = LIMITS, **more: str
) -> bytes:
    headers = {"content-encoding": encoding, **{name.replace("_", "-"): value for name, value in more.items()}}
    return await read_body(_pieces(body, size), headers, limits)


# --- how much


async def test_read_body_beyond_the_limit_on_the_wire_raises() -> None:
    """Exactly so much is read; a byte more is an error that knows the limit."""
    limits = BodyLimits(wire=1_000, decoded=5_000)
    assert len(await _read(bytes(1_000), size=7, limits=limits)) == 1_000
    with pytest.raises(ResponseTooLargeError, match="1,000 bytes on the wire") as caught:
        await _read(bytes(1_001), size=7, limits=limits)
    assert caught.value.limit == 1_000


async def test_read_body_beyond_the_decoded_limit_raises() -> None:
    """The same for decoded bytes, over all members together."""
    limits = BodyLimits(wire=1_000, decoded=5_000)
    assert len(await _read(gzip.compress(bytes(5_000)), encoding="gzip", limits=limits)) == 5_000
    halves = gzip.compress(bytes(2_500)) + gzip.compress(bytes(2_501))
    for body in (gzip.compress(bytes(5_001)), halves):
        with pytest.raises(ResponseTooLargeError, match="5,000 bytes decoded") as caught:
            await _read(body, encoding="gzip", limits=limits)
        assert caught.value.limit == 5_000


async def test_read_body_stops_reading_at_the_limit() -> None:
    """Neither an endless body nor a declared length beyond the limit is read further."""
    endless = Chunks(*[bytes(MIB)] * 50)
    async with session_with(streaming(endless)) as session:
        with pytest.raises(ResponseTooLargeError):
            await session.search("boat")
    assert endless.given == 5  # the limit is 4 MiB
    assert endless.closed
    declared = Chunks(PAGE)
    async with session_with(streaming(declared, content_length=str(4 * MIB + 1))) as session:
        with pytest.raises(ResponseTooLargeError):
            await session.search("boat")
    assert declared.given == 0
    assert declared.closed


@pytest.mark.parametrize("size", [65_536, 10**9])
async def test_read_body_bomb_takes_no_more_memory_than_the_limit(size: int) -> None:
    """64 MiB in 65 KiB: at most 2 MiB more than the 16 MiB that a body may have, and it ends at once."""
    bomb = gzip.compress(bytes(64 * MIB))
    assert len(bomb) < 70_000
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        with pytest.raises(ResponseTooLargeError):
            await _read(bomb, encoding="gzip", size=size)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak <= LIMITS.decoded + 2 * MIB


async def test_read_body_in_tiny_pieces_takes_little_more_memory_than_its_size() -> None:
    """128 KiB in pieces of two bytes: the pieces are not kept one by one."""
    body = random.Random(1).randbytes(MIB // 8)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        assert await _read(body, size=2) == body
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak <= MIB // 4


async def test_gzip_with_many_empty_members_is_refused() -> None:
    """They would unpack to nothing and take minutes."""
    with pytest.raises(MalformedResponseError, match="members"):
        await _read(gzip.compress(b"") * 50_000, encoding="gzip", size=10**9)


# --- how it is packed


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " x-gzip "])
async def test_read_body_gzip_is_unpacked(encoding: str) -> None:
    """By both of its names, in any case."""
    assert await _read(gzip.compress(PAGE), encoding=encoding) == PAGE


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
async def test_read_body_without_encoding_is_unchanged(encoding: str) -> None:
    """As it is."""
    assert await _read(PAGE, encoding=encoding) == PAGE


@given(
    parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4), size=st.integers(1, 400), level=st.integers(0, 9)
)
def test_gzip_members_are_unpacked_one_after_the_other(parts: list[bytes], size: int, level: int) -> None:
    """A gzip stream of several members is their contents in a row, however it is cut."""
    packed = b"".join(gzip.compress(part, level) for part in parts)

    async def read() -> bytes:
        return await _read(packed, encoding="gzip", size=size)

    assert anyio.run(read) == b"".join(parts)


@given(content=st.binary(max_size=300), size=st.integers(1, 400), data=st.data())
def test_gzip_cut_short_raises_connection_failed_error(content: bytes, size: int, data: st.DataObject) -> None:
    """Wherever it is cut; the standard decoders of HTTP clients let that pass."""
    packed = gzip.compress(content)
    cut = packed[: data.draw(st.integers(1, len(packed) - 1))]

    async def read() -> bytes:
        return await _read(cut, encoding="gzip", size=size)

    with pytest.raises(ConnectionFailedError, match="truncated"):
        anyio.run(read)


@given(junk=st.binary(min_size=1, max_size=200), size=st.integers(1, 100))
def test_gzip_that_is_none_raises_malformed_response_error(junk: bytes, size: int) -> None:
    """One of our errors, whatever the bytes are."""

    async def read() -> bytes:
        return await _read(junk, encoding="gzip", size=size)

    with pytest.raises((MalformedResponseError, ConnectionFailedError)):
        anyio.run(read)


@pytest.mark.parametrize("tail", [b"rubbish", bytes(8), PAGE])
async def test_gzip_with_other_bytes_after_the_last_member_raises(tail: bytes) -> None:
    """Must be another member."""
    with pytest.raises(MalformedResponseError, match="not the gzip"):
        await _read(gzip.compress(PAGE) + tail, encoding="gzip")


async def test_gzip_with_a_wrong_checksum_raises() -> None:
    """The last eight bytes of a member are its checksum and length."""
    packed = bytearray(gzip.compress(PAGE))
    packed[-5] ^= 1
    with pytest.raises(MalformedResponseError, match="not the gzip"):
        await _read(bytes(packed), encoding="gzip")


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "x" * 500])
async def test_read_body_with_another_encoding_raises(encoding: str) -> None:
    """The error names the encoding, in short, and who may be to blame."""
    with pytest.raises(MalformedResponseError, match="only gzip was asked for") as caught:
        await _read(zlib.compress(PAGE), encoding=encoding)
    assert encoding[:60] in str(caught.value)
    assert len(str(caught.value)) < 300


async def test_session_unreadable_body_does_not_hide_the_status() -> None:
    """A 401 is a 401 in any encoding."""
    async with session_with(streaming(Chunks(b"\x0b\x02"), 401, content_encoding="br")) as session:
        with pytest.raises(AuthenticationError):
            await session.search("boat")


async def test_gzip_of_no_bytes_is_an_empty_body() -> None:
    """A reply without a body may still name an encoding."""
    assert await _read(b"", encoding="gzip") == b""


async def test_gzip_within_gzip_is_unpacked_once() -> None:
    """The header says so once; what comes out is no JSON."""
    twice = gzip.compress(gzip.compress(PAGE))
    assert await _read(twice, encoding="gzip") == gzip.compress(PAGE)
    async with session_with(streaming(Chunks(twice), content_encoding="gzip")) as session:
        with pytest.raises(MalformedResponseError, match="no JSON"):
            await session.search("boat")


@pytest.mark.parametrize("declared", ["", "7", "-1", "many", "9" * 400, "1, 1", "٣"])
async def test_read_body_ignores_a_content_length_that_is_no_number(declared: str) -> None:
    """What it says is a hint for refusing early; what came is what counts."""
    assert await _read(PAGE, content_length=declared) == PAGE


# --- over a real socket


def _declaring(length: int, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + body


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (_declaring(10_000, PAGE), ConnectionFailedError),
        (_declaring(len(PAGE) - 5, PAGE), MalformedResponseError),
        (_declaring(5 * MIB, PAGE), ResponseTooLargeError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n", ConnectionFailedError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}", ConnectionFailedError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", ConnectionFailedError),
    ],
)
async def test_session_content_length_of_another_size_raises(response: bytes, kind: type[Exception]) -> None:
    """Too short, too long, far too long, and chunks that break off."""
    async with (
        RawServer(answering(response)) as server,
        _plain(server) as session,
    ):
        with pytest.raises(kind):
            await session.search("boat")


async def test_session_bomb_over_a_socket_raises() -> None:
    """The whole way: no more than the limit is unpacked."""
    bomb = gzip.compress(bytes(32 * MIB))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with RawServer(answering(head + bomb)) as server, _plain(server) as session:
        with pytest.raises(ResponseTooLargeError) as caught:
            await session.search("boat")
    assert caught.value.limit == LIMITS.decoded


def _plain(server: RawServer) -> ImageSearchSession:
    return ImageSearchSession(KEY, base_url=server.url, retry=RetryPolicy(attempts=1))
