"""What users get for the tests of their own code."""

from __future__ import annotations

import time
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from bing_images_async import ImageSearchSession
from bing_images_async.errors import ConnectionFailedError, ServerError, ServiceRetiredError
from bing_images_async.testing import DeadlockError, FakeClock, run, session_for, virtual_time
from bing_images_async.testing.plugin import bing_images_catalogue, bing_images_session

__all__ = ["bing_images_catalogue", "bing_images_session"]  # pytest finds fixtures by name

EMPTY = {"_type": "Images", "value": []}


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_fake_clock_moves_by_hand_only() -> None:
    """It starts where it is told, adds up, and never goes back."""
    clock = FakeClock(10.0)
    clock.advance(2.5)
    clock.advance(0)
    assert clock() == 12.5
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-0.1)


def test_virtual_time_is_exact_and_costs_nothing(backend: Any) -> None:
    """An hour, slept second by second, takes seconds at the most. (It takes 0.05 to 0.15 s; this is no benchmark.)"""

    async def hour() -> float:
        for _ in range(3_600):
            await anyio.sleep(1)
        return anyio.current_time()

    started = time.process_time()
    assert run(hour, backend=backend) == pytest.approx(3_600)
    assert time.process_time() - started < 10


def test_virtual_time_starts_at_zero_in_every_run(backend: Any) -> None:
    """Or floats would round differently from run to run."""

    async def now() -> float:
        await anyio.lowlevel.checkpoint()
        return anyio.current_time()

    run(anyio.sleep, 5, backend=backend)
    assert run(now, backend=backend) == 0.0


def test_virtual_timers_end_in_their_order(backend: Any) -> None:
    """Deadlines and sleeps of different tasks, at their times."""
    ended: list[tuple[int, float]] = []

    async def wait(number: int, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await anyio.sleep(2.5)
        ended.append((number, anyio.current_time()))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for number, seconds in enumerate([3.0, 0.1, 2.0]):
                tasks.start_soon(wait, number, seconds)

    run(main, backend=backend)
    assert [number for number, _ in ended] == [1, 2, 0]
    assert [when for _, when in ended] == pytest.approx([0.1, 2.0, 2.5])


def test_deadlock_is_an_error_that_says_where(backend: Any) -> None:
    """Nobody will ever set the event, and the line that waits for it is named."""

    async def main() -> None:
        await anyio.sleep(5)
        await anyio.Event().wait()

    with pytest.raises(DeadlockError, match=r"after 5\.000000 s:(?s:.)*test_testing\.py:\d+"):
        run(main, backend=backend, patience=0.05)


def test_deadlock_in_a_task_group_is_bare_too(backend: Any) -> None:
    """Even where the main task only waits for its children."""

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.Event().wait)

    with pytest.raises(DeadlockError):
        run(main, backend=backend, patience=0.05)


def test_deadlock_is_not_an_exception(backend: Any) -> None:
    """So that code which retries whatever fails does not swallow it."""

    async def main() -> str:
        try:
            await anyio.Event().wait()
        except Exception:  # noqa: BLE001 - the careless code this is about
            return "swallowed"
        return "woken"

    with pytest.raises(DeadlockError):
        run(main, backend=backend, patience=0.05)


def test_a_worker_thread_is_no_deadlock(backend: Any) -> None:
    """It comes back within the patience."""

    async def main() -> int:
        return await anyio.to_thread.run_sync(lambda: sum(range(300_000)))

    assert run(main, backend=backend) == sum(range(300_000))


def test_no_virtual_time_for_other_backends() -> None:
    """A misspelt name is a mistake, not a real clock."""
    with pytest.raises(ValueError, match="'curio'"):
        virtual_time("curio")


def test_asyncio_time_ends_after_180_days() -> None:
    """Beyond, its loop could not tell a nanosecond any more and would spin."""
    run(anyio.sleep, 179 * 86_400)
    with pytest.raises(OverflowError, match="180 days"):
        run(anyio.sleep, 181 * 86_400)


class TestUnderAnyiosPlugin:
    """The pair that `virtual_time` returns is what the fixture `anyio_backend` returns."""

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> Any:
        return virtual_time(request.param, patience=0.05)

    @pytest.fixture
    async def three_seconds_later(self) -> None:
        await anyio.sleep(3)

    @pytest.mark.anyio
    @pytest.mark.usefixtures("three_seconds_later")
    async def test_fixtures_and_test_share_the_clock(self) -> None:
        await anyio.sleep(100)
        assert anyio.current_time() == pytest.approx(103)


@pytest.mark.anyio
async def test_session_for_a_plain_function() -> None:
    """The handler sees the request; its answer comes back as a model."""
    seen: list[tuple[str, str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.params["q"], request.headers["ocp-apim-subscription-key"]))
        return httpx.Response(200, json=EMPTY)

    async with session_for(handler) as session:
        answer = await session.search("paper boat", count=5)
    assert answer.value == ()
    assert seen == [("paper boat", "test-key")]


@pytest.mark.anyio
async def test_session_for_an_async_function_and_options() -> None:
    """Options are the session's own; errors of the answer are the library's."""

    async def handler(request: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        return httpx.Response(501 if request.url.params["mkt"] == "de-DE" else 200, json=EMPTY)

    async with session_for(handler, "mine", market="de-DE", base_url="https://gateway.example/v7.0") as session:
        with pytest.raises(ServerError):
            await session.trending()


def test_session_for_waits_in_virtual_time(backend: Any) -> None:
    """A failing network is retried, and the waits between the attempts cost nothing."""
    attempts: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        attempts.append(request)
        raise httpx.ConnectError("refused")

    async def main() -> None:
        async with session_for(handler) as session:
            with pytest.raises(ConnectionFailedError):
                await session.search("boat")

    run(main, backend=backend)
    assert len(attempts) == 3


def test_session_for_makes_its_own_client() -> None:
    """Two clients cannot both be the one."""
    with pytest.raises(TypeError, match="client"):
        session_for(lambda request: httpx.Response(200), client=httpx.AsyncClient())


@pytest.mark.anyio
async def test_session_fixture_finds_pictures(bing_images_session: ImageSearchSession) -> None:
    """A real search, on either backend, with neither key nor network."""
    answer = await bing_images_session.search("paper boat", count=7)
    assert 1 <= len(answer.value) <= 7
    assert str(answer.value[0].content_url).startswith("http://local.bing-images/")


@pytest.mark.anyio
@pytest.mark.bing_images("retired")
async def test_session_fixture_takes_a_profile(bing_images_session: ImageSearchSession) -> None:
    """A fault profile is one line."""
    with pytest.raises(ServiceRetiredError):
        await bing_images_session.search("boat")


@pytest.mark.anyio
@pytest.mark.bing_images(profile="default", keep_raw=True)
async def test_session_fixture_takes_options(bing_images_session: ImageSearchSession) -> None:
    """Options of the session go the same way."""
    assert (await bing_images_session.search("boat")).raw is not None
