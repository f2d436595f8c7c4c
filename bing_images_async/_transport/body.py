"""Response bodies within bounds: so much on the wire, so much decoded, and complete.

`Accept-Encoding: gzip` is all we send, and decoding is ours: a general decoder unpacks first and
counts afterwards, which is too late for a bomb, and lets a cut-off stream pass as a whole one.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from io import BytesIO

from attrs import frozen

from ..errors import BingImagesError, ConnectionFailedError, MalformedResponseError, ResponseTooLargeError

__all__ = ["BodyLimits", "FILE_LIMITS", "check_size", "read_body"]

_GZIP = 16 + zlib.MAX_WBITS
_STEP = 64 * 2**10
"""Bytes that are unpacked at a time: what a bomb can cost beyond the limit."""
_MOST_MEMBERS = 1_000
"""Compressors that work in blocks need a few hundred; a stream of empty members would only burn time."""


@frozen
class BodyLimits:
    """The most bytes a body may have."""

    wire: int = 4 * 2**20
    """As sent."""
    decoded: int = 4 * 2**20
    """After gunzip."""


FILE_LIMITS = BodyLimits(wire=16 * 2**20, decoded=16 * 2**20)
"""Of `session.fetch`: pictures may be large, and are not compressed any more."""


async def read_body(
    stream: AsyncIterable[bytes],
    headers: Mapping[str, str],
    limits: BodyLimits,
    *,
    close: Callable[[], Awaitable[None]] | None = None,
) -> bytes:
    """The decoded body. `close` closes the stream where reading stops before its end.

    Raises `ResponseTooLargeError` beyond the limits, `ConnectionFailedError` for a gzip stream that
    ends early, and `MalformedResponseError` for an encoding that was not asked for or a broken one.
    """
    chunks: AsyncIterator[bytes] | None = None
    try:
        declared = headers.get("content-length", "")
        if declared.isdecimal() and len(declared) < 20 and int(declared) > limits.wire:
            raise _too_large("on the wire", limits.wire)
        sink = _sink(headers, limits)
        size = 0
        chunks = aiter(stream)
        async for chunk in chunks:
            size += len(chunk)
            if size > limits.wire:
                raise _too_large("on the wire", limits.wire)
            sink.feed(chunk)
        return sink.whole()
    except BingImagesError:
        if close is not None:
            await close()
        await _finish(chunks)
        raise


async def _finish(chunks: AsyncIterator[bytes] | None) -> None:
    """End the generators of a closed stream: trio warns of those that are left suspended.

    Closing the outermost one would leave those inside; they end by themselves when the next chunk is asked for.
    """
    if isinstance(chunks, AsyncGenerator):
        with suppress(Exception):
            async for _ in chunks:
                break
        with suppress(Exception):
            await chunks.aclose()


def _sink(headers: Mapping[str, str], limits: BodyLimits) -> _Plain | _Gunzip:
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return _Plain()
    if encoding in {"gzip", "x-gzip"}:
        return _Gunzip(limits.decoded)
    raise MalformedResponseError(
        f"The body came with Content-Encoding {encoding[:60]!r}; only gzip was asked for. "
        "A proxy or gateway on the way must be told to leave bodies alone."
    )


class _Plain:
    """A body that is not encoded. (A list of chunks would be many times larger than chunks of a few bytes.)"""

    def __init__(self) -> None:
        self._first = b""
        self._buffer: BytesIO | None = None

    def feed(self, chunk: bytes) -> None:
        if self._buffer is not None:
            self._buffer.write(chunk)
        elif not self._first:
            self._first = chunk
        else:
            self._buffer = BytesIO()
            self._buffer.write(self._first)
            self._buffer.write(chunk)

    def whole(self) -> bytes:
        return self._first if self._buffer is None else self._buffer.getvalue()


class _Gunzip:
    """All members of a gzip stream (RFC 1952, section 2.2), unpacked as they come, `limit` bytes at most."""

    def __init__(self, limit: int) -> None:
        self._buffer = BytesIO()
        self._limit = limit
        self._has_room = False
        self._member = zlib.decompressobj(_GZIP)
        self._members = 1
        self._is_empty = True

    def feed(self, chunk: bytes) -> None:
        self._is_empty = self._is_empty and not chunk
        # In slices, because what a member leaves over is copied each time.
        for start in range(0, len(chunk), _STEP):
            rest = bytes(chunk[start : start + _STEP])
            while rest:
                if self._member.eof:
                    self._next_member()
                self._unpack(rest)
                rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def whole(self) -> bytes:
        """What was unpacked; empty if nothing at all came."""
        while not self._member.eof and not self._is_empty:
            if not self._unpack(b""):
                raise ConnectionFailedError("The gzip body ended before its end: the connection or a proxy cut it off.")
        self._buffer.truncate()
        return self._buffer.getvalue()

    def _unpack(self, data: bytes) -> int:
        try:
            part = self._member.decompress(data, _STEP)
        except zlib.error as fault:
            raise MalformedResponseError(f"The body is not the gzip it claims to be ({fault}).") from None
        size = self._buffer.tell() + len(part)
        if size > self._limit:
            raise _too_large("decoded", self._limit)
        if size > self._limit // 2 and not self._has_room:
            self._make_room()
        return self._buffer.write(part)

    def _make_room(self) -> None:
        """For all there may be: left to itself, the buffer takes an eighth more than it needs, 2 MiB in the end."""
        self._has_room = True
        size = self._buffer.tell()
        self._buffer.seek(self._limit - 1)
        self._buffer.write(b"\0")
        self._buffer.seek(size)

    def _next_member(self) -> None:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise MalformedResponseError(f"The gzip body has more than {_MOST_MEMBERS:,} members.")
        self._member = zlib.decompressobj(_GZIP)


def check_size(body: bytes, limits: BodyLimits) -> bytes:
    """A decoded body that is in memory already. Raises `ResponseTooLargeError` beyond the limit."""
    if len(body) > limits.decoded:
        raise _too_large("decoded", limits.decoded)
    return body


def _too_large(where: str, limit: int) -> ResponseTooLargeError:
    return ResponseTooLargeError(f"The body has more than {limit:,} bytes {where}, the limit.", limit=limit)
