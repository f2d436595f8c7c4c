"""Validation of arguments: each function returns the value to be sent, or raises `InvalidRequestError`.

Messages name the parameter, the value and what is allowed. `None` always means "not given".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar, cast
from unicodedata import category

from .errors import InvalidRequestError

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

_INVISIBLE = frozenset({"Cc", "Cf", "Mn", "Zl", "Zp", "Zs"})
"""Unicode categories of invisible characters."""
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")  # white space is allowed
_SHOWN = 80  # characters of a bad value in a message


def refuse(name: str, value: object, allowed: str) -> InvalidRequestError:
    """Return the error for a bad `value` of the parameter `name`; `allowed` says what is valid."""
    try:
        shown = repr(value)
    except Exception:  # noqa: BLE001  # an int of 5,000 digits has no repr, and a `__repr__` may raise
        shown = f"<{type(value).__name__}>"
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}…"
    return InvalidRequestError(f"{name}={shown} is not allowed: {allowed}.", parameter=name)


def integer(name: str, value: Any, low: int, high: int) -> int | None:
    """Check an int in [low, high]. A bool is not an int here."""
    if value is None:
        return None
    if type(value) is not int or not low <= value <= high:
        raise refuse(name, value, f"it must be an int from {low:,} to {high:,}")
    return value


def number(name: str, value: Any, low: float, high: float) -> float | None:
    """Check a finite int or float in [low, high]."""
    if value is None:
        return None
    # Not `math.isfinite`: it fails on an int that is too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) == math.inf:
        raise refuse(name, value, f"it must be a finite number from {low:g} to {high:g}")
    if not low <= value <= high:
        raise refuse(name, value, f"it must be from {low:g} to {high:g}")
    return float(value)


def required(name: str, value: T | None) -> T:
    """Check that a value is not `None`."""
    if value is None:
        raise refuse(name, value, "it is required")
    return value


def flag(name: str, value: Any) -> bool:
    """Check a bool."""
    if type(value) is not bool:
        raise refuse(name, value, "it must be True or False")
    return value


def text(name: str, value: Any, *, pattern: re.Pattern[str] | None = None, allowed: str = "") -> str | None:
    """Check a str that is not blank, can be encoded as UTF-8, and matches `pattern` if there is one."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise refuse(name, value, "it must be a str")
    if not value.strip():
        raise refuse(name, value, "it must not be blank")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise refuse(name, value, "it contains a lone surrogate, which cannot be encoded as UTF-8") from None
    if pattern is not None and not pattern.fullmatch(value):
        raise refuse(name, value, allowed)
    return str(value)


def query(name: str, value: Any) -> str | None:
    """Check a str with a visible character and without control characters other than white space."""
    checked = text(name, value)
    if checked is None:
        return None
    control = _CONTROL_IN_TEXT.search(checked)
    if control is not None:
        raise refuse(name, value, f"it contains the control character U+{ord(control[0]):04X}")
    if all(category(char) in _INVISIBLE for char in checked):
        raise refuse(name, value, "it must not be blank: it contains only invisible characters")
    return checked


def header_value(name: str, value: Any) -> str | None:
    """Check a header value: printable ASCII without line breaks (RFC 9110, section 5.5)."""
    checked = text(name, value)
    if checked is None:
        return None
    if _CONTROL.search(checked) or not checked.isascii():
        raise refuse(name, value, "a header value is ASCII without CR, LF, NUL or other control characters")
    return checked.strip()


def one_of(name: str, value: Any, kind: type[E]) -> E | None:
    """Return the member of the enum `kind` for a member or its value in any case."""
    if value is None or isinstance(value, kind):
        return value
    if isinstance(value, str):
        wanted = value.casefold()
        for member in kind:
            if member.value.casefold() == wanted:
                return member
    raise refuse(name, value, f"it must be one of {', '.join(kind)}")


def one_of_texts(name: str, value: T, allowed: Iterable[str], *, needed: bool = False) -> T:
    """Check that a str is in `allowed`."""
    names = tuple(allowed)
    if (needed or value is not None) and (not isinstance(value, str) or value not in names):
        raise refuse(name, value, f"it must be one of {', '.join(names)}")
    return value


def instance(name: str, value: T, kind: type[Any]) -> T:
    """Check an instance of the class `kind`."""
    if not isinstance(value, kind):
        raise refuse(name, value, f"it must be a {kind.__name__}")
    return value


def callables(name: str, value: Any) -> None:
    """Check a sequence of callables."""
    if isinstance(value, Iterable) and all(callable(item) for item in cast("Iterable[Any]", value)):
        return
    raise refuse(name, cast("object", value), "it must be a sequence of callables")


def mapping(name: str, value: Any) -> dict[Any, Any]:
    """Return a mapping as a dict; an empty one for `None`."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise refuse(name, value, "it must be a mapping of str to str")
    return dict(cast("Mapping[Any, Any]", value))


def not_both(first: str, first_value: object, second: str, second_value: object) -> InvalidRequestError:
    """Return the error for two parameters of which at most one may be given."""
    return InvalidRequestError(
        f"{first}={first_value!r} and {second}={second_value!r} exclude each other: pass only one of them.",
        parameter=first,
    )


def ordered(low_name: str, low: float, high_name: str, high: float) -> None:
    """Check that the lower end of a range is not above the upper end."""
    if low > high:
        raise InvalidRequestError(
            f"{low_name}={low!r} is above {high_name}={high!r}: the range would be empty.", parameter=low_name
        )


def decimal(value: float) -> str:
    """Format a number as the shortest decimal without exponent: 100, not 100.0; 0.00001, not 1e-05; ten places."""
    if isinstance(value, int):
        return str(value)
    shown = f"{value:.10f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown
