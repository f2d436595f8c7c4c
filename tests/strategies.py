"""Hypothesis strategies: bodies in the shape of the models, and what can become of them on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import bodies
from hypothesis import strategies as st
from walk import Key, places

from bing_images_async._protocol.decoding import wire_names
from bing_images_async.models import Answer, ImageAnswer, ImageInsights, TrendingImages

ENDPOINTS: dict[type[Answer], tuple[str, Callable[[], dict[str, Any]]]] = {
    ImageAnswer: ("Images", bodies.search_2020),
    ImageInsights: ("ImageInsights", bodies.details),
    TrendingImages: ("TrendingImages", bodies.trending),
}
"""Each endpoint's model, its `_type`, and a body that fills it."""

TEXTS = st.sampled_from(
    ["", "boat", "wombat ", "Caf\u00e9 \u6298\u308a\u7d19", "a\u0000b", "\U0001f6a3", "\ufffd", "x" * 300]
)
INTS = st.sampled_from([0, 1, -1, 800, 2**31, 2**63, 2**64, -(2**63)])
FLOATS = st.sampled_from([0.0, -0.0, 0.5, 1, 12, 4.75, 1e-9, 1e308, 2**60])
DATES = st.sampled_from([
    "2020-05-02T12:00:00.0000000Z", "2001-01-01T00:00:00.0000000", "2020-08-12", "2020-08-12T01:02:03Z",
])  # fmt: skip
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS, int: INTS, float: FLOATS, bool: st.booleans(), datetime: DATES,
    Mapping: st.dictionaries(st.sampled_from(["name", "box", "value"]), st.none() | INTS | TEXTS, max_size=2),
}  # fmt: skip

_FIELDS = 6  # at most, per object
_DEPTH = 5


@cache
def schema(cls: type) -> dict[str, tuple[Any, bool]]:
    """JSON name to (type, is it a list), of the model `cls`."""
    hints, table = get_type_hints(cls), {}
    for name, wire in wire_names(cls).items():
        hint = hints[name]
        if get_origin(hint) is UnionType:
            (hint,) = (arg for arg in get_args(hint) if arg is not NoneType)
        listed = get_origin(hint) is tuple
        hint = get_args(hint)[0] if listed else hint
        table[wire] = (get_origin(hint) or hint, listed)
    return table


@cache
def objects(cls: type, depth: int = _DEPTH) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects of the model `cls`: any of its fields, all nested, nothing that is not documented."""
    table = {name: entry for name, entry in schema(cls).items() if depth > 0 or not (entry[1] or attrs.has(entry[0]))}

    def values(name: str) -> st.SearchStrategy[Any]:
        kind, listed = table[name]
        one = objects(kind, depth - 1) if attrs.has(kind) else SCALARS[kind]
        return st.lists(one, max_size=2) if listed else one

    def filled(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({name: values(name) for name in names})

    if not table:  # at the end of the depth, a class of lists and objects only
        return st.just({})
    return st.lists(st.sampled_from(sorted(table)), min_size=min(2, len(table)), max_size=_FIELDS, unique=True).flatmap(
        filled
    )


def answers(cls: type[Answer]) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies of an endpoint: sparse ones made from the model, and whole ones of ours."""
    word, whole = ENDPOINTS[cls]
    sparse = st.one_of(objects(cls, depth) for depth in (1, 2, _DEPTH))
    return st.one_of(sparse.map(lambda body: body | {"_type": word}), st.builds(whole))


ERRORS = st.one_of(
    st.builds(bodies.service_error, TEXTS, TEXTS | st.none(), message=TEXTS, parameter=TEXTS, moreDetails=TEXTS),
    st.builds(bodies.gateway_error, TEXTS | st.sampled_from(["401", "Gone"]), TEXTS),
    st.builds(bodies.bare_gateway_error, TEXTS, TEXTS),
    st.builds(
        bodies.management_error, INTS, st.sampled_from(["", "Try again in 26 seconds.", "replenished in 1.02:03:04."])
    ),
)
"""Error bodies, in all their shapes."""


# --- what can become of a body: one change, and it is still JSON


def _replaced(body: Any, path: tuple[Key, ...], change: Callable[[Any, Key], None]) -> Any:
    """A copy of `body` in which `change(parent, key)` was made at `path`; the root is the item of a list."""
    holder: list[Any] = [deepcopy(body)]
    parent: Any = holder
    *way, last = (0, *path)
    for key in way:
        parent = parent[key]
    change(parent, last)
    return holder[0] if holder else None


def _delete(parent: Any, key: Key) -> None:
    del parent[key]


def _deep(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"image": value}
    return value


STRANGERS: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**30, 10**400, "", "text", "NaN", "1", [], {}, [None], [[]], {"value": {}},
    {"image": {"image": {"width": "x"}}}, _deep(60), "\u2028", "x" * 5_000,
]  # fmt: skip
"""What may stand where something else should."""


@st.composite
def mutated(draw: st.DrawFn, source: st.SearchStrategy[dict[str, Any]]) -> Any:
    """A body with one change at any one node: another value, or nothing; still JSON."""
    body = draw(source)
    path = draw(st.sampled_from(list(places(body))[::-1]))
    if draw(st.integers(0, 4)) == 0:
        return _replaced(body, path, _delete)
    stranger = draw(st.sampled_from(STRANGERS))
    return _replaced(body, path, lambda parent, key: parent.__setitem__(key, stranger))


# --- what can become of the bytes


def _cut(raw: bytes, at: int) -> bytes:
    return raw[: at % (len(raw) or 1)]


def _written(raw: bytes, at: int, inserted: bytes) -> bytes:
    place = at % (len(raw) or 1)
    return raw[:place] + inserted + raw[place + 1 :]


def _value_replaced(raw: bytes, at: int, value: bytes) -> bytes:
    """`value`, which `json.dumps` would not write, behind one of the colons."""
    colons = [index for index, byte in enumerate(raw) if byte == ord(":")] or [0]
    place = colons[at % len(colons)] + 1
    return raw[:place] + value + b"," + b'"":' + raw[place:]


NOT_JSON = [b"NaN", b"-Infinity", b"1e999", b"9" * 5_000, b'"\\ud83d"', b'"\xff"', b"'x'", b"[" * 20_000, b"+1", b"01"]
BROKEN = st.binary(max_size=60) | st.sampled_from([
    b"", b" \r\n", bodies.HTML, b"null", b"[]", b'"text"', b"0", b"\xef\xbb\xbf", "{}".encode("utf-16"), b"\x1f\x8b",
])  # fmt: skip
"""What never was a body."""


@st.composite
def damaged(draw: st.DrawFn, source: st.SearchStrategy[bytes]) -> bytes:
    """Bytes that were JSON: cut off, overwritten, in another encoding, or with what no JSON may hold."""
    raw, at = draw(source), draw(st.integers(0, 100_000))
    return draw(
        st.sampled_from([
            _cut(raw, at),
            _written(raw, at, b"\xff"),
            _written(raw, at, b"\\ud800"),
            _written(raw, at, b"\xed\xa0\x80"),
            b"\xef\xbb\xbf" + raw,
            raw.decode().encode("utf-16"),
            raw + b"}",
        ])
        | st.sampled_from(NOT_JSON).map(lambda value: _value_replaced(raw, at, value))
    )  # fmt: skip


def dumped(value: Any) -> bytes:
    """JSON as a server may write it, some of it beyond ASCII."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
