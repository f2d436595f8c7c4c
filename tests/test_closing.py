"""Closing a session under calls in flight, and after its event loop or its process has gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from session_kit import KEY, Service, page
from support.raw_server import RawConnection, RawServer, serving
from support.sessions import Kind, connect

from bing_images_async import Call, ImageSearchSession, RateLimit, RetryPolicy, Send
from bing_images_async.errors import BingImagesError, SessionStateError
from bing_images_async.events import BreakerChanged, Event
from bing_images_async.testing import session_for, virtual_time

pytestmark = pytest.mark.anyio

CLOSED = "The session was closed: this call was not completed."


# --- calls in flight, by what they wait for


async def never(request: httpx.Request) -> httpx.Response:
    await anyio.sleep_forever()
    raise AssertionError


def failing(status: int, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: httpx.Response(status, headers={name.replace("_", "-"): v for name, v in headers.items()})


async def slow_key() -> str:
    await anyio.sleep_forever()
    return KEY


async def slow_middleware(call: Call, send: Send) -> Any:
    await anyio.sleep_forever()
    return await send(call)


class Broken(httpx.AsyncByteStream):
    """A body that never ends."""

    async def __aiter__(self) -> Any:
        yield b"{"
        await anyio.sleep_forever()


STEPS: dict[str, tuple[Callable[[httpx.Request], Any], dict[str, Any]]] = {
    "key": (never, {"api_key": slow_key}),
    "middleware": (never, {"middleware": [slow_middleware]}),
    "permit and answer": (never, {"max_concurrency": 1}),
    "slot": (lambda request: httpx.Response(200, json=page()), {"rate_limit": RateLimit(1, per=600)}),
    "back-off": (failing(500), {"retry": RetryPolicy(attempts=1000, base=300, cap=300)}),
    "body": (lambda request: httpx.Response(200, stream=Broken()), {}),
    "coalesced": (never, {"coalesce": True}),
    "breaker": (failing(500), {"on_outage": "wait", "retry": RetryPolicy(attempts=1000, base=0)}),
    "latch": (failing(429, retry_after="600"), {"on_outage": "wait", "retry": RetryPolicy(attempts=1000)}),
    "pause": (failing(429, retry_after="30"), {"on_outage": "wait", "retry": RetryPolicy(attempts=1000)}),
}


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
@pytest.mark.parametrize("timeout", [None, 3600])
@pytest.mark.parametrize("step", STEPS)
def test_aclose_ends_calls_at_every_step(step: str, timeout: float | None, anyio_backend: str) -> None:
    """Each call gets `SessionStateError`, at once, and the circuit breaker learns nothing."""
    handler, options = STEPS[step]

    async def run() -> None:
        events: list[Event] = []
        session = session_for(handler, **{"timeout": timeout, **options}, observers=[events.append])
        await session.__aenter__()
        ended: list[Any] = []

        async def call() -> None:
            try:
                ended.append(await session.search("boat"))
            except BaseException as error:
                ended.append(error)
                if not isinstance(error, BingImagesError):
                    raise

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(call)
            await anyio.sleep(20)
            before, successes = len(events), len(ended)
            began = anyio.current_time()
            await session.aclose()
            await anyio.wait_all_tasks_blocked()
            assert anyio.current_time() == began
            assert len(ended) == 5, "a call did not end"
        assert successes <= 1
        assert {(type(error), str(error)) for error in ended[successes:]} == {(SessionStateError, CLOSED)}
        assert not [event for event in events[before:] if isinstance(event, BreakerChanged)]
        with pytest.raises(SessionStateError, match="This session is closed"):
            await session.search("boat")

    name, backend_options = virtual_time(anyio_backend)
    anyio.run(run, backend=name, backend_options=backend_options)


@pytest.mark.parametrize(("kind", "number"), [("own", 1), ("own", 400), ("lent", 1), ("lent", 60)])
async def test_aclose_over_sockets_ends_calls_with_its_own_error(kind: Kind, number: int) -> None:
    """With hundreds in flight, too, no call hears of an outage of the service."""

    async def silent(connection: RawConnection) -> None:
        await connection.request()
        await anyio.sleep_forever()

    ended: list[BingImagesError] = []
    async with RawServer(silent) as server, connect(server.url, kind, max_concurrency=number) as session:

        async def call(index: int) -> None:
            with pytest.raises(BingImagesError) as caught:
                await session.search(f"boat {index}")
            ended.append(caught.value)

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for index in range(2 * number):
                    tasks.start_soon(call, index)
                await server.until_open(number)
                await session.aclose()
            assert {(type(error), str(error)[:24]) for error in ended} == {(SessionStateError, CLOSED[:24])}
            assert len(ended) == 2 * number
            assert session.stats.breaker == "closed"


async def test_aclose_between_pages_sends_nothing_more() -> None:
    """Not even through a lent client, which stays open."""
    service = Service(page("boat", nextOffset=1))
    async with httpx.AsyncClient(transport=httpx.MockTransport(service)) as client:
        session = ImageSearchSession(KEY, client=client, rate_limit=None)
        await session.__aenter__()
        pager = session.iter_images("boat")
        await anext(pager)
        await session.aclose()
        with pytest.raises(SessionStateError, match="closed"):
            await anext(pager)
    assert len(service.requests) == 1


# --- where the session was entered is no more


@pytest.mark.parametrize("first", ["asyncio", "trio"])
@pytest.mark.parametrize("second", ["asyncio", "trio"])
@pytest.mark.parametrize("with_connection", [False, True])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_aclose_after_the_loop_has_ended(first: str, second: str, with_connection: bool) -> None:
    """`SessionStateError` and nothing else, on any other loop; closing again says the same."""
    sessions: list[ImageSearchSession] = []

    async def enter() -> None:
        body = b'{"_type": "Images", "value": []}'
        response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        async with RawServer(serving(response)) as server:
            session = ImageSearchSession(KEY, base_url=server.url)
            sessions.append(await session.__aenter__())
            if with_connection:
                await session.search("boat")
                await session.client.aclose()  # what a loop leaves open it warns of

    anyio.run(enter, backend=first)
    for _ in range(2):
        with pytest.raises(SessionStateError, match="another event loop"):
            anyio.run(sessions[0].aclose, backend=second)


FORKS = """
import os, sys
import anyio, httpx
from bing_images_async import RetryPolicy
from bing_images_async.events import RetryScheduled
from bing_images_async.testing import session_for

waits = []
observe = lambda event: waits.append(event.wait) if isinstance(event, RetryScheduled) else None
seed = int(sys.argv[1]) if len(sys.argv) > 1 else None
retry = RetryPolicy(attempts=4, base=0.001)
session = session_for(lambda request: httpx.Response(500), observers=[observe], retry=retry, seed=seed)

async def work():
    async with session:
        try:
            await session.search("boat")
        except Exception:
            pass

for _ in range(2):
    child = os.fork()
    if child == 0:
        anyio.run(work)
        os.write(1, f"{waits}\\n".encode())
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize(("seed", "different"), [(None, 2), ("7", 1)])
def test_sessions_entered_in_forked_workers_draw_their_own_jitter(seed: str | None, different: int) -> None:
    """Made before the fork, as by `gunicorn --preload`; with `seed=` all draw the same, as they were told to."""
    arguments = [] if seed is None else [seed]
    program = [sys.executable, "-c", FORKS.replace("\\\\n", "\\n"), *arguments]
    lines = subprocess.run(program, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == 2
    assert all(line.count(",") == 2 for line in lines), lines
    assert len(set(lines)) == different
