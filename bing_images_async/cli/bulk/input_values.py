"""The parameters of a row: which names there are, and what a text means that stands for a number or a place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast, get_args, get_type_hints

import attrs

from ...params import Location, SearchParams
from ..parameter_options import NO_OPTIONS

__all__ = ["NAMES", "from_json", "from_text", "python_name"]

_HINTS = get_type_hints(SearchParams)
NAMES = tuple(field.name for field in attrs.fields(SearchParams) if field.name not in NO_OPTIONS)
"""What a row may say of its question, by Python names."""

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def python_name(name: str) -> str:
    """`min-width` or `min_width` as `min_width`. Raises ValueError for a parameter that there is not."""
    known = name.strip().replace("-", "_")
    if known not in NAMES:
        raise ValueError(f"there is no parameter {name.strip()!r}; there are {', '.join(sorted(NAMES))}")
    return known


def from_text(name: str, text: str) -> Any:
    """The value of a cell. Raises ValueError if it cannot be one of the parameter `name`."""
    return _READERS.get(_kind(name), _text)(name, text)


def from_json(name: str, value: Any) -> Any:
    """A value of JSON; only a place has a form of its own there. Raises ValueError."""
    if name != "location" or value is None:
        return value
    if isinstance(value, str):
        return _location(name, value)
    try:
        if isinstance(value, Mapping):
            return Location(**cast("Mapping[str, Any]", value))
        return Location(*cast("Sequence[Any]", value))
    except TypeError:
        raise ValueError(f"{name}={value!r} is no place: write latitude, longitude and metres as a list") from None


def _kind(name: str) -> type[Any]:
    """The type that says how a text is read."""
    kinds = get_args(_HINTS[name])
    return next((kind for kind in (bool, int, Location) if kind in kinds), str)


def _text(_: str, text: str) -> str:
    return text


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name}={text!r} is not a whole number") from None


def _boolean(name: str, text: str) -> bool:
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise ValueError(f"{name}={text!r} is neither true nor false") from None


def _location(name: str, text: str) -> Location:
    try:
        latitude, longitude, radius = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{name}={text!r} is no place: write latitude,longitude,metres") from None
    return Location(latitude, longitude, radius)


_READERS: Mapping[type[Any], Callable[[str, str], Any]] = {bool: _boolean, int: _integer, Location: _location}
