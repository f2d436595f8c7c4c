"""Fast path of decoding: bytes to models through msgspec, for bodies in which every value is as documented.

This file is optional. `decode` returns the model that `json.parse` and `decoding.structure` would make of
the same bytes, or `None` to leave the body to them; without it nothing changes but the time.

Each model class has a mirror struct: a `msgspec.Struct` with its fields under their JSON names. msgspec fills
it from bytes in C, checks every type on the way, and skips what no model has a field for. A generated
function copies the mirror into the model, one line per field:

    def copy_TrendingImagesTile(mirror, counted):
        counted.append(1)
        new = blank(Unfrozen_TrendingImagesTile)
        new.query = None if (v := mirror.query) is None else copy_Query(v, counted)
        new.image = None if (v := mirror.image) is None else copy_Image(v, [])
        new.__class__ = TrendingImagesTile
        return new

The model's own `__init__` would take five times as long, because a frozen class sets each field through a
call. msgspec could fill attrs classes itself, but raises and catches an `AttributeError` for each field that
is missing. Figures: `docs/performance.md`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import repeat
from typing import Any, TypeVar, cast

import attrs
import msgspec

from .decoding import MOST_ITEMS, Field, check_lists, fields, utc
from .json import MOST_LEVELS, NotJsonError, check_levels, count_containers

__all__ = ["decode"]

T = TypeVar("T")

_UNEXPECTED = (NotJsonError, msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
"""What bounds, decoding and copying raise; msgspec's errors are no `ValueError`s in all its versions."""
_RECURSIVE = "image"
"""The field through which an object can hold another of its own class; without it models end."""
_MODEL_LEVELS = 16
"""Levels of nesting in a model without its `image` fields, at most."""


@attrs.frozen
class _Mirror:
    """What the fast path has for one model class."""

    struct: type[msgspec.Struct]
    copy: Callable[[Any, list[int]], Any]
    """Makes a model of an instance of `struct`; adds an item to the list for each list and object."""
    decoder: msgspec.json.Decoder[Any]


_mirrors: dict[type, _Mirror] = {}
_generating = threading.Lock()


def decode(body: bytes, cls: type[T]) -> T | None:
    """Return the model `cls` of these bytes, or `None` if anything in them is not as documented."""
    try:
        mirror = _mirrors.get(cls) or _mirror(cls)
        containers = count_containers(body)
        if not body.isascii():
            str(body, "utf-8")  # msgspec does not look into texts that it skips
        counted: list[int] = []
        model = mirror.copy(mirror.decoder.decode(body), counted)
        # What was counted is in models, the rest in skipped fields, texts and `image`: too little to be too deep?
        if containers - len(counted) > MOST_LEVELS - _MODEL_LEVELS:
            check_levels(body)
    except _UNEXPECTED:
        return None
    return cast("T", model)


# --- mirror structs -----------------------------------------------------------------------------


def _mirror(cls: type) -> _Mirror:
    """Return the mirror of the model `cls`; generate it, with those of all classes it refers to, at first use."""
    with _generating:
        if cls not in _mirrors:
            _mirrors.update(_generate(cls))
    return _mirrors[cls]


def _generate(cls: type) -> dict[type, _Mirror]:
    known = dict(_mirrors)
    classes = [found for found in _reachable(cls) if found not in known]
    structs = {found: mirror.struct for found, mirror in known.items()} | {found: _struct(found) for found in classes}
    for found in classes:
        # Classes refer to each other in circles, so types come last.
        structs[found].__annotations__ = {f.name: _hint(f, structs) for f in fields(found) if f.wire is not None}
    # msgspec reads the types of a struct at its first use, in Python, and a second thread that uses it meanwhile
    # crashes the interpreter (msgspec 0.22). Here it reads all of them before another thread can see a struct.
    msgspec.json.Decoder(structs[cls])
    names: dict[str, Any] = {f"copy_{found.__name__}": mirror.copy for found, mirror in known.items()}
    names |= {"blank": object.__new__, "date": datetime.fromisoformat, "repeat": repeat, "UTC": UTC}
    names |= {"bounded": _bounded, "plain": _plain, "utc": utc}
    source: list[str] = []
    for found in classes:
        names |= _names(found)
        source += _lines(found)
    exec(compile("\n".join(source), f"<mirrors of {cls.__name__}>", "exec"), names)  # noqa: S102  # our own field names
    return {
        found: _Mirror(structs[found], names[f"copy_{found.__name__}"], msgspec.json.Decoder(structs[found]))
        for found in classes
    }


def _reachable(cls: type) -> list[type]:
    """Return `cls` and all model classes that can occur in it."""
    found = [cls]
    for member in found:
        found += {f.type: None for f in fields(member) if f.wire is not None and f.is_model and f.type not in found}
    return found


_CHECKED: Mapping[Any, Any] = {datetime: str, float: int | float, Mapping: dict}
"""What a mirror holds in place of a type that takes more than a check; see `_value`."""

_USUAL_ORDER = (
    "webSearchUrl name webSearchUrlPingSuffix thumbnailUrl datePublished hostPageDiscoveredDate isFamilyFriendly "
    "isTransparent isFresh creativeCommons contentUrl contentUrlPingSuffix hostPageUrl hostPageFavIconUrl "
    "hostPageUrlPingSuffix hostPageDomainFriendlyName contentSize encodingFormat hostPageDisplayUrl width height "
    "thumbnail imageInsightsToken insightsMetadata imageId accentColor text displayText searchLink"
)
"""Fields in the order in which the service sends them: msgspec looks for each from where it found the last."""
_PLACES = {wire: place for place, wire in enumerate(_USUAL_ORDER.split())}


def _struct(cls: type) -> type[msgspec.Struct]:
    on_wire = sorted((f for f in fields(cls) if f.wire is not None), key=lambda f: _PLACES.get(str(f.wire), len(_PLACES)))
    return msgspec.defstruct(
        f"{cls.__name__}Mirror",
        [(f.name, Any, None) for f in on_wire],
        rename={f.name: str(f.wire) for f in on_wire},
        gc=False,  # mirrors hold no circles and live for a moment
    )


def _hint(f: Field, structs: Mapping[type, type]) -> Any:
    kind: Any = structs[f.type] if f.is_model else _CHECKED.get(f.type, f.type)
    return (tuple[kind, ...] if f.is_list else kind) | None


# --- functions that copy mirrors into models ----------------------------------------------------


def _bounded(items: tuple[Any, ...], counted: list[int]) -> tuple[Any, ...]:
    if len(items) > MOST_ITEMS:
        raise ValueError(len(items))
    counted.append(1)
    return items


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    check_lists(value)
    return value


def _unfrozen(cls: type) -> type:
    """Return a subclass of the frozen `cls` whose slots can be set one by one, before `__class__` is set to `cls`.

    It adds no slots, so `__class__` may be assigned. Both methods have to be `object`'s: if one of them is a
    Python function, the interpreter takes ten times as long for each assignment.
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
        f"def copy_{name}(mirror, counted):",
        "  counted.append(1)",
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
        copied = f"tuple(map(copy_{f.type.__name__}, bounded(v, counted), repeat(counted)))"
        return f"() if {read} else {copied}"
    if f.is_model:
        return f"None if {read} else copy_{f.type.__name__}(v, {'[]' if f.name == _RECURSIVE else 'counted'})"
    if f.type is datetime:  # most are in UTC already, and `fromisoformat` cuts the seventh digit that msgspec rounds
        return f"None if {read} else d if (d := date(v)).tzinfo is UTC else utc(d)"
    if f.type is float:
        return f"None if {read} else float(v)"
    if f.type is Mapping:
        return f"None if {read} else plain(v)"
    return f"mirror.{f.name}"
