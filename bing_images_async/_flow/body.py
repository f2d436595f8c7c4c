"""Response bodies within bounds: so much on the wire, so much decoded, and complete.

`Accept-Encoding: gzip` is all we send, and decoding is ours: a general decoder unpacks first and
counts afterwards, which is too late for a bomb, and lets a cut-off stream pass as a whole one.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable, Mapping

from attrs import frozen

from ..errors import ConnectionFailedError, MalformedResponseError, ResponseTooLargeError

__all__ = ["BodyLimits", "read_body"]

_GZIP = 16 + zlib.MAX_WBITS


@frozen
class BodyLimits:
    """The most bytes a body may have."""

    wire: int = 4 * 2**20
    """As sent."""
    decoded: int = 16 * 2**20
    """After gunzip."""


async def read_body(stream: AsyncIterable[bytes], headers: Mapping[str, str], limits: BodyLimits) -> bytes:
    """The decoded body.

    Raises `ResponseTooLargeError` beyond the limits, `ConnectionFailedError` for a gzip stream that
    ends early, and `MalformedResponseError` for an encoding that was not asked for or a broken one.
    """
    declared = headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > limits.wire:
        raise _too_large("on the wire", limits.wire)
    chunks: list[bytes] = []
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > limits.wire:
            raise _too_large("on the wire", limits.wire)
        chunks.append(chunk)
    body = b"".join(chunks)
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise MalformedResponseError(
            f"The body came with Content-Encoding {encoding[:60]!r}; only gzip was asked for. "
            "A proxy or gateway on the way must be told to leave bodies alone."
        )
    return _gunzip(body, limits.decoded) if body else body


def _gunzip(body: bytes, limit: int) -> bytes:
    """All members of a gzip stream (RFC 1952, section 2.2), unpacking no more than `limit` bytes."""
    whole = b""
    while body:
        member = zlib.decompressobj(_GZIP)
        try:
            part = member.decompress(body, limit - len(whole) + 1)
        except zlib.error as fault:
            raise MalformedResponseError(f"The body is not the gzip it claims to be ({fault}).") from None
        whole = whole + part if whole else part
        if len(whole) > limit:
            raise _too_large("decoded", limit)
        if not member.eof:
            raise ConnectionFailedError("The gzip body ended before its end: the connection or a proxy cut it off.")
        body = member.unused_data
    return whole


def _too_large(where: str, limit: int) -> ResponseTooLargeError:
    return ResponseTooLargeError(f"The body has more than {limit:,} bytes {where}, the limit.", limit=limit)
