"""Bytes to parsed JSON, within bounds.

msgspec parses proper JSON. What it refuses gets a second chance in the standard library, with bytes
that are not UTF-8 and lone surrogates replaced by U+FFFD, so that one broken title does not lose a page.
Numbers out of range become infinities: an answer is refused if a model has a field for one, otherwise they are
ignored as all unknown fields are. NaN is refused.

Bounds come first, because a small body can hold millions of values, and each takes up to 400 bytes and
5 µs when models are made of them.
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
"""Recorded bodies have 11 to 17 in a KiB, 70,000 in the 4 MiB that an answer may have; `[1,1,…` has 512."""
_MOST_DIGITS = 1_000
"""Digits in a row: the time for a number grows with their square, 80 µs for 4,000."""
_MOST_SURROGATES = 50_000
"""Escapes that may be lone surrogates: each of these takes 300 ns to replace."""
_COUNTED = 256 * 2**10
"""Bytes of a body above which values and digits are counted. A smaller one has no room for what would harm."""

_STEPS = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_NO_MARKS = bytes(set(range(256)) - {ord('"'), *_STEPS})


class NotJsonError(Exception):
    """The bytes are no JSON that is read here; the message says why."""


class TooManyValuesError(NotJsonError):
    """The bytes hold more than an answer does; the message says more than what."""


def parse(body: bytes) -> tuple[Any, str | None]:
    """Return the parsed JSON, and what had to be replaced in it to read it, if anything.

    Raises:
        NotJsonError: the body is no JSON, nested too deep, or holds too many values.
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
    """Raise `TooManyValuesError` if a body holds too many objects, lists or values, or a number of too many digits.

    What stands in texts counts as well.
    """
    if len(body) > _COUNTED:
        if body.count(b",") > _MOST_COMMAS:
            raise TooManyValuesError(f"more than {_MOST_COMMAS:,} values")
        if body.count(b"{") + body.count(b"[") > _MOST_OBJECTS:
            raise TooManyValuesError(f"more than {_MOST_OBJECTS:,} objects and lists")
        if b"0" * _MOST_DIGITS in body.translate(_ZEROS):
            raise TooManyValuesError(f"a number of {_MOST_DIGITS:,} digits or more")
    # `replace` finds a byte that is rare ten times as fast as `count` does (CPython 3.11).
    elif len(body) > 2 * _MOST_OBJECTS and len(body) - len(body.replace(b"{", b"")) > _MOST_OBJECTS:
        raise TooManyValuesError(f"more than {_MOST_OBJECTS:,} objects")


def _check_levels(body: bytes) -> None:
    """Raise `NotJsonError` if lists and objects are nested too deep; brackets in texts do not count."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Of two quotes in a row the first ends a text that the second begins again, or the other way round.
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
    del text  # with one character beyond the BMP it has four times the size of the body
    replaced: list[str] = []
    if surrogates:
        parsed = _without_surrogates(parsed, replaced)
    return parsed, " and ".join(notes + replaced[:1]) + " replaced by U+FFFD" if notes or replaced else None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


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
