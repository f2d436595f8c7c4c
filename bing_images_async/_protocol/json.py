"""Bytes to parsed JSON, whatever the bytes are.

msgspec parses what is proper. What it refuses gets one more chance in the standard library, with
bytes that are not UTF-8 and lone surrogates replaced by U+FFFD: a page with one broken title is
still a page. NaN, infinities and nesting beyond the interpreter's recursion limit are refused.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, cast

import msgspec

__all__ = ["NotJsonError", "parse"]

_BOM = b"\xef\xbb\xbf"


class NotJsonError(Exception):
    """The bytes are no JSON; the message says where and why."""


def parse(body: bytes) -> tuple[Any, str | None]:
    """The parsed JSON, and what had to be replaced in it to read it, if anything."""
    try:
        return msgspec.json.decode(body.removeprefix(_BOM)), None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _parse_patiently(body.removeprefix(_BOM))
    except RecursionError:
        raise NotJsonError("nested too deep") from None


def _parse_patiently(body: bytes) -> tuple[Any, str | None]:
    text = body.decode("utf-8", "replace")
    try:
        parsed = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        replaced: list[str] = []
        clean = _without_surrogates(parsed, replaced)
    except RecursionError:
        raise NotJsonError("nested too deep") from None
    except ValueError as error:
        # Python's own words for a number of thousands of digits advise the user to change Python.
        why = "a number is too long" if "int_max_str_digits" in str(error) else str(error)
        raise NotJsonError(why) from None
    notes = ["bytes that are not UTF-8"] if "\ufffd" in text else []
    return clean, " and ".join(notes + replaced[:1]) + " replaced by U+FFFD" if notes or replaced else None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:40]} is out of range")
    return number


def _without_surrogates(value: Any, replaced: list[str]) -> Any:
    """The same value, with lone surrogates in texts and keys replaced; notes it in `replaced`."""
    if isinstance(value, str):
        if value.isascii():
            return value
        clean = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if clean != value:
            replaced.append("lone surrogates")
        return clean
    if isinstance(value, list):
        return [_without_surrogates(item, replaced) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return {_without_surrogates(k, replaced): _without_surrogates(v, replaced) for k, v in members}
    return value
