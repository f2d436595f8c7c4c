"""The command behind proxies and with private certificates: it honours the environment, and advises in its terms."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from support.certificates import authority, hashed_name, server_context
from support.proxies import Proxy, basic
from support.service import V7Service, keyed

KEY = "k3y0f7h3c0mm4ndl1n3t3st5"
PASSWORD = "pr0xypa55w0rd"
CREDENTIALS = f"user:{PASSWORD}"


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def service(portal: BlockingPortal) -> Iterator[V7Service]:
    """A service with a certificate for api.test and 127.0.0.1 by a private authority."""
    with portal.wrap_async_context_manager(V7Service(tls=server_context("api.test", "127.0.0.1"))) as service:
        yield service


@pytest.fixture
def plain(portal: BlockingPortal) -> Iterator[V7Service]:
    """A service without TLS."""
    with portal.wrap_async_context_manager(V7Service()) as service:
        yield service


@pytest.fixture
def proxy(portal: BlockingPortal, service: V7Service) -> Iterator[Proxy]:
    """A proxy in front of `service` that wants credentials."""
    with portal.wrap_async_context_manager(Proxy(service.port, credentials=CREDENTIALS)) as proxy:
        yield proxy


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    authority().cert_pem.write_to_path(str(path))
    return str(path)


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command with no other network settings than `variables`."""
    network = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in network}
    done = subprocess.run(
        [sys.executable, "-m", "bing_images_async", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**kept, **variables},
    )
    for secret in (KEY, PASSWORD, basic(CREDENTIALS).partition(" ")[2], "Traceback"):
        assert secret not in done.stdout + done.stderr
    return done


def search(**variables: str) -> subprocess.CompletedProcess[str]:
    settings: dict[str, Any] = {"BING_IMAGES_URL": "https://api.test", "BING_IMAGES_KEY": KEY, **variables}
    return run("search", "boat", "--count", "2", "--jsonl", **settings)


def found(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The names of the images that the command printed."""
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line)["name"] for line in done.stdout.splitlines()]


def refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    """What the command said when it failed: one line, in terms of the command line."""
    assert (done.returncode, done.stdout) == (code, "")
    assert len(done.stderr.splitlines()) == 1
    for term in ("verify=", "proxy=", "client=", "trust_env"):
        assert term not in done.stderr
    return done.stderr


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_search_behind_a_proxy_with_a_private_authority_finds_images(
    variable: str, service: V7Service, proxy: Proxy, ca_file: str
) -> None:
    done = search(**{variable: proxy.url_with(CREDENTIALS), "SSL_CERT_FILE": ca_file})
    assert found(done) == ["boat 0", "boat 1"]
    assert [(received.method, received.target) for received in proxy.log] == [("CONNECT", "api.test:443")]
    assert len(keyed(service.requests, KEY)) == 1
    assert keyed(proxy.log, KEY) == []


def test_search_with_an_authority_in_a_directory_finds_images(service: V7Service, tmp_path: Path) -> None:
    authority().cert_pem.write_to_path(str(tmp_path / hashed_name(authority())))
    done = search(BING_IMAGES_URL=f"https://127.0.0.1:{service.port}", SSL_CERT_DIR=str(tmp_path))
    assert found(done) == ["boat 0", "boat 1"]


def test_search_of_an_exception_from_the_proxies_goes_directly(plain: V7Service, proxy: Proxy) -> None:
    done = search(BING_IMAGES_URL=plain.url, HTTP_PROXY=proxy.url, ALL_PROXY=proxy.url, NO_PROXY="127.0.0.1")
    assert found(done) == ["boat 0", "boat 1"]
    assert proxy.connections == 0


def test_search_over_http_behind_a_proxy_finds_images(portal: BlockingPortal, plain: V7Service) -> None:
    with portal.wrap_async_context_manager(Proxy(plain.port)) as proxy:
        done = search(BING_IMAGES_URL="http://127.0.0.1:8080", HTTP_PROXY=proxy.url)
        assert found(done) == ["boat 0", "boat 1"]
        assert [received.target.partition("?")[0] for received in proxy.log] == [
            "http://127.0.0.1:8080/v7.0/images/search"
        ]


def test_doctor_behind_a_proxy_needs_no_direct_connection(portal: BlockingPortal, plain: V7Service) -> None:
    """It lists the variables, without passwords; the name of the service need not resolve here."""
    with portal.wrap_async_context_manager(Proxy(plain.port, credentials=CREDENTIALS)) as proxy:
        url = proxy.url_with(CREDENTIALS)
        done = run("doctor", BING_IMAGES_URL="http://service.invalid", http_proxy=url, NO_PROXY="other.test")
    assert (done.returncode, done.stderr) == (0, "")
    assert proxy.url.replace("//", "//***@") in done.stdout
    assert "NO_PROXY" in done.stdout
    assert "BAD" not in done.stdout


def test_search_behind_a_proxy_that_wants_other_credentials_names_the_variable(proxy: Proxy, ca_file: str) -> None:
    done = search(HTTPS_PROXY=proxy.url_with("user:wrong"), SSL_CERT_FILE=ca_file)
    said = refused(done, 4)
    assert "407" in said
    assert "HTTPS_PROXY" in said
    assert len(proxy.log) == 1


def test_search_behind_a_proxy_that_is_not_there_says_so(ca_file: str) -> None:
    done = search(HTTPS_PROXY=f"http://{CREDENTIALS}@127.0.0.1:9", SSL_CERT_FILE=ca_file)
    assert "proxy" in refused(done, 4).lower()


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1080", f"http://{CREDENTIALS}@127.0.0.1:port"])
def test_search_with_a_proxy_that_cannot_be_used_names_the_variable(value: str) -> None:
    assert "HTTPS_PROXY" in refused(search(HTTPS_PROXY=value), 2)


def test_search_with_an_unknown_authority_says_how_to_trust_it(service: V7Service) -> None:
    said = refused(search(BING_IMAGES_URL=f"https://127.0.0.1:{service.port}"), 4)
    assert "certificate" in said
    assert "SSL_CERT_FILE" in said
    assert keyed(service.requests, KEY) == []


def test_search_with_a_missing_authority_names_the_variable(service: V7Service, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    said = refused(search(BING_IMAGES_URL=f"https://127.0.0.1:{service.port}", SSL_CERT_FILE=missing), 2)
    assert "SSL_CERT_FILE" in said
    assert service.requests == []
