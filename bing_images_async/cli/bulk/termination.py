"""SIGTERM and SIGHUP handled like Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

__all__ = ["terminated_like_interrupt"]

_NUMBERS = {getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")}


@contextmanager
def terminated_like_interrupt() -> Generator[None]:
    """Call the handler of SIGINT on SIGTERM and SIGHUP inside the block, unless they are ignored (nohup).

    Shells start background jobs with SIGINT ignored. Then it is blocked instead: Ctrl-C still has no effect, but
    asyncio can install the handler that cancels the main task.
    """
    is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if is_ignored:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, signal.default_int_handler)
    numbers = [number for number in signal.valid_signals() if number in _NUMBERS]
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if is_ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _interrupt(_: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
