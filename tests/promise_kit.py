"""What the tests of the promises share: a session on a simulated service, and figures that print themselves.

Everything runs in virtual time, over real HTTP/1.1 in memory, through the library's own connections and the
whole chain. The same seed gives the same run.
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
    """Print what was measured (`pytest -s` shows it)."""
    shown = ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in values.items())
    print(f"\n  {what} [{backend}]: {shown}", end="")


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def busiest(times: Sequence[float], window: float) -> int:
    """The most of these moments in any half-open window of so many seconds."""
    ordered = sorted(times)
    return max((bisect_left(ordered, time + window) - start for start, time in enumerate(ordered)), default=0)


@attrs.frozen
class Outcome:
    """How one call ended: `ok`, `cancelled`, or the name of its error; times in virtual seconds."""

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
    """When a request was given to the session's client, and its query: an event hook of httpx's."""

    times: list[float] = attrs.field(factory=list, init=False)
    queries: list[str] = attrs.field(factory=list, init=False)

    async def __call__(self, request: httpx.Request) -> None:
        self.times.append(anyio.current_time())
        self.queries.append(request.url.params.get("q", ""))


@attrs.define(eq=False)
class SimulatedSession:
    """A session, its connections, the world they are in, and how every call ended."""

    world: World
    pool: ConnectionPool
    session: ImageSearchSession
    send_log: SendLog
    outcomes: list[Outcome] = attrs.field(factory=list, init=False)

    async def ask(self, query: str = "boat", session: ImageSearchSession | None = None, name: str = "") -> Outcome:
        """One search, whatever comes of it; errors of the library only."""
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
        """So many searches in the same moment; returns when all have ended."""
        async with anyio.create_task_group() as tasks:
            for _ in range(number):
                tasks.start_soon(self.ask)

    def forget(self) -> None:
        """What was so far does not count: neither how calls ended nor what was sent."""
        for history in (self.outcomes, self.send_log.times, self.send_log.queries):
            history.clear()

    @property
    def sent(self) -> list[float]:
        """When requests were given to the connections; the server need not have seen them."""
        return self.send_log.times

    @property
    def endings(self) -> Counter[str]:
        """How many calls ended how."""
        return Counter(outcome.ending for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        """Calls that got an error."""
        return sum(outcome.ending not in {"ok", "cancelled"} for outcome in self.outcomes)

    def assert_at_rest(self) -> None:
        """Nobody waits, nothing is in use, and every open socket is an idle connection."""
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
    """A session without a deadline on `server`, in a world made with the options `world`; at rest when it ends well.

    With `tls` it speaks https, and the context is not looked at: no thread may make one in virtual time.
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
