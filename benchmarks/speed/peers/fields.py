"""The fields of the library's models, read from the public classes, and code that reads every one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

__all__ = ["ModelField", "closure", "fields_of", "reader"]

_SCALARS = (str, int, float, bool, datetime, Mapping)


@attrs.frozen
class ModelField:
    """One field of a model."""

    name: str
    wire: str | None
    """Its JSON name; `None` for what the library adds itself."""
    kind: type
    """A scalar type, or a model."""
    is_list: bool

    @property
    def is_model(self) -> bool:
        return self.kind not in _SCALARS and attrs.has(self.kind)

    @property
    def annotation(self) -> str:
        """Its type, as the peers' models declare it."""
        return f"tuple[{self.kind.__name__}, ...]" if self.is_list else f"{self.kind.__name__} | None"

    @property
    def default(self) -> str:
        return "()" if self.is_list else "None"


@cache
def fields_of(model: type) -> tuple[ModelField, ...]:
    """All fields of a model, inherited ones included."""
    hints = get_type_hints(model)
    return tuple(_field(a, hints[a.name]) for a in attrs.fields(model))


def closure(model: type) -> tuple[type, ...]:
    """`model` and every model that can be found in it, by way of fields that are on the wire."""
    found: dict[type, None] = {model: None}
    waiting = [model]
    while waiting:
        kinds = [f.kind for f in fields_of(waiting.pop()) if f.is_model and f.wire is not None]
        waiting += [kind for kind in kinds if kind not in found]
        found |= dict.fromkeys(kinds)
    return tuple(found)


def reader(model: type) -> Callable[[Any], None]:
    """A function that reads each attribute of an object, and of all objects in it.

    It is one straight line of attribute look-ups per class, so that what it costs is what the objects cost:
    anything put off until it is asked for is asked for here.
    """
    namespace: dict[str, Any] = {}
    waiting, written = [model], set[type]()
    while waiting:
        kind = waiting.pop()
        if kind not in written:
            written.add(kind)
            exec(compile(_reading(kind), f"<reading of {kind.__name__}>", "exec"), namespace)
            waiting += [f.kind for f in fields_of(kind) if f.is_model]
    read: Callable[[Any], None] = namespace[f"read_{model.__name__}"]
    return read


def _reading(model: type) -> str:
    lines = [f"def read_{model.__name__}(o):"]
    for f in fields_of(model):
        if not f.is_model:
            lines.append(f"    o.{f.name}")
        elif f.is_list:
            lines += [f"    for item in o.{f.name}:", f"        read_{f.kind.__name__}(item)"]
        else:
            lines += [f"    v = o.{f.name}", "    if v is not None:", f"        read_{f.kind.__name__}(v)"]
    return "\n".join(lines)


def _field(a: attrs.Attribute[Any], hint: Any) -> ModelField:
    if get_origin(hint) in {Union, UnionType}:
        (hint,) = (arg for arg in get_args(hint) if arg is not NoneType)
    is_list = get_origin(hint) is tuple
    if is_list:
        hint = get_args(hint)[0]
    return ModelField(a.name, a.metadata.get("wire", _camel(a.name)), get_origin(hint) or hint, is_list)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
