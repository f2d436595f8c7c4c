"""When and where a session can be used; every misuse is named at once, and closing always ends."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest
from session_kit import KEY, Service, session_with

from bing_images_async import ImageSearchSession
from bing_images_async._transport.pool import ConnectionPool
from bing_images_async.errors import SessionStateError
from bing_images_async.testing import virtual_time

pytestmark = pytest.mark.anyio

Use = Callable[[ImageSearchSession], Awaitable[object]]

USES: dict[str, Use] = {
    "search": lambda session: session.search("boat"),
    "details": lambda session: session.details(insights_token="t"),
    "upload": lambda session: session.details(image=b"picture"),
    "trending": lambda session: session.trending(),
    "fetch": lambda session: session.fetch("https://api.bing.microsoft.com/th"),
    "sibling": lambda session: session.with_options(market="en-US").search("boat"),
}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


@pytest.mark.parametrize("use", USES)
async def test_before_entry(use: str) -> None:
    """The error shows how to enter."""
    with pytest.raises(SessionStateError, match=r"not entered.*async with"):
        await USES[use](ImageSearchSession(KEY))


@pytest.mark.parametrize("use", USES)
async def test_after_close(use: str) -> None:
    """The error says to make a new one."""
    async with session_with(Service()) as session:
        pass
    with pytest.raises(SessionStateError, match="is closed"):
        await USES[use](session)


async def test_entered_twice() -> None:
    """At once or one after the other; the first entry stays good."""
    service = Service()
    async with session_with(service) as session:
        with pytest.raises(SessionStateError, match="already entered"):
            await session.__aenter__()
        await session.search("boat")
    with pytest.raises(SessionStateError, match="is closed"):
        await session.__aenter__()
    assert len(service.requests) == 1


async def test_siblings_have_no_life_of_their_own() -> None:
    """They are neither entered nor closed, and trying does nothing to the session."""
    service = Service()
    async with session_with(service) as session:
        sibling = session.with_options(market="en-US")
        with pytest.raises(SessionStateError, match="enter that one"):
            await sibling.__aenter__()
        with pytest.raises(SessionStateError, match="closed with the session"):
            await sibling.aclose()
        await sibling.search("boat")
    with pytest.raises(SessionStateError, match="is closed"):
        await sibling.search("boat")
    assert len(service.requests) == 1


async def test_a_sibling_made_before_entry() -> None:
    """It works once its session is entered."""
    service = Service()
    async with httpx.AsyncClient(transport=httpx.MockTransport(service)) as client:
        session = ImageSearchSession(KEY, client=client)
        sibling = session.with_options(market="en-US")
        async with session:
            await sibling.search("boat")
    assert len(service.requests) == 1


@pytest.mark.parametrize("other", ["asyncio", "trio"])
async def test_aclose_on_another_event_loop_changes_nothing(other: str) -> None:
    """The session stays open where it is."""
    async with session_with(Service()) as session:
        error = _raised_elsewhere(session, other, close=True)
        await session.search("boat")
    assert isinstance(error, SessionStateError)
    assert "another event loop" in str(error)


def _raised_elsewhere(session: ImageSearchSession, backend: str, *, close: bool = False) -> BaseException:
    """What a search, or closing, raises on an event loop in another thread."""
    caught: list[BaseException] = []

    def other_loop() -> None:
        try:
            if close:
                anyio.run(session.aclose, backend=backend)
            else:
                anyio.run(session.search, "boat", backend=backend)
        except BaseException as error:  # noqa: BLE001  # which one is the question
            caught.append(error)

    thread = threading.Thread(target=other_loop)
    thread.start()
    thread.join()
    return caught[0]


@pytest.mark.parametrize("other", ["asyncio", "trio"])
async def test_on_another_event_loop(other: str) -> None:
    """Also where the other loop is of the other kind."""
    service = Service()
    async with session_with(service) as session:
        error = _raised_elsewhere(session, other)
        await session.search("boat")
    assert isinstance(error, SessionStateError)
    assert "another event loop" in str(error)
    assert len(service.requests) == 1


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
async def test_in_a_forked_process() -> None:
    """The child is told so; it must not write to the parent's sockets."""
    service = Service()
    async with session_with(service) as session:
        words = _said_in_child(session)
        await session.search("boat")
    assert words == "This session belongs to the parent process. Make one in each process, after the fork."


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
async def test_aclose_in_a_forked_process_changes_nothing() -> None:
    """The connections are the parent's."""
    async with session_with(Service()) as session:
        words = _said_in_child(session, close=True)
        await session.search("boat")
    assert words.startswith("This session belongs to the parent process.")


def _said_in_child(session: ImageSearchSession, *, close: bool = False) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            use: Any = session.aclose() if close else session.search("boat")
            use.send(None)  # a step of the coroutine, without the loop
        except BaseException as error:  # noqa: BLE001  # which one is the question
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        words = pipe.read()
    os.waitpid(child, 0)
    return words


async def test_closing_is_idempotent() -> None:
    """Before entry, twice, and after the block; connections are closed, once."""
    closed: list[str] = []

    class Pool(ConnectionPool):
        async def aclose(self) -> None:
            closed.append("pool")
            await super().aclose()

    session = _sending_through(Pool())
    async with session:
        await session.aclose()
        await session.aclose()
    await session.aclose()
    assert closed == ["pool"]
    never_entered = ImageSearchSession(KEY)
    await never_entered.aclose()
    with pytest.raises(SessionStateError, match="is closed"):
        await never_entered.__aenter__()


def _sending_through(pool: ConnectionPool) -> ImageSearchSession:
    """A session that believes it made `pool` itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bing_images_async._session._own_pool", lambda **_: pool)
        return ImageSearchSession(KEY)


class _SlowToClose(ConnectionPool):
    """Connections that need `seconds` to close, and write down whether they got them."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.was_closed = False
        self.began = anyio.Event()
        self._seconds = seconds

    async def aclose(self) -> None:
        self.began.set()
        await anyio.sleep(self._seconds)
        self.was_closed = True
        await super().aclose()


async def test_closing_is_bounded() -> None:
    """A pool that never closes holds the session for five seconds, not longer."""
    pool = _SlowToClose(3_600)
    session = _sending_through(pool)
    async with session:
        before = anyio.current_time()
    assert anyio.current_time() - before == pytest.approx(5.0)
    await ConnectionPool.aclose(pool)


async def test_cancelling_does_not_cut_closing_short() -> None:
    """Cancellation by scope waits for connections to be closed."""
    pool = _SlowToClose(2)
    with anyio.CancelScope() as scope:
        async with _sending_through(pool):
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert pool.was_closed


async def test_a_client_that_was_closed_by_its_owner() -> None:
    """The error names the client."""
    service = Service()
    async with httpx.AsyncClient(transport=httpx.MockTransport(service)) as client:
        session = ImageSearchSession(KEY, client=client)
        await session.__aenter__()
    with pytest.raises(SessionStateError, match=r"httpx\.AsyncClient of this session is closed"):
        await session.search("boat")
    await session.aclose()


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_native_cancel_does_not_cut_closing_short() -> None:
    """`Task.cancel()` goes through the shields of anyio; the pool is closed before it arrives."""
    pool = _SlowToClose(2)
    session = _sending_through(pool)
    await session.__aenter__()
    task = asyncio.create_task(session.aclose())
    await pool.began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pool.was_closed
