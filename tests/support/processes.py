"""Processes that tests start and interrupt."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from typing import Any

__all__ = ["start"]


def start(command: Sequence[str], **settings: Any) -> subprocess.Popen[Any]:
    """Start a process that Ctrl-C and a hang-up end, also where the tests run with these signals ignored."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        return subprocess.Popen(command, **settings)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
