"""When and where a session may be used (entered, not closed, in its own event loop and process), and its end."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

import anyio
from anyio.lowlevel import current_token

from .errors import SessionStateError

__all__ = ["Lifecycle", "finish"]


class _State(Enum):
    NEW = "new"
    OPEN = "open"
    CLOSED = "closed"


class Lifecycle:
    """The state of a session; every misuse is a `SessionStateError` that says what to do instead."""

    def __init__(self) -> None:
        self._state = _State.NEW
        self._process = 0
        self._loop: Any = None

    def open(self) -> None:
        """The session is entered, here and now."""
        if self._state is _State.OPEN:
            raise SessionStateError("This session is already entered. Enter it once and share it between tasks.")
        if self._state is _State.CLOSED:
            raise SessionStateError("This session is closed. Make a new ImageSearchSession.")
        self._process, self._loop = os.getpid(), current_token()
        self._state = _State.OPEN

    def check(self) -> None:
        """May the session be used by whoever is calling?"""
        if self._state is _State.NEW:
            raise SessionStateError(
                "This session is not entered. Write `async with ImageSearchSession(...) as session:`."
            )
        if self._state is _State.CLOSED:
            raise SessionStateError("This session is closed. Make a new ImageSearchSession.")
        self._check_place()

    def _check_place(self) -> None:
        """Raise `SessionStateError` unless this is the process and the event loop that the session was entered in."""
        if self._process != os.getpid():
            raise SessionStateError(
                "This session belongs to the parent process. Make one in each process, after the fork."
            )
        if self._loop != current_token():
            raise SessionStateError("This session belongs to another event loop. Make one in each loop.")

    def close(self) -> None:
        """From here on, nothing works; may be called twice.

        Raises `SessionStateError`, and changes nothing, where an open session does not belong.
        """
        if self._state is _State.OPEN:
            self._check_place()
        self._state = _State.CLOSED


async def finish(work: Callable[[], Awaitable[None]], *, within: float) -> None:
    """Let `work` come to its end, whatever is cancelled meanwhile, unless it takes more than `within` seconds.

    A shield holds against scopes, but not against asyncio's own `Task.cancel()`: that interrupts the
    task it is meant for, so the work has one of its own. The cancellation arrives when it has ended.
    """
    faults: list[Exception] = []

    async def shielded() -> None:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + within):
            try:
                await work()
            except Exception as fault:  # noqa: BLE001  # raised below, outside of the group
                faults.append(fault)

    with anyio.CancelScope(shield=True):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shielded)
    if faults:
        raise faults[0]
