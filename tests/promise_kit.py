"""Helpers for the tests of promises: a session on a simulated service, and printed figures.

Everything runs in virtual time, over real HTTP/1.1 in memory, through the library's own connections and the whole
pipeline. The same seed gives the same run.
"""

from __future__ import annotations

import ssl
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import attrs
import httpx
import pytest
from sim import Link, Server, World, fixed_schedule

from bing_images_async import ImageSearchSession
from bing_images_async._transport.pool import ConnectionPool
from bing_images_async._transport.tls import TLSContext
from bing_images_async.errors import BingImagesError
from bing_images_async.testing import Backend, run

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])

LINK = Link(latency=0.02, jitter=0.015)
WORK = 0.01
"""Seconds at the server: with the way there and back, a call takes 50 ms on average."""

Result = TypeVar("Result")


def simulate(main: Callable[[], Awaitable[Result]], backend: Backend, *, seed: int = 0) -> Result:
    """Run `main` in virtual time, in an order of tasks that the seed decides."""
    with fixed_schedule(seed):
        return run(main, backend=backend, patience=0.2)


def figure(backend: str, what: str, **values: Any) -> None:
    """Print measured values (`pytest -s` shows them)."""
    shown = ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in values.items())
    print(f"\n  {what} [{backend}]: {shown}", end="")


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def busiest(times: Sequence[float], window: float) -> int:
    """Return the most of these times in any half-open window of `window` seconds."""
    ordered = sorted(times)
    return max((bisect_left(ordered, time + window) - start for start, time in enumerate(ordered)), default=0)


@attrs.frozen
class Outcome:
    """Result of one call: `ok`, `cancelled`, or the name of its error; times in virtual seconds."""

    name: str
    started: float
    ended: float
    ending: str
    reason: str | None = None

    @property
    def elapsed(self) -> float:
        return self.ended - self.started


@attrs.define(eq=False)
class SendLog:
    """Event hook of httpx that records when a request is passed to the session's client, and its query."""

    times: list[float] = attrs.field(factory=list, init=False)
    queries: list[str] = attrs.field(factory=list, init=False)

    async def __call__(self, request: httpx.Request) -> None:
        self.times.append(anyio.current_time())
        self.queries.append(request.url.params.get("q", ""))


@attrs.define(eq=False)
class SimulatedSession:
    """A session on a simulated network, its connections, and the results of its calls."""

    world: World
    pool: ConnectionPool
    session: ImageSearchSession
    send_log: SendLog
    outcomes: list[Outcome] = attrs.field(factory=list, init=False)

    async def ask(self, query: str = "boat", session: ImageSearchSession | None = None, name: str = "") -> Outcome:
        """Send one search and return its result; only errors of the library are caught."""
        started = anyio.current_time()
        ending, reason = "cancelled", None
        try:
            await (session or self.session).search(query)
            ending = "ok"
        except BingImagesError as error:
            ending, reason = type(error).__name__, error.reason
        finally:
            self.outcomes.append(Outcome(name or query, started, anyio.current_time(), ending, reason))
        return self.outcomes[-1]

    async def ask_at_once(self, number: int) -> None:
        """Send `number` searches at the same time, and wait for all."""
        async with anyio.create_task_group() as tasks:
            for _ in range(number):
                tasks.start_soon(self.ask)

    def forget(self) -> None:
        """Clear the recorded results and send times."""
        for history in (self.outcomes, self.send_log.times, self.send_log.queries):
            history.clear()

    @property
    def sent(self) -> list[float]:
        """Times at which requests were passed to the client."""
        return self.send_log.times

    @property
    def endings(self) -> Counter[str]:
        """Number of calls by result."""
        return Counter(outcome.ending for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        """Number of calls that raised an error."""
        return sum(outcome.ending not in {"ok", "cancelled"} for outcome in self.outcomes)

    def assert_at_rest(self) -> None:
        """Check that no call waits, nothing is in use, and every open socket is an idle connection."""
        stats = self.session.stats
        assert (stats.permits_in_use, stats.waiting, stats.in_flight) == (0, 0, 0), stats
        assert stats.calls == stats.succeeded + stats.failed + stats.cancelled, stats
        sockets = len(self.world.network.open_streams)
        assert sockets == self.pool.idle_connections == self.pool.open_connections


@asynccontextmanager
async def simulated_session(
    server: Server,
    *,
    seed: int = 0,
    world: dict[str, Any] | None = None,
    tls: ssl.SSLContext | None = None,
    **session_options: Any,
) -> AsyncGenerator[SimulatedSession]:
    """Open a session without a deadline on `server`; check at the end that it is idle.

    `world`: options of the simulated network. With `tls` it uses https with this context, because no thread can create
    one in virtual time.
    """
    session_options = {"timeout": None, "seed": seed, **session_options}
    async with (
        World(server, seed=seed, **{"link": LINK, **(world or {})}) as made,
        ConnectionPool(tls=TLSContext(tls), network=made.network, clock=anyio.current_time) as pool,
    ):
        if tls is not None:
            session_options["base_url"] = "https://sim/v7.0"
        send_log = SendLog()
        async with made.session(pool, **session_options) as session:
            session.client.event_hooks = {"request": [send_log]}
            simulated = SimulatedSession(made, pool, session, send_log)
            yield simulated
            simulated.assert_at_rest()
