"""The deadline of a call: one monotonic limit over everything that happens before its answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given, settings, strategies as st
from session_kit import KEY, Chunks, Service, page, session_with, streaming

from bing_images_async import Call, Send
from bing_images_async.errors import DeadlineExceededError
from bing_images_async.models import ImageAnswer
from bing_images_async.testing import run, virtual_time

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


async def _silent(request: httpx.Request) -> httpx.Response:
    await anyio.sleep_forever()
    raise AssertionError


async def _slow_key() -> str:
    await anyio.sleep(60)
    return KEY


async def _slow_middleware(call: Call, send: Send) -> Any:
    await anyio.sleep(60)
    return await send(call)


def _dripping() -> Any:
    return streaming(Chunks(*[b" "] * 1_000, seconds=0.2))


@pytest.mark.parametrize(
    ("handler", "options"),
    [
        (_silent, {}),
        (_dripping(), {}),
        (Service(), {"api_key": _slow_key}),
        (Service(), {"middleware": [_slow_middleware]}),
    ],
    ids=["no answer", "dripping body", "slow key function", "slow middleware"],
)
async def test_it_covers_everything(handler: Any, options: dict[str, Any]) -> None:
    """Whatever takes the time, the call ends exactly when its own is up."""
    async with session_with(handler, timeout=4, **options) as session:
        before = anyio.current_time()
        with pytest.raises(DeadlineExceededError) as caught:
            await session.search("boat")
        assert anyio.current_time() - before == pytest.approx(4, abs=1e-6)
    assert isinstance(caught.value, TimeoutError)
    assert "4 s" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


async def test_a_dripping_body_is_closed() -> None:
    """The connection does not stay with a peer that nobody waits for."""
    body = Chunks(*[b" "] * 1_000, seconds=0.2)
    async with session_with(streaming(body), timeout=4) as session:
        with pytest.raises(DeadlineExceededError):
            await session.search("boat")
    assert body.closed
    assert 15 <= body.given <= 20


async def test_it_knows_what_was_waited_for() -> None:
    """`waited_for` and the message name it: the service, the key, or what a middleware says."""

    async def queueing(call: Call, send: Send) -> Any:
        with call.waiting("a ticket"):
            await anyio.sleep(60)
        return await send(call)

    for expected, handler, options in (
        ("the service", _silent, {}),
        ("key", Service(), {"api_key": _slow_key}),
        ("a ticket", Service(), {"middleware": [queueing]}),
    ):
        async with session_with(handler, timeout=2, **options) as session:  # type: ignore[arg-type]  # **
            with pytest.raises(DeadlineExceededError, match=f"waiting for {expected}") as caught:
                await session.search("boat")
        assert caught.value.waited_for == expected


async def test_what_is_over_is_not_waited_for() -> None:
    """After a wait that has ended, the call waits for the service again."""

    async def queueing(call: Call, send: Send) -> Any:
        with call.waiting("a ticket"):
            await anyio.sleep(1)
        return await send(call)

    async with session_with(_silent, timeout=2, middleware=[queueing]) as session:
        with pytest.raises(DeadlineExceededError) as caught:
            await session.search("boat")
    assert caught.value.waited_for == "the service"


async def test_an_answer_in_time_is_an_answer() -> None:
    """Just before the deadline, and without one at all."""

    async def late(call: Call, send: Send) -> Any:
        await anyio.sleep(3.999)
        return await send(call)

    async def hours_late(call: Call, send: Send) -> Any:
        await anyio.sleep(3_600)
        return await send(call)

    async with session_with(Service(), timeout=4, middleware=[late]) as session:
        answer = await session.search("boat")
    assert answer.meta.elapsed == pytest.approx(3.999)
    async with session_with(Service(), timeout=None, middleware=[hours_late]) as session:
        assert (await session.search("boat")).meta.elapsed == pytest.approx(3_600)


async def test_it_is_a_setting() -> None:
    """Seconds or a timedelta, of the session or of a sibling."""
    async with session_with(_silent, timeout=timedelta(seconds=2.5)) as session:
        for one, seconds in ((session, 2.5), (session.with_options(timeout=1), 1.0)):
            before = anyio.current_time()
            with pytest.raises(DeadlineExceededError):
                await one.search("boat")
            assert anyio.current_time() - before == pytest.approx(seconds)


async def test_cancelling_from_outside_is_no_deadline() -> None:
    """Somebody else's scope ends the call as a cancellation."""
    async with session_with(_silent, timeout=4) as session:
        with anyio.move_on_after(3) as scope:
            await session.search("boat")
    assert scope.cancelled_caught


@settings(max_examples=60, deadline=None)
@given(
    backend=st.sampled_from(["asyncio", "trio"]),
    timeout=st.floats(0.1, 9),
    key=st.floats(0, 4),
    queue=st.floats(0, 4),
    chunks=st.lists(st.floats(0, 1), max_size=9),
)
def test_no_call_outlives_it(backend: Any, timeout: float, key: float, queue: float, chunks: list[float]) -> None:
    """However the time is spent: an answer if it suffices, else the error, and never later."""

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            for seconds in chunks:
                await anyio.sleep(seconds)
                yield b" "
            yield httpx.Response(200, json=page("boat")).content

    async def slow_key() -> str:
        await anyio.sleep(key)
        return KEY

    async def queueing(call: Call, send: Send) -> Any:
        await anyio.sleep(queue)
        return await send(call)

    async def ask() -> tuple[ImageAnswer | None, float]:
        async with session_with(streaming(Body()), slow_key, timeout=timeout, middleware=[queueing]) as session:
            before = anyio.current_time()
            try:
                answer = await session.search("boat")
            except DeadlineExceededError:
                answer = None
            return answer, anyio.current_time() - before

    answer, elapsed = run(ask, backend=backend)
    needed = key + queue + sum(chunks)
    assert elapsed <= timeout + 1e-6
    if abs(needed - timeout) > 1e-3:
        assert (answer is not None) == (needed < timeout)
