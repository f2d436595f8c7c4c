"""Parsed JSON to models and back: one cattrs converter with a generated hook for each model class.

Structuring is strict. Only these values are converted: an int where a float is expected, a float that is a whole
number where an int is expected, and dates, which become UTC. Unknown keys are ignored; `null` is the same as an absent
key.

A value of the wrong type does not make the answer fail (partial decoding). cattrs collects all such values in its
validation errors; `structure` reads their places from the notes of these errors, removes the values from a copy of
the JSON, and structures again.
"""

from __future__ import annotations

import math
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, NoReturn, TypeVar, cast, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override

from ..models import Problem

__all__ = [
    "DecodingError",
    "Field",
    "MOST_ITEMS",
    "MOST_PROBLEMS",
    "check_json",
    "described",
    "fields",
    "structure",
    "unstructure",
    "utc",
    "wire_names",
]

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]
"""Structure hook of cattrs: takes a value and the expected type, returns the structured value."""

MOST_ITEMS = 1_000
"""Items of one list. The service sends at most 150; a body of 4 MiB could hold a million."""
MOST_PROBLEMS = 1_000
"""Problems of one answer: each takes time and memory while the answer is decoded."""
_SHOWN = 60  # characters of a bad value in a message


class DecodingError(Exception):
    """No model can be made from the JSON, not even a partial one."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


# --- model classes ------------------------------------------------------------------------------


@attrs.frozen
class Field:
    """A field of a model class."""

    name: str
    wire: str | None
    """JSON name; `None` for a field that is not part of the JSON."""
    type: Any
    """`str`, `int`, `float`, `bool`, `datetime`, `Mapping`, or a model class."""
    is_model: bool
    is_list: bool
    one_or_many: bool
    """The service may send a single object in place of this list."""
    default: Any


def _read_fields(cls: type) -> tuple[Field, ...]:
    return tuple(map(_field, attrs.fields(attrs.resolve_types(cls))))


fields: Callable[[Any], tuple[Field, ...]] = cache(_read_fields)
"""Fields of a model class, in their order in the class."""


def _field(a: attrs.Attribute[Any]) -> Field:
    hint: Any = _without_none(a.type)
    is_list = get_origin(hint) is tuple
    if is_list:
        hint = get_args(hint)[0]
    kind = get_origin(hint) or hint
    return Field(
        name=a.name,
        wire=a.metadata.get("wire", _camel(a.name)),
        type=kind,
        is_model=attrs.has(kind),
        is_list=is_list,
        one_or_many=a.metadata.get("one_or_many", False),
        default=a.default,
    )


def _without_none(hint: Any) -> Any:
    if get_origin(hint) is UnionType:
        (hint,) = (arg for arg in get_args(hint) if arg is not NoneType)
    return hint


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def wire_names(cls: type) -> dict[str, str]:
    """Return the JSON names of a model's fields by field name, without the fields that are not part of the JSON."""
    return {f.name: f.wire for f in fields(cls) if f.wire is not None}


# --- values of the wrong type -------------------------------------------------------------------


class _UnexpectedError(ValueError):
    """A value has the wrong type. The validation errors of cattrs collect it with its place."""


class _TooManyItemsError(ValueError):
    """A list is too long: the whole answer is refused."""


class _AbortError(BaseException):
    """Stops structuring. Not an `Exception`, because generated code collects those and continues."""


class _Run(threading.local):
    """State of the one call of `structure` that runs in this thread."""

    problems_left: int | None = None
    models: dict[tuple[int, type], Any] | None = None
    """Models of the first pass by the identity of their JSON: the second pass makes only those with a problem."""


_run = _Run()


def _unexpected(expected: str, found: Any) -> NoReturn:
    _check_range(found)
    if _run.problems_left is not None:
        _run.problems_left -= 1
        if _run.problems_left < 0:
            raise _AbortError(f"more than {MOST_PROBLEMS:,} values are of the wrong type")
    raise _UnexpectedError(f"expected {expected}, found {described(found)}")


def described(found: Any) -> str:
    """Describe a parsed value for a message, without the contents of a list or object."""
    if isinstance(found, dict):
        return "an object"
    if isinstance(found, list):
        return "a list"
    kind = "text" if isinstance(found, str) else "value" if found is None or isinstance(found, bool) else "number"
    shown = repr(found[:_SHOWN] if isinstance(found, str) else found)
    return f"the {kind} {shown}" if len(shown) <= _SHOWN else f"the {kind} {shown[:_SHOWN]}…"


# --- hooks of the converter ---------------------------------------------------------------------


def _exactly(kind: type, expected: str) -> Hook:
    def hook(value: Any, _: Any) -> Any:
        if value.__class__ is not kind:
            _unexpected(expected, value)
        return value

    return hook


def _int(value: Any, _: Any) -> int:
    if value.__class__ is int:
        return cast("int", value)
    if value.__class__ is float and value.is_integer():  # RFC 8259, section 6: JSON has one kind of number
        return int(value)
    _unexpected("a whole number", value)


def _float(value: Any, _: Any) -> float:
    if value.__class__ is float or value.__class__ is int:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    _unexpected("a number", value)


def _datetime(value: Any, _: Any) -> datetime:
    if value.__class__ is str:
        try:
            return utc(datetime.fromisoformat(value))  # cuts the service's seven digits of a second to six
        except (ValueError, OverflowError):
            pass
    _unexpected("a date (ISO 8601)", value)


def utc(date: datetime) -> datetime:
    """Return the date in UTC. One without a zone is taken as UTC."""
    if date.tzinfo is None:
        return datetime.combine(date, date.time(), UTC)  # faster than `replace`
    return date.astimezone(UTC)


def _mapping(value: Any, _: Any) -> Any:
    if value.__class__ is not dict:
        _unexpected("an object", value)
    check_json(value)
    return value


def check_json(value: Any) -> None:
    """Check JSON that no model describes: the length of lists, and the range of numbers."""
    if isinstance(value, dict):
        for item in cast("dict[str, Any]", value).values():
            check_json(item)
    elif isinstance(value, list):
        _check_length(cast("list[Any]", value))
        for item in cast("list[Any]", value):
            check_json(item)
    else:
        _check_range(value)


def _check_range(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise _AbortError("the body is no JSON (a number is out of range)")


def _check_length(items: list[Any]) -> None:
    if len(items) > MOST_ITEMS:
        raise _TooManyItemsError(f"expected at most {MOST_ITEMS:,} items, found {len(items):,}")


_SCALARS: Mapping[Any, Hook] = {
    str: _exactly(str, "a text"),
    bool: _exactly(bool, "true or false"),
    int: _int,
    float: _float,
    datetime: _datetime,
}


def _optional_hook(hint: Any) -> Hook:
    kind = _without_none(hint)
    hook = _converter.get_structure_hook(kind)
    return lambda value, _: None if value is None else hook(value, kind)


def _list_hook(hint: Any) -> Hook:
    kind = get_args(hint)[0]
    hook = _converter.get_structure_hook(kind)
    iterable_error: Any = cattrs.IterableValidationError

    def structure_list(value: Any, _: Any) -> tuple[Any, ...]:
        if value is None:
            return ()
        if value.__class__ is not list:
            _unexpected("a list", value)
        _check_length(value)
        items: list[Any] = []
        errors: list[Exception] = []
        for index, item in enumerate(value):
            try:
                items.append(hook(item, kind))
            except Exception as error:  # noqa: BLE001  # as in the code that cattrs generates for classes
                error.add_note(IterableValidationNote(f"[{index}]", index, kind))
                errors.append(error)
        if errors:
            raise iterable_error(f"While structuring {kind.__name__}s", errors, hint)
        return tuple(items)

    return structure_list


def _one_or_many(hook: Hook) -> Hook:
    return lambda value, hint: hook([value] if value.__class__ is dict else value, hint)


def _class_hook(cls: Any) -> Hook:
    overrides = {f.name: override(omit=True) if f.wire is None else override(rename=f.wire) for f in fields(cls)}
    for f in fields(cls):
        if f.one_or_many:
            kind: Any = f.type
            hook = _one_or_many(_converter.get_structure_hook(tuple[kind, ...]))
            overrides[f.name] = override(rename=f.wire, struct_hook=hook)
    generated = make_dict_structure_fn(cls, _converter, **overrides)  # type: ignore[arg-type]  # flags and overrides

    def structure_class(value: Any, _: Any) -> Any:
        if value.__class__ is not dict:
            _unexpected("an object", value)
        if _run.models is None:
            return generated(value, cls)
        key = id(value), cls
        model = _run.models.get(key)
        if model is None:
            model = _run.models[key] = generated(value, cls)
        return model

    return structure_class


def _unstructure_class(model: Any) -> dict[str, Any]:
    whole = {wire: getattr(model, name) for name, wire in wire_names(model.__class__).items()}
    return {name: unstructure(value) for name, value in whole.items() if value is not None and value != ()}


def _is_a(origin: Any) -> Callable[[Any], bool]:
    return lambda hint: get_origin(hint) is origin


def _make_converter() -> cattrs.Converter:
    made = cattrs.Converter(detailed_validation=True)
    for kind, hook in _SCALARS.items():
        made.register_structure_hook(kind, hook)
    made.register_structure_hook_func(_is_a(Mapping), _mapping)
    made.register_structure_hook_factory(attrs.has, _class_hook)
    made.register_structure_hook_factory(_is_a(tuple), _list_hook)
    made.register_structure_hook_factory(_is_a(UnionType), _optional_hook)
    made.register_unstructure_hook_func(attrs.has, _unstructure_class)
    made.register_unstructure_hook(datetime, datetime.isoformat)
    return made


_converter = _make_converter()


# --- partial decoding ---------------------------------------------------------------------------

_Place = tuple[str | int, ...]
_Removals = dict[str | int, Any]
"""Places to remove: key or index to what to remove inside, `None` for the whole value."""


def structure(body: Any, cls: type[T]) -> tuple[T, tuple[Problem, ...]]:
    """Return the model `cls` of parsed JSON, without the values of the wrong type, and the list of these.

    Raises:
        DecodingError: `body` is no object, a list in it has more than `MOST_ITEMS` items, or more than
            `MOST_PROBLEMS` values are of the wrong type.
    """
    _run.problems_left, _run.models = MOST_PROBLEMS, {}
    try:
        return _structure(body, cls)
    except _AbortError as abort:
        traceback.clear_frames(abort.__traceback__)  # they hold the problems so far, in circles
        raise DecodingError(str(abort)) from None
    except RecursionError:
        raise DecodingError("it is nested too deep for what is left of the stack") from None
    finally:
        _run.problems_left, _run.models = None, None


def _structure(body: Any, cls: type[T]) -> tuple[T, tuple[Problem, ...]]:
    try:
        return _converter.structure(body, cls), ()
    except _UnexpectedError as error:
        raise DecodingError(str(error)) from None
    except cattrs.BaseValidationError as error:
        faults = list(_faults(error, ()))
    for place, fault in faults:
        if not isinstance(fault, _UnexpectedError):
            raise DecodingError(str(fault), _spelled(place))
    problems = tuple(Problem(path=_spelled(place), reason=str(fault)) for place, fault in faults)
    return _converter.structure(_pruned(body, [place for place, _ in faults]), cls), problems


def _faults(error: Exception, place: _Place) -> Iterator[tuple[_Place, Exception]]:
    """Yield the values that could not be structured: their places in the JSON, and why."""
    error.__traceback__ = None  # its frames hold the error, in a circle that would keep the body
    if isinstance(error, cattrs.ClassValidationError):
        names = wire_names(error.cl)
        for part, note in error.group_exceptions()[0]:
            yield from _faults(part, (*place, names[note.name]))
    elif isinstance(error, cattrs.IterableValidationError):
        for part, item in error.group_exceptions()[0]:
            yield from _faults(part, (*place, item.index))
    elif isinstance(error, _UnexpectedError | _TooManyItemsError):
        yield place, error
    else:
        raise error  # such as a RecursionError, which the generated code has collected as well


def _spelled(place: _Place) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place).removeprefix(".")


def _pruned(body: Any, places: list[_Place]) -> Any:
    """Return a copy of the JSON without the values at these places. What is not on the way to one is shared."""
    removals: _Removals = {}
    for *way, last in places:
        inner = removals
        for key in way:
            inner = inner.setdefault(key, {})
        inner[last] = None
    return _remove(body, removals)


def _remove(value: Any, removals: _Removals) -> Any:
    if isinstance(value, list):
        items = enumerate(cast("list[Any]", value))
        return [
            _remove(item, removals[index]) if index in removals else item
            for index, item in items
            if removals.get(index, removals) is not None
        ]
    if 0 in removals:  # a single object in place of a list
        return _remove(value, removals[0])
    copy = dict(value)
    for key, inner in removals.items():
        if inner is None:
            del copy[key]
        else:
            copy[key] = _remove(copy[key], inner)
    return copy


def unstructure(model: Any) -> Any:
    """Return the JSON of a model, in the API's names, without what is missing."""
    if isinstance(model, tuple):
        return [unstructure(item) for item in cast("tuple[Any, ...]", model)]
    return _converter.unstructure(model)
