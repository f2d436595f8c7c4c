"""JSON parsing with bounds on size and nesting.

msgspec parses valid JSON. Other bodies are parsed again by the standard library, with bytes that are not UTF-8 and
lone surrogates replaced by U+FFFD, so that one broken title does not lose a page. Numbers out of range become
infinities: decoding refuses them if a model has a field for them, and ignores them otherwise. NaN is refused.

Bounds are checked first, because a small body can contain millions of values, and each takes memory and time when
models are made from it. Figures: docs/performance.md.
"""

from __future__ import annotations

import json
import math
from itertools import accumulate
from typing import Any, NoReturn, cast

import msgspec

__all__ = ["MOST_LEVELS", "NotJsonError", "TooManyValuesError", "check_size", "parse"]

_BOM = b"\xef\xbb\xbf"

MOST_LEVELS = 64
"""Levels of nesting. The deepest body that was recorded has 9."""
_MOST_OBJECTS = 12_000
"""Objects, and lists in large bodies. Recorded bodies have up to 10 for each image."""
_MOST_COMMAS = 80 * 2**10
"""Recorded bodies have 11 to 17 per KiB, so 70,000 in the 4 MiB that an answer may have; `[1,1,…` has 512."""
_MOST_DIGITS = 1_000
"""Digits in a row: the time to parse a number grows with their square."""
_MOST_SURROGATES = 50_000
"""Escapes that may be lone surrogates: each takes time to replace."""
_COUNTED = 256 * 2**10
"""Bytes of a body above which values and digits are counted. Smaller bodies cannot hold too many."""

_STEPS = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_NO_MARKS = bytes(set(range(256)) - {ord('"'), *_STEPS})


class NotJsonError(Exception):
    """The body is not JSON, or not JSON within the bounds; the message says why."""


class TooManyValuesError(NotJsonError):
    """The body contains too many values; the message names the bound."""


def parse(body: bytes) -> tuple[Any, str | None]:
    """Return the parsed JSON, and a note on replaced characters or `None`.

    Raises:
        NotJsonError: the body is not JSON, is nested too deep, or contains too many values.
    """
    check_size(body)
    _check_levels(body)
    try:
        return msgspec.json.decode(body.removeprefix(_BOM)), None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _parse_leniently(body.removeprefix(_BOM))
    except RecursionError:
        raise NotJsonError("nested too deep for what is left of the stack") from None


# --- bounds -------------------------------------------------------------------------------------


def check_size(body: bytes) -> None:
    """Raise `TooManyValuesError` if a body contains too many objects, lists or values, or too long a number.

    Characters inside texts count as well.
    """
    if len(body) > _COUNTED:
        if body.count(b",") > _MOST_COMMAS:
            raise TooManyValuesError(f"more than {_MOST_COMMAS:,} values")
        if body.count(b"{") + body.count(b"[") > _MOST_OBJECTS:
            raise TooManyValuesError(f"more than {_MOST_OBJECTS:,} objects and lists")
        if b"0" * _MOST_DIGITS in body.translate(_ZEROS):
            raise TooManyValuesError(f"a number of {_MOST_DIGITS:,} digits or more")
    # `replace` is ten times as fast as `count` for a rare byte (CPython 3.11).
    elif len(body) > 2 * _MOST_OBJECTS and len(body) - len(body.replace(b"{", b"")) > _MOST_OBJECTS:
        raise TooManyValuesError(f"more than {_MOST_OBJECTS:,} objects")


def _check_levels(body: bytes) -> None:
    """Raise `NotJsonError` if lists and objects are nested too deep; brackets in texts do not count."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes in a row enclose nothing, or end one text and begin the next: either way they can be removed.
    marks = body.translate(None, _NO_MARKS).replace(b'""', b"")
    outside_texts = b"".join(marks.split(b'"')[::2])
    if max(accumulate(map(_STEPS.__getitem__, outside_texts)), default=0) > MOST_LEVELS:
        raise NotJsonError(f"nested too deep: more than {MOST_LEVELS} levels")


# --- lenient parsing ----------------------------------------------------------------------------


def _parse_leniently(body: bytes) -> tuple[Any, str | None]:
    text = body.decode("utf-8", "replace")
    notes = ["bytes that are not UTF-8"] if "\ufffd" in text else []
    surrogates = text.count("\\ud") + text.count("\\uD")
    if surrogates > _MOST_SURROGATES:
        raise TooManyValuesError(f"more than {_MOST_SURROGATES:,} surrogates")
    try:
        parsed = json.loads(text, parse_constant=_refuse, parse_int=_int)
    except RecursionError:
        raise NotJsonError("nested too deep for what is left of the stack") from None
    except ValueError as error:
        raise NotJsonError(str(error)) from None
    del text  # up to four times the size of the body
    replaced: list[str] = []
    if surrogates:
        parsed = _without_surrogates(parsed, replaced)
    return parsed, " and ".join(notes + replaced[:1]) + " replaced by U+FFFD" if notes or replaced else None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _int(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # more than `sys.get_int_max_str_digits`
        return -math.inf if digits.startswith("-") else math.inf


def _without_surrogates(value: Any, replaced: list[str]) -> Any:
    """Return the same value, with lone surrogates in texts and keys replaced; note it in `replaced`."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            replaced.append("lone surrogates")
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value
    if isinstance(value, list):
        return [_without_surrogates(item, replaced) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return {_without_surrogates(k, replaced): _without_surrogates(v, replaced) for k, v in members}
    return value
