"""CPU time of small operations, measured by pyperf: calibrated loops, a warm-up, several values."""

import gc
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import anyio

Use = Callable[[], Awaitable[object]]
"""One use of what is measured."""
Open = Callable[[], AbstractAsyncContextManager[Use]]


def cpu_times(candidates: Mapping[str, Open], values: int, loop: str = "asyncio") -> dict[str, list[float]]:
    """Return for each candidate so many values: microseconds of CPU per use. Once per process."""
    import pyperf

    runner = pyperf.Runner()
    runner.parse_args(["--in-process", "--quiet", "--processes=1", f"--values={values}", "--min-time=0.05"])
    taken: dict[str, list[float]] = {}
    for name, opened in candidates.items():
        benchmark = runner.bench_time_func(name, partial(run_on, loop, _clocked, opened))
        taken[name] = [1e6 * value for value in benchmark.get_values()]
    return taken


async def _clocked(opened: Open, loops: int) -> float:
    async with opened() as use:
        await use()
        gc.collect()
        began = time.process_time()
        for _ in range(loops):
            await use()
        return time.process_time() - began


def run_on(loop: str, main: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """Run `main` on `asyncio`, `uvloop` or `trio`."""
    if loop == "trio":
        return anyio.run(main, *arguments, backend="trio")
    return anyio.run(main, *arguments, backend="asyncio", backend_options={"use_uvloop": loop == "uvloop"})
