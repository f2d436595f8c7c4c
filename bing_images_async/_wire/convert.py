"""The one cattrs converter: parsed JSON to models and back.

Reading is strict: nothing is coerced (except an int where a float is asked for) and unknown keys
are ignored. Each model class gets a *fast* reader, generated once, which reads an object whose every
field is as documented. At the first thing that is not, it gives up, and the whole body goes to
`_salvage`, which goes field by field, keeps all that is good and writes down what is not. Each way is
gone once at most, so that a fault deep inside a hostile body costs no more than one at its top.
An object with faults travels as an exception, `Flawed(value, problems)`: whoever holds the object
catches it, takes the value, and puts its own name in front of the paths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

import attrs
import cattrs

from ..models import Answer, Problem
from ..models.error import ErrorResponse

__all__ = ["Flawed", "converter", "described", "structure", "unstructure", "wire_names"]

T = TypeVar("T", bound="Answer | ErrorResponse")

Hook = Callable[[Any, Any], Any]

_SHOWN = 60  # characters of a bad value in a reason
_MOST_PROBLEMS = 1_000
"""A body of 16 MiB can hold millions of faults; a list of them all would be a hundred times its size."""


class Flawed(Exception):  # noqa: N818  # no error, but a value on its way up
    """A value that could be read in part, and the faults of the rest; `value` is `None` if nothing was good."""

    def __init__(self, value: Any, problems: list[Problem]) -> None:
        super().__init__()
        self.value = value
        self.problems = problems


@attrs.frozen
class _Field:
    """How one field of a model is read."""

    name: str
    wire: str | None
    """JSON name; `None` for what the library adds itself."""
    type: Any
    """`str`, `int`, `float`, `bool`, `datetime`, `Mapping`, or a model class."""
    is_list: bool
    one_or_many: bool
    default: Any


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def _read_fields(cls: type) -> tuple[_Field, ...]:
    hints = get_type_hints(cls)
    return tuple(_field(a, hints[a.name]) for a in attrs.fields(cls))


_fields: Callable[[Any], tuple[_Field, ...]] = cache(_read_fields)


def _field(a: attrs.Attribute[Any], hint: Any) -> _Field:
    if get_origin(hint) is UnionType:
        (hint,) = (arg for arg in get_args(hint) if arg is not NoneType)
    is_list = get_origin(hint) is tuple
    if is_list:
        hint = get_args(hint)[0]
    return _Field(
        name=a.name,
        wire=a.metadata.get("wire", _camel(a.name)),
        type=get_origin(hint) or hint,
        is_list=is_list,
        one_or_many=a.metadata.get("one_or_many", False),
        default=a.default,
    )


def wire_names(cls: type) -> dict[str, str]:
    """Field name to JSON name, of all fields of the model `cls` that are on the wire."""
    return {f.name: f.wire for f in _fields(cls) if f.wire is not None}


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


def _is_scalar(kind: Any) -> bool:
    return kind in {str, int, float, bool, datetime, Mapping}


# --- objects, the slow and thorough way ---------------------------------------------------------


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
            problems += _under(f"[{index}]", flawed.problems[: _MOST_PROBLEMS - len(problems)])
    if problems:
        raise Flawed(tuple(items), problems)
    return tuple(items)


def _salvage(body: Any, cls: type) -> Any:
    """Read what can be read of `body`; raises `Flawed` if that is not all of it."""
    if body.__class__ is not dict:
        raise _fault("an object", body)
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for f in _fields(cls):
        value = body.get(f.wire) if f.wire is not None else None
        if value is None:
            continue
        hook = converter.get_structure_hook(f.type) if _is_scalar(f.type) else _salvage
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


# --- objects, the fast way ----------------------------------------------------------------------


def _thawed(cls: type) -> type:
    """A subclass of the frozen `cls` that can be filled slot by slot, then turned into `cls`.

    It adds no slots, so assigning `__class__` is allowed. A frozen `__init__` of 30 fields takes
    ten times as long.
    """
    return type(f"Thawed{cls.__name__}", (cls,), {"__slots__": (), "__setattr__": object.__setattr__})


def _is_factory(default: Any) -> bool:
    return isinstance(default, cast("type", attrs.Factory))


def _statements(f: _Field) -> list[str]:
    """The lines that read one field into `new`; anything unexpected raises."""
    name, kind = f.name, f.type
    if f.wire is None:
        if _is_factory(f.default):
            return [f"new.{name} = default_{name}()"]
        return [f"new.{name} = default_{name}"]
    lines = [f"v = get({f.wire!r})"]
    if f.is_list:
        # `one_or_many` objects take the slow way; they are in no body that was ever recorded.
        return [
            *lines,
            "if v is None: v = ()",
            "elif v.__class__ is not list: raise Mismatch",
            f"else: v = tuple([read_{kind.__name__}(item, None) for item in v])",
            f"new.{name} = v",
        ]
    if kind in {str, int, bool}:
        return [
            *lines,
            f"if v.__class__ is not {kind.__name__} and v is not None: raise Mismatch",
            f"new.{name} = v",
        ]
    return [*lines, f"new.{name} = None if v is None else read_{kind.__name__}(v, None)"]


class _Mismatch(Exception):  # noqa: N818  # no error, but the end of the fast way
    """Something is not as documented; `_salvage` will say what."""


_namespace: dict[str, Any] = {"Mismatch": _Mismatch}
"""What the generated functions see; `read_X` is the reader of the class X, so that classes may refer to each other."""


def _generate(cls: type) -> Hook:
    """The fast reader of `cls`, and those of the classes it is made of."""
    name = cls.__name__
    if f"read_{name}" in _namespace:
        return _namespace[f"read_{name}"]  # type: ignore[no-any-return]
    _namespace[f"read_{name}"] = None  # so that a class may contain itself
    body: list[str] = []
    local: dict[str, Any] = {"cls": cls, "thawed": _thawed(cls), "blank": object.__new__}
    for f in _fields(cls):
        body += _statements(f)
        if f.wire is None:
            local[f"default_{f.name}"] = f.default.factory if _is_factory(f.default) else f.default
        elif _is_scalar(f.type):
            _namespace[f"read_{f.type.__name__}"] = converter.get_structure_hook(f.type)
        else:
            _generate(f.type)
    source = "\n".join(
        (
            f"def make({', '.join(local)}):",
            f"  def read_{name}(body, _):",
            "    if body.__class__ is not dict: raise Mismatch",
            "    get = body.get",
            "    new = blank(thawed)",
            *(f"    {line}" for line in body),
            "    new.__class__ = cls",
            "    return new",
            f"  return read_{name}",
        )
    )
    scope: dict[str, Any] = {}
    exec(compile(source, f"<reader of {name}>", "exec"), _namespace, scope)  # noqa: S102  # our own field names
    _namespace[f"read_{name}"] = scope["make"](**local)
    return _namespace[f"read_{name}"]  # type: ignore[no-any-return]


def _hook(cls: type) -> Hook:
    """What the converter calls for `cls`: the fast way, and the thorough one if that fails."""
    read = _generate(cls)

    def hook(body: Any, _: Any) -> Any:
        try:
            return read(body, None)
        except (_Mismatch, Flawed):
            pass
        return _salvage(body, cls)

    return hook


# --- the converter ------------------------------------------------------------------------------


def _make_converter() -> cattrs.Converter:
    made = cattrs.Converter(detailed_validation=False)
    made.register_structure_hook(str, _exactly(str, "a text"))
    made.register_structure_hook(int, _exactly(int, "a whole number"))
    made.register_structure_hook(bool, _exactly(bool, "true or false"))
    made.register_structure_hook(float, _float)
    made.register_structure_hook(datetime, _datetime)
    made.register_structure_hook_func(lambda kind: kind is Mapping, _exactly(dict, "an object"))
    made.register_structure_hook_factory(attrs.has, _hook)
    made.register_unstructure_hook_func(attrs.has, _unstructure_model)
    made.register_unstructure_hook(datetime, datetime.isoformat)
    return made


def _unstructure_model(model: Any) -> dict[str, Any]:
    whole = {f.wire: getattr(model, f.name) for f in _fields(type(model)) if f.wire is not None}
    return {name: unstructure(value) for name, value in whole.items() if value is not None and value != ()}


converter = _make_converter()


def structure(body: Any, cls: type[T]) -> tuple[T, tuple[Problem, ...]]:
    """Read parsed JSON into the model `cls`, with the problems found on the way.

    Raises `Flawed` if nothing could be read, because `body` is no object or nested too deep.
    """
    try:
        return converter.structure(body, cls), ()
    except RecursionError:
        raise Flawed(None, [Problem(path="", reason="it is nested too deep")]) from None
    except Flawed as flawed:
        if flawed.value is None:
            raise
        model, problems = flawed.value, tuple(flawed.problems)
    if len(problems) >= _MOST_PROBLEMS:
        more = Problem(path="", reason=f"more than these {_MOST_PROBLEMS:,} places could not be decoded")
        problems = (*problems[:_MOST_PROBLEMS], more)
    return model, problems


def unstructure(model: Any) -> Any:
    """The JSON of a model, in the API's names, without what is missing."""
    if isinstance(model, tuple):
        return [unstructure(item) for item in cast("tuple[Any, ...]", model)]
    return converter.unstructure(model)
