"""`session.stats`: what a session and its siblings did, and do at this moment."""

from __future__ import annotations

from typing import Any

import anyio
import attrs
import httpx
import pytest
from session_kit import Service, session_with

from bing_images_async import ImageSearchSession, RateLimit, RetryPolicy
from bing_images_async.errors import BingImagesError
from bing_images_async.testing import virtual_time

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


def scripted(*statuses: int, seconds: float = 1.0, **headers: str) -> Any:
    """Answers in this order, the last for ever."""
    left, ok = list(statuses), Service()
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: httpx.Request) -> httpx.Response:
        status = left.pop(0) if len(left) > 1 else left[0]
        await anyio.sleep(seconds)
        return await ok(request) if status == 200 else httpx.Response(status, headers=named)

    return answer


def changed(session: ImageSearchSession, since: Any) -> dict[str, Any]:
    """The figures that differ from an earlier snapshot."""
    before = attrs.asdict(since)
    return {name: value for name, value in attrs.asdict(session.stats).items() if value != before[name]}


async def test_a_fresh_session() -> None:
    """Nothing has happened, and everything is there to be used."""
    async with session_with(Service(), max_concurrency=20) as session:
        stats = session.stats
    assert (stats.calls, stats.attempts, stats.waiting, stats.in_flight, stats.permits_in_use) == (0, 0, 0, 0, 0)
    assert (stats.permits, stats.rate, stats.retry_tokens) == (20, 3.0, 500)
    assert (stats.breaker, stats.latched) == ("closed", None)
    assert (stats.idle_connections, stats.open_connections) == (None, None)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        stats.calls = 5  # type: ignore[misc]  # frozen, which is the point


async def test_every_call_is_counted_once() -> None:
    """As what it ended in; siblings count together; what is refused before it is sent is no call."""
    retry = RetryPolicy(base=0.0)
    async with session_with(scripted(500, 200, 400, 200), rate_limit=None, retry=retry) as session:
        before = session.stats
        await session.search("boat")
        with pytest.raises(BingImagesError):
            await session.with_options(market="de-DE").search("boat")
        with anyio.move_on_after(0.5):
            await session.trending()
        with pytest.raises(ValueError, match="count"):
            await session.search("boat", count=-1)
        assert changed(session, before) == {
            "calls": 3, "succeeded": 1, "failed": 1, "cancelled": 1, "attempts": 4, "retries": 1,
        }  # fmt: skip


async def test_attempts_are_requests() -> None:
    """Calls that share one request do not count it twice."""
    async with session_with(scripted(500, 200), rate_limit=None, coalesce=True, retry=RetryPolicy(base=0.0)) as session:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(session.search, "boat")
        stats = session.stats
    assert (stats.calls, stats.succeeded, stats.attempts, stats.retries) == (10, 10, 2, 1)


async def test_what_was_not_sent_is_no_attempt() -> None:
    """A call that has no key to send is a call, and no request."""

    def no_key() -> str:
        raise LookupError("no key today")

    async with session_with(scripted(200), no_key) as session:
        with pytest.raises(LookupError):
            await session.search("boat")
        stats = session.stats
    assert (stats.calls, stats.failed, stats.attempts) == (1, 1, 0)


async def test_what_is_going_on() -> None:
    """Waiting, on the wire, permits in use; and nothing is left of it afterwards."""
    async with session_with(scripted(200), rate_limit=None, max_concurrency=4) as session:
        before = session.stats
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(session.search, "boat")
            await anyio.sleep(0.5)
            assert changed(session, before) == {"calls": 10, "waiting": 6, "in_flight": 4, "permits_in_use": 4}
            tasks.cancel_scope.cancel()
        stats = session.stats
    assert (stats.waiting, stats.in_flight, stats.permits_in_use) == (0, 0, 0)
    assert (stats.cancelled, stats.attempts) == (10, 4)


async def test_waiting_for_a_slot_counts() -> None:
    """As waiting for a permit does."""
    async with (
        session_with(scripted(200, seconds=0.1), rate_limit=RateLimit(1)) as session,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(5):
            tasks.start_soon(session.search, "boat")
        await anyio.sleep(0.5)
        assert (session.stats.waiting, session.stats.attempts) == (4, 1)


async def test_throttled() -> None:
    """The answers that said so, and their price in tokens; a single one leaves the pace."""
    answers = scripted(429, 200, retry_after="2")
    async with session_with(answers, rate_limit=RateLimit(10), retry=RetryPolicy(attempts=2)) as session:
        await session.search("boat")
        stats = session.stats
    assert (stats.throttled, stats.attempts, stats.retries, stats.succeeded) == (1, 2, 1, 1)
    assert stats.rate == 10.0


async def test_an_outage_and_a_latch() -> None:
    """The state of the circuit, the permits that are left, and the name of the error that is remembered."""
    answers = scripted(*[500] * 10, 200, 401, seconds=0.01)
    async with session_with(answers, rate_limit=None, retry=RetryPolicy(attempts=1), max_concurrency=20) as session:
        for _ in range(10):
            with pytest.raises(BingImagesError):
                await session.search("boat")
        stats = session.stats
        assert (stats.breaker, stats.permits, stats.failed) == ("open", 9, 10)
        await anyio.sleep(1)
        await session.search("boat")
        assert session.stats.breaker == "closed"
        for _ in range(2):
            with pytest.raises(BingImagesError):
                await session.search("boat")
        stats = session.stats
    assert (stats.latched, stats.calls, stats.attempts) == ("AuthenticationError", 13, 12)
    assert (stats.latched_for, stats.next_probe) == (pytest.approx(60.0), None)


async def test_stats_tell_how_long_a_pause_is_waited_for() -> None:
    """Until when calls get the 429, and when those that wait ask again; nothing of it once the service is back."""
    async with session_with(scripted(429, 200, retry_after="7200"), retry=RetryPolicy(attempts=1)) as session:
        assert (session.stats.latched_for, session.stats.next_probe) == (None, None)
        with pytest.raises(BingImagesError):
            await session.search("boat")
        await anyio.sleep(20)
        stats = session.stats
        assert stats.latched == "RateLimitedError"
        assert (stats.latched_for, stats.next_probe) == (pytest.approx(3580.0), pytest.approx(40.0))
        await session.with_options(on_outage="wait", timeout=None).search("boat")
        assert (session.stats.latched_for, session.stats.next_probe) == (None, None)


async def test_connections_of_its_own() -> None:
    """A session that made its client knows how many are open."""
    async with ImageSearchSession("some-key") as session:
        assert (session.stats.idle_connections, session.stats.open_connections) == (0, 0)
