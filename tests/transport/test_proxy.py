"""Proxies: URLs, the variables of the environment, and which requests pass which proxy."""

from __future__ import annotations

import traceback
from base64 import b64encode

import httpcore
import pytest

from bing_images_async._transport.proxy import Proxies, Proxy
from bing_images_async.errors import InvalidRequestError

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "FTP_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def origin(url: str) -> httpcore.Origin:
    return httpcore.URL(url).origin


# --- one URL


@pytest.mark.parametrize(
    ("url", "host", "port", "is_secure"),
    [
        ("http://proxy.test:3128", "proxy.test", 3128, False),
        ("http://proxy.test", "proxy.test", 80, False),
        ("https://proxy.test/", "proxy.test", 443, True),
        ("HTTPS://Proxy.Test:8443/path", "proxy.test", 8443, True),
        ("proxy.test:3128", "proxy.test", 3128, False),
        ("proxy.test", "proxy.test", 80, False),
        ("10.0.0.1:3128", "10.0.0.1", 3128, False),
        ("http://[::1]:3128", "::1", 3128, False),
    ],
)
def test_parse_url_returns_the_proxy(url: str, host: str, port: int, is_secure: bool) -> None:
    assert Proxy.parse(url) == Proxy(host, port, is_secure)


@pytest.mark.parametrize(
    ("url", "credentials"),
    [
        ("http://user:password@proxy.test", b"user:password"),
        ("user:password@proxy.test:3128", b"user:password"),
        ("http://user@proxy.test", b"user:"),
        ("http://:password@proxy.test", b":password"),
        ("http://us%40er:p%3Ass%2Fword@proxy.test", b"us@er:p:ss/word"),
        ("http://user:p@ss@proxy.test", b"user:p@ss"),
        ("http://us%C3%A9r:p%20w@proxy.test", "usér:p w".encode()),
    ],
)
def test_parse_credentials_become_a_header_that_repr_hides(url: str, credentials: bytes) -> None:
    proxy = Proxy.parse(url)
    value = b"Basic " + b64encode(credentials)
    assert proxy.headers == ((b"Proxy-Authorization", value),)
    assert proxy.host == "proxy.test"
    shown = repr(proxy) + repr(Proxies({"all": proxy}))
    assert value.decode() not in shown
    assert credentials.decode() not in shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "http://user:hunter2@",
        "socks5://user:hunter2@proxy.test:1080",
        "ftp://user:hunter2@proxy.test",
        "http://user:hunter2@proxy.test:port",
        "http://user:hunter2@proxy.test:99999",
        "http://user:hunter2@[::1",
        "http://user:hunter2@pröxy.test",
        "user:hunter2@:3128",
    ],
)
def test_parse_url_that_cannot_be_used_raises_without_credentials(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="MY_PROXY is not a proxy") as caught:
        Proxy.parse(url, "MY_PROXY")
    assert caught.value.parameter == "proxy"
    shown = "".join(traceback.format_exception(caught.value, chain=True))
    assert "hunter2" not in shown
    assert "hunter2" not in repr(caught.value.__context__)


def test_parse_scheme_that_cannot_be_used_is_named() -> None:
    with pytest.raises(InvalidRequestError, match=r"socks5://.*client=httpx\.AsyncClient\(proxy="):
        Proxy.parse("socks5://proxy.test")


# --- the environment


def test_from_env_without_variables_has_no_proxy() -> None:
    proxies = Proxies.from_env()
    assert proxies == Proxies()
    assert proxies.of(origin("https://service.test/")) is None


@pytest.mark.parametrize("lower", [False, True], ids=["upper case", "lower case"])
def test_from_env_chooses_by_scheme(lower: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, url in (("HTTP_PROXY", "http://a.test"), ("HTTPS_PROXY", "b.test:1"), ("ALL_PROXY", "http://c.test")):
        monkeypatch.setenv(name.lower() if lower else name, url)
    proxies = Proxies.from_env()
    assert proxies.of(origin("http://service.test/")) == Proxy("a.test", 80)
    assert proxies.of(origin("https://service.test/")) == Proxy("b.test", 1)


def test_from_env_all_proxy_is_for_the_schemes_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://a.test")
    monkeypatch.setenv("ALL_PROXY", "http://b.test")
    proxies = Proxies.from_env()
    assert proxies.of(origin("https://service.test/")) == Proxy("a.test", 80)
    assert proxies.of(origin("http://service.test/")) == Proxy("b.test", 80)


def test_from_env_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "")
    assert Proxies.from_env() == Proxies()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
def test_from_env_variable_that_cannot_be_used_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "socks5://user:hunter2@proxy.test")
    with pytest.raises(InvalidRequestError, match=name) as caught:
        Proxies.from_env()
    assert "hunter2" not in str(caught.value)


def test_from_env_proxies_of_other_protocols_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTP_PROXY", "socks5://proxy.test")
    assert Proxies.from_env() == Proxies()


def test_fixed_proxy_is_for_every_request_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    proxies = Proxies.fixed("http://proxy.test")
    for url in ("http://service.test/", "https://127.0.0.1:1/"):
        assert proxies.of(origin(url)) == Proxy("proxy.test", 80)
    assert Proxies.fixed(None) == Proxies()


# --- NO_PROXY

BYPASS: list[tuple[str, str, bool]] = [
    ("*", "https://service.test/", True),
    ("service.test", "https://service.test/", True),
    ("service.test", "https://SERVICE.test/", True),
    ("SERVICE.TEST", "https://service.test/", True),
    ("service.test", "https://api.service.test/", True),
    (".service.test", "https://api.service.test/", True),
    (".service.test", "https://service.test/", True),
    ("*.service.test", "https://api.service.test/", True),
    ("service.test", "https://myservice.test/", False),
    (".service.test", "https://myservice.test/", False),
    ("*.service.test", "https://myservice.test/", False),
    ("api.service.test", "https://service.test/", False),
    ("service.tes", "https://service.test/", False),
    ("test", "https://service.test/", True),
    ("service.test:443", "https://service.test/", True),
    ("service.test:8443", "https://service.test/", False),
    ("service.test:8443", "https://service.test:8443/", True),
    ("service.test:80", "http://service.test/", True),
    ("other.test, service.test ,", "https://service.test/", True),
    (" , ,", "https://service.test/", False),
    ("", "https://service.test/", False),
    ("localhost", "http://localhost:8000/", True),
    ("localhost", "http://127.0.0.1/", False),
    ("127.0.0.1", "http://127.0.0.1:8000/", True),
    ("127.0.0.1:8000", "http://127.0.0.1:8000/", True),
    ("127.0.0.1:8001", "http://127.0.0.1:8000/", False),
    ("0.0.1", "http://127.0.0.1/", False),
    ("10.0.0.0/8", "http://10.1.2.3/", True),
    ("10.1.2.3/8", "http://10.9.9.9/", True),
    ("10.0.0.0/8", "http://11.1.2.3/", False),
    ("10.0.0.0/8", "http://10.test/", False),
    ("10.0.0.0/8", "http://[::1]/", False),
    ("::1", "http://[::1]/", True),
    ("[::1]", "http://[::1]/", True),
    ("[::1]:8000", "http://[::1]:8000/", True),
    ("[::1]:8001", "http://[::1]:8000/", False),
    ("::1", "http://[::2]/", False),
    ("fd00::/8", "http://[fd12::1]/", True),
    ("0:0:0:0:0:0:0:1", "http://[::1]/", True),
    ("fd00::/8", "http://127.0.0.1/", False),
    ("service.test", "http://127.0.0.1/", False),
    ("300.0.0.0/8", "http://127.0.0.1/", False),
]


@pytest.mark.parametrize(("value", "url", "is_direct"), BYPASS)
def test_no_proxy_names_the_hosts_reached_directly(
    value: str, url: str, is_direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", value)
    monkeypatch.setenv("ALL_PROXY", "http://proxy.test")
    proxy = Proxies.from_env().of(origin(url))
    assert proxy == (None if is_direct else Proxy("proxy.test", 80))
