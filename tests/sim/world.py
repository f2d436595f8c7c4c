"""Server, network and trace together: the base of a test in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import anyio
import pytest

from bing_images_async import ImageSearchSession
from bing_images_async._transport.pool import ConnectionPool

from .journal import Journal
from .network import ConnectFault, Connection, Network, Outage
from .pipe import Link
from .server import Server
from .trace import Trace


class World:
    """async with World(server, seed=7) as world: … client over `world.network` …

    The same seed and the same client give the same trace. On trio that needs `fixed_schedule(seed)` as well. An
    exception of the block is raised without an exception group.
    """

    def __init__(
        self,
        server: Server | None = None,
        *,
        seed: int = 0,
        link: Link | None = None,
        outages: Sequence[Outage] = (),
        connecting: Callable[[int], ConnectFault | None] = lambda number: None,
    ) -> None:
        self.server = server if server is not None else Server()
        self.server.seed = seed
        self.trace = Trace()
        self.network = Network(
            link if link is not None else Link(), seed, self.trace, outages=outages, connecting=connecting
        )
        self.network.serve = self._serve
        self._tasks = anyio.create_task_group()

    @property
    def journal(self) -> Journal:
        return self.server.journal

    def pool(self) -> ConnectionPool:
        """Return the library's own pool over this network, in virtual time."""
        return ConnectionPool(network=self.network, clock=anyio.current_time)

    def session(self, pool: ConnectionPool, api_key: str = "sim-key", **options: Any) -> ImageSearchSession:
        """Return a session that sends through `pool`, by plain HTTP, because no thread can load certificates here."""
        options = {"base_url": "http://sim/v7.0", "allow_http": True, **options}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bing_images_async._session._own_pool", lambda **_: pool)
            return ImageSearchSession(api_key, **options)

    def trace_digest(self) -> str:
        return self.trace.digest()

    def note(self, actor: str, what: str) -> None:
        """Add an event of the test to the trace."""
        self.trace.record(anyio.current_time(), actor, what)

    async def __aenter__(self) -> Self:
        self.network.tasks = await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        try:
            return await self._tasks.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            if error is not None and group.exceptions == (error,):
                return False
            raise

    async def _serve(self, connection: Connection) -> None:
        await self.server.serve(self.network, connection)
