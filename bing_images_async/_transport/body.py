"""Response bodies with limits on encoded and decoded bytes, and with a check that a gzip stream is complete.

Requests accept only gzip, and this module decodes it. httpx's decoders check no limit while they decode, which is too
late for a decompression bomb, and they accept a truncated stream.
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
"""Bytes decoded at a time: a decompression bomb can exceed the limit by this much."""
_MOST_MEMBERS = 1_000
"""Compressors that work in blocks write a few hundred; a stream of empty members would only take time."""


@frozen
class BodyLimits:
    """Most bytes of a body."""

    wire: int = 4 * 2**20
    """Bytes as received."""
    decoded: int = 4 * 2**20
    """Bytes after decoding."""


FILE_LIMITS = BodyLimits(wire=16 * 2**20, decoded=16 * 2**20)
"""Limits of `session.fetch`: pictures may be large, and are usually not compressed again."""


async def read_body(
    stream: AsyncIterable[bytes],
    headers: Mapping[str, str],
    limits: BodyLimits,
    *,
    close: Callable[[], Awaitable[None]] | None = None,
) -> bytes:
    """Return the decoded body. `close` closes the stream if reading stops before its end.

    Raises:
        ResponseTooLargeError: the body exceeds a limit.
        ConnectionFailedError: the gzip stream is truncated.
        MalformedResponseError: the encoding is not gzip, or the gzip stream is broken.
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
    """End the generators of a closed stream: trio warns about suspended ones.

    Closing the outermost one does not end the inner ones; they end when the next chunk is requested.
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
        "Configure the proxies and gateways in between not to change bodies."
    )


class _Plain:
    """Buffer for a body without encoding. (A list of very small chunks would need much more memory.)"""

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
    """Incremental decoder of all members of a gzip stream (RFC 1952, section 2.2), up to `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._buffer = BytesIO()
        self._limit = limit
        self._has_room = False
        self._member = zlib.decompressobj(_GZIP)
        self._members = 1
        self._is_empty = True

    def feed(self, chunk: bytes) -> None:
        self._is_empty = self._is_empty and not chunk
        # In slices, because the data after the end of a member is copied each time.
        for start in range(0, len(chunk), _STEP):
            rest = bytes(chunk[start : start + _STEP])
            while rest:
                if self._member.eof:
                    self._next_member()
                self._unpack(rest)
                rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def whole(self) -> bytes:
        """Return the decoded body; empty if no data was received."""
        while not self._member.eof and not self._is_empty:
            if not self._unpack(b""):
                raise ConnectionFailedError("The gzip body is truncated: the connection or a proxy ended it too early.")
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
        """Allocate the limit at once, because a growing buffer reserves an eighth more than it needs."""
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
    """Return a decoded body; raise `ResponseTooLargeError` if it exceeds the limit."""
    if len(body) > limits.decoded:
        raise _too_large("decoded", limits.decoded)
    return body


def _too_large(where: str, limit: int) -> ResponseTooLargeError:
    return ResponseTooLargeError(f"The body has more than {limit:,} bytes {where}, the limit.", limit=limit)
