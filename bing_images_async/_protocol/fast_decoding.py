"""The fast way: a twin of each model class for msgspec to fill, and a generated function to copy it.

A twin is a `msgspec.Struct` with the model's fields under their JSON names. msgspec makes it of bytes
or of parsed JSON in C, checks every type on the way, strictly, and skips what no model has a field for.
What it made is copied into the model by a function like this, one line per field:

    def fill_TrendingImagesTile(twin):
        new = blank(thawed_TrendingImagesTile)
        new.query = None if (v := twin.query) is None else fill_Query(v)
        new.image = None if (v := twin.image) is None else fill_Image(v)
        new.__class__ = TrendingImagesTile
        return new

Whatever is not as documented raises one of `SURPRISES`, and the thorough way takes over.

Why not simpler: of a page of 35 images (55 KB, for which `json.loads` alone takes 210 µs) msgspec makes twins
in 60 µs, and these functions make models of them in 40. The models' own `__init__` would take 220, because a
frozen class sets each field through a call. msgspec can fill attrs objects itself, which takes 250: it raises
and catches an `AttributeError` for each field that is missing.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, cast

import attrs
import msgspec

from .fields import Field, fields, is_scalar

__all__ = ["SURPRISES", "Twin", "twin_of"]

SURPRISES = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
"""What decoding, converting and copying raise; msgspec's errors are no `ValueError`s in all its versions."""


@attrs.frozen
class Twin:
    """What the fast way has for one model class."""

    struct: type[msgspec.Struct]
    fill: Callable[[Any], Any]
    """An instance of `struct` to a model."""


_twins: dict[type, Twin] = {}
_making = threading.Lock()


def twin_of(cls: type) -> Twin:
    """The twin of the model `cls`; made, with those of all classes it refers to, when it is first asked for."""
    if cls not in _twins:
        with _making:
            if cls not in _twins:
                _twins.update(_generate(cls))
    return _twins[cls]


def _generate(cls: type) -> dict[type, Twin]:
    known = dict(_twins)
    family = [member for member in _family(cls) if member not in known]
    structs = {member: twin.struct for member, twin in known.items()} | {member: _struct(member) for member in family}
    for member in family:
        # Classes refer to each other in circles, so types come last.
        structs[member].__annotations__ = {f.name: _hint(f, structs) for f in fields(member) if f.wire is not None}
    # msgspec reads types at a struct's first use, in Python, and a second thread that uses it meanwhile crashes the
    # interpreter (msgspec 0.22). So it reads them here, all of them, before anyone else can see a struct.
    msgspec.json.Decoder(structs[cls])
    names: dict[str, Any] = {f"fill_{member.__name__}": twin.fill for member, twin in known.items()}
    names |= {"blank": object.__new__, "date": datetime.fromisoformat, "finite": _finite}
    source: list[str] = []
    for member in family:
        names |= _names(member)
        source += _lines(member)
    exec(compile("\n".join(source), f"<twins of {cls.__name__}>", "exec"), names)  # noqa: S102  # our own field names
    return {member: Twin(structs[member], names[f"fill_{member.__name__}"]) for member in family}


def _family(cls: type) -> list[type]:
    """`cls` and all model classes that can occur in it."""
    found = [cls]
    for member in found:
        for f in fields(member):
            if f.wire is not None and not is_scalar(f.type) and f.type not in found:
                found.append(f.type)
    return found


# --- twins --------------------------------------------------------------------------------------

_RAW: Mapping[Any, Any] = {datetime: str, float: int | float, Mapping: dict}
"""What a twin holds in place of a type that takes more than a check; see `_MAKERS`."""


def _struct(cls: type) -> type[msgspec.Struct]:
    on_wire = [f for f in fields(cls) if f.wire is not None]
    return msgspec.defstruct(
        f"{cls.__name__}Twin",
        [(f.name, Any, None) for f in on_wire],
        rename={f.name: str(f.wire) for f in on_wire},
        gc=False,  # they hold no circles and are gone in a moment
    )


def _hint(f: Field, structs: Mapping[type, type]) -> Any:
    kind: Any = _RAW.get(f.type, f.type) if is_scalar(f.type) else structs[f.type]
    return (tuple[kind, ...] if f.is_list else kind) | None


# --- the functions that copy them ---------------------------------------------------------------

_MAKERS: Mapping[Any, str] = {datetime: "date", float: "finite"}
"""What makes these types. `fromisoformat` cuts the seventh digit of a second, where msgspec would round."""


def _finite(number: float) -> float:
    """The number as a float. Bytes hold none that are not finite, but parsed JSON may come from anywhere."""
    if not math.isfinite(number):
        raise ValueError(number)
    return float(number)


def _thawed(cls: type) -> type:
    """A subclass of the frozen `cls` whose slots can be set one by one, before it is turned into `cls`.

    It adds no slots, so assigning `__class__` is allowed. Both methods have to be `object`'s: if one of
    them is a Python function, the interpreter takes ten times as long for each assignment.
    """
    methods = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(f"Thawed{cls.__name__}", (cls,), {"__slots__": (), **methods})


def _is_factory(default: Any) -> bool:
    return isinstance(default, cast("type", attrs.Factory))


def _names(cls: type) -> dict[str, Any]:
    """What the function of `cls` refers to, beside the functions of other classes."""
    name = cls.__name__
    own = {
        f"{name}_{f.name}": f.default.factory if _is_factory(f.default) else f.default
        for f in fields(cls)
        if f.wire is None
    }
    return {name: cls, f"thawed_{name}": _thawed(cls), **own}


def _lines(cls: type) -> list[str]:
    """The source of the function that copies a twin into a new `cls`."""
    name = cls.__name__
    return [
        f"def fill_{name}(twin):",
        f"  new = blank(thawed_{name})",
        *(f"  new.{f.name} = {_value(name, f)}" for f in fields(cls)),
        f"  new.__class__ = {name}",
        "  return new",
    ]


def _value(owner: str, f: Field) -> str:
    """The expression for the value of one field."""
    if f.wire is None:
        return f"{owner}_{f.name}" + ("()" if _is_factory(f.default) else "")
    make = _MAKERS.get(f.type) if is_scalar(f.type) else f"fill_{f.type.__name__}"
    if f.is_list:
        items = "v" if make is None else f"tuple(map({make}, v))"
        return f"() if (v := twin.{f.name}) is None else {items}"
    return f"twin.{f.name}" if make is None else f"None if (v := twin.{f.name}) is None else {make}(v)"
