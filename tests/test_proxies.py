"""Sessions behind HTTP proxies, over sockets: plain requests, tunnels, credentials, refusals, and the environment."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from contextlib import AsyncExitStack
from typing import Any

import anyio
import httpx
import leaks
import pytest
from support.certificates import authority, server_context, trusting
from support.proxies import Proxy, basic
from support.raw_server import RawConnection
from support.service import Received, V7Service, json_answer, keyed, paged
from support.sessions import (
    JOURNEY,
    KEY,
    clear_network_settings,
    connect,
    faults_of_the_journey,
    journey,
    resolve_test_names,
)

from bing_images_async import ImageSearchSession, RateLimit, RetryPolicy
from bing_images_async.errors import (
    AttemptTimeoutError,
    BingImagesError,
    ConnectionFailedError,
    InvalidRequestError,
)

pytestmark = pytest.mark.anyio

PASSWORD = "pr0xypa55w0rd0f7h3t3sts"
"""The password of the proxies here. It is never a local variable of a test: tracebacks show those."""
CREDENTIALS = f"user:{PASSWORD}"

ONCE = RetryPolicy(attempts=1)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_network_settings(monkeypatch)
    resolve_test_names(monkeypatch)


@pytest.fixture
def trusted() -> ssl.SSLContext:
    return trusting()


def secure(*hosts: str) -> ssl.SSLContext:
    return server_context(*(hosts or ("api.test",)))


async def found(session: ImageSearchSession, query: str = "boat") -> list[str | None]:
    """The names of one search, which must not hang."""
    with anyio.fail_after(10):
        return [image.name for image in (await session.search(query, count=1)).value]


async def failure(session: ImageSearchSession) -> BingImagesError:
    """The error of one search, which must not hang and must not show the key or the password."""
    with anyio.fail_after(10), pytest.raises(BingImagesError) as caught:
        await session.search("boat")
    assert_secret(caught.value)
    return caught.value


def assert_secret(error: BaseException) -> None:
    """Neither the key nor the password is in `error` or behind it."""
    for secret in (KEY, PASSWORD, basic(CREDENTIALS).partition(" ")[2]):
        assert leaks.in_error(secret, error) == []


def open_and_idle(session: ImageSearchSession) -> tuple[int | None, int | None]:
    return session.stats.open_connections, session.stats.idle_connections


# --- plain requests ---------------------------------------------------------------------------------------------------


async def test_proxy_for_http_gets_absolute_urls_on_one_kept_connection() -> None:
    async with V7Service() as service, Proxy(service.port) as proxy:
        async with connect("http://api.test", proxy=proxy.url) as session:
            for _ in range(3):
                assert await found(session) == ["boat 0"]
            assert open_and_idle(session) == (1, 1)
        assert [received.target for received in proxy.log] == ["http://api.test/v7.0/images/search?q=boat&count=1"] * 3
        assert [received.headers["host"] for received in service.requests] == ["api.test"] * 3
        assert proxy.connections == 1


async def test_proxy_for_http_with_a_port_names_the_port() -> None:
    async with V7Service() as service, Proxy(service.port) as proxy:
        async with connect("http://api.test:8080", proxy=proxy.url) as session:
            await found(session)
        assert proxy.log[0].target.startswith("http://api.test:8080/v7.0/")
        assert proxy.log[0].headers["host"] == "api.test:8080"


async def test_proxy_without_a_scheme_is_reached_over_http() -> None:
    async with V7Service() as service, Proxy(service.port) as proxy:
        async with connect("http://api.test", proxy=proxy.url.removeprefix("http://")) as session:
            assert await found(session) == ["boat 0"]
        assert proxy.connections == 1


async def test_proxy_for_http_carries_uploads() -> None:
    picture = bytes(range(256)) * 3_000
    async with V7Service() as service, Proxy(service.port) as proxy:
        async with connect("http://api.test", proxy=proxy.url) as session:
            await session.details(image=picture)
        assert picture in service.requests[0].body


async def test_proxy_for_http_with_faults_on_the_way_answers_every_call() -> None:
    async with V7Service(faults_of_the_journey()) as service, Proxy(service.port) as proxy:
        async with connect("http://api.test", proxy=proxy.url) as session:
            await journey(session)
        assert len(service.requests) == JOURNEY


# --- tunnels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://api.test", "api.test", "api.test:443"),
        ("https://api.test:8443", "api.test", "api.test:8443"),
        ("https://127.0.0.1:8443", "127.0.0.1", "127.0.0.1:8443"),
        ("https://[::1]:8443", "::1", "[::1]:8443"),
        ("https://xn--bcher-kva.test", "xn--bcher-kva.test", "xn--bcher-kva.test:443"),
    ],
)
async def test_proxy_for_https_opens_a_tunnel_to_host_and_port(
    url: str, host: str, target: str, trusted: ssl.SSLContext
) -> None:
    async with V7Service(tls=secure(host)) as service, Proxy(service.port) as proxy:
        async with connect(url, proxy=proxy.url, verify=trusted) as session:
            assert await found(session) == ["boat 0"]
        (request,) = proxy.log
        assert (request.method, request.target, request.headers["host"]) == ("CONNECT", target, target)


async def test_proxy_for_https_never_sees_the_key(trusted: ssl.SSLContext) -> None:
    async with V7Service(tls=secure()) as service, Proxy(service.port) as proxy:
        async with connect("https://api.test", proxy=proxy.url, verify=trusted) as session:
            await found(session)
        assert len(keyed(service.requests, KEY)) == 1
        assert keyed(proxy.log, KEY) == []
        assert KEY.encode() not in proxy.tunnelled
        assert "subscription-key" not in proxy.log[0].head.decode().lower()


async def test_proxy_for_https_keeps_one_tunnel_for_many_calls(trusted: ssl.SSLContext) -> None:
    async with V7Service(tls=secure()) as service, Proxy(service.port) as proxy:
        async with connect("https://api.test", proxy=proxy.url, verify=trusted) as session:
            for _ in range(5):
                await found(session)
            assert open_and_idle(session) == (1, 1)
        assert proxy.methods == ["CONNECT"]
        await proxy.server.until_open(0)


async def test_proxy_for_https_with_many_calls_opens_at_most_one_tunnel_per_permit(trusted: ssl.SSLContext) -> None:
    async with V7Service(tls=secure()) as service, Proxy(service.port) as proxy:
        async with (
            connect("https://api.test", proxy=proxy.url, verify=trusted, max_concurrency=4) as session,
            anyio.create_task_group() as tasks,
        ):
            for number in range(40):
                tasks.start_soon(session.search, f"boat {number}")
        assert len(service.requests) == 40
        assert len(proxy.log) <= 4


async def test_proxy_for_https_with_faults_on_the_way_answers_every_call(trusted: ssl.SSLContext) -> None:
    async with V7Service(faults_of_the_journey(), tls=secure()) as service, Proxy(service.port) as proxy:
        async with connect("https://api.test", proxy=proxy.url, verify=trusted) as session:
            await journey(session)
        assert len(service.requests) == JOURNEY
        assert set(proxy.methods) == {"CONNECT"}


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.0 200 Connection established\r\n\r\n",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nVia: 1.1 proxy\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["HTTP/1.0", "no reason", "length", "chunked", "close", "204", "interim"],
)
async def test_proxy_that_grants_a_tunnel_in_any_form_carries_many_calls(
    greeting: bytes, trusted: ssl.SSLContext
) -> None:
    """After any 2xx the tunnel begins with the first byte behind the head, whatever fields it has (RFC 9110, 9.3.6)."""
    async with V7Service(tls=secure()) as service, Proxy(service.port, greeting=greeting) as proxy:
        async with connect("https://api.test", proxy=proxy.url, verify=trusted, retry=ONCE) as session:
            assert await found(session) == ["boat 0"]
            assert await found(session) == ["boat 0"]
        assert proxy.methods == ["CONNECT"]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_that_speaks_tls_is_used_for_both_schemes(scheme: str, trusted: ssl.SSLContext) -> None:
    """In a tunnel for https that is TLS inside TLS."""
    async with (
        V7Service(tls=secure() if scheme == "https" else None) as service,
        Proxy(service.port, tls=secure("127.0.0.1"), credentials=CREDENTIALS) as proxy,
    ):
        url = proxy.url_with(CREDENTIALS)
        async with connect(f"{scheme}://api.test", proxy=url, verify=trusted, retry=ONCE) as session:
            assert await found(session) == ["boat 0"]
            assert await found(session) == ["boat 0"]
            assert open_and_idle(session) == (1, 1)
        assert proxy.connections == 1


class HoldingProxy(Proxy):
    """A proxy that grants no tunnel before it was asked for `tunnels`."""

    def __init__(self, upstream: int, tunnels: int) -> None:
        super().__init__(upstream, greeting=b"")
        self._asked_for_all = anyio.Event()
        self._tunnels = tunnels

    async def _tunnel(self, connection: RawConnection, early: bytes) -> None:
        if self.methods.count("CONNECT") == self._tunnels:
            self._asked_for_all.set()
        await self._asked_for_all.wait()
        await connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await super()._tunnel(connection, early)


@pytest.mark.parametrize("lent", [False, True])
async def test_proxy_that_grants_tunnels_late_does_not_break_the_quota(lent: bool, trusted: ssl.SSLContext) -> None:
    """CONNECT is a part of connecting: the limiter grants a slot when the tunnel stands. In real time."""
    arrivals: list[float] = []

    def script(received: Received) -> bytes:
        arrivals.append(time.monotonic())
        return paged(received)

    limit = RateLimit(5, per=0.5, jitter=0.1)
    async with (
        V7Service(script, tls=secure()) as service,
        HoldingProxy(service.port, 8) as proxy,
        AsyncExitStack() as stack,
    ):
        if lent:
            client = httpx.AsyncClient(proxy=proxy.url, verify=trusted, trust_env=False)
            options: dict[str, Any] = {"client": await stack.enter_async_context(client)}
        else:
            options = {"proxy": proxy.url, "verify": trusted}
        session = await stack.enter_async_context(
            ImageSearchSession(KEY, base_url="https://api.test", rate_limit=limit, **options)
        )
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(found, session)
    assert len(arrivals) == 8
    assert max(sum(start <= moment < start + 0.5 for moment in arrivals) for start in arrivals) <= 5


# --- credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_credentials_go_to_the_proxy_and_no_further(scheme: str, trusted: ssl.SSLContext) -> None:
    async with (
        V7Service(tls=secure() if scheme == "https" else None) as service,
        Proxy(service.port, credentials=CREDENTIALS) as proxy,
    ):
        url = proxy.url_with(CREDENTIALS)
        async with connect(f"{scheme}://api.test", proxy=url, verify=trusted, retry=ONCE) as session:
            assert await found(session) == ["boat 0"]
        assert [received.headers["proxy-authorization"] for received in proxy.log] == [basic(CREDENTIALS)]
        assert "authorization" not in proxy.log[0].headers
        assert [name for name in service.requests[0].headers if "authorization" in name] == []


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_credentials_with_escapes_are_decoded(scheme: str, trusted: ssl.SSLContext) -> None:
    async with (
        V7Service(tls=secure() if scheme == "https" else None) as service,
        Proxy(service.port, credentials="us:er@test:p@ß/w?rd") as proxy,
    ):
        url = proxy.url_with("us%3Aer%40test:p%40%C3%9F%2Fw%3Frd")
        async with connect(f"{scheme}://api.test", proxy=url, verify=trusted, retry=ONCE) as session:
            assert await found(session) == ["boat 0"]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_credentials_are_not_shown_anywhere(
    scheme: str, trusted: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.proxy", "bing_images_async", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    async with (
        V7Service(tls=secure() if scheme == "https" else None) as service,
        Proxy(service.port, credentials=CREDENTIALS) as proxy,
    ):
        url = proxy.url_with(CREDENTIALS)
        async with connect(f"{scheme}://api.test", proxy=url, verify=trusted, retry=ONCE) as session:
            await found(session)
            shown = [session, session.client, session.stats, session.with_options(market="de-DE")]
            proxy.fault = b"HTTP/1.1 407 No " + PASSWORD.encode() + b"\r\nContent-Length: 0\r\n\r\n"
            await proxy.drop_all()
            shown.append(await failure(session))
    del url
    for secret in (KEY, PASSWORD, basic(CREDENTIALS).partition(" ")[2]):
        assert [place for value in shown for place in leaks.in_value(secret, value)] == []
        assert [place for record in caplog.records for place in leaks.in_record(secret, record)] == []


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status", ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway", "302 Found"]
)
async def test_proxy_that_refuses_a_tunnel_is_named_in_the_error(status: str, trusted: ssl.SSLContext) -> None:
    """The status is the proxy's and not the service's: a 403 there says nothing about the key."""
    refusal = f"HTTP/1.1 {status}\r\nContent-Length: 7\r\nLocation: http://login.test/\r\n\r\nrefused".encode()
    async with (
        V7Service(tls=secure()) as service,
        Proxy(service.port, fault=refusal) as proxy,
        connect("https://api.test", proxy=proxy.url_with(CREDENTIALS), verify=trusted) as session,
    ):
        error = await failure(session)
        assert type(error) is ConnectionFailedError
        assert status[:3] in str(error)
        assert "proxy" in str(error).lower()
        assert len(error.attempts) == len(proxy.log) == (3 if status.startswith("502") else 1)
        assert open_and_idle(session) == (0, 0)
        await proxy.server.until_open(0)
        assert service.connections == 0
        proxy.fault = None
        assert await found(session) == ["boat 0"]
        assert open_and_idle(session) == (1, 1)


async def test_proxy_that_asks_for_credentials_is_not_tried_again(trusted: ssl.SSLContext) -> None:
    async with V7Service(tls=secure()) as service, Proxy(service.port, credentials=CREDENTIALS) as proxy:
        async with connect("https://api.test", proxy=proxy.url, verify=trusted) as session:
            error = await failure(session)
        assert len(error.attempts) == len(proxy.log) == 1


async def test_proxy_that_asks_for_credentials_over_http_is_not_taken_for_the_service() -> None:
    async with V7Service() as service, Proxy(service.port, credentials=CREDENTIALS) as proxy:
        async with connect("http://api.test", proxy=proxy.url) as session:
            error = await failure(session)
        assert "407" in str(error)
        assert "proxy" in str(error).lower()
        assert len(error.attempts) == len(proxy.log) == 1
        assert service.connections == 0


async def _hang_up(connection: RawConnection) -> None:
    await connection.some()


async def _reset(connection: RawConnection) -> None:
    await connection.some()
    await connection.reset()


async def _endless(connection: RawConnection) -> None:
    await connection.some()
    await connection.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await connection.send(b"X: " + b"y" * 1000 + b"\r\n")


async def _no_tls(connection: RawConnection) -> None:
    await connection.some()
    await connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    await connection.some()
    await connection.send(b"this is no TLS at all\r\n\r\n")
    await connection.until_closed()


async def _data_behind_the_head(connection: RawConnection) -> None:
    """Nobody may speak in a tunnel before the client, which begins with its TLS handshake."""
    await connection.some()
    await connection.send(b"HTTP/1.1 200 OK\r\n\r\nsurplus")
    await connection.until_closed()


async def _close_in_the_handshake(connection: RawConnection) -> None:
    await connection.some()
    await connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    await connection.some()


FAULTS: dict[str, Any] = {
    "hangs up": _hang_up,
    "resets": _reset,
    "garbage": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "binary": bytes(range(256)) * 4,
    "endless head": _endless,
    "no TLS behind it": _no_tls,
    "data behind the head": _data_behind_the_head,
    "closes in the handshake": _close_in_the_handshake,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_proxy_that_misbehaves_costs_one_connection_and_heals(fault: str, trusted: ssl.SSLContext) -> None:
    async with V7Service(tls=secure()) as service, Proxy(service.port, fault=FAULTS[fault]) as proxy:
        async with connect("https://api.test", proxy=proxy.url, verify=trusted, retry=ONCE) as session:
            error = await failure(session)
            assert isinstance(error, ConnectionFailedError) or fault == "endless head"
            assert open_and_idle(session) == (0, 0)
            await proxy.server.until_open(0)
            proxy.fault = None
            assert await found(session) == ["boat 0"]
            assert open_and_idle(session) == (1, 1)
        assert len(service.requests) == 1


async def _silent(connection: RawConnection) -> None:
    await connection.until_closed()


@pytest.mark.parametrize("said", [None, b"HTTP/1.1 200 Conn", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["", "half", "granted"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_that_falls_silent_ends_with_the_attempts_time(
    scheme: str, said: bytes | None, trusted: ssl.SSLContext
) -> None:
    fault: Any = _silent
    if said is not None:

        async def fault(connection: RawConnection) -> None:
            await connection.some()
            await connection.send(said[: len(said) - 2 * (scheme == "http")])
            await connection.until_closed()

    policy = RetryPolicy(attempts=1, attempt_timeout=0.1)
    async with (
        V7Service() as service,
        Proxy(service.port, fault=fault) as proxy,
        connect(f"{scheme}://api.test", proxy=proxy.url, verify=trusted, retry=policy) as session,
    ):
        assert type(await failure(session)) is AttemptTimeoutError
        assert open_and_idle(session) == (0, 0)
        await proxy.server.until_open(0)


async def test_proxy_that_is_not_there_is_a_connection_error_that_names_it() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        async with connect("https://api.test", proxy=f"http://{CREDENTIALS}@{address}", retry=ONCE) as session:
            error = await failure(session)
    assert type(error) is ConnectionFailedError
    assert "proxy" in str(error).lower()


async def test_proxy_call_that_is_cancelled_in_the_tunnels_making_leaves_nothing_open(trusted: ssl.SSLContext) -> None:
    reached = anyio.Event()

    async def hold(connection: RawConnection) -> None:
        await connection.some()
        reached.set()
        await connection.until_closed()

    async with (
        V7Service(tls=secure()) as service,
        Proxy(service.port, fault=hold) as proxy,
        connect("https://api.test", proxy=proxy.url, verify=trusted) as session,
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.search, "boat")
            await reached.wait()
            tasks.cancel_scope.cancel()
        assert open_and_idle(session) == (0, 0)
        await proxy.server.until_open(0)
        proxy.fault = None
        assert await found(session) == ["boat 0"]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_call_that_is_cancelled_at_any_moment_leaves_nothing_open(
    scheme: str, trusted: ssl.SSLContext
) -> None:
    async with (
        V7Service(tls=secure() if scheme == "https" else None) as service,
        Proxy(service.port) as proxy,
        connect(f"{scheme}://api.test", proxy=proxy.url, verify=trusted) as session,
    ):
        for step in range(40):
            with anyio.move_on_after(step * 0.0004):
                await session.search("boat")
            stats = session.stats
            assert (stats.permits_in_use, stats.in_flight, stats.waiting) == (0, 0, 0)
            assert stats.open_connections == stats.idle_connections
        assert session.stats.cancelled > 0
        assert await found(session) == ["boat 0"]
        await proxy.server.until_open(1)


# --- healing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_that_drops_its_connections_is_reached_anew(scheme: str, trusted: ssl.SSLContext) -> None:
    async with V7Service(tls=secure() if scheme == "https" else None) as service, Proxy(service.port) as proxy:
        async with connect(f"{scheme}://api.test", proxy=proxy.url, verify=trusted) as session:
            for _ in range(5):
                assert await found(session) == ["boat 0"]
                await proxy.drop_all()
            assert await found(session) == ["boat 0"]
            assert open_and_idle(session) == (1, 1)
        assert proxy.connections == 6


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_proxy_that_restarts_under_load_fails_no_later_call(scheme: str, trusted: ssl.SSLContext) -> None:
    async with (
        V7Service(tls=secure() if scheme == "https" else None) as service,
        Proxy(service.port) as proxy,
        connect(f"{scheme}://api.test", proxy=proxy.url, verify=trusted) as session,
    ):
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                for number in range(16):
                    tasks.start_soon(session.search, f"boat {number}")
            await proxy.drop_all()
        assert await found(session) == ["boat 0"]
        assert session.stats.failed == 0
        stats = session.stats
        assert stats.open_connections == stats.idle_connections


# --- the environment --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("variable", "schemes"),
    [
        ("HTTP_PROXY", "http"),
        ("http_proxy", "http"),
        ("HTTPS_PROXY", "https"),
        ("https_proxy", "https"),
        ("ALL_PROXY", "http https"),
        ("all_proxy", "http https"),
    ],
)
@pytest.mark.parametrize("form", ["http://{user}@{address}", "{user}@{address}"], ids=["url", "address"])
async def test_environment_proxy_is_used_for_its_schemes(
    variable: str, schemes: str, scheme: str, form: str, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        V7Service(tls=secure() if scheme == "https" else None) as service,
        Proxy(service.port, credentials=CREDENTIALS) as proxy,
    ):
        address = proxy.url.removeprefix("http://")
        monkeypatch.setenv(variable, form.format(user=CREDENTIALS, address=address))
        url = f"{scheme}://api.test:{service.port}"
        async with connect(url, verify=trusted, trust_env=True, retry=ONCE) as session:
            assert await found(session) == ["boat 0"]
        assert proxy.connections == (scheme in schemes.split())


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_environment_proxies_are_ignored_by_default(
    scheme: str, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with V7Service(tls=secure() if scheme == "https" else None) as service, Proxy(service.port) as proxy:
        for variable in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(variable, proxy.url)
        async with connect(f"{scheme}://api.test:{service.port}", verify=trusted) as session:
            assert await found(session) == ["boat 0"]
            response = await session.client.get(f"{scheme}://api.test:{service.port}/images/trending")
            assert response.status_code == 200
        assert proxy.connections == 0


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(
    ("exceptions", "host", "is_proxied"),
    [
        ("", "api.test", True),
        (" , ,", "api.test", True),
        ("api.test:{port}", "api.test", False),
        ("api.test:1", "api.test", True),
        ("*.test", "api.test", False),
        ("api.test", "api.test", False),
        ("API.Test", "api.test", False),
        (".test", "api.test", False),
        ("test", "api.test", False),
        ("pi.test", "api.test", True),
        ("api", "api.test", True),
        (".api.test", "www.api.test", False),
        ("other.test, api.test", "api.test", False),
        ("other.test,other2.test", "api.test", True),
        ("*", "api.test", False),
        ("other.test,*", "api.test", False),
        ("localhost", "localhost", False),
        ("localhost", "api.test", True),
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.2", "127.0.0.1", True),
        ("127.0.0.0/8", "127.0.0.1", False),
        ("10.0.0.0/8", "127.0.0.1", True),
        ("::1", "127.0.0.1", True),
    ],
)
async def test_environment_exceptions_from_proxies_are_honoured(
    variable: str, exceptions: str, host: str, is_proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with V7Service() as service, Proxy(service.port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv(variable, exceptions.format(port=service.port))
        async with connect(f"http://{host}:{service.port}", trust_env=True, retry=ONCE) as session:
            assert await found(session) == ["boat 0"]
        assert proxy.connections == is_proxied


async def test_environment_exception_holds_for_requests_of_the_client_by_their_own_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The session's host is proxied and another is not: the way is chosen for each request."""
    async with V7Service() as service, Proxy(service.port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "direct.test")
        async with connect(f"http://api.test:{service.port}", trust_env=True, retry=ONCE) as session:
            await found(session)
            assert proxy.connections == 1
            await session.client.get(f"http://direct.test:{service.port}/v7.0/images/trending")
            assert proxy.connections == 1
            await session.client.get(f"http://other.test:{service.port}/v7.0/images/trending")
        assert [received.headers["host"].partition(":")[0] for received in proxy.log] == ["api.test", "other.test"]


async def test_environment_proxy_gives_way_to_an_explicit_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with V7Service() as service, Proxy(service.port) as proxy, Proxy(service.port) as other:
        monkeypatch.setenv("HTTP_PROXY", other.url)
        monkeypatch.setenv("NO_PROXY", "api.test")
        async with connect("http://api.test", proxy=proxy.url, trust_env=True, retry=ONCE) as session:
            assert await found(session) == ["boat 0"]
        assert (proxy.connections, other.connections) == (1, 0)


async def test_environment_proxy_that_is_empty_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with V7Service() as service:
        for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
            monkeypatch.setenv(variable, "")
        async with connect(service.url, trust_env=True, retry=ONCE) as session:
            assert await found(session) == ["boat 0"]


# --- settings that cannot be -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "proxy",
    [
        "",
        "ftp://proxy.test",
        "socks5://proxy.test:1080",
        "socks5h://user:{password}@proxy.test:1080",
        "http://",
        "http://user:{password}@",
        "http://user:{password}@proxy.test:port",
        "http://user:{password}@[::1",
        3128,
        b"http://proxy.test",
    ],
)
def test_proxy_that_is_no_http_url_is_refused_before_anything_is_sent(proxy: Any) -> None:
    if isinstance(proxy, str):
        proxy = proxy.format(password=PASSWORD)
    with pytest.raises(InvalidRequestError, match="proxy") as caught:
        ImageSearchSession(KEY, proxy=proxy)
    del proxy
    assert caught.value.parameter == "proxy"
    assert PASSWORD not in str(caught.value)


def test_proxy_of_another_kind_is_refused_with_the_way_to_have_it() -> None:
    with pytest.raises(InvalidRequestError, match="client="):
        ImageSearchSession(KEY, proxy="socks5://proxy.test:1080")


@pytest.mark.parametrize("value", ["socks5://proxy.test:1080", "http://user:{password}@proxy.test:port"])
def test_environment_proxy_that_cannot_be_used_is_refused_by_its_variable(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value.format(password=PASSWORD))
    with pytest.raises(InvalidRequestError, match="HTTPS_PROXY") as caught:
        ImageSearchSession(KEY, trust_env=True)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("option", [{"proxy": "http://proxy.test"}, {"verify": "ca.pem"}, {"trust_env": True}])
async def test_network_settings_beside_a_lent_client_are_refused(option: dict[str, Any]) -> None:
    """They would have no effect: the lent client has settings of its own."""
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(InvalidRequestError, match="client"):
            ImageSearchSession(KEY, client=client, **option)


# --- what the service behind a proxy answers --------------------------------------------------------------------------


async def test_proxied_service_with_an_error_is_the_services_own(trusted: ssl.SSLContext) -> None:
    """Behind a tunnel a 407 of the service itself is no word of the proxy."""

    def script(received: Any) -> bytes:
        return json_answer({"error": {"code": "401", "message": "Access denied"}}, status=b"401 Unauthorized")

    async with (
        V7Service(script, tls=secure()) as service,
        Proxy(service.port) as proxy,
        connect("https://api.test", proxy=proxy.url, verify=trusted) as session,
    ):
        error = await failure(session)
    assert "Access denied" in str(error)
    assert type(error).__name__ == "AuthenticationError"


async def test_proxied_service_with_an_unknown_certificate_is_a_certificate_error() -> None:
    async with V7Service(tls=secure()) as service, Proxy(service.port) as proxy:
        async with connect("https://api.test", proxy=proxy.url, verify=trusting("another")) as session:
            error = await failure(session)
        assert type(error) is ConnectionFailedError
        assert "verify=" in str(error)
        assert len(error.attempts) == 1
        assert keyed(service.requests, KEY) == []
    assert authority("another") is not authority()
