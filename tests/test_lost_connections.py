"""Servers that hang up, answer early or redirect to nonsense: what is sent again, how often, and which error it is."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import httpx
import httpx2
import pytest
from attrs import evolve
from support.raw_server import RawConnection, RawServer, answer
from support.service import Last, Received, V7Service, json_answer, paged
from support.sessions import KEY, KINDS, Kind, connect

from bing_images_async import Budget, Call, ImageSearchSession, RateLimit, Reply, RetryPolicy, Send, errors
from bing_images_async.errors import (
    AttemptTimeoutError,
    BingImagesError,
    BudgetExceededError,
    ConnectionFailedError,
    UnexpectedRedirectError,
)

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts=1)
PICTURE = bytes(range(256)) * 4_000  # almost the largest upload


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


class HangingUp:
    """A script that closes connections instead of answering, and notes when each request came.

    On a kept connection: the first request is answered and the second is not. On fresh ones: every second connection
    is closed with its first request, and the others with their second.
    """

    def __init__(self, where: str) -> None:
        self.arrivals: list[float] = []
        self._where = where
        self._on_connection: Counter[int] = Counter()

    def __call__(self, received: Received) -> bytes | None:
        self.arrivals.append(time.monotonic())
        self._on_connection[received.connection] += 1
        is_first = self._on_connection[received.connection] == 1
        if is_first and (self._where == "kept" or received.connection % 2):
            return paged(received)
        return None

    def most_within(self, seconds: float) -> int:
        """The most requests that came within any `seconds`."""
        times = self.arrivals
        return max(sum(start <= moment < start + seconds for moment in times) for start in times)


async def outcome(session: ImageSearchSession, query: str = "boat") -> Any:
    """The answer of a search, or the library's error; it must not hang."""
    with anyio.fail_after(20):
        try:
            return await session.search(query)
        except BingImagesError as error:
            return error


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["kept", "fresh"])
async def test_quota_holds_against_a_server_that_reads_and_hangs_up(where: str, kind: Kind) -> None:
    """A resend is a request like any other: it waits for a slot of its own. Seen by the server, in real time."""
    script = HangingUp(where)
    limit = RateLimit(50, jitter=0.1)
    async with (
        V7Service(script) as service,
        connect(service.url, kind, rate_limit=limit, timeout=None, max_concurrency=8) as session,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(45):
            tasks.start_soon(outcome, session)
    assert len(script.arrivals) == session.stats.attempts > 55
    assert script.most_within(1.0) <= 50


@pytest.mark.parametrize("where", ["kept", "fresh"])
async def test_budget_lets_exactly_its_requests_through_to_a_server_that_hangs_up(where: str, kind: Kind) -> None:
    outcomes: list[Any] = []

    async def search(session: ImageSearchSession) -> None:
        outcomes.append(await outcome(session))

    async with (
        V7Service(HangingUp(where)) as service,
        connect(service.url, kind, budget=Budget(100), max_concurrency=4) as session,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(150):
            tasks.start_soon(search, session)
    assert len(service.requests) == session.stats.budget_spent == session.stats.attempts == 100
    assert session.stats.budget_left == 0
    assert any(isinstance(ended, BudgetExceededError) for ended in outcomes)


# --- what is sent again -----------------------------------------------------------------------------------------------


def scripted(*answers: bytes | None) -> Any:
    """A script that gives these answers, one after the other; `None` closes the connection."""
    waiting: Iterator[bytes | None] = iter(answers)

    def script(received: Received) -> bytes | None:
        following = next(waiting)
        return paged(received) if following == OK else following

    return script


OK = b"the page that was asked for"
UNAVAILABLE = json_answer({"error": {"code": "503"}}, status=b"503 Service Unavailable")


async def test_attempts_of_one_send_nothing_twice_on_a_kept_connection(kind: Kind) -> None:
    async with V7Service(scripted(OK, None)) as service, connect(service.url, kind, retry=ONCE) as session:
        await session.search("first")
        error = await outcome(session, "second")
        assert type(error) is ConnectionFailedError
        assert [received.query["q"] for received in service.requests] == ["first", "second"]
        assert len(error.attempts) == 1


async def test_attempts_of_one_send_nothing_twice_on_fresh_connections(kind: Kind) -> None:
    async with V7Service(lambda received: None) as service, connect(service.url, kind, retry=ONCE) as session:
        for _ in range(5):
            assert type(await outcome(session)) is ConnectionFailedError
        assert len(service.requests) == 5


async def test_resend_after_a_stale_connection_is_an_attempt_beyond_the_policy() -> None:
    """It is the connection that failed, not the service; so it does not use up one of the two attempts."""
    script = scripted(OK, None, UNAVAILABLE, OK)
    retry = RetryPolicy(attempts=2, base=0.0)
    async with V7Service(script) as service, connect(service.url, retry=retry) as session:
        await session.search("boat")
        answered = await outcome(session)
        assert [attempt.status for attempt in answered.meta.attempts] == [None, 503, 200]
        assert [attempt.error for attempt in answered.meta.attempts] == ["ConnectionFailedError", None, None]
        assert len(service.requests) == 4
        assert session.stats.attempts == 4


async def test_resend_after_a_stale_connection_happens_once_per_call() -> None:
    retry = RetryPolicy(attempts=2, base=0.0)
    script = scripted(OK, None, None, None, OK)
    async with V7Service(script) as service, connect(service.url, retry=retry) as session:
        await session.search("boat")
        error = await outcome(session)
        assert type(error) is ConnectionFailedError
        assert len(error.attempts) == 3
        assert len(service.requests) == 4


async def test_resend_with_many_stale_connections_tries_one_of_them() -> None:
    """What comes after a restart of the service must not be tried one stale connection after the other."""
    count = 0

    def script(received: Received) -> bytes | None:
        nonlocal count
        count += 1
        return paged(received) if count <= 8 or received.connection >= 8 else None

    async with V7Service(script) as service, connect(service.url) as session:
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(session.search, f"boat {number}")
        assert service.connections == 8
        answered = await outcome(session)
        assert len(answered.meta.attempts) == 2
        assert service.connections == 9


async def test_connection_closed_while_idle_costs_no_attempt() -> None:
    async with (
        V7Service(lambda received: Last(paged(received))) as service,
        connect(service.url, retry=ONCE) as session,
    ):
        for _ in range(5):
            answered = await session.search("boat")
            await service.server.until_open(0)
            assert len(answered.meta.attempts) == 1


# --- uploads ----------------------------------------------------------------------------------------------------------


async def test_upload_that_was_written_on_a_stale_connection_is_no_free_resend() -> None:
    retry = RetryPolicy(attempts=2, base=0.0)
    script = scripted(OK, None, None, OK)
    async with V7Service(script) as service, connect(service.url, retry=retry) as session:
        await session.search("boat")
        with pytest.raises(ConnectionFailedError) as caught:
            await session.details(image=PICTURE)
        assert len(caught.value.attempts) == 2
        assert [received.method for received in service.requests] == ["GET", "POST", "POST"]


async def test_upload_with_attempts_of_one_is_sent_once() -> None:
    async with V7Service(scripted(OK, None)) as service, connect(service.url, retry=ONCE) as session:
        await session.search("boat")
        with pytest.raises(ConnectionFailedError):
            await session.details(image=PICTURE)
        assert [received.method for received in service.requests] == ["GET", "POST"]


async def test_upload_after_a_connection_was_closed_while_idle_is_sent_on_a_new_one() -> None:
    async with (
        V7Service(lambda received: Last(paged(received))) as service,
        connect(service.url, retry=ONCE) as session,
    ):
        for _ in range(3):
            insights = await session.details(image=PICTURE)
            await service.server.until_open(0)
            assert len(insights.meta.attempts) == 1
        assert [PICTURE in received.body for received in service.requests] == [True] * 3


async def test_upload_that_nobody_reads_ends_with_the_attempts_time() -> None:
    """The upload is larger than what the system takes, so that the attempt ends while it is being written."""

    async def enlarge(call: Call, send: Send) -> Reply:
        assert call.request.upload is not None
        upload = evolve(call.request.upload, content=bytes(2**25))
        return await send(call.with_request(evolve(call.request, upload=upload)))

    policy = RetryPolicy(attempts=1, attempt_timeout=0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with connect(url, retry=policy, middleware=[enlarge]) as session:
            with anyio.fail_after(10), pytest.raises(AttemptTimeoutError):
                await session.details(image=b"picture")
            assert session.stats.open_connections == 0
        gc.collect()  # on trio, a generator that was left suspended is reported now


class EarlyAnswer:
    """A server in a thread that answers each request before it has read its body, and closes.

    It reads `reads` bytes. What it leaves unread makes the system send a reset, which may overtake the answer.
    """

    def __init__(self, response: bytes, reads: int, *, lingers: bool) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._response = response
        self._reads = reads
        self._lingers = lingers
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                left = self._reads
                while left > 0:
                    left -= len(connection.recv(min(left, 65_536)) or bytes(left))
                connection.sendall(self._response)
                if self._lingers:  # an orderly end: the client has read the answer before the rest is thrown away
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65_536):
                        pass

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[EarlyAnswer]:
        self._thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._thread.join)


DENIED = json_answer(
    {"error": {"code": "401", "message": "Access denied"}}, b"Connection: close", status=b"401 Unauthorized"
)


@pytest.mark.parametrize("lingers", [False, True], ids=["reset", "orderly"])
@pytest.mark.parametrize("reads", [0, 1_000, 300_000], ids=["nothing", "head", "part"])
async def test_upload_that_is_answered_early_keeps_the_answer(reads: int, lingers: bool) -> None:
    """60 of 60. Each has a session of its own, since a session answers the second one from memory."""
    async with EarlyAnswer(DENIED, reads, lingers=lingers).running() as server:
        assert await _uploads(server.url) == {"AuthenticationError": 60}


@pytest.mark.parametrize("reads", [0, 1, 2, 3])
async def test_upload_that_is_answered_while_it_is_written_keeps_the_answer(reads: int) -> None:
    """The server runs on the same event loop, so that its answer and its end come between two writes of the client."""

    async def play(connection: RawConnection) -> None:
        for _ in range(reads):
            await connection.some()
        await connection.send(DENIED)

    async with RawServer(play) as server:
        assert await _uploads(server.url) == {"AuthenticationError": 60}


async def _uploads(url: str) -> Counter[str]:
    """How 60 uploads end."""
    ended: Counter[str] = Counter()
    for _ in range(60):
        async with connect(url, retry=ONCE) as session:
            with anyio.fail_after(10), pytest.raises(BingImagesError) as caught:
                await session.details(image=PICTURE)
            ended[type(caught.value).__name__] += 1
            assert session.stats.open_connections == 0
    return ended


# --- redirects --------------------------------------------------------------------------------------------------------

LOCATIONS: dict[str, bytes | None] = {
    "relative": b"/elsewhere",
    "another host": b"http://other.test/images/search",
    "none": None,
    "empty": b"",
    "no label": b"http://xn--.test/",
    "bad label": b"http://xn--a-ecp.test/",
    "long label": b"http://" + b"a" * 64 + b".test/",
    "long host": b"http://" + b"a." * 200 + b"test/",
    "open bracket": b"http://[::1",
    "no address": b"http://[1:2:3]/",
    "latin-1": "http://bücher.test/ä".encode("latin-1"),
    "utf-8": "http://bücher.test/ä".encode(),
    "no text": b"http://\xff\xfe\xfd/",
    "lone surrogate": "http://\ud800.test/".encode("utf-8", "surrogatepass"),
    "emoji": "http://\N{PILE OF POO}.test/".encode(),
    "right to left": "http://\u05d0a1.test/".encode(),
    "port out of range": b"http://other.test:99999999/",
    "no port": b"http://other.test:port/",
    "no host": b"http:///images",
    "only a scheme": b"http:",
    "slashes": b"//",
    "spaces": b"http://exa mple.test/ a b",
    "tab": b"http://other.test/\ta",
    "script": b"javascript:alert(1)",
    "mail": b"mailto:somebody@other.test",
    "percent": b"http://other.test/%",
    "credentials": b"http://user:pass@other.test/",
    "30 KB": b"http://other.test/" + b"a" * 30_000,
}


@pytest.mark.parametrize("location", LOCATIONS)
async def test_redirect_to_whatever_is_an_unexpected_redirect(location: str, kind: Kind) -> None:
    value = LOCATIONS[location]
    headers = [] if value is None else [b"Location: " + value]
    script = scripted(*[answer(b"", *headers, status=b"302 Found")] * 4)
    async with V7Service(script) as service, connect(service.url, kind) as session:
        for follow in (False, True):
            session.client.follow_redirects = follow
            error = await outcome(session)
            assert type(error) is UnexpectedRedirectError, repr(error)
            assert len(error.attempts) == 1
            assert len(str(error)) < 2_000
        with pytest.raises(UnexpectedRedirectError):
            await session.details(image=b"picture")
        assert len(service.requests) == 3
        stats = session.stats
        assert (stats.permits_in_use, stats.in_flight) == (0, 0)
        assert stats.open_connections == stats.idle_connections


@pytest.mark.parametrize("status", [300, 301, 303, 307, 308])
async def test_redirect_of_any_status_to_nonsense_is_an_unexpected_redirect(status: int, kind: Kind) -> None:
    script = scripted(answer(b"", b"Location: http://xn--.test/", status=b"%d Moved" % status))
    async with V7Service(script) as service, connect(service.url, kind) as session:
        error = await outcome(session)
        assert type(error) is UnexpectedRedirectError, repr(error)


async def test_redirect_with_a_head_of_100_kb_is_an_error_of_the_library(kind: Kind) -> None:
    """Which one depends on who reads the head: the library's own connections take 64 KiB."""
    script = scripted(*[answer(b"", b"Location: http://other.test/" + b"a" * 100_000, status=b"302 Found")] * 3)
    async with V7Service(script) as service, connect(service.url, kind, retry=ONCE) as session:
        assert isinstance(await outcome(session), BingImagesError)


# --- hooks that raise for statuses ------------------------------------------------------------------------------------


async def _raise_for_status(response: Any) -> None:
    """The hook that httpx documents (advanced/event-hooks)."""
    response.raise_for_status()


STATUSES = [
    (400, errors.BadRequestError, 1),
    (401, errors.AuthenticationError, 1),
    (403, errors.AccessDeniedError, 1),
    (404, errors.NotFoundError, 1),
    (410, errors.ServiceRetiredError, 1),
    (429, errors.RateLimitedError, 2),
    (500, errors.ServerError, 2),
    (503, errors.ServerError, 2),
    (302, UnexpectedRedirectError, 1),
]


def _with_status(status: int) -> Any:
    body = {"error": {"code": str(status), "message": "a message"}}
    headers = [b"Location: /elsewhere"] if status == 302 else [b"Retry-After: 0"] if status == 429 else []
    return scripted(*[json_answer(body, *headers, status=b"%d Something" % status)] * 3)


@pytest.mark.parametrize(("status", "expected", "attempts"), STATUSES)
async def test_hook_that_raises_for_status_gives_the_error_of_the_status(
    status: int, expected: type[BingImagesError], attempts: int, kind: Kind
) -> None:
    retry = RetryPolicy(attempts=2, base=0.0)
    async with V7Service(_with_status(status)) as service, connect(service.url, kind, retry=retry) as session:
        session.client.event_hooks = {"response": [_raise_for_status]}
        error = await outcome(session)
        assert type(error) is expected, repr(error)
        assert [attempt.status for attempt in error.attempts] == [status] * attempts
        assert len(service.requests) == attempts
        assert session.stats.open_connections == session.stats.idle_connections


async def test_hook_that_raises_for_status_leaves_answers_alone(kind: Kind) -> None:
    async with V7Service() as service, connect(service.url, kind) as session:
        session.client.event_hooks = {"response": [_raise_for_status]}
        assert (await session.search("boat", count=1)).value[0].name == "boat 0"


async def test_hook_that_raises_for_status_does_not_hide_how_long_to_wait(kind: Kind) -> None:
    script = scripted(json_answer({}, b"Retry-After: 7", status=b"429 Too Many Requests"))
    async with V7Service(script) as service, connect(service.url, kind, retry=ONCE) as session:
        session.client.event_hooks = {"response": [_raise_for_status]}
        error = await outcome(session)
        assert type(error) is errors.RateLimitedError
        assert error.retry_after == 7.0
        assert session.stats.throttled == 1


@pytest.mark.parametrize("status", [401, 404, 503, 302])
async def test_hook_of_an_httpx2_client_that_raises_for_status_gives_the_error_of_the_status(status: int) -> None:
    expected = next(kind for code, kind, _ in STATUSES if code == status)
    hooks = {"response": [_raise_for_status]}
    async with (
        V7Service(_with_status(status)) as service,
        httpx2.AsyncClient(trust_env=False, event_hooks=hooks) as client,
        ImageSearchSession(KEY, base_url=service.url, client=client, retry=ONCE) as session,
    ):
        assert type(await outcome(session)) is expected


async def test_hook_that_has_read_the_body_before_it_raises_keeps_the_services_words(kind: Kind) -> None:
    async def read_and_raise(response: httpx.Response) -> None:
        await response.aread()
        response.raise_for_status()

    async with V7Service(_with_status(404)) as service, connect(service.url, kind, retry=ONCE) as session:
        session.client.event_hooks = {"response": [read_and_raise]}
        error = await outcome(session)
        assert type(error) is errors.NotFoundError
        assert error.message == "a message"
