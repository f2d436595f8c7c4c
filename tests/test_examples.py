"""The examples: run as a reader runs them, and the service under the load of clients that lose patience."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from types import ModuleType
from typing import Any

import anyio
import attrs
import httpx
import pytest
import uvicorn
from starlette.middleware import Middleware

from bing_images_async import ImageSearchSession
from bing_images_async.emulator import Emulator, Latency, Profile, create_app, running_server, synthetic
from bing_images_async.testing import virtual_time

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def emulated(*middleware: Middleware, **profile: Any) -> Generator[tuple[str, Emulator]]:
    """The URL of a search service on a socket, and what it remembers."""
    app = create_app(synthetic(), profile=Profile(**profile), middleware=middleware)
    with running_server(app) as url:
        yield f"{url}/v7.0", app.state.emulator


def test_every_example_is_tested() -> None:
    """By name, here."""
    assert {file.stem for file in EXAMPLES.glob("*.py")} == {"fastapi_app", "overnight", "ten_queries"}


# --- the scripts


def run(name: str, *arguments: object, url: str) -> subprocess.CompletedProcess[str]:
    """An example in a process of its own, on the service at `url`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BING_IMAGES")}
    return subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *map(str, arguments)],
        env=environment | {"BING_IMAGES_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_ten_queries() -> None:
    """One line for each, with what it found."""
    queries = load("ten_queries").QUERIES
    with emulated() as (url, emulator):
        ended = run("ten_queries", url=url)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert [line.split()[0] for line in lines] == queries
    assert all(len(line.split(", ")) == 3 for line in lines)
    assert len(emulator.journal) == 10


def test_overnight_goes_on_where_it_ended(tmp_path: Path) -> None:
    """A budget too small, a line cut off in the middle: in the end each query has one line."""
    source, results = tmp_path / "queries.txt", tmp_path / "images.jsonl"
    queries = [f"query {number}" for number in range(30)]
    source.write_text("\n".join([*queries, ""]))
    arguments = (source, results, "--images", 20, "--rate", 500)
    with emulated() as (url, emulator):
        ended = run("overnight", *arguments, "--budget", 12, url=url)
        assert (ended.returncode, len(emulator.journal)) == (1, 12), ended.stderr
        assert "30 queries: 30 requests" in ended.stderr
        kept = len(results.read_text().splitlines())
        with results.open("a") as file:
            file.write('{"query": "query 2')
        ended = run("overnight", *arguments, url=url)
        assert ended.returncode == 0, ended.stderr
        assert f"{30 - kept} queries" in ended.stderr
        asked = len(emulator.journal)
        assert run("overnight", *arguments, url=url).returncode == 0
        assert len(emulator.journal) == asked
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert sorted(line["query"] for line in lines) == sorted(queries)
    assert {(len(line["found"]), line["error"]) for line in lines} == {(20, None)}


# --- the service


@attrs.define
class Running:
    """The service on a socket."""

    port: int
    sessions: list[ImageSearchSession]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running_app(search_url: str, **session_options: Any) -> Iterator[Running]:
    """The example under uvicorn, in a thread; ends when its last request has."""
    sessions: list[ImageSearchSession] = []

    def open_session() -> ImageSearchSession:
        sessions.append(ImageSearchSession(base_url=search_url, **{"rate_limit": None, **session_options}))
        return sessions[-1]

    app = load("fastapi_app").create_app(open_session)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=10))
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(200)
        thread = Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield Running(listener.getsockname()[1], sessions)
        finally:
            server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()


def test_the_service_answers() -> None:
    """With images, and with statuses for what goes wrong."""
    with emulated() as (search_url, _), running_app(search_url) as app, httpx.Client(base_url=app.url) as client:
        found = client.get("/images", params={"q": "boat", "count": 5})
        assert (found.status_code, len(found.json())) == (200, 5)
        assert set(found.json()[0]) == {"name", "url", "page"}
        assert client.get("/images", params={"q": "boat", "count": 500}).status_code == 422
        blank = client.get("/images", params={"q": " "})
        assert (blank.status_code, blank.json()["error"]) == (400, "InvalidRequestError")
        assert client.get("/health").json() == {"in_flight": 0, "waiting": 0, "breaker": "closed"}


def test_each_request_has_its_own_time() -> None:
    """A client that will not wait gets a 504, and the search for it ends."""
    with (
        emulated(latency=Latency(1.0)) as (search_url, emulator),
        running_app(search_url) as app,
        httpx.Client(base_url=app.url, timeout=10) as client,
    ):
        assert client.get("/images", params={"q": "boat", "timeout": 0.2}).status_code == 504
        assert client.get("/images", params={"q": "boat"}).status_code == 200
    assert Counter(record.ending for record in emulator.journal.records) == {"aborted": 1, "answered": 1}


def test_a_throttled_service_says_when_to_come_back() -> None:
    """503 with `Retry-After`."""
    with emulated(qps=1, window=90.0) as (search_url, _), running_app(search_url) as app:
        answers = [httpx.get(f"{app.url}/images", params={"q": "boat"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 503]
    assert 60 < int(answers[1].headers["retry-after"]) <= 90


CLIENTS = 50


@attrs.define
class Turnstile:
    """Middleware of the search service: says when all clients have come."""

    app: Any
    full: Event
    count: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.count += 1
        if self.count == CLIENTS:
            self.full.set()
        await self.app(scope, receive, send)


@pytest.mark.anyio
async def test_clients_that_hang_up_take_their_searches_along(caplog: pytest.LogCaptureFixture) -> None:
    """50 at once, every other one hangs up early: the rest is served, and nothing is left at either service."""
    statuses: list[int] = []
    all_have_come, leaving = Event(), anyio.Event()
    caplog.set_level(logging.WARNING)

    async def client(app: Running, number: int) -> None:
        async with await anyio.connect_tcp("127.0.0.1", app.port) as stream:
            await stream.send(f"GET /images?q=boat+{number} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            if number % 2:
                await leaving.wait()
                return
            statuses.append(int((await received(stream)).split(b" ")[1]))

    turnstile = Middleware(Turnstile, all_have_come)
    with emulated(turnstile, latency=Latency(2.0)) as (search_url, emulator), running_app(search_url) as app:
        async with anyio.create_task_group() as tasks:
            for number in range(CLIENTS):
                tasks.start_soon(client, app, number)
            assert await anyio.to_thread.run_sync(all_have_come.wait, 20)
            leaving.set()
        stats = app.sessions[0].stats
        assert (stats.in_flight, stats.waiting, stats.permits_in_use) == (0, 0, 0)
        assert (stats.calls, stats.succeeded, stats.cancelled, stats.failed) == (50, 25, 25, 0)
    assert statuses == [200] * 25
    endings = {int(dict(record.query)["q"].split()[1]): record.ending for record in emulator.journal.records}
    assert endings == {number: "aborted" if number % 2 else "answered" for number in range(CLIENTS)}
    assert [record.getMessage() for record in caplog.records] == []


async def received(stream: anyio.abc.ByteStream) -> bytes:
    """All that comes, up to the end."""
    chunks: list[bytes] = []
    with contextlib.suppress(anyio.EndOfStream):
        while True:
            chunks.append(await stream.receive())
    return b"".join(chunks)


# --- its middleware


class TestCancelOnDisconnect:
    """In virtual time, with the two ends of ASGI in the test's hands."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> Any:
        return virtual_time(request.param)

    @pytest.fixture
    def sent(self) -> list[str]:
        return []

    async def serve(
        self, app: Any, sent: list[str], *, body: tuple[bytes, ...] = (b"",), leaves_after: float = 5.0
    ) -> None:
        """One request whose client leaves after so many seconds."""
        messages = [{"type": "http.request", "body": part, "more_body": part != body[-1]} for part in body]
        came = anyio.current_time()

        async def receive() -> Any:
            if messages:
                return messages.pop(0)
            await anyio.sleep_until(came + leaves_after)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await load("fastapi_app").CancelOnDisconnect(app)({"type": "http"}, receive, send)

    @staticmethod
    async def answer(send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    async def test_a_handler_ends_with_its_client(self, sent: list[str]) -> None:
        """Whatever it waits for."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await anyio.sleep(100)
            await self.answer(send)

        await self.serve(app, sent)
        assert sent == []
        assert anyio.current_time() == pytest.approx(5)

    async def test_an_answer_takes_no_longer(self, sent: list[str]) -> None:
        """Nothing waits for the client to leave."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await anyio.sleep(1)
            await self.answer(send)

        await self.serve(app, sent)
        assert len(sent) == 2
        assert anyio.current_time() == pytest.approx(1)

    async def test_what_follows_an_answer_is_left_alone(self, sent: list[str]) -> None:
        """Background tasks go on after the client has left."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self.answer(send)
            await anyio.sleep(100)
            sent.append("afterwards")
            assert (await receive())["type"] == "http.request"
            assert (await receive())["type"] == "http.disconnect"

        await self.serve(app, sent)
        assert sent[-1] == "afterwards"

    async def test_the_body_passes_through(self, sent: list[str]) -> None:
        """However many parts it has."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            parts = [(await receive())["body"] for _ in range(40)]
            assert parts == [str(number).encode() for number in range(40)]
            await self.answer(send)

        await self.serve(app, sent, body=tuple(str(number).encode() for number in range(40)))
        assert len(sent) == 2

    async def test_errors_arrive_bare(self, sent: list[str]) -> None:
        """Not in a group, which no error handler would know."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise KeyError("of the handler")

        with pytest.raises(KeyError, match="of the handler"):
            await self.serve(app, sent)

    async def test_other_protocols_pass(self) -> None:
        """The life of the service, above all."""
        scopes: list[Any] = []

        async def app(*arguments: Any) -> None:
            scopes.append(arguments)

        await load("fastapi_app").CancelOnDisconnect(app)({"type": "lifespan"}, "receive", "send")
        assert scopes == [({"type": "lifespan"}, "receive", "send")]
