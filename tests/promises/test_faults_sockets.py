"""Faults of connections over real sockets, through a whole session.

The error is the promised one, no socket is left open, the key is in no error, and the next call succeeds. Each fault
lasts until the call has failed. Responses that arrive completely but are wrong are in `test_answers_sockets.py`.
"""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
import trustme
from fault_kit import ATTEMPTS, GOOD, PAGE, Faulty, assert_logs_secret, faulty_session
from support.raw_server import Play, RawConnection, answer, answering

from bing_images_async import RetryPolicy
from bing_images_async.errors import (
    AttemptTimeoutError,
    BingImagesError,
    ConnectionFailedError,
    DeadlineExceededError,
    ResponseTooLargeError,
)

pytestmark = pytest.mark.anyio

HEAD, _, _ = GOOD.partition(b"\r\n\r\n")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, host: str = "127.0.0.1", **validity: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, **validity).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    return server_context(authority)


@pytest.fixture(scope="module")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


# --- truncation, and data that is not HTTP --------------------------------------------------------


async def reset_at_once(connection: RawConnection) -> None:
    await connection.reset()


def reset_after(part: bytes) -> Play:
    async def play(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(part)
        await connection.reset()

    return play


def half_close_after(part: bytes) -> Play:
    """Send no more, and keep reading until the client closes."""

    async def play(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(part)
        raw = getattr(connection.stream, "transport_stream", connection.stream)  # TLS has no half-close: TCP has
        await raw.send_eof()
        await connection.until_closed()

    return play


def with_header(header: bytes, body: bytes = PAGE) -> bytes:
    return answer(body, header)


BROKEN = (ConnectionFailedError, ATTEMPTS)
TOO_LARGE = (ResponseTooLargeError, 1)

FAULTS: dict[str, tuple[Play, tuple[type[BingImagesError], int]]] = {
    "reset upon connect": (reset_at_once, BROKEN),
    "closed upon connect": (answering(), BROKEN),
    "reset before the head": (reset_after(b""), BROKEN),
    "reset in the status line": (reset_after(b"HTTP/1.1 2"), BROKEN),
    "reset in the headers": (reset_after(HEAD[:-5]), BROKEN),
    "reset in the body": (reset_after(GOOD[:-5]), BROKEN),
    "reset in a chunk": (reset_after(CHUNKED + b"%x\r\n%b" % (len(PAGE), PAGE[:-5])), BROKEN),
    "half-close before the head": (half_close_after(b""), BROKEN),
    "half-close in the headers": (half_close_after(HEAD[:-5]), BROKEN),
    "half-close in the body": (half_close_after(GOOD[:-5]), BROKEN),
    "short body": (answering(GOOD[:-5]), BROKEN),
    "no body at all": (answering(HEAD + b"\r\n\r\n"), BROKEN),
    "short gzip to the end of the connection": (
        answering(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(PAGE)[:-1]),
        BROKEN,
    ),
    "garbage status line": (answering(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), BROKEN),
    "every byte": (answering(bytes(range(256)) * 300), BROKEN),
    "TLS where HTTP was asked for": (answering(b"\x16\x03\x01\x00\x02\x02\x28\r\n\r\n"), BROKEN),
    "header without a name": (answering(with_header(b": value")), BROKEN),
    "two Content-Lengths": (answering(with_header(b"Content-Length: 1")), BROKEN),
    "negative Content-Length": (answering(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + PAGE), BROKEN),
    "chunk of no size": (answering(CHUNKED + b"5\r\nhello\r\nxyz\r\n"), BROKEN),
    "chunk longer than it says": (answering(CHUNKED + b"5\r\nhello, world\r\n0\r\n\r\n"), BROKEN),
    "no last chunk": (answering(CHUNKED + b"%x\r\n%b\r\n" % (len(PAGE), PAGE)), BROKEN),
    "headers of 100 KiB": (answering(with_header(b"X-Long: " + b"x" * 102_400)), TOO_LARGE),
    "100 KiB of headers": (answering(with_header(b"\r\n".join(b"X-%d: 1" % n for n in range(12_000)))), TOO_LARGE),
    "50,000 interim answers": (answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000 + GOOD), TOO_LARGE),
}


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_broken_connection_gives_the_promised_error_and_the_session_recovers(
    fault: str,
    tls: bool,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each kind of break, before and inside the response."""
    play, (kind, attempts) = FAULTS[fault]
    caplog.set_level(logging.DEBUG)
    async with faulty_session(Faulty(play), server_tls=server_tls if tls else None, client_tls=client_tls) as setup:
        error = await setup.fails(kind, attempts)
        assert error.reason == ("attempts" if attempts > 1 else "not_retryable")
        assert len(setup.server.accepted) == attempts
        await setup.heals()
    assert_logs_secret(caplog.records)


@pytest.mark.parametrize("fault", [name for name, (_, outcome) in FAULTS.items() if outcome is BROKEN])
async def test_single_fault_is_retried(fault: str) -> None:
    """The call succeeds."""
    async with faulty_session(Faulty(FAULTS[fault][0], times=1)) as setup:
        answered = await setup.search()
        assert [attempt.error or attempt.status for attempt in answered.meta.attempts] == ["ConnectionFailedError", 200]
        assert len(answered.value) == 1
        await setup.at_rest()


async def test_retries_end_with_the_retry_budget() -> None:
    """Every other call fails: that costs more tokens than the successes return."""
    failing = False

    async def play(connection: RawConnection) -> None:
        while True:
            await connection.request()
            if failing:
                await connection.reset()
                return
            await connection.send(GOOD)

    async with faulty_session(Faulty(play)) as setup:
        sent: list[int] = []
        reason: str | None = None
        while reason != "retry_budget":
            failing = False
            await setup.search()
            failing = True
            with pytest.raises(ConnectionFailedError) as caught:
                await setup.search()
            sent.append(len(caught.value.attempts))
            reason = caught.value.reason
        assert set(sent[:-1]) == {
            ATTEMPTS + 1
        }  # the first used a kept connection, and was sent again in addition to the retries
        assert sent[-1] < ATTEMPTS + 1
        assert len(sent) == pytest.approx(500 / (2 * 14 - 1), abs=1)


async def test_retry_that_cannot_meet_the_deadline_is_not_awaited() -> None:
    """The error is raised at once."""
    patient = RetryPolicy(attempts=ATTEMPTS, base=1_000.0, cap=1_000.0)
    async with faulty_session(Faulty(reset_at_once), retry=patient, timeout=5.0, seed=1) as setup:
        began = anyio.current_time()
        error = await setup.fails(ConnectionFailedError, 1)
        assert error.reason == "deadline"
        assert anyio.current_time() - began < 3.0


@pytest.mark.parametrize("how", ["closed", "reset", "half-closed"])
async def test_kept_connection_closed_by_the_server_is_replaced_at_once(how: str) -> None:
    """Without a retry (there are none here); every request is in `attempts`."""

    async def play(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(GOOD)
        await connection.request()
        if how == "reset":
            await connection.reset()
        elif how == "half-closed":
            await connection.stream.send_eof()
            await connection.until_closed()

    async with faulty_session(Faulty(play), retry=RetryPolicy(attempts=2, base=1_000.0, cap=1_000.0)) as setup:
        for number in range(1, 4):
            answered = await setup.search()
            assert [attempt.status for attempt in answered.meta.attempts] == [None, 200][-min(number, 2) :]
            assert len(setup.server.accepted) == number
        await setup.at_rest()
        assert setup.session.stats.attempts == 5


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_reset_inside_an_upload_is_retried(
    tls: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """The body is sent again from the start."""

    async def play(connection: RawConnection) -> None:
        await connection.some()
        await connection.reset()

    async with faulty_session(Faulty(play), server_tls=server_tls if tls else None, client_tls=client_tls) as setup:
        with pytest.raises(ConnectionFailedError) as caught:
            await setup.session.details(image=bytes(900_000))
        assert len(caught.value.attempts) == ATTEMPTS
        await setup.server.until_open(0)
        await setup.heals()


# --- connecting ----------------------------------------------------------------------------------


async def test_refused_connection_is_retried() -> None:
    """Until a server listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with faulty_session(Faulty(answering()), base_url=url) as setup:
            error = await setup.fails(ConnectionFailedError, ATTEMPTS)
            assert "base_url" in str(error)
            assert setup.server.accepted == []
            unused.listen()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(serve_one, unused)
                assert len((await setup.search()).value) == 1


async def serve_one(listener: socket.socket) -> None:
    """Answer one request with a page, on a given socket."""
    accepted, _ = await anyio.to_thread.run_sync(listener.accept)
    with accepted:
        await anyio.to_thread.run_sync(accepted.recv, 65_536)
        await anyio.to_thread.run_sync(accepted.sendall, GOOD)


@pytest.mark.parametrize("code", [socket.EAI_NONAME, socket.EAI_AGAIN], ids=["no such name", "no answer"])
async def test_failed_name_resolution_is_retried(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS failures are often temporary."""
    resolve = socket.getaddrinfo
    asked: list[str] = []
    knows_it = False

    def fake(host: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name != "images.test":
            return resolve(host, *args, **options)
        asked.append(name)
        if not knows_it:
            raise socket.gaierror(code, "Name or service not known")
        return resolve("127.0.0.1", *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", fake)
    async with faulty_session(Faulty(answering()), base_url="http://images.test:{port}") as setup:
        await setup.fails(ConnectionFailedError, ATTEMPTS)
        assert len(asked) >= ATTEMPTS  # trio calls it twice: first for a numeric address
        knows_it = True
        await setup.heals()


# --- TLS -----------------------------------------------------------------------------------------


async def reset_in_the_handshake(connection: RawConnection) -> None:
    await connection.some()
    await connection.reset()


async def close_in_the_handshake(connection: RawConnection) -> None:
    await connection.some()


async def half_close_in_the_handshake(connection: RawConnection) -> None:
    await connection.some()
    await connection.stream.send_eof()
    await connection.until_closed()


async def plain_http(connection: RawConnection) -> None:
    await connection.some()
    await connection.send(GOOD)


@pytest.mark.parametrize(
    "fault", [reset_at_once, reset_in_the_handshake, close_in_the_handshake, half_close_in_the_handshake, plain_http]
)
async def test_broken_tls_handshake_is_retried(fault: Play, client_tls: ssl.SSLContext) -> None:
    """As any other lost connection."""
    async with faulty_session(Faulty(fault), client_tls=client_tls, base_url="https://127.0.0.1:{port}") as setup:
        await setup.fails(ConnectionFailedError, ATTEMPTS)
        assert len(setup.server.accepted) == ATTEMPTS


async def test_endless_tls_handshake_is_an_attempt_timeout(client_tls: ssl.SSLContext) -> None:
    """The attempt timeout includes connecting."""

    async def silence(connection: RawConnection) -> None:
        await connection.until_closed()

    async with faulty_session(
        Faulty(silence),
        client_tls=client_tls,
        base_url="https://127.0.0.1:{port}",
        retry=RetryPolicy(attempts=2, base=0.0, attempt_timeout=0.05),
    ) as setup:
        await setup.fails(AttemptTimeoutError, 2)


@pytest.mark.parametrize("wrong", ["authority", "host", "date"])
async def test_invalid_certificate_is_not_retried(
    wrong: str, authority: trustme.CA, client_tls: ssl.SSLContext
) -> None:
    """It would stay invalid."""
    past = {"not_before": datetime(2020, 1, 1, tzinfo=UTC), "not_after": datetime(2020, 2, 1, tzinfo=UTC)}
    context = server_context(
        trustme.CA() if wrong == "authority" else authority,
        host="elsewhere.test" if wrong == "host" else "127.0.0.1",
        **(past if wrong == "date" else {}),
    )
    async with faulty_session(Faulty(answering(GOOD)), server_tls=context, client_tls=client_tls) as setup:
        error = await setup.fails(ConnectionFailedError, 1)
        assert isinstance(error, ConnectionFailedError)
        assert not error.retryable
        assert error.reason == "not_retryable"
        assert "certificate" in str(error)
        assert len(setup.server.accepted) == 1
        assert setup.server.requests == []


# --- time ----------------------------------------------------------------------------------------


def dripping(whole: bytes, start: int = 0) -> Play:
    """Send one byte per 0.2 s from `start` on."""

    async def play(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(whole[:start])
        for byte in whole[start:]:
            await connection.send(bytes((byte,)))
            with anyio.move_on_after(0.2):
                await connection.until_closed()
                return

    return play


@pytest.mark.parametrize("start", [0, len(HEAD), len(GOOD) - 60], ids=["status line", "headers", "body"])
async def test_slow_bytes_do_not_extend_the_attempt_timeout(start: int) -> None:
    """Timeouts per read would not end it."""
    policy = RetryPolicy(attempts=2, base=0.0, attempt_timeout=0.3)
    async with faulty_session(Faulty(dripping(GOOD, start)), retry=policy) as setup:
        error = await setup.fails(AttemptTimeoutError, 2)
        assert all(0.29 <= attempt.elapsed < 1.0 for attempt in error.attempts), error.attempts
        await setup.heals()


@pytest.mark.parametrize("start", [0, len(GOOD) - 60], ids=["status line", "body"])
async def test_slow_bytes_do_not_extend_the_deadline(start: int) -> None:
    """Timeouts per read would not end it."""
    async with faulty_session(Faulty(dripping(GOOD, start)), timeout=0.3) as setup:
        began = anyio.current_time()
        error = await setup.fails(DeadlineExceededError, 1)
        assert error.attempts[0].error == "Cancelled"
        assert anyio.current_time() - began < 1.0
        await setup.heals()
