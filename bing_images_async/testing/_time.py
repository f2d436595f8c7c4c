"""Virtual time for tests: sleeping takes no real time, and a deadlock is an error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar, TypeVarTuple

import anyio

__all__ = ["Backend", "run", "virtual_time"]

Backend = Literal["asyncio", "trio"]
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


def virtual_time(backend: str, *, patience: float = 1.0) -> tuple[str, dict[str, Any]]:
    """Return the value of anyio's fixture `anyio_backend` for one test in virtual time.

        @pytest.fixture(params=["asyncio", "trio"])
        def anyio_backend(request):
            return virtual_time(request.param)

    Call it for every test: the value cannot be used twice. The clock starts at 0 and jumps to the next timer whenever
    all tasks wait, so an hour of sleeping takes no real time, and every run gives the same times. Sockets and worker
    threads are not included: the clock may jump while one of them works. On asyncio the clock ends after 180 days.

    If no task can continue, the test fails with `DeadlockError` (on trio inside an exception group if the main task
    waits for a task group).

    Args:
        backend: `"asyncio"` or `"trio"`.
        patience: seconds of real time to wait for a worker thread before a deadlock is reported.

    Raises:
        ValueError: unknown backend.
    """
    if backend == "asyncio":
        from ._asyncio_time import VirtualTimeLoop

        return backend, {"loop_factory": lambda: VirtualTimeLoop(patience)}
    if backend == "trio":
        from ._trio_time import virtual_clock

        return backend, virtual_clock(patience)
    raise ValueError(f"backend={backend!r} is not allowed: it must be 'asyncio' or 'trio'.")


def run(
    function: Callable[[*Arguments], Awaitable[Result]],
    *arguments: *Arguments,
    backend: Backend = "asyncio",
    patience: float = 1.0,
) -> Result:
    """Run an async function like `anyio.run`, in virtual time.

    Args:
        function: the async function.
        *arguments: its arguments.
        backend: `"asyncio"` or `"trio"`.
        patience: as in `virtual_time`.

    Returns:
        The result of `function`.

    Raises:
        DeadlockError: no task can continue; never inside an exception group.
    """
    _, options = virtual_time(backend, patience=patience)
    try:
        return anyio.run(function, *arguments, backend=backend, backend_options=options)
    finally:
        for watch in options.get("instruments", ()):
            watch.raise_if_deadlocked()
