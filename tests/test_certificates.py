"""Certificates: private authorities by setting and by environment, and when and where stores are read."""

from __future__ import annotations

import datetime
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import certifi
import httpx
import leaks
import pytest
import trustme
from blockbuster import blockbuster_ctx
from support.certificates import authority, hashed_name, server_context, trusting
from support.service import V7Service, keyed
from support.sessions import KEY, KINDS, Kind, clear_network_settings, connect, resolve_test_names

from bing_images_async import ImageSearchSession
from bing_images_async.errors import BingImagesError, ConnectionFailedError, InvalidRequestError

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_network_settings(monkeypatch)
    resolve_test_names(monkeypatch)


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    """The authority of the servers here as a PEM file."""
    return _written(tmp_path / "ca.pem")


@pytest.fixture
def other_file(tmp_path: Path) -> str:
    """Another authority as a PEM file."""
    return _written(tmp_path / "other.pem", "another")


def _written(path: Path, name: str = "one") -> str:
    authority(name).cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def ca_directory(tmp_path: Path) -> str:
    """The authority of the servers here in a directory, under the name by which OpenSSL looks for it."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    _written(folder / hashed_name(authority()))
    return str(folder)


async def found(session: ImageSearchSession) -> list[str | None]:
    with anyio.fail_after(10):
        return [image.name for image in (await session.search("boat", count=1)).value]


async def refused(session: ImageSearchSession) -> BingImagesError:
    """The error of a search whose server is not trusted: one attempt, with advice, and nothing open afterwards."""
    with anyio.fail_after(10), pytest.raises(BingImagesError) as caught:
        await session.search("boat")
    error = caught.value
    assert type(error) is ConnectionFailedError, repr(error)
    assert not error.retryable
    assert len(error.attempts) == 1
    assert "verify=" in str(error)
    assert leaks.in_error(KEY, error) == []
    return error


# --- what is trusted --------------------------------------------------------------------------------------------------


async def test_verify_with_a_file_trusts_its_authority(ca_file: str) -> None:
    async with V7Service(tls=server_context()) as service, connect(service.url, verify=ca_file) as session:
        assert await found(session) == ["boat 0"]
        assert await found(session) == ["boat 0"]
        assert service.connections == 1


async def test_verify_with_a_context_trusts_what_it_trusts() -> None:
    async with V7Service(tls=server_context()) as service, connect(service.url, verify=trusting()) as session:
        assert await found(session) == ["boat 0"]


async def test_verify_with_a_context_that_has_a_client_certificate_shows_it() -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("127.0.0.1").configure_cert(server)
    authority("clients").configure_trust(server)
    server.verify_mode = ssl.CERT_REQUIRED
    context = trusting()
    authority("clients").issue_cert("me@example.test").configure_cert(context)
    async with V7Service(tls=server) as service:
        async with connect(service.url, verify=context) as session:
            assert await found(session) == ["boat 0"]
        async with connect(service.url, verify=trusting()) as session:
            with pytest.raises(ConnectionFailedError):
                await session.search("boat")
        assert len(service.requests) == 1


async def test_verify_holds_for_requests_of_the_client_as_well(ca_file: str) -> None:
    async with V7Service(tls=server_context()) as service, connect(service.url, verify=ca_file) as session:
        response = await session.client.get(f"{service.url}/v7.0/images/trending")
        assert response.status_code == 200
    async with V7Service(tls=server_context()) as service, connect(service.url) as session:
        with pytest.raises(httpx.ConnectError):
            await session.client.get(f"{service.url}/v7.0/images/trending")


async def test_verify_with_a_server_that_offers_http2_speaks_http1() -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("127.0.0.1").configure_cert(server)
    server.set_alpn_protocols(["h2", "http/1.1"])
    async with V7Service(tls=server) as service, connect(service.url, verify=trusting()) as session:
        assert await found(session) == ["boat 0"]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_environment_with_an_authority_is_trusted_if_it_is_asked_for(
    variable: str, ca_file: str, ca_directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, ca_file if variable == "SSL_CERT_FILE" else ca_directory)
    async with V7Service(tls=server_context()) as service:
        async with connect(service.url, trust_env=True) as session:
            assert await found(session) == ["boat 0"]
        async with connect(service.url) as session:
            await refused(session)
        assert len(service.requests) == 1


async def test_environment_with_another_authority_takes_the_place_of_the_usual_ones(
    other_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", other_file)
    async with V7Service(tls=server_context()) as service, connect(service.url, trust_env=True) as session:
        await refused(session)


async def test_environment_gives_way_to_verify(ca_file: str, other_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", other_file)
    async with V7Service(tls=server_context()) as service:
        async with connect(service.url, trust_env=True, verify=ca_file) as session:
            assert await found(session) == ["boat 0"]
        async with connect(service.url, trust_env=True, verify=trusting()) as session:
            assert await found(session) == ["boat 0"]


# --- what is not trusted ----------------------------------------------------------------------------------------------


def _server(case: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if case == "expired":
        past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        authority().issue_cert("127.0.0.1", not_before=past, not_after=past + datetime.timedelta(1)).configure_cert(
            context
        )
    elif case == "of another host":
        authority().issue_cert("other.test").configure_cert(context)
    elif case == "of another authority":
        authority("another").issue_cert("127.0.0.1").configure_cert(context)
    else:  # signed by an authority that only pretends to be ours
        trustme.CA(organization_name="one").issue_cert("127.0.0.1").configure_cert(context)
    return context


CASES = ["expired", "of another host", "of another authority", "of a namesake"]


@pytest.mark.parametrize("case", CASES)
async def test_certificate_that_is_not_valid_is_refused_once_with_advice(case: str) -> None:
    async with V7Service(tls=_server(case)) as service:
        async with connect(service.url, verify=trusting()) as session:
            await refused(session)
            assert session.stats.open_connections == 0
            await service.server.until_open(0)
        assert service.connections == 1
        assert service.requests == []


@pytest.mark.parametrize("kind", KINDS)
async def test_certificate_of_an_unknown_authority_is_refused_by_default(kind: Kind) -> None:
    async with V7Service(tls=server_context()) as service, connect(service.url, kind) as session:
        await refused(session)
        assert service.requests == []


async def test_certificate_that_is_not_valid_makes_no_later_call_fail() -> None:
    """The breaker and the limits learn nothing about the service from it."""
    async with V7Service(tls=server_context()) as service, connect(service.url, verify=trusting("another")) as session:
        for _ in range(20):
            await refused(session)
        assert session.stats.breaker == "closed"
        assert keyed(service.requests, KEY) == []


# --- when and where stores are read -----------------------------------------------------------------------------------


class Loads:
    """How often certificates were loaded into a context, by which thread."""

    def __init__(self) -> None:
        self.threads: Counter[int] = Counter()
        self.began = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    @property
    def count(self) -> int:
        return self.threads.total()

    def add(self) -> None:
        self.threads[threading.get_ident()] += 1
        self.began.set()
        assert self.may_go_on.wait(10)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, ca_file: str) -> Iterator[Loads]:
    """Loads of certificates; what certifi has is the authority of the tests."""
    loads = Loads()
    for name in ("load_verify_locations", "load_default_certs", "set_default_verify_paths"):
        real = getattr(ssl.SSLContext, name)

        def counted(self: ssl.SSLContext, *arguments: Any, real: Any = real, **options: Any) -> Any:
            loads.add()
            return real(self, *arguments, **options)

        monkeypatch.setattr(ssl.SSLContext, name, counted)
    monkeypatch.setattr(certifi, "where", lambda: ca_file)
    yield loads
    loads.may_go_on.set()


async def test_store_is_not_read_for_plain_http(loads: Loads) -> None:
    async with V7Service() as service, connect(service.url) as session:
        await found(session)
        await session.client.get(service.url)
    assert loads.count == 0


@pytest.mark.parametrize("source", ["default", "file", "environment"])
async def test_store_is_read_once_and_in_a_thread_for_the_first_https_requests(
    source: str, loads: Loads, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_context()
    if source == "environment":
        monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    async with V7Service(tls=server) as service:
        session = ImageSearchSession(
            KEY,
            base_url=service.url,
            rate_limit=None,
            verify=ca_file if source == "file" else None,
            trust_env=source == "environment",
        )
        assert loads.count == 0
        async with session:
            assert loads.count == 0
            async with anyio.create_task_group() as tasks:
                for number in range(10):
                    tasks.start_soon(session.search, f"boat {number}")
            await found(session)
    assert loads.count == 1
    assert loads.threads[threading.get_ident()] == 0


async def test_store_of_a_given_context_is_never_read(loads: Loads) -> None:
    context = trusting()
    before = loads.count
    async with V7Service(tls=server_context()) as service, connect(service.url, verify=context) as session:
        await found(session)
    assert loads.count == before


async def test_store_whose_reading_is_cancelled_is_read_for_the_next_call(loads: Loads) -> None:
    async with V7Service(tls=server_context()) as service, connect(service.url) as session:
        loads.may_go_on.clear()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.search, "boat")
            await anyio.to_thread.run_sync(loads.began.wait)
            tasks.cancel_scope.cancel()
            loads.may_go_on.set()
        assert await found(session) == ["boat 0"]
        stats = session.stats
        assert stats.open_connections == stats.idle_connections == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_store_is_read_without_a_blocking_call_on_the_event_loop(ca_file: str) -> None:
    async with V7Service(tls=server_context()) as service:
        session = ImageSearchSession(KEY, base_url=service.url, rate_limit=None, verify=ca_file)
        with blockbuster_ctx("bing_images_async"):
            async with session:
                assert await found(session) == ["boat 0"]


# --- settings that cannot be ------------------------------------------------------------------------------------------


async def _use(url: str, **options: Any) -> None:
    async with connect(url, **options) as session:
        await session.search("boat")


@pytest.mark.parametrize("case", ["missing", "no certificate", "directory of nothing"])
async def test_verify_with_a_file_that_cannot_be_read_names_it(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = "nothing/authority.pem" if case == "directory of nothing" else "authority.pem"
    if case == "no certificate":
        await anyio.Path(path).write_text("this is no certificate")
    async with V7Service(tls=server_context()) as service:
        with pytest.raises(InvalidRequestError, match=r"authority\.pem") as caught:
            await _use(service.url, verify=path)
        assert caught.value.parameter == "verify"
        assert service.requests == []


async def test_environment_with_a_file_that_cannot_be_read_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    async with V7Service(tls=server_context()) as service:
        with pytest.raises(InvalidRequestError, match=r"SSL_CERT_FILE.*missing\.pem"):
            await _use(service.url, trust_env=True)


@pytest.mark.parametrize("value", [True, False, 1, b"ca.pem", ""], ids=repr)
def test_verify_that_is_neither_context_nor_path_is_refused(value: Any) -> None:
    """Above all `False`: a key must not go to whoever happens to answer."""
    with pytest.raises(InvalidRequestError, match="verify") as caught:
        ImageSearchSession(KEY, verify=value)
    assert caught.value.parameter == "verify"


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_trust_env_that_is_no_bool_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequestError, match="trust_env"):
        ImageSearchSession(KEY, trust_env=value)
