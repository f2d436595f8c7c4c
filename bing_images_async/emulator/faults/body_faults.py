"""Faults in the body of an answer: broken compression, and JSON that is wrong, enormous or none.

Each replies with status 200 and a true Content-Length: only the content lies.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from ..deterministic_random import draw, fraction
from .emulated_reply import Case, Reply

__all__ = ["BODIES"]

_FILLER = 2**20
_STRANGE: tuple[Any, ...] = (None, True, -1, 1.5, "strange", [], {}, [[]], {"strange": {}})


def _truncated_gzip(reply: Reply, case: Case) -> Reply:
    packed = gzip.compress(reply.plain(), mtime=0)
    return reply.having(packed[: round(len(packed) * case.amount_or(0.5))], content_encoding="gzip")


def _gzip_twice(reply: Reply, case: Case) -> Reply:
    return reply.having(gzip.compress(gzip.compress(reply.plain(), mtime=0), mtime=0), content_encoding="gzip")


def _gzip_bomb(reply: Reply, case: Case) -> Reply:
    return reply.having(_bomb(max(1, round(case.amount_or(64)))), content_encoding="gzip")


@cache
def _bomb(mebibytes: int) -> bytes:
    """An empty answer and so many MiB of blanks: valid JSON, if anyone has the memory to find out."""
    packer = zlib.compressobj(level=1, wbits=16 + zlib.MAX_WBITS)
    parts = [packer.compress(b'{"_type":"Images","value":[]}')]
    parts += [packer.compress(b" " * _FILLER) for _ in range(mebibytes)]
    return b"".join([*parts, packer.flush()])


def _not_gzip(reply: Reply, case: Case) -> Reply:
    return reply.having(reply.plain(), content_encoding="gzip")


def _unknown_encoding(reply: Reply, case: Case) -> Reply:
    return reply.having(reply.plain(), content_encoding="rot13")


def _cut(reply: Reply, case: Case) -> Reply:
    plain = reply.plain()
    return reply.having(plain[: round(len(plain) * case.amount_or(0.5))])


def _bom(reply: Reply, case: Case) -> Reply:
    return reply.having(b"\xef\xbb\xbf" + reply.plain())


def _latin_1(reply: Reply, case: Case) -> Reply:
    """Lawful latin-1, and no UTF-8: a lone byte 0xE9."""
    return reply.having(b'{"caf\xe9":1,' + reply.plain()[1:], content_type="application/json; charset=latin-1")


def _first_member(text: bytes) -> Callable[[Reply, Case], Reply]:
    """The answer with one more member before its others, written as no encoder would."""

    def altered(reply: Reply, case: Case) -> Reply:
        return reply.having(b"{" + text + b"," + reply.plain()[1:])

    return altered


def _deep(reply: Reply, case: Case) -> Reply:
    levels = round(case.amount_or(10_000))
    return reply.having(b'{"value":' + b"[" * levels + b"]" * levels + b"}")


def _always(body: bytes) -> Callable[[Reply, Case], Reply]:
    def altered(reply: Reply, case: Case) -> Reply:
        return reply.having(body)

    return altered


def _wrong_types(reply: Reply, case: Case) -> Reply:
    """About `amount` of all values are replaced by something of another type."""
    share = case.amount_or(0.1)

    def visited(value: Any, path: str) -> Any:
        if path and fraction(case.key, path) < share:
            others = [other for other in _STRANGE if type(other) is not type(value)]
            return others[draw(case.key, path, "which") % len(others)]
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            return {name: visited(member, f"{path}.{name}") for name, member in members.items()}
        if isinstance(value, list):
            return [visited(item, f"{path}[{index}]") for index, item in enumerate(cast("list[Any]", value))]
        return value

    return reply.having(json.dumps(visited(json.loads(reply.plain()), "")).encode())


BODIES: Mapping[str, Callable[[Reply, Case], Reply]] = {
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
"""By name. `amount`: the share that is left (gzip-truncated, json-cut) or replaced (json-wrong-types), MiB
(gzip-bomb), levels (json-deep)."""
