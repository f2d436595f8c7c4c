"""Error of a deadlock, with a message that names the waiting tasks and their lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from inspect import getmodule
from types import FrameType
from typing import Any

__all__ = ["DeadlockError", "deadlock"]

_MACHINERY = {"anyio", "asyncio", "trio"}


class DeadlockError(BaseException):
    """Every task waits, no timer is set, and no data has arrived: the program would never continue.

    The message names the tasks and the lines at which they wait. Not an `Exception`, so that code under test that
    handles every `Exception` does not handle it.
    """


def deadlock(now: float, tasks: Iterable[tuple[str, Any]]) -> str:
    """Return the message for the waiting `tasks`, each a name and a coroutine."""
    waiting = sorted(f"{name} waits at {_place(coroutine)}" for name, coroutine in tasks)
    return "\n  ".join([f"deadlock after {now:.6f} s: every task waits and no timer is set:", *waiting])


def _place(coroutine: Any) -> str:
    """Return the innermost line outside of the event loop's packages."""
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
