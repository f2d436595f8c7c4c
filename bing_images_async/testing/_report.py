"""The error of a deadlock, and its message: which tasks wait, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from inspect import getmodule
from types import FrameType
from typing import Any

__all__ = ["DeadlockError", "deadlock"]

_MACHINERY = {"anyio", "asyncio", "trio"}


class DeadlockError(BaseException):
    """Every task waits, no timer is set, and nothing arrived: the program would hang for ever.

    The message names the tasks and the lines they wait at. No `Exception`, so that code under test which retries
    or logs whatever fails cannot swallow it.
    """


def deadlock(now: float, tasks: Iterable[tuple[str, Any]]) -> str:
    """tasks: name and coroutine of each that waits."""
    waiting = sorted(f"{name} waits at {_place(coroutine)}" for name, coroutine in tasks)
    return "\n  ".join([f"nothing can ever run again after {now:.6f} s:", *waiting])


def _place(coroutine: Any) -> str:
    """The innermost line that is not the event loop's own."""
    frames = [frame for frame in _frames(coroutine) if _package(frame) not in _MACHINERY]
    return f"{frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else "the event loop's own code"


def _frames(awaited: Any) -> Iterator[FrameType]:
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None:
            yield frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)


def _package(frame: FrameType) -> str:
    module = getmodule(frame)
    return module.__name__.partition(".")[0] if module is not None else ""
