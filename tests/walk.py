"""A body and its model, compared key by key, without the code that made one from the other.

Only the table of names (`wire_names`) is taken from the library; values are compared by what the
JSON says: texts, numbers, dates, lists, objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from bing_images_async._protocol.decoding import wire_names

_DATE = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(T(?P<time>\d\d:\d\d:\d\d)(\.(?P<fraction>\d{1,6})\d*)?(?P<zone>Z)?)?", re.ASCII
)


@attrs.frozen
class Comparison:
    """What a walk found."""

    differences: tuple[str, ...]
    """Places where the model does not say what the JSON says, with both values."""
    known: frozenset[str]
    """`Image.contentUrl`: keys that were found on the model with the same value."""
    unknown: frozenset[str]
    """Keys of the JSON that the model class has no field for."""


@attrs.define
class _Walk:
    differences: list[str] = attrs.field(factory=list[str])
    known: set[str] = attrs.field(factory=set[str])
    unknown: set[str] = attrs.field(factory=set[str])

    def objects(self, body: Mapping[str, Any], model: Any, path: str) -> None:
        cls = type(model)
        fields = {wire: name for name, wire in wire_names(cls).items()}
        for key, value in body.items():
            label = f"{cls.__name__}.{key}"
            if key not in fields:
                self.unknown.add(label)
                continue
            before = len(self.differences)
            self.values(value, getattr(model, fields[key]), f"{path}.{key}" if path else key)
            if len(self.differences) == before:
                self.known.add(label)
        for key in fields.keys() - body.keys():
            invented = getattr(model, fields[key])
            if invented is not None and invented != ():
                self.differences.append(f"{path}.{key}: not in the JSON, {invented!r} on the model")

    def values(self, value: Any, found: Any, path: str) -> None:
        if isinstance(found, tuple):
            items: list[Any] = value if isinstance(value, list) else [] if value is None else [value]
            if len(items) != len(found):
                self.differences.append(f"{path}: {len(items)} items in the JSON, {len(found)} on the model")
                return
            for index, (item, part) in enumerate(zip(items, found, strict=True)):
                self.values(item, part, f"{path}[{index}]")
        elif attrs.has(type(found)):
            if isinstance(value, dict):
                self.objects(value, found, path)
            else:
                self.differences.append(f"{path}: {value!r} in the JSON, {found!r} on the model")
        elif not _same(value, found):
            self.differences.append(f"{path}: {value!r} in the JSON, {found!r} on the model")


def _same(value: Any, found: Any) -> bool:
    if isinstance(found, datetime):
        return _date(value) == found and found.tzinfo is UTC
    if type(found) is float:
        return type(value) in {int, float} and value == found
    if type(found) is int and type(value) is float:
        return value == found
    return type(value) is type(found) and bool(value == found)


def _date(text: str) -> datetime:
    match = _DATE.fullmatch(text)
    assert match is not None, text
    time, fraction = match["time"] or "00:00:00", (match["fraction"] or "").ljust(6, "0")
    return datetime.strptime(f"{match['day']} {time}.{fraction}", "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)


def compare(body: Mapping[str, Any], model: Any) -> Comparison:
    """Is everything in `body` that the model class knows also on `model`, with the same value?"""
    walk = _Walk()
    walk.objects(body, model, "")
    return Comparison(tuple(walk.differences), frozenset(walk.known), frozenset(walk.unknown))


Key = str | int


def places(value: Any, path: tuple[Key, ...] = ()) -> Iterator[tuple[Key, ...]]:
    """The path of every node of a parsed JSON, the root's included."""
    yield path
    if isinstance(value, dict):
        for key, member in value.items():
            yield from places(member, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def spelled(path: tuple[Key, ...]) -> str:
    """A path as the library writes it: `value[3].thumbnail.width`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")
