"""Body faults: broken compression, and JSON that is invalid, too large or of the wrong shape.

Each reply has status 200 and a correct Content-Length.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from ..deterministic_random import draw, fraction
from .emulated_reply import EmulatedReply, FaultContext

__all__ = ["BODY_FAULTS"]

_FILLER = 2**20
_REPLACEMENTS: tuple[Any, ...] = (None, True, -1, 1.5, "unexpected", [], {}, [[]], {"unexpected": {}})


def _truncated_gzip(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
    packed = gzip.compress(reply.decompressed(), mtime=0)
    return reply.with_body(packed[: round(len(packed) * context.amount_or(0.5))], content_encoding="gzip")


def _gzip_twice(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
    return reply.with_body(
        gzip.compress(gzip.compress(reply.decompressed(), mtime=0), mtime=0), content_encoding="gzip"
    )


def _gzip_bomb(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
    return reply.with_body(_bomb(max(1, round(context.amount_or(64)))), content_encoding="gzip")


@cache
def _bomb(mebibytes: int) -> bytes:
    """Compress an empty answer followed by `mebibytes` MiB of blanks, which is valid JSON."""
    packer = zlib.compressobj(level=1, wbits=16 + zlib.MAX_WBITS)
    parts = [packer.compress(b'{"_type":"Images","value":[]}')]
    parts += [packer.compress(b" " * _FILLER) for _ in range(mebibytes)]
    return b"".join([*parts, packer.flush()])


def _not_gzip(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
    return reply.with_body(reply.decompressed(), content_encoding="gzip")


def _unknown_encoding(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
    return reply.with_body(reply.decompressed(), content_encoding="rot13")


def _cut(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
    plain = reply.decompressed()
    return reply.with_body(plain[: round(len(plain) * context.amount_or(0.5))])


def _bom(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
    return reply.with_body(b"\xef\xbb\xbf" + reply.decompressed())


def _latin_1(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
    """Return valid latin-1 that is invalid UTF-8: a single byte 0xE9."""
    return reply.with_body(
        b'{"caf\xe9":1,' + reply.decompressed()[1:], content_type="application/json; charset=latin-1"
    )


def _first_member(text: bytes) -> Callable[[EmulatedReply, FaultContext], EmulatedReply]:
    """Return a fault that inserts a member, given as raw JSON, before the others."""

    def apply(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
        return reply.with_body(b"{" + text + b"," + reply.decompressed()[1:])

    return apply


def _deep(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
    levels = round(context.amount_or(10_000))
    return reply.with_body(b'{"value":' + b"[" * levels + b"]" * levels + b"}")


def _always(body: bytes) -> Callable[[EmulatedReply, FaultContext], EmulatedReply]:
    def apply(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
        return reply.with_body(body)

    return apply


def _wrong_types(reply: EmulatedReply, context: FaultContext) -> EmulatedReply:
    """Replace the share `amount` of all values by values of another type."""
    share = context.amount_or(0.1)

    def replaced(value: Any, path: str) -> Any:
        if path and fraction(context.key, path) < share:
            others = [other for other in _REPLACEMENTS if type(other) is not type(value)]
            return others[draw(context.key, path, "which") % len(others)]
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            return {name: replaced(member, f"{path}.{name}") for name, member in members.items()}
        if isinstance(value, list):
            return [replaced(item, f"{path}[{index}]") for index, item in enumerate(cast("list[Any]", value))]
        return value

    return reply.with_body(json.dumps(replaced(json.loads(reply.decompressed()), "")).encode())


BODY_FAULTS: Mapping[str, Callable[[EmulatedReply, FaultContext], EmulatedReply]] = {
    "gzip-truncated": _truncated_gzip,
    "gzip-twice": _gzip_twice,
    "gzip-bomb": _gzip_bomb,
    "gzip-not": _not_gzip,
    "encoding-unknown": _unknown_encoding,
    "json-cut": _cut,
    "json-bom": _bom,
    "json-latin-1": _latin_1,
    "json-nan": _first_member(b'"totalEstimatedMatches":NaN'),
    "json-surrogate": _first_member(b'"readLink":"\\ud800"'),
    "json-huge-integer": _first_member(b'"currentOffset":' + b"9" * 5_000),
    "json-deep": _deep,
    "json-list": _always(b"[]"),
    "json-null": _always(b"null"),
    "json-wrong-types": _wrong_types,
}
"""Body faults by name. `amount`: the share that is kept (gzip-truncated, json-cut) or replaced
(json-wrong-types), MiB (gzip-bomb), levels (json-deep)."""
