"""The TLS context of a pool: lazy, off the event loop, one for all connections."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trustme
from memory import Network, fetch

from bing_images_async._transport.pool import ConnectionPool
from bing_images_async._transport.tls import TLSContext
from bing_images_async.errors import InvalidRequestError

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(file)
    return file


async def test_context_is_made_once_and_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before the first https request, and once for requests at the same time."""
    made: list[tuple[threading.Thread, dict[str, Any]]] = []

    def create(**options: Any) -> ssl.SSLContext:
        made.append((threading.current_thread(), options))
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    monkeypatch.setattr(httpx, "create_ssl_context", create)
    async with ConnectionPool(network=Network()) as pool:
        await fetch(pool)
        assert made == []
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(fetch, pool, "https://service.test/")
    [(thread, options)] = made
    assert thread is not threading.main_thread()
    assert options == {"trust_env": False}


async def test_context_cancelled_while_it_is_made_is_made_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, released = threading.Event(), threading.Event()
    made = 0

    def create(**options: Any) -> ssl.SSLContext:
        nonlocal made
        made += 1
        begun.set()
        released.wait(5)
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    monkeypatch.setattr(httpx, "create_ssl_context", create)
    context = TLSContext()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(context.get)
        await anyio.to_thread.run_sync(begun.wait, 5)
        tasks.cancel_scope.cancel()
        released.set()
    with anyio.fail_after(5):
        assert await context.get() is await context.get()
    assert made <= 2


async def test_context_that_was_given_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx, "create_ssl_context", None)
    given = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert await TLSContext(given).get() is given


async def test_context_of_a_file_trusts_that_file_alone(certificates: Path) -> None:
    context = await TLSContext(str(certificates)).get()
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_context_of_a_folder_is_made(certificates: Path) -> None:
    """OpenSSL reads its files when it needs them."""
    context = await TLSContext(str(certificates.parent)).get()
    assert context.get_ca_certs() == []
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("trust_env", [False, True])
async def test_context_honours_ssl_cert_file_only_with_trust_env(
    trust_env: bool, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates))
    context = await TLSContext(trust_env=trust_env).get()
    assert (len(context.get_ca_certs()) == 1) == trust_env


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["missing", "empty", "no certificate"])
async def test_context_of_a_file_that_cannot_be_used_raises_invalid_request_error(
    content: bytes | None, tmp_path: Path
) -> None:
    """Each time: it may be there later."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    context = TLSContext(str(file))
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match=r"ca\.pem") as caught:
            await context.get()
        assert caught.value.parameter == "verify"


async def test_pool_with_certificates_that_cannot_be_used_closes_the_connection(tmp_path: Path) -> None:
    network = Network()
    async with ConnectionPool(network=network, tls=TLSContext(str(tmp_path / "ca.pem"))) as pool:
        with pytest.raises(InvalidRequestError):
            await fetch(pool, "https://service.test/")
        assert (network.open, pool.open_connections) == ([], 0)
        assert (await fetch(pool)).content == b"hello"
