"""The driver of cancellations: it passes correct code, and finds a fault in a single step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import httpcore
import pytest

from bing_images_async import ImageSearchSession
from bing_images_async._transport.pool import ConnectionPool

from . import Link, Reply, Scenario, Server, World, cancel_everywhere, run_cancelled

WAYS = pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])


@attrs.define
class _Permit:
    """One permit, which `release` passes directly to the next waiter. `careful` handles cancellation correctly."""

    careful: bool
    free: bool = True
    waiters: list[anyio.Event] = attrs.field(factory=list)

    async def acquire(self) -> None:
        if self.free:
            self.free = False
            return
        turn = anyio.Event()
        self.waiters.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn in self.waiters:
                self.waiters.remove(turn)
            elif self.careful:
                self.release()
            raise

    def release(self) -> None:
        if self.waiters:
            self.waiters.pop(0).set()
        else:
            self.free = True


@attrs.define
class _Handover:
    """Waits for a permit that another task releases after a second."""

    permit: _Permit

    async def run(self) -> None:
        await self.permit.acquire()
        try:
            await anyio.lowlevel.checkpoint()
        finally:
            self.permit.release()

    async def check(self, outcome: str) -> None:
        await anyio.sleep(2)
        assert self.permit.free, f"the permit is lost ({outcome})"
        assert self.permit.waiters == []


def _handover(careful: bool) -> Callable[[], Any]:
    @asynccontextmanager
    async def make() -> AsyncIterator[Scenario]:
        permit = _Permit(careful)
        await permit.acquire()

        async def give_back() -> None:
            await anyio.sleep(1)
            permit.release()

        async with anyio.create_task_group() as tasks:
            for task in (_bystander, give_back, _bystander):
                tasks.start_soon(task)
            yield _Handover(permit)

    return make


async def _bystander() -> None:
    """Run at the moment of the grant, so that there is a step after which to cancel."""
    await anyio.sleep(1)


@WAYS
def test_cancel_everywhere_passes_correct_code(backend: Any, by: Any) -> None:
    """A permit that is returned on cancellation survives every step."""
    for seed in range(5):
        assert cancel_everywhere(_handover(careful=True), by=by, backend=backend, seed=seed) >= 5


@WAYS
def test_cancel_everywhere_finds_a_race_in_one_step(backend: Any, by: Any) -> None:
    """A waiter that ignores a cancellation at the moment of its grant loses the permit."""

    def sweep() -> None:
        for seed in range(5):  # trio chooses the order of the three tasks that wake together
            cancel_everywhere(_handover(careful=False), by=by, backend=backend, seed=seed)

    with pytest.raises(ExceptionGroup) as caught:
        sweep()
    assert caught.group_contains(AssertionError, match="the permit is lost")
    assert caught.value.__notes__[0].startswith(f"cancelled by {by} after step")


@attrs.define
class _OneCall:
    world: World
    pool: httpcore.AsyncConnectionPool
    done: list[int] = attrs.field(factory=list)

    async def run(self) -> None:
        self.done.append((await self.pool.request("GET", "http://sim/")).status)

    async def check(self, outcome: str) -> None:
        assert (outcome == "finished") is (self.done == [200])
        await self.pool.aclose()
        assert self.world.network.open_streams == set()


@asynccontextmanager
async def _one_call() -> AsyncIterator[Scenario]:
    async with World(link=Link(latency=0.01, fragment=60)) as world:
        yield _OneCall(world, httpcore.AsyncConnectionPool(network_backend=world.network))


@pytest.mark.filterwarnings("ignore:Async generator 'httpcore:ResourceWarning")  # its request body, on trio
@WAYS
def test_cancel_everywhere_reaches_every_step_of_a_call(backend: Any, by: Any) -> None:
    """The simulated network survives each."""
    assert cancel_everywhere(_one_call, by=by, backend=backend) > 15


@attrs.define
class _OneSearch:
    """The same through a session, its own connections and a failed first attempt."""

    world: World
    pool: ConnectionPool
    session: ImageSearchSession
    done: list[int] = attrs.field(factory=list)

    async def run(self) -> None:
        await self.session.search("boat")
        self.done.append(1)

    async def check(self, outcome: str) -> None:
        assert (outcome == "finished") is (self.done == [1])
        assert len(self.world.network.open_streams) == self.pool.idle_connections == self.pool.open_connections
        await self.session.search("once more")
        assert self.world.journal.entries[-1].status == 200


@asynccontextmanager
async def _one_search() -> AsyncIterator[Scenario]:
    server = Server(lambda entry: Reply(status=500 if entry.number == 0 else 200), latency=0.05)
    async with (
        World(server, link=Link(latency=0.01, fragment=100)) as world,
        world.pool() as pool,
        world.session(pool, rate_limit=None) as session,
    ):
        yield _OneSearch(world, pool, session)


@WAYS
def test_cancel_everywhere_reaches_every_step_of_a_session(backend: Any, by: Any) -> None:
    """A failed attempt, its back-off and the retry: no socket is lost, and the session still works."""
    assert cancel_everywhere(_one_search, by=by, backend=backend) > 30


@attrs.define
class _Stubborn:
    """Catches its cancellation and continues."""

    async def run(self) -> None:
        try:
            await anyio.sleep(1)
        except BaseException:  # noqa: BLE001 - what a broken clean-up does
            return

    async def check(self, outcome: str) -> None:
        return


@asynccontextmanager
async def _stubborn() -> AsyncIterator[Scenario]:
    yield _Stubborn()


def test_cancel_everywhere_finds_a_swallowed_cancellation() -> None:
    """`Task.cancel()` must be raised to the top."""
    with pytest.raises(ExceptionGroup) as caught:
        run_cancelled(_stubborn, 1, by="task", backend="asyncio")
    assert caught.group_contains(AssertionError, match="swallowed")


@attrs.define
class _Litter:
    tasks: list[Any]

    async def run(self) -> None:
        await anyio.sleep(1)

    async def check(self, outcome: str) -> None:
        return


def test_cancel_everywhere_finds_remaining_tasks() -> None:
    """A task without an owner that outlives the scenario."""

    @asynccontextmanager
    async def make() -> AsyncIterator[Scenario]:
        yield _Litter([asyncio.ensure_future(asyncio.sleep(100))])

    with pytest.raises(AssertionError, match="left behind"):
        run_cancelled(make, 1, by="scope", backend="asyncio")
