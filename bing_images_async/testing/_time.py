"""Virtual time: sleeping costs nothing, and a test that waits for ever says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar, TypeVarTuple

import anyio

__all__ = ["Backend", "run", "virtual_time"]

Backend = Literal["asyncio", "trio"]
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


def virtual_time(backend: str, *, patience: float = 1.0) -> tuple[str, dict[str, Any]]:
    """What anyio's `anyio_backend` fixture returns for a test in virtual time; make a new one for every test.

        @pytest.fixture(params=["asyncio", "trio"])
        def anyio_backend(request):
            return virtual_time(request.param)

    The clock starts at 0 and jumps to the next timer whenever all tasks wait, so that an hour of sleeping takes
    no time, and takes the same time in every run. Sockets and worker threads are outside of it: the clock may
    jump while one of them works. On asyncio the clock ends after 180 days.

    Where nothing can ever run again, the test ends with `DeadlockError` (on trio within an exception group if the
    main task waits for a task group) instead of hanging.

    backend: "asyncio" or "trio"; anything else raises ValueError.
    patience: seconds of real time in which a worker thread may still come back before it is called a deadlock.
    """
    if backend == "asyncio":
        from ._asyncio_time import VirtualTimeLoop

        return backend, {"loop_factory": lambda: VirtualTimeLoop(patience)}
    if backend == "trio":
        from ._trio_time import virtual_clock

        return backend, virtual_clock(patience)
    raise ValueError(f"No virtual time for {backend!r}: 'asyncio' and 'trio' have it.")


def run(
    function: Callable[[*Arguments], Awaitable[Result]],
    *arguments: *Arguments,
    backend: Backend = "asyncio",
    patience: float = 1.0,
) -> Result:
    """`anyio.run` in virtual time. Raises a bare `DeadlockError`; `patience` as in `virtual_time`."""
    _, options = virtual_time(backend, patience=patience)
    try:
        return anyio.run(function, *arguments, backend=backend, backend_options=options)
    finally:
        for watch in options.get("instruments", ()):
            watch.raise_if_deadlocked()
