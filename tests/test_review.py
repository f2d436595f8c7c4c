"""Promises at the seams: each of these was once broken where two parts meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest

from bing_images_async import Call, Reply, Send
from bing_images_async.errors import DeadlineExceededError
from bing_images_async.testing import run, session_for

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def page(offset: int = 0, count: int = 10) -> httpx.Response:
    images = [{"imageId": f"{offset + number:040X}"} for number in range(count)]
    return httpx.Response(200, json={"_type": "Images", "value": images, "nextOffset": offset + count})


@BACKENDS
def test_an_ordered_run_ends_when_a_middleware_breaks_it(backend: Any) -> None:
    """Those that wait for their turn behind the broken one do not wait for ever."""

    async def breaks(call: Call, send: Send) -> Reply:
        if "q=0" in call.request.url:
            raise ZeroDivisionError
        return await send(call)

    async def main() -> None:
        async with session_for(lambda _: page(), middleware=[breaks]) as session:
            queries = [str(number) for number in range(20)]
            async with session.fan_out(queries, concurrency=2, ordered=True) as outcomes:
                with pytest.raises(ZeroDivisionError):
                    async for _ in outcomes:
                        pass

    run(main, backend=backend)


@BACKENDS
def test_the_pages_of_a_query_share_its_timeout(backend: Any) -> None:
    """Ten pages of two seconds each are too much for a query that has five."""

    async def slow(request: httpx.Request) -> httpx.Response:
        await anyio.sleep(2.0)
        return page(int(request.url.params.get("offset", "0")))

    async def main() -> None:
        async with session_for(slow, timeout=5.0) as session:
            (outcome,) = await session.search_all(["boat"], limit=100, count=10)
        assert isinstance(outcome.error, DeadlineExceededError)
        assert len(outcome.images) == 20
        assert outcome.elapsed == pytest.approx(5.0, abs=0.01)

    run(main, backend=backend)


@BACKENDS
def test_a_fetch_does_not_keep_a_stalled_session_stalled(backend: Any) -> None:
    """Files are no part of the API: one under way says nothing about the answers that are missing."""
    hangs = False

    async def handler(request: httpx.Request) -> httpx.Response:
        if hangs or request.url.path.startswith("/content"):
            await anyio.sleep(600.0)
        await anyio.sleep(0.01)
        return page()

    async def main() -> None:
        nonlocal hangs
        async with (
            session_for(handler, base_url="http://127.0.0.1", timeout=5.0) as session,
            anyio.create_task_group() as tasks,
        ):
            await session.search("boat")
            patient = session.with_options(timeout=None)
            tasks.start_soon(patient.fetch, "http://127.0.0.1/content/a.png")
            hangs = True
            with anyio.move_on_after(1.0):
                async with anyio.create_task_group() as doomed:
                    for _ in range(12):
                        doomed.start_soon(session.search, "boat")
            hangs = False
            assert (await session.search("boat")).value
            tasks.cancel_scope.cancel()

    run(main, backend=backend)


def _throttled_once(seconds: int, *, then_takes: float = 0.0) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    """A service whose first answer is a 429 with a pause; the others take their time."""
    answers = 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal answers
        answers += 1
        if answers == 1:
            return httpx.Response(429, headers={"Retry-After": str(seconds)})
        await anyio.sleep(then_takes)
        return page()

    return handler


@BACKENDS
def test_a_pause_counts_once(backend: Any) -> None:
    """In a run the clock stands while the limiter holds a query; the pause is not given on top of that."""

    async def main() -> None:
        async with session_for(_throttled_once(50, then_takes=600.0), timeout=10.0) as session:
            (outcome,) = await session.search_all(["boat"])
        assert isinstance(outcome.error, DeadlineExceededError)
        assert 60.0 <= outcome.elapsed <= 66.0

    run(main, backend=backend)


@BACKENDS
def test_a_long_pause_loses_no_query_of_a_run(backend: Any) -> None:
    """Two minutes of `Retry-After` are two minutes later, not a failure."""

    async def main() -> None:
        async with session_for(_throttled_once(120)) as session:
            outcomes = await session.search_all([f"query {number}" for number in range(200)])
            assert [outcome.error for outcome in outcomes] == [None] * 200
        assert anyio.current_time() >= 120.0

    run(main, backend=backend)
