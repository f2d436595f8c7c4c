"""The fields of the models as the wire knows them: their JSON names, and what may stand in them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import attrs

__all__ = ["Field", "fields", "is_scalar", "wire_names"]


@attrs.frozen
class Field:
    """How one field of a model is read."""

    name: str
    wire: str | None
    """JSON name; `None` for what the library adds itself."""
    type: Any
    """`str`, `int`, `float`, `bool`, `datetime`, `Mapping`, or a model class."""
    is_list: bool
    one_or_many: bool
    default: Any


def _read_fields(cls: type) -> tuple[Field, ...]:
    hints = {name: hint for base in reversed(cls.__mro__) for name, hint in _own_hints(base).items()}
    return tuple(_field(a, hints[a.name]) for a in attrs.fields(cls))


def _read_own_hints(cls: type) -> dict[str, Any]:
    return inspect.get_annotations(cls, eval_str=True)


fields: Callable[[Any], tuple[Field, ...]] = cache(_read_fields)
"""The fields of a model class, in its order."""
_own_hints: Callable[[Any], dict[str, Any]] = cache(_read_own_hints)
# Base classes are shared: `get_type_hints`, which evaluates theirs each time, takes 2 ms more for a first answer.


def _field(a: attrs.Attribute[Any], hint: Any) -> Field:
    if get_origin(hint) is UnionType:
        (hint,) = (arg for arg in get_args(hint) if arg is not NoneType)
    is_list = get_origin(hint) is tuple
    if is_list:
        hint = get_args(hint)[0]
    return Field(
        name=a.name,
        wire=a.metadata.get("wire", _camel(a.name)),
        type=get_origin(hint) or hint,
        is_list=is_list,
        one_or_many=a.metadata.get("one_or_many", False),
        default=a.default,
    )


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def is_scalar(kind: Any) -> bool:
    """Is a field of this type read as it stands, and no model class?"""
    return kind in {str, int, float, bool, datetime, Mapping}


def wire_names(cls: type) -> dict[str, str]:
    """Field name to JSON name, of all fields of the model `cls` that are on the wire."""
    return {f.name: f.wire for f in fields(cls) if f.wire is not None}
