"""Do connections heal? Callers lose patience at any moment, on a service that resets connections.

    python -m benchmarks.churn [--seconds 30] [--backend asyncio|trio] [--only session|httpx]
                               [--callers 200] [--permits 64] [--rest 0.3]

200 callers share 64 permits. Each call is cancelled after 0 to 0.3 s, unless it has ended: by an anyio scope or, on
asyncio, as often by `Task.cancel()`, once or twice. Between calls they rest for 0 to 0.3 s; without that one core
cannot make so many calls, and the figures are those of the machine. The service takes 50 ms; it resets 5 % of the
connections before the answer and 5 % inside the body. Then the resets stop, and 64 calls in parallel show what is
left. Beside the session stands a bare `httpx.AsyncClient` with as many connections, behind a semaphore.

Ends with 1 if the session did not keep its promises: a quarter of the calls complete; all 64 calls succeed, at once;
every socket is an idle connection, at both ends; no task, permit, slot or retry token is left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import attrs
import httpx

from bing_images_async import ImageSearchSession, RateLimit
from bing_images_async.errors import BingImagesError

from .service import service, tell

PATIENCE = 0.3  # seconds
LATENCY = 0.05
RESETS = 0.05
AT_ONCE = 1.0  # seconds
SETTLING = 2.0
RATE = 1_000
"""More than is asked for, so that the limiter has its part in it and does not decide."""

Ask = Callable[[], Awaitable[None]]
"""One call; raises an error of its client."""


@attrs.frozen
class Storm:
    """How long, how many callers, at most how many of them at once, and their rests in seconds, at most."""

    seconds: float = 30.0
    callers: int = 200
    permits: int = 64
    rest: float = PATIENCE


@attrs.define
class Client:
    """One of the two that are compared."""

    ask: Ask
    errors: type[Exception]
    connections: Callable[[], tuple[int, int]]
    """Idle, and open."""
    left: Callable[[], dict[str, float]]
    """What is still in use."""


@attrs.define
class Report:
    """What came of it."""

    permits: int
    endings: Counter[str] = attrs.field(factory=Counter)
    cpu: float = 0.0
    """Share of a core that the client took."""
    succeeded: int = 0
    """Of the calls afterwards."""
    within: float = math.nan
    """Seconds that they took."""
    idle: int = 0
    open: int = 0
    open_at_service: int = 0
    tasks: int = 0
    """More than before."""
    left: dict[str, float] = attrs.field(factory=dict[str, float])

    @property
    def completed(self) -> float:
        """Share of the calls that got an answer."""
        return self.endings["completed"] / self.endings.total()

    @property
    def holds(self) -> bool:
        """Are the promises kept?"""
        return (
            self.completed >= 0.25
            and self.succeeded == self.permits
            and self.within <= AT_ONCE
            and self.idle == self.open == self.open_at_service <= self.permits
            and not self.tasks
            and not any(self.left.values())
        )


# --- the two clients


@asynccontextmanager
async def _session(url: str, permits: int) -> AsyncGenerator[Client]:
    async with ImageSearchSession(
        "key", base_url=url, rate_limit=RateLimit(RATE), max_concurrency=permits, timeout=None, seed=7
    ) as session:
        tokens = session.stats.retry_tokens

        async def ask() -> None:
            await session.search("boat")

        def left() -> dict[str, float]:
            stats = session.stats
            return {
                "permits in use": stats.permits_in_use,
                "calls waiting": stats.waiting,
                "requests in flight": stats.in_flight,
                "retry tokens missing": tokens - stats.retry_tokens,
            }

        def connections() -> tuple[int, int]:
            stats = session.stats
            return stats.idle_connections or 0, stats.open_connections or 0

        yield Client(ask, BingImagesError, connections, left)


@asynccontextmanager
async def _httpx(url: str, permits: int) -> AsyncGenerator[Client]:
    semaphore = anyio.Semaphore(permits)
    limits = httpx.Limits(max_connections=permits, max_keepalive_connections=permits)
    transport = httpx.AsyncHTTPTransport(limits=limits)
    async with httpx.AsyncClient(transport=transport) as client:

        async def ask() -> None:
            async with semaphore:
                response = await client.get(f"{url}/images/search?q=boat")
                response.raise_for_status()

        def connections() -> tuple[int, int]:
            pooled: Any = transport._pool.connections  # there is no public way to see them
            return sum(connection.is_idle() for connection in pooled), len(pooled)

        yield Client(ask, httpx.HTTPError, connections, lambda: {"permits in use": permits - semaphore.value})


CLIENTS = {"session": _session, "httpx": _httpx}


# --- the storm


def _tasks() -> int:
    """Tasks there are, whatever the event loop."""
    return len(anyio.get_running_tasks()) - 1


async def _attempt(client: Client) -> str:
    try:
        await client.ask()
    except client.errors:
        return "failed"
    return "completed"


async def _by_scope(client: Client, patience: float) -> str:
    with anyio.move_on_after(patience):
        return await _attempt(client)
    return "cancelled"


async def _by_task(client: Client, patience: float, times: int) -> str:
    """Cancelled as asyncio programs do it, the second time while the first is being dealt with."""
    task = asyncio.ensure_future(_attempt(client))
    await asyncio.wait([task], timeout=patience)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([task])
    return "cancelled" if task.cancelled() else task.result()


async def _weather(client: Client, storm: Storm, native: bool) -> Counter[str]:
    endings: Counter[str] = Counter()
    until = anyio.current_time() + storm.seconds

    async def caller(number: int) -> None:
        draw = random.Random(number)
        while anyio.current_time() < until:
            await anyio.sleep(draw.uniform(0.0, storm.rest))
            patience = draw.uniform(0.0, PATIENCE)
            if native and draw.random() < 0.5:
                endings[await _by_task(client, patience, draw.choice((1, 2)))] += 1
            else:
                endings[await _by_scope(client, patience)] += 1

    async with anyio.create_task_group() as tasks:
        for number in range(storm.callers):
            tasks.start_soon(caller, number)
    return endings


async def _in_parallel(client: Client, number: int) -> tuple[int, float]:
    succeeded = 0
    began = anyio.current_time()

    async def one() -> None:
        nonlocal succeeded
        ending = await _attempt(client)
        succeeded += ending == "completed"

    async with anyio.create_task_group() as tasks:
        for _ in range(number):
            tasks.start_soon(one)
    return succeeded, anyio.current_time() - began


async def _open_at_service(url: str, expected: int) -> int:
    """Connections there, once news of the closed ones has arrived."""
    found = -1
    with anyio.move_on_after(SETTLING):
        while found != expected:
            found = (await anyio.to_thread.run_sync(tell, url, "journal"))["open"]
    return found


async def _measure(name: str, url: str, storm: Storm, backend: str) -> Report:
    async with CLIENTS[name](url, storm.permits) as client:
        before, used = _tasks(), time.process_time()
        report = Report(storm.permits, await _weather(client, storm, native=backend == "asyncio"))
        report.cpu = (time.process_time() - used) / storm.seconds
        await anyio.to_thread.run_sync(tell, url, "calm")
        report.succeeded, report.within = await _in_parallel(client, storm.permits)
        report.idle, report.open = client.connections()
        report.open_at_service = await _open_at_service(url, report.open)
        report.tasks = _tasks() - before
        report.left = client.left()
        return report


# --- the table


def _show(reports: dict[str, Report], permits: int) -> None:
    def row(what: str, value: Callable[[Report], str]) -> None:
        print(f"  {what:44}" + "".join(f"{value(report):>12}" for report in reports.values()))

    print(f"  {'':44}" + "".join(f"{name:>12}" for name in reports))
    row("calls", lambda report: f"{report.endings.total():,}")
    row("completed", lambda report: f"{report.completed:.0%}")
    row("cancelled", lambda report: f"{report.endings['cancelled'] / report.endings.total():.0%}")
    row("failed", lambda report: f"{report.endings['failed']:,}")
    row("CPU of the client", lambda report: f"{report.cpu:.0%}")
    row(f"afterwards, of {permits} parallel calls succeed", lambda report: f"{report.succeeded}")
    row("  within seconds", lambda report: f"{report.within:.2f}")
    row("  connections: idle", lambda report: f"{report.idle}")
    row("  connections: open", lambda report: f"{report.open}")
    row("  connections: open at the service", lambda report: f"{report.open_at_service}")
    row("  tasks left", lambda report: f"{report.tasks}")
    for what in {what: None for report in reports.values() for what in report.left}:
        row(f"  {what}", lambda report, what=what: f"{report.left.get(what, '-')}")  # type: ignore[misc]  # a default binds


def main() -> None:
    """Both backends and both clients, unless one is named."""
    parser = argparse.ArgumentParser()
    for field in attrs.fields(Storm):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    parser.add_argument("--backend", choices=["asyncio", "trio"])
    parser.add_argument("--only", choices=list(CLIENTS))
    options = parser.parse_args()
    storm = Storm(**{field.name: getattr(options, field.name) for field in attrs.fields(Storm)})
    broken = False
    for backend in [options.backend] if options.backend else ["asyncio", "trio"]:
        reports: dict[str, Report] = {}
        for name in [options.only] if options.only else CLIENTS:
            with service(latency=LATENCY, resets=RESETS) as url:
                reports[name] = anyio.run(_measure, name, url, storm, backend, backend=backend)
        print(f"{backend}, {storm.seconds:g} s, {storm.callers} callers, {storm.permits} permits")
        _show(reports, storm.permits)
        broken |= "session" in reports and not reports["session"].holds
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
