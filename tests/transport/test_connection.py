"""Requests with bodies and time limits, over a network in memory and in virtual time."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpcore
import httpx
import pytest
from memory import EARLY, OK, TLS, URLS, Network, Stream, body, fetch, send, settle

from bing_images_async._transport.pool import ConnectionPool
from bing_images_async.testing import virtual_time

pytestmark = pytest.mark.anyio

TIMEOUTS = {"connect": 1.0, "read": 2.0, "write": 3.0, "pool": 4.0}
CHUNKED = (b"Transfer-Encoding", b"chunked")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


class Pieces:
    """An async generator, and what became of it."""

    def __init__(self, *pieces: bytes | Exception | float) -> None:
        self.given = 0
        self.is_closed = False
        self.generator = self._generate(pieces)

    async def _generate(self, pieces: tuple[bytes | Exception | float, ...]) -> AsyncGenerator[bytes]:
        """Yield pieces, raise errors, wait seconds."""
        try:
            for piece in pieces:
                if isinstance(piece, Exception):
                    raise piece
                if isinstance(piece, float):
                    await anyio.sleep(piece)
                    continue
                self.given += 1
                yield piece
        finally:
            self.is_closed = True


@asynccontextmanager
async def connected(*scripts: Any) -> AsyncIterator[tuple[Network, ConnectionPool]]:
    network = Network(*scripts)
    async with ConnectionPool(network=network, tls=TLS, clock=anyio.current_time) as pool:
        yield network, pool


def sent(stream: Stream) -> bytes:
    """The body that was written after the head."""
    return b"".join(stream.written).partition(b"\r\n\r\n")[2]


# --- request bodies


async def test_body_with_a_length_is_written_as_it_is() -> None:
    async with connected() as (network, pool):
        pieces = Pieces(b"he", b"", b"llo")
        response = await fetch(pool, method="POST", headers={"Content-Length": "5"}, content=pieces.generator)
        assert response.content == b"hello"
        assert sent(network.streams[0]) == b"hello"
        assert pieces.is_closed
        await settle(pool, network)
        assert len(network.streams) == 1


async def test_body_without_a_length_is_written_in_chunks() -> None:
    """An empty piece would end it, and is left out."""
    async with connected() as (network, pool):
        await fetch(pool, method="POST", content=Pieces(b"he", b"", b"llo, a longer piece").generator)
        assert sent(network.streams[0]) == b"2\r\nhe\r\n13\r\nllo, a longer piece\r\n0\r\n\r\n"
        await settle(pool, network)
        assert len(network.streams) == 1


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 1_000_000])
async def test_large_body_is_written_in_pieces_of_64_kib(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    async with connected() as (network, pool):
        await fetch(pool, method="POST", content=content[:size])
        assert sent(network.streams[0]) == content[:size]
        assert max(map(len, network.streams[0].written)) <= 65_536


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([b"hell"], "shorter"),
        ([], "shorter"),
        ([b"hello", b"!"], "longer"),
        ([b"hello!"], "longer"),
        ([b"x" * 200_000], "longer"),
    ],
    ids=["short", "empty", "one byte more", "one byte more at once", "much more"],
)
async def test_body_of_another_length_raises_local_protocol_error(content: list[bytes], words: str) -> None:
    """Nothing beyond the length is written, and the connection is closed."""
    pieces = Pieces(*content)
    async with connected() as (network, pool):
        with pytest.raises(httpcore.LocalProtocolError, match=words):
            await send(pool, method="POST", headers=[(b"Content-Length", b"5")], content=pieces.generator)
        assert len(sent(network.streams[0])) <= 5
        assert (network.open, pieces.is_closed) == ([], True)
        await settle(pool, network)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "5"}], ids=["chunked", "length"])
@pytest.mark.parametrize("before", [b"", b"he", b"x" * 5], ids=["at once", "half", "whole"])
async def test_error_of_a_body_arrives_unchanged_and_closes_the_connection(
    before: bytes, headers: dict[str, str]
) -> None:
    fault = LookupError("no such file")
    async with connected() as (network, pool):
        with pytest.raises(LookupError) as caught:
            await fetch(pool, method="POST", headers=headers, content=Pieces(before, fault).generator)
        assert caught.value is fault
        assert not sent(network.streams[0]).endswith(b"0\r\n\r\n")
        assert network.open == []
        await settle(pool, network)


@pytest.mark.parametrize("url", URLS)
async def test_early_response_ends_the_body(url: str) -> None:
    """It comes while the body waits for its next piece; the connection is not used again."""
    async with connected() as (network, pool):
        network.reads_at_once = True
        pieces = Pieces(b"x" * 100_000, 60.0, b"x")
        began = anyio.current_time()
        response = await send(pool, url, method="POST", headers=[CHUNKED], content=pieces.generator)
        assert await response.aread() == b"hello"
        await response.aclose()
        assert anyio.current_time() == began
        assert (pieces.given, pieces.is_closed, network.open) == (1, True, [])
        del pieces
        gc.collect()  # a generator left suspended would warn here on trio


async def test_interim_response_does_not_end_the_body() -> None:
    async with connected([EARLY, EARLY, OK]) as (network, pool):
        pieces = Pieces(b"x" * 70_000, 1.0, b"y")
        response = await send(pool, method="POST", headers=[CHUNKED], content=pieces.generator)
        assert await response.aread() == b"hello"
        await response.aclose()
        assert sent(network.streams[0]).endswith(b"y\r\n0\r\n\r\n")
        assert not network.streams[0].script
        assert pool.idle_connections == len(network.open) == 1


@pytest.mark.parametrize("end", [b"", httpcore.ReadError("reset")], ids=["closed", "reset"])
async def test_connection_that_ends_within_a_body_raises_its_error(end: Any) -> None:
    async with connected([end], []) as (network, pool):
        network.reads_at_once = True
        pieces = Pieces(b"x" * 100_000, 60.0)
        with pytest.raises((httpcore.ReadError, httpcore.RemoteProtocolError)):
            await send(pool, method="POST", headers=[CHUNKED], content=pieces.generator)
        assert (pieces.is_closed, network.open) == (True, [])


async def test_cancelled_request_closes_the_body() -> None:
    async with connected() as (network, pool):
        pieces = Pieces(b"x" * 100_000, 60.0)
        with anyio.move_on_after(1.0):
            await send(pool, method="POST", headers=[CHUNKED], content=pieces.generator)
        assert (pieces.is_closed, network.open) == (True, [])
        del pieces
        gc.collect()


async def test_body_that_is_no_generator_is_written() -> None:
    class Content:
        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        def __init__(self) -> None:
            self.pieces = [b"llo", b"he"]

        async def __anext__(self) -> bytes:
            if not self.pieces:
                raise StopAsyncIteration
            return self.pieces.pop()

    async with connected() as (network, pool):
        await send(pool, method="POST", headers=[(b"Content-Length", b"5")], content=Content())
        assert sent(network.streams[0]) == b"hello"


# --- time limits


async def test_timeouts_reach_the_network() -> None:
    async with connected() as (network, pool):
        await fetch(pool, "https://service.test/", extensions={"timeout": TIMEOUTS})
        assert network.timeouts == {"connect": 1.0, "start_tls": 1.0, "write": 3.0, "read": 2.0}


async def test_no_timeouts_are_none() -> None:
    async with connected() as (network, pool):
        await (await send(pool, "https://service.test/")).aclose()
        assert network.timeouts == {"connect": None, "start_tls": None, "write": None, "read": None}


@pytest.mark.parametrize("begun", [[], [OK[:20]], [OK[:-2]]], ids=["nothing", "half a head", "half a body"])
@pytest.mark.parametrize("options", [{}, {"method": "POST", "content": b"x"}], ids=["get", "upload"])
async def test_silence_longer_than_the_read_timeout_raises_read_timeout(
    begun: list[bytes], options: dict[str, Any]
) -> None:
    async with connected([*begun, None], []) as (network, pool):
        began = anyio.current_time()
        with pytest.raises(httpx.ReadTimeout):
            await fetch(pool, extensions={"timeout": TIMEOUTS}, **options)
        assert anyio.current_time() - began == pytest.approx(2.0)
        assert network.open == []


async def test_slow_body_does_not_count_against_the_read_timeout() -> None:
    """The limit begins when the body has been written, and for each read again."""
    async with connected([EARLY, OK]) as (network, pool):
        pieces = Pieces(b"x" * 70_000, 10.0, b"y")
        response = await fetch(pool, method="POST", content=pieces.generator, extensions={"timeout": TIMEOUTS})
        assert response.content == b"hello"
        assert pool.idle_connections == len(network.open) == 1


# --- trace events


async def test_trace_events_of_a_new_and_of_a_kept_connection() -> None:
    """`send_request_headers.started` comes when the connection stands, before the first byte."""
    seen: list[tuple[str, int, int]] = []

    async def trace(event: str, info: Mapping[str, Any]) -> None:
        written = len(network.streams[-1].written) if network.streams else 0
        seen.append((event, len(network.streams), written))

    async with connected() as (network, pool):
        for _ in range(2):
            await fetch(pool, extensions={"trace": trace})
    assert seen == [
        ("connection.connect_tcp.started", 0, 0),
        ("connection.connect_tcp.complete", 1, 0),
        ("http11.send_request_headers.started", 1, 0),
        ("http11.send_request_headers.started", 1, 1),
    ]


@pytest.mark.parametrize("event", ["connection.connect_tcp.started", "connection.connect_tcp.complete"])
async def test_error_of_a_trace_handler_while_connecting_closes_the_connection(event: str) -> None:
    async def trace(name: str, info: Mapping[str, Any]) -> None:
        if name == event:
            raise LookupError

    async with connected() as (network, pool):
        with pytest.raises(LookupError):
            await fetch(pool, extensions={"trace": trace})
        assert (network.open, pool.open_connections) == ([], 0)


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
async def test_error_of_a_trace_handler_before_sending_keeps_the_connection(kept: bool) -> None:
    """Nothing has been written: another request can use it."""

    async def trace(name: str, info: Mapping[str, Any]) -> None:
        if name == "http11.send_request_headers.started":
            raise LookupError

    async with connected() as (network, pool):
        if kept:
            await fetch(pool)
        with pytest.raises(LookupError):
            await fetch(pool, extensions={"trace": trace})
        assert len(network.open) == pool.idle_connections == 1
        await settle(pool, network)
        assert len(network.streams) == 1


# --- responses


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_response_to_head_ends_with_its_head(method: str) -> None:
    """Its length is that of the body that GET would get."""
    script = [OK[:-5]] if method == "HEAD" else [OK]
    async with connected([*script, OK]) as (network, pool):
        response = await fetch(pool, method=method)
        assert (response.status_code, response.headers["content-length"]) == (200, "5")
        assert response.content == (b"" if method == "HEAD" else b"hello")
        await settle(pool, network)
        assert len(network.streams) == 1


async def test_download_left_early_closes_its_connection() -> None:
    async with connected([OK[:-2], b"lo"], []) as (network, pool):
        response = await send(pool)
        async for piece in body(response):
            assert piece == b"hel"
            break
        await response.aclose()
        assert [piece async for piece in body(response)] == []
        assert (pool.open_connections, network.open) == (0, [])
        await settle(pool, network)
