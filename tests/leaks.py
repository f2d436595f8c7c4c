"""A detector: is a secret anywhere in what an exception, a log record or an object shows to whoever looks?

It looks at texts and `repr`s, at every exception that can be reached (cause, context, groups), at
the local variables of every frame of every traceback, and at pickles. Values are looked at through
`repr`; HTTP requests and responses also at their headers, which their `repr` leaves out, unless they
stand in a frame of the tests: a transport of a user's may well hold a request.
"""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpcore
import httpx

__all__ = ["in_error", "in_record", "in_value"]

_TESTS = str(Path(__file__).parent)


def in_value(secret: str, value: object, place: str = "value") -> list[str]:
    """Places where `value` shows `secret`."""
    found = [f"{place}: {name}" for name, text in _views(value) if secret in text]
    try:
        pickled = pickle.dumps(value)
    except Exception:  # noqa: BLE001  # what cannot be pickled cannot leak that way
        pickled = b""
    return found + [f"{place}: pickle"] * (secret.encode() in pickled)


def in_error(secret: str, error: BaseException) -> list[str]:
    """Places where `error`, or any exception or frame behind it, shows `secret`."""
    found: list[str] = []
    for reached in _reachable(error):
        place = type(reached).__name__
        found += in_value(secret, reached, place)
        for name, value in vars(reached).items():
            found += [f"{place}.{name}: {view}" for view, text in _views(value, deep=True) if secret in text]
        found += _in_frames(secret, reached, place)
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    return found + ["traceback with locals"] * any(secret in line for line in whole.format())


def in_record(secret: str, record: logging.LogRecord) -> list[str]:
    """Places where a log record shows `secret`, formatted or not."""
    place = f"log record of {record.name}"
    found = [place] * (secret in record.getMessage() or secret in repr(vars(record)))
    if record.exc_info is not None and record.exc_info[1] is not None:
        found += in_error(secret, record.exc_info[1])
    return found


def _reachable(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        reached = waiting.pop()
        if reached is None or id(reached) in seen:
            continue
        seen.add(id(reached))
        yield reached
        waiting += [reached.__cause__, reached.__context__]
        if isinstance(reached, BaseExceptionGroup):
            waiting += reached.exceptions


def _in_frames(secret: str, error: BaseException, place: str) -> list[str]:
    found: list[str] = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        deep = not code.co_filename.startswith(_TESTS)
        for name, value in frame.f_locals.items():
            where = f"{place}: {code.co_name}() line {line}: {name}"
            found += [f"{where}: {view}" for view, text in _views(value, deep=deep) if secret in text]
    return found


def _views(value: object, *, deep: bool = False) -> Iterator[tuple[str, str]]:
    yield "repr", _safely(repr, value)
    yield "str", _safely(str, value)
    if deep and isinstance(value, httpx.Request | httpx.Response):
        yield "headers", repr(value.headers.raw)
    if deep and isinstance(value, httpcore.Request):
        yield "headers", repr(value.headers)


def _safely(view: Any, value: object) -> str:
    try:
        return str(view(value))
    except Exception as error:  # noqa: BLE001
        return repr(error)
