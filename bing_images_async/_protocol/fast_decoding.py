"""Fast path of decoding: bytes to models through msgspec, for bodies in which every value is as documented.

This module is optional. `decode` returns the model that `json.parse` and `decoding.structure` would make of the same
bytes, or `None` to leave the body to them. Without this module decoding only takes longer.

Each model class has a mirror struct: a `msgspec.Struct` with its fields under their JSON names. msgspec fills
it from bytes in C and checks every type on the way. A generated function copies the mirror into the model, one
line per field:

    def copy_TrendingImagesTile(mirror):
        new = blank(Unfrozen_TrendingImagesTile)
        new.query = None if (v := mirror.query) is None else copy_Query(v)
        new.image = None if (v := mirror.image) is None else copy_Image(v)
        new.__class__ = TrendingImagesTile
        return new

The model's own `__init__` takes longer, because a frozen class sets each field through a call. msgspec could fill
attrs classes itself, but raises and catches an `AttributeError` for each missing field. Figures: `docs/performance.md`.

Mirrors skip no key, because msgspec does not check the depth, numbers and texts of what it skips. An unknown key gets
its own field in the mirror when it is found for the first time.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from types import GenericAlias
from typing import Any, TypeVar, cast

import attrs
import msgspec

from .decoding import MOST_ITEMS, Field, check_json, fields, utc
from .json import NotJsonError, check_size

__all__ = ["decode"]

T = TypeVar("T")

_UNEXPECTED = (NotJsonError, msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
"""Errors of the bounds, of decoding and of copying; in some versions msgspec's errors are not `ValueError`s."""


def decode(body: bytes, cls: type[T]) -> T | None:
    """Return the model `cls` of these bytes, or `None` if anything in them is not as documented."""
    try:
        check_size(body)
        try:
            mirror = _decoder(cls).decode(body)
        except msgspec.ValidationError as error:
            if not (str(error).startswith("Object contains unknown field") and _add_unknown_keys(body, cls)):
                return None
            mirror = _decoder(cls).decode(body)
        return cast("T", _copier(cls)(mirror))
    except _UNEXPECTED:
        return None


# --- mirror structs -----------------------------------------------------------------------------


@attrs.frozen
class _Place:
    """A model class, and whether it is inside an image's `image`: mirrors follow that recursive field only once."""

    cls: Any
    is_inner: bool = False

    def fields(self) -> Iterator[tuple[Field, _Place | None]]:
        """Yield the fields of the JSON, each with the place of its models, or `None` for other types."""
        for f in fields(self.cls):
            if f.wire is not None:
                yield f, _Place(f.type, self.is_inner or f.name == _RECURSIVE) if f.is_model else None


_RECURSIVE = "image"
"""The field that can contain an object of the same class. Without it models have 13 levels at most."""


def _json(levels: int) -> Any:
    """Return the type of any JSON with at most `levels` levels. (Each level doubles the time that msgspec needs.)"""
    scalar: Any = None | bool | int | float | str
    if levels == 0:
        return scalar
    inner: Any = _json(levels - 1)
    return scalar | GenericAlias(list, inner) | GenericAlias(dict, (str, inner))


_ANY_JSON = _json(3)
_CHECKED: Mapping[Any, Any] = {datetime: str, float: int | float, Mapping: GenericAlias(dict, (str, _ANY_JSON))}
"""Types in mirrors in place of those that need more than a type check; see `_value`."""

_USUAL_ORDER = (
    "webSearchUrl name webSearchUrlPingSuffix thumbnailUrl datePublished hostPageDiscoveredDate isFamilyFriendly "
    "isTransparent isFresh creativeCommons contentUrl contentUrlPingSuffix hostPageUrl hostPageFavIconUrl "
    "hostPageUrlPingSuffix hostPageDomainFriendlyName contentSize encodingFormat hostPageDisplayUrl width height "
    "thumbnail imageInsightsToken insightsMetadata imageId accentColor text displayText searchLink"
)
"""Fields in the order in which the service sends them: msgspec starts to search after the last one it found."""
_ORDER = {wire: place for place, wire in enumerate(_USUAL_ORDER.split())}

_MOST_UNKNOWN = 32
"""Unknown keys of one class. Bodies with more are decoded by the fallback."""
_NAME = re.compile(r'[^"\\\x00-\x1f]{0,100}')
"""Names that msgspec accepts."""

_decoders: dict[type, msgspec.json.Decoder[Any]] = {}
_unknown: dict[type, list[str]] = {}
_generating = threading.Lock()


def _decoder(cls: type) -> msgspec.json.Decoder[Any]:
    """Return the decoder of mirrors of `cls`; generate them at first use."""
    decoder = _decoders.get(cls)
    if decoder is None:
        # msgspec reads the types of a struct when the first decoder of it is made, in Python, and a second thread
        # that uses the struct meanwhile crashes the interpreter (msgspec 0.22). So no thread sees an unfinished one.
        with _generating:
            decoder = _decoders[cls] = msgspec.json.Decoder(_struct(cls))
    return decoder


def _struct(cls: type) -> type[msgspec.Struct]:
    """Return the mirror of `cls`, with new mirrors of all classes it refers to."""
    root = _Place(cls)
    places = [root]
    for place in places:
        places += {inner: None for _, inner in place.fields() if inner is not None and inner not in places}
    structs = {place: _empty_struct(place) for place in places}
    for place in places:  # classes refer to each other in circles, so types come last
        hints = {f.name: _hint(f, place, None if inner is None else structs[inner]) for f, inner in place.fields()}
        unknown = set(structs[place].__struct_fields__) - hints.keys()
        structs[place].__annotations__ = hints | dict.fromkeys(unknown, _ANY_JSON)
    return structs[root]


def _empty_struct(place: _Place) -> type[msgspec.Struct]:
    names = {f.name: str(f.wire) for f, _ in place.fields()}
    ordered = sorted(names, key=lambda name: _ORDER.get(names[name], len(_ORDER)))
    names |= {f"unknown_{number}": key for number, key in enumerate(_unknown.get(place.cls, ()))}
    return msgspec.defstruct(
        f"{place.cls.__name__}Mirror",
        [(name, Any, None) for name in [*ordered, *(name for name in names if name not in ordered)]],
        rename=names,
        forbid_unknown_fields=True,
        gc=False,  # mirrors hold no circles and live for a moment
    )


def _hint(f: Field, place: _Place, struct: type | None) -> Any:
    if place.is_inner and f.name == _RECURSIVE:
        return None
    kind: Any = struct or _CHECKED.get(f.type, f.type)
    return (tuple[kind, ...] if f.is_list else kind) | None


def _add_unknown_keys(body: bytes, cls: type) -> bool:
    """Add a field to the mirrors for each unknown key of a body. Return true if there was a new one."""
    found: dict[type, dict[str, None]] = {}
    _collect_unknown_keys(msgspec.json.decode(body), cls, found)
    with _generating:
        before = sum(map(len, _unknown.values()))
        for owner, keys in found.items():
            known = _unknown.setdefault(owner, [])
            new = [key for key in keys if key not in known and _NAME.fullmatch(key)]
            known += new if len(known) + len(new) <= _MOST_UNKNOWN else []  # one body must not use all of them
        if sum(map(len, _unknown.values())) == before:
            return False
        _decoders.clear()
    return True


def _collect_unknown_keys(value: Any, cls: type, found: dict[type, dict[str, None]]) -> None:
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            _collect_unknown_keys(item, cls, found)
    elif isinstance(value, dict):
        known = {f.wire: f for f in fields(cls)}
        for key, inner in cast("dict[str, Any]", value).items():
            if key not in known:
                found.setdefault(cls, {})[key] = None
            elif known[key].is_model:
                _collect_unknown_keys(inner, known[key].type, found)


# --- functions that copy mirrors into models ----------------------------------------------------


def _make_copier(cls: type) -> Callable[[Any], Any]:
    classes = [cls]
    for found in classes:
        classes += {f.type: None for f in fields(found) if f.is_model and f.wire is not None and f.type not in classes}
    names: dict[str, Any] = {"blank": object.__new__, "date": datetime.fromisoformat, "UTC": UTC, "utc": utc}
    names |= {"bounded": _bounded, "plain": _plain}
    source: list[str] = []
    for found in classes:
        names |= _names(found)
        source += _lines(found)
    exec(compile("\n".join(source), f"<mirrors of {cls.__name__}>", "exec"), names)  # noqa: S102  # our own field names
    return cast("Callable[[Any], Any]", names[f"copy_{cls.__name__}"])


_copier: Callable[[Any], Callable[[Any], Any]] = cache(_make_copier)
"""Function that makes a model from a mirror."""


def _bounded(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(items) > MOST_ITEMS:
        raise ValueError(len(items))
    return items


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    check_json(value)
    return value


def _unfrozen(cls: type) -> type:
    """Return a subclass of the frozen `cls` whose slots can be assigned, before `__class__` is set to `cls`.

    It adds no slots, so `__class__` can be assigned. Both methods must be those of `object`: with a Python function
    each assignment is much slower.
    """
    methods = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(f"Unfrozen{cls.__name__}", (cls,), {"__slots__": (), **methods})


def _is_factory(default: Any) -> bool:
    return isinstance(default, cast("type", attrs.Factory))


def _names(cls: type) -> dict[str, Any]:
    """Return what the function of `cls` refers to, beside the functions of other classes."""
    name = cls.__name__
    own = {
        f"{name}_{f.name}": f.default.factory if _is_factory(f.default) else f.default
        for f in fields(cls)
        if f.wire is None
    }
    return {name: cls, f"Unfrozen_{name}": _unfrozen(cls), **own}


def _lines(cls: type) -> list[str]:
    """Return the source of the function that copies a mirror into a new `cls`."""
    name = cls.__name__
    return [
        f"def copy_{name}(mirror):",
        f"  new = blank(Unfrozen_{name})",
        *(f"  new.{f.name} = {_value(name, f)}" for f in fields(cls)),
        f"  new.__class__ = {name}",
        "  return new",
    ]


def _value(owner: str, f: Field) -> str:
    """Return the expression for the value of one field."""
    if f.wire is None:
        return f"{owner}_{f.name}" + ("()" if _is_factory(f.default) else "")
    read = f"(v := mirror.{f.name}) is None"
    if f.is_list:
        copied = f"tuple(map(copy_{f.type.__name__}, bounded(v)))"
        return f"() if {read} else {copied}"
    if f.is_model:
        return f"None if {read} else copy_{f.type.__name__}(v)"
    if f.type is datetime:  # most are in UTC already, and `fromisoformat` cuts the seventh digit that msgspec rounds
        return f"None if {read} else d if (d := date(v)).tzinfo is UTC else utc(d)"
    if f.type is float:
        return f"None if {read} else float(v)"
    if f.type is Mapping:
        return f"None if {read} else plain(v)"
    return f"mirror.{f.name}"
