"""The worker of `pages`: one candidate in one case, once. Prints one line of JSON, a `Result`.

The workers of a case are tasks (threads, for a client that blocks), each of which gets one page after the other. All
connections are made, and twenty pages got, before anything is measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import attrs

from .clients import CANDIDATES, GATHERED, Fetch, Open, OpenBlocking, Setting
from .machine import Memory
from .server import Server

__all__ = ["Result", "Task", "measured", "sdk_threads"]

_WARM_PAGES = 20


@attrs.frozen
class Task:
    """What the worker is to do, as JSON on its command line."""

    candidate: str
    url: str
    ca: str | None
    in_flight: int
    loop: str
    """`asyncio` or `uvloop`."""
    pages: int
    seconds: float
    """After so long no more pages are begun."""
    at_once: bool = False
    """All calls are made at once, unwarmed, and the client sees to it that no more than `in_flight` are under way."""


@attrs.frozen(kw_only=True)
class Result:
    """What came of it. Without pages there are no figures."""

    pages: int = 0
    failed: int = 0
    error: str = ""
    """The kind of the first failure."""
    left_out: str = ""
    """Why the client could not be made at all."""
    elapsed: float = 0.0
    """Seconds."""
    cpu: float = 0.0
    """Seconds of CPU time, of all threads of the process."""
    server_cpu: float = 0.0
    """Seconds of CPU time of the server."""
    p50: float = 0.0
    """Seconds from the call to the page."""
    p99: float = 0.0
    memory: float = 0.0
    """MiB at the peak, above what the process had before the first request."""


def sdk_threads(in_flight: int) -> int:
    """How many threads stand for so many requests: beyond 32 they get in each other's way, and nobody has 1,000."""
    return min(in_flight, 32 if in_flight <= 64 else 64)


class _Run:
    """The pages of one run: how many are left to begin, and how those went that were."""

    def __init__(self, server: Server, pages: int, seconds: float) -> None:
        self._server = server
        self._numbers = iter(range(pages))
        self._seconds = seconds
        self.times: list[float] = []
        self.errors: Counter[str] = Counter()

    def start(self) -> None:
        gc.collect()
        self._server_cpu = self._server.cpu()
        self._cpu = time.process_time()
        self._started = time.perf_counter()

    def number(self) -> int | None:
        """The next page to get, if there is one to be begun."""
        if time.perf_counter() - self._started > self._seconds:
            return None
        return next(self._numbers, None)

    def result(self, memory: Memory) -> Result:
        elapsed = time.perf_counter() - self._started
        cpu = time.process_time() - self._cpu
        times = sorted(self.times)
        return Result(
            pages=len(times),
            failed=self.errors.total(),
            error=next(iter(self.errors), ""),
            elapsed=elapsed,
            cpu=cpu,
            server_cpu=self._server.cpu() - self._server_cpu,
            p50=_percentile(times, 0.50),
            p99=_percentile(times, 0.99),
            memory=memory.growth(),
        )


def _percentile(values: list[float], share: float) -> float:
    return values[math.ceil(share * len(values)) - 1] if values else 0.0


async def _work(run: _Run, fetch: Fetch) -> None:
    while (number := run.number()) is not None:
        started = time.perf_counter()
        try:
            await fetch(number)
        except Exception as error:  # noqa: BLE001  # whatever a client raises is its result
            run.errors[type(error).__name__] += 1
        else:
            run.times.append(time.perf_counter() - started)


def _runs(task: Task, server: Server) -> Iterator[_Run]:
    """The warm-up, and then the run that counts."""
    if not task.at_once:
        yield _Run(server, max(task.in_flight, _WARM_PAGES), math.inf)
    yield _Run(server, task.pages, task.seconds)


class _LeftOut(Exception):  # noqa: N818  # no error, but a line of the table
    """An older library, or a peer, has no such client."""


@asynccontextmanager
async def _opened(client: AbstractAsyncContextManager[Fetch]) -> AsyncIterator[Fetch]:
    async with AsyncExitStack() as stack:
        try:
            fetch = await stack.enter_async_context(client)
        except Exception as error:
            raise _LeftOut(f"{type(error).__name__}: {error}") from error
        yield fetch


async def _tasks(task: Task, opens: Open, server: Server) -> Result:
    async with _opened(opens(_setting(task))) as fetch:
        memory, result = Memory(), Result()
        for run in _runs(task, server):
            run.start()
            await asyncio.gather(*(_work(run, fetch) for _ in range(task.pages if task.at_once else task.in_flight)))
            result = run.result(memory)
        return result


def _threads(task: Task, opens: OpenBlocking, server: Server) -> Result:
    with opens(_setting(task)) as fetch:
        memory, result = Memory(), Result()
        for run in _runs(task, server):
            threads = [
                threading.Thread(target=_work_blocking, args=(run, fetch)) for _ in range(sdk_threads(task.in_flight))
            ]
            run.start()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            result = run.result(memory)
        return result


def _work_blocking(run: _Run, fetch: Callable[[int], None]) -> None:
    while (number := run.number()) is not None:
        started = time.perf_counter()
        try:
            fetch(number)
        except Exception as error:  # noqa: BLE001  # whatever a client raises is its result
            run.errors[type(error).__name__] += 1
        else:
            run.times.append(time.perf_counter() - started)


def _setting(task: Task) -> Setting:
    return Setting(task.url, task.ca, task.in_flight)


def _event_loop(name: str) -> asyncio.AbstractEventLoop:
    if name == "asyncio":
        return asyncio.new_event_loop()
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def measured(task: Task) -> Result:
    """Do it."""
    candidate = (GATHERED if task.at_once else CANDIDATES)[task.candidate]
    server = Server(task.url, None if task.ca is None else Path(task.ca))
    if candidate.in_threads:
        return _threads(task, candidate.load(), server)
    with asyncio.Runner(loop_factory=partial(_event_loop, task.loop)) as runner:
        return runner.run(_tasks(task, candidate.load(), server))


def main() -> None:
    """Measure, and say what came of it."""
    task = Task(**json.loads(sys.argv[1]))
    try:
        result = measured(task)
    except _LeftOut as reason:
        result = Result(left_out=str(reason))
    print(json.dumps(attrs.asdict(result)))


if __name__ == "__main__":
    main()
