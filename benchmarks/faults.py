"""Commands that check promises over real sockets, against a server that is throttling, slow or closes connections."""

import asyncio
import time
from collections import Counter
from random import Random
from typing import Any

import anyio
import anyio.to_thread

from bing_images_async import Budget, ImageSearchSession as Session, RateLimit
from bing_images_async.errors import BingImagesError

from .checks import Measured
from .clients import session_at
from .server import Server, serving

LATENCY = 0.05
PATIENCE = 0.3  # seconds


def quota(backend: str, seconds: float = 10.0, rate: int = 50) -> Measured:
    """Nothing is throttled and 95 % of the quota is used by 64 callers that never stop; the service takes 50 ms."""
    return _used(backend, seconds, rate, 0.95)


def slow_connect(backend: str, seconds: float = 10.0, rate: int = 50, connecting: float = 0.9) -> Measured:
    """The same for 90 %, where each request needs a TLS handshake that takes from 0 to `connecting` seconds."""
    return _used(backend, seconds, rate, 0.90, tls=True, connecting=connecting, closes=True)


def _used(backend: str, seconds: float, rate: int, least: float, **settings: Any) -> Measured:
    with serving(latency=LATENCY, quota=rate, **settings) as server:
        journal = _flooded(server, backend, seconds, rate)
    used = journal["requests"] / (rate * seconds)
    row = {name: journal[name] for name in ("requests", "throttled", "most in a second")}
    return {**row, "used": f"{used:.1%}"}, not journal["throttled"] and used >= least


def hangups(backend: str, seconds: float = 5.0, rate: int = 50, budget: int = 100) -> Measured:
    """No second has more requests than the limit, and a budget holds, where a server closes each second request.

    It answers the first request of a connection, reads the second one and closes.
    """
    row: dict[str, object] = {}
    holds = True
    for name, most in {"": rate * seconds + 1, f", Budget({budget})": budget}.items():
        with serving(answers=1) as server:
            journal = _flooded(server, backend, seconds, rate, budget=Budget(budget) if name else None)
        row |= {f"{what}{name}": journal[what] for what in ("requests", "most in a second")}
        holds = holds and journal["most in a second"] <= rate and journal["requests"] <= most
    return row, holds


def _flooded(server: Server, backend: str, seconds: float, rate: int, **options: Any) -> dict[str, Any]:
    """Return the server's journal after so many seconds of callers that never stop."""

    async def flood() -> None:
        async with session_at(server.url, server.ca, rate_limit=RateLimit(rate), timeout=None, **options) as session:
            with anyio.move_on_after(seconds):
                async with anyio.create_task_group() as tasks:
                    for _ in range(64):
                        tasks.start_soon(caller, session)

    async def caller(session: Session) -> None:
        while True:
            await _call(session, Counter())
            await anyio.sleep(0.001)  # a session without budget refuses at once

    anyio.run(flood, backend=backend)
    return server.tell("journal")


# --- connections that heal


def churn(
    backend: str, seconds: float = 30.0, callers: int = 200, permits: int = 64, rest: float = PATIENCE
) -> Measured:
    """A quarter of the calls complete; afterwards a call for each permit succeeds at once, and nothing is left over.

    200 callers share 64 permits. Each call is cancelled after 0 to 0.3 s, unless it has ended: by an anyio scope or,
    on asyncio, as often by `Task.cancel()`, once or twice. Between calls they rest for 0 to 0.3 s; without that one
    core cannot make so many calls, and the figures are those of the machine. The service takes 50 ms; it resets 5 % of
    the connections before the answer and 5 % inside the body. Then the resets stop. Nothing left over: every socket
    is an idle connection, at both ends; no task, permit, slot or retry token is missing.
    """
    with serving(latency=LATENCY, resets=0.05, images=1) as server:
        return anyio.run(_healed, server, backend, seconds, callers, permits, rest, backend=backend)


async def _healed(server: Server, backend: str, seconds: float, callers: int, permits: int, rest: float) -> Measured:
    # The limit is above what callers can send: the limiter takes part and does not decide.
    async with Session(
        "key", base_url=server.url, rate_limit=RateLimit(1_000), max_concurrency=permits, timeout=None, seed=7
    ) as session:
        tokens, tasks, used = session.stats.retry_tokens, len(anyio.get_running_tasks()), time.process_time()
        storm, afterwards = Counter[str](), Counter[str]()
        until = anyio.current_time() + seconds
        async with anyio.create_task_group() as group:
            for number in range(callers):
                group.start_soon(_caller, session, storm, until, rest, Random(number), backend == "asyncio")
        used = (time.process_time() - used) / seconds
        await anyio.to_thread.run_sync(server.tell, "calm")
        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            for _ in range(permits):
                group.start_soon(_call, session, afterwards)
        took, stats = anyio.current_time() - began, session.stats
        connections = [stats.idle_connections, stats.open_connections, await _open_at(server, stats.open_connections)]
        left = [len(anyio.get_running_tasks()) - tasks, stats.permits_in_use, stats.waiting, stats.in_flight]
        left.append(tokens - stats.retry_tokens)
    row = {
        "calls": storm.total(),
        **{ending: f"{storm[ending] / storm.total():.0%}" for ending in ("completed", "cancelled", "failed")},
        "CPU": f"{used:.0%}",
        "afterwards": f"{afterwards['completed']} of {permits} in {took:.2f} s",
        "connections: idle, open, at the service": ", ".join(map(str, connections)),
        "left: tasks, permits, waiting, in flight, tokens": ", ".join(map(str, left)),
    }
    is_healed = afterwards["completed"] == permits and took <= 1.0 and not any(left)
    is_tidy = len(set(connections)) == 1 and connections[2] <= permits
    return row, storm["completed"] >= 0.25 * storm.total() and is_healed and is_tidy


async def _caller(session: Session, storm: Counter[str], until: float, rest: float, draw: Random, native: bool) -> None:
    """Make calls and give up on them, on asyncio as often by cancelling a task as by a scope."""
    while anyio.current_time() < until:
        await anyio.sleep(draw.uniform(0.0, rest))
        patience = draw.uniform(0.0, PATIENCE)
        if not (native and draw.random() < 0.5):
            with anyio.move_on_after(patience):
                await _call(session, storm)
            continue
        task = asyncio.ensure_future(_call(session, storm))
        await asyncio.wait([task], timeout=patience)
        for _ in range(draw.choice((1, 2))):  # the second time while the first cancellation is handled
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task])


async def _call(session: Session, endings: Counter[str]) -> None:
    """Make one call and count how it ends."""
    ending = "cancelled"
    try:
        await session.search("boat")
        ending = "completed"
    except BingImagesError:
        ending = "failed"
    finally:
        endings[ending] += 1


async def _open_at(server: Server, expected: int | None) -> int:
    """Return the connections at the service, once it has seen those that were closed."""
    found = -1
    with anyio.move_on_after(2.0):
        while found != expected:
            found = (await anyio.to_thread.run_sync(server.tell, "journal"))["open"]
    return found
