"""The thorough way: parsed JSON to a model, field by field, keeping what is good and noting what is not.

Nothing is coerced, except an int where a float is asked for. A value with faults travels as an
exception, `Flawed(value, problems)`: whoever holds the value catches it, takes what was good, and puts
its own name in front of the paths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ..models import Problem
from .fields import fields, is_scalar

__all__ = ["Flawed", "Hook", "MOST_PROBLEMS", "SCALARS", "described", "salvage"]

Hook = Callable[[Any, Any], Any]
"""What cattrs calls: a value and its type to what it becomes."""

_SHOWN = 60  # characters of a bad value in a reason
MOST_PROBLEMS = 1_000
"""A body of 16 MiB can hold millions of faults; a list of them all would be a hundred times its size."""


class Flawed(Exception):  # noqa: N818  # no error, but a value on its way up
    """A value that could be read in part, and the faults of the rest; `value` is `None` if nothing was good."""

    def __init__(self, value: Any, problems: list[Problem]) -> None:
        super().__init__()
        self.value = value
        self.problems = problems


# --- single values: each returns the value or raises Flawed -------------------------------------


def _fault(expected: str, found: Any) -> Flawed:
    return Flawed(None, [Problem(path="", reason=f"expected {expected}, found {described(found)}")])


def described(found: Any) -> str:
    """A parsed value in a few words. What a list or object holds is left out: it may be deep or long."""
    if isinstance(found, dict):
        return "an object"
    if isinstance(found, list):
        return "a list"
    kind = "text" if isinstance(found, str) else "value" if found is None or isinstance(found, bool) else "number"
    shown = repr(found[:_SHOWN] if isinstance(found, str) else found)
    return f"the {kind} {shown}" if len(shown) <= _SHOWN else f"the {kind} {shown[:_SHOWN]}…"


def _exactly(kind: type, expected: str) -> Hook:
    def hook(value: Any, _: Any) -> Any:
        if value.__class__ is not kind:
            raise _fault(expected, value)
        return value

    return hook


def _float(value: Any, _: Any) -> float:
    if value.__class__ is float or value.__class__ is int:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise _fault("a number", value)


def _datetime(value: Any, _: Any) -> datetime:
    if value.__class__ is str:
        try:
            # Takes the service's seven digits of a second and cuts them to six.
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise _fault("a date (ISO 8601)", value)


SCALARS: Mapping[Any, Hook] = {
    str: _exactly(str, "a text"),
    int: _exactly(int, "a whole number"),
    bool: _exactly(bool, "true or false"),
    float: _float,
    datetime: _datetime,
    Mapping: _exactly(dict, "an object"),
}
"""The hooks of everything that is no model."""


# --- objects and lists --------------------------------------------------------------------------


def _under(name: str, problems: list[Problem]) -> list[Problem]:
    """The problems of a part, with the name of the part in front."""
    return [
        Problem(path=name + (p.path if p.path.startswith("[") or not p.path else f".{p.path}"), reason=p.reason)
        for p in problems
    ]


def _read_list(value: Any, kind: Any, hook: Hook, *, one_or_many: bool) -> tuple[Any, ...]:
    if one_or_many and value.__class__ is dict:
        value = [value]
    if value.__class__ is not list:
        raise Flawed((), _fault("a list", value).problems)
    items: list[Any] = []
    problems: list[Problem] = []
    for index, item in enumerate(value):
        try:
            items.append(hook(item, kind))
        except Flawed as flawed:
            if flawed.value is not None:
                items.append(flawed.value)
            problems += _under(f"[{index}]", flawed.problems[: MOST_PROBLEMS - len(problems)])
    if problems:
        raise Flawed(tuple(items), problems)
    return tuple(items)


def salvage(body: Any, cls: type) -> Any:
    """Read what can be read of `body`; raises `Flawed` if that is not all of it."""
    if body.__class__ is not dict:
        raise _fault("an object", body)
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for f in fields(cls):
        value = body.get(f.wire) if f.wire is not None else None
        if value is None:
            continue
        hook = SCALARS[f.type] if is_scalar(f.type) else salvage
        try:
            if f.is_list:
                values[f.name] = _read_list(value, f.type, hook, one_or_many=f.one_or_many)
            else:
                values[f.name] = hook(value, f.type)
        except Flawed as flawed:
            if flawed.value is not None:
                values[f.name] = flawed.value
            problems += _under(str(f.wire), flawed.problems)
    model = cls(**values)
    if problems:
        raise Flawed(model, problems)
    return model
