"""What a session is made with: the key and how it is shown, extra headers and parameters, the environment."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from session_kit import KEY, Service, session_with

from bing_images_async import ApiKey, Bearer, HeaderKey, ImageSearchSession, SubscriptionKey
from bing_images_async._config import environment
from bing_images_async.errors import InvalidRequestError
from bing_images_async.testing import virtual_time

pytestmark = pytest.mark.anyio

GATEWAY = "https://gateway.example/v7.0"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEY", "KEY_FILE", "URL"):
        monkeypatch.delenv(f"BING_IMAGES_{name}", raising=False)


# --- how the key is shown


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (None, "ocp-apim-subscription-key", KEY),
        (SubscriptionKey(), "ocp-apim-subscription-key", KEY),
        (Bearer(), "authorization", f"Bearer {KEY}"),
        (HeaderKey("X-ApiKey"), "x-apikey", KEY),
    ],
)
async def test_the_key_goes_into_one_header(auth: Any, header: str, value: str) -> None:
    """The one that `auth` says, and no other."""
    service = Service()
    async with session_with(service, auth=auth) as session:
        await session.search("boat")
    assert [(name, sent) for name, sent in service.last.headers.items() if KEY in sent] == [(header, value)]


async def test_no_key_no_header() -> None:
    """A service of one's own may need none."""
    service = Service()
    async with session_with(service, None, base_url=GATEWAY) as session:
        await session.search("boat")
    assert "ocp-apim-subscription-key" not in service.last.headers


def test_microsoft_needs_a_key() -> None:
    """The error says what to do without one."""
    with pytest.raises(InvalidRequestError, match=r"ImageSearchSession\.local") as caught:
        ImageSearchSession()
    assert caught.value.parameter == "api_key"


def test_a_key_does_not_travel_in_clear_text() -> None:
    """Plain HTTP is for this machine, unless the user insists."""
    with pytest.raises(InvalidRequestError, match="allow_http"):
        ImageSearchSession(KEY, base_url="http://gateway.example/v7.0")
    for base_url in ("http://localhost:1/", "http://127.1.2.3/", "http://[::1]:80/v7.0"):
        ImageSearchSession(KEY, base_url=base_url)
    ImageSearchSession(KEY, base_url="http://gateway.example/v7.0", allow_http=True)
    ImageSearchSession(base_url="http://gateway.example/v7.0")


# --- where the key comes from


async def _asynchronous() -> str:
    return KEY


@pytest.mark.parametrize("api_key", [KEY, f" {KEY}\n", ApiKey(KEY), lambda: KEY, lambda: ApiKey(KEY), _asynchronous])
async def test_forms_of_a_key(api_key: Any) -> None:
    """A text, an `ApiKey`, a function, an async function; white space around it is no part of it."""
    service = Service()
    async with session_with(service, api_key) as session:
        await session.search("boat")
    assert service.last.headers["ocp-apim-subscription-key"] == KEY


async def test_a_key_function_is_asked_every_time() -> None:
    """So keys can be rotated under a running session."""
    keys: Iterator[str] = iter([f"{number:032d}" for number in range(3)])
    service = Service()
    async with session_with(service, lambda: next(keys)) as session:
        for _ in range(3):
            await session.search("boat")
    sent = [request.headers["ocp-apim-subscription-key"] for request in service.requests]
    assert sent == [f"{number:032d}" for number in range(3)]


async def test_what_a_key_function_raises_is_the_callers() -> None:
    """It arrives unchanged, and nothing was sent."""
    fault = LookupError("the vault is sealed")

    def sealed() -> str:
        raise fault

    service = Service()
    async with session_with(service, sealed) as session:
        with pytest.raises(LookupError) as caught:
            await session.search("boat")
    assert caught.value is fault
    assert service.requests == []


@pytest.mark.parametrize("rubbish", [None, 7, b"bytes", "", "  ", "line\nbreak", "schlüssel"])
async def test_a_key_function_that_returns_rubbish(rubbish: Any) -> None:
    """Is told so, without its value, and nothing is sent."""
    service = Service()
    async with session_with(service, lambda: rubbish) as session:
        with pytest.raises(InvalidRequestError, match="api_key") as caught:
            await session.search("boat")
    assert caught.value.parameter == "api_key"
    assert service.requests == []


@pytest.mark.parametrize("rubbish", [7, b"bytes", "", " \n", "line\nbreak", "schlüssel"])
def test_a_key_that_is_none(rubbish: Any) -> None:
    """Refused when the session is made."""
    with pytest.raises(InvalidRequestError, match="api_key"):
        ImageSearchSession(rubbish)


# --- headers and parameters with every call


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"x": "a\r\nb"}, "CR, LF"),
        ({"x": "naïve"}, "ASCII"),
        ({"x": " "}, "blank"),
        ({"x": 1}, "str"),
        ({"a b": "x"}, "HTTP token"),
        ({"": "x"}, "HTTP token"),
        ({"Cookie": "a=b"}, "itself"),
        ({"host": "elsewhere.example"}, "itself"),
        ({"Accept": "text/html"}, "itself"),
        ({"Accept-Encoding": "br"}, "itself"),
        ({"Content-Length": "1"}, "itself"),
        ({"ocp-apim-subscription-key": "another"}, "itself"),
    ],
)
def test_headers_are_checked(headers: Any, words: str) -> None:
    """What no request can carry, and what is not the user's to set, is refused at once."""
    with pytest.raises(InvalidRequestError, match=words):
        ImageSearchSession(KEY, headers=headers)
    with pytest.raises(InvalidRequestError, match=words):
        ImageSearchSession(KEY).with_options(headers=headers)


async def test_a_gateways_second_header() -> None:
    """`headers=` may set what `auth=` does not use."""
    service = Service()
    headers = {"X-RapidAPI-Host": "gateway.example", "Ocp-Apim-Subscription-Key": "of-the-gateway"}
    async with session_with(service, base_url=GATEWAY, auth=HeaderKey("X-RapidAPI-Key"), headers=headers) as session:
        await session.search("boat")
    sent = service.last.headers
    assert sent["x-rapidapi-key"] == KEY
    assert sent["x-rapidapi-host"] == "gateway.example"
    assert sent["ocp-apim-subscription-key"] == "of-the-gateway"


async def test_a_header_of_the_call_wins() -> None:
    """What a call says of itself stands over what goes with every call; one value is sent."""
    service = Service()
    async with session_with(service, headers={"user-agent": "all/1"}) as session:
        await session.search("boat", user_agent="one/1")
    assert service.last.headers.get_list("user-agent") == ["one/1"]


@pytest.mark.parametrize("params", [{"a": ""}, {"": "a"}, {"a": 1}, {1: "a"}, {"a": "\ud800"}])
def test_params_are_checked(params: Any) -> None:
    """Names and values are texts that can be sent."""
    with pytest.raises(InvalidRequestError, match="params"):
        ImageSearchSession(KEY, params=params)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), True, "5", timedelta(0)])
def test_timeouts_are_checked(timeout: Any) -> None:
    """Above 0 and finite; `None` is the way to say "no limit"."""
    with pytest.raises(InvalidRequestError, match="timeout"):
        ImageSearchSession(KEY, timeout=timeout)


@pytest.mark.parametrize("option", ["keep_raw", "allow_http"])
def test_flags_are_flags(option: str) -> None:
    """A text that happens to be true is a mistake."""
    with pytest.raises(InvalidRequestError, match=option):
        ImageSearchSession(KEY, **{option: "no"})  # type: ignore[arg-type]  # wrong on purpose


# --- the environment


def _key_file(folder: Path, content: bytes) -> str:
    file = folder / "key"
    file.write_bytes(content)
    return str(file)


def _set(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"BING_IMAGES_{name}", value)


async def _sent(session: ImageSearchSession, service: Service, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Any]:
    """Host and key of a request that `session` sends."""
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", lambda _, request: service(request))
    async with session:
        await session.search("boat")
    return service.last.url.host, service.last.headers.get("ocp-apim-subscription-key")


@pytest.mark.parametrize(
    ("variables", "file", "expected"),
    [
        ({"KEY": KEY}, None, ("api.bing.microsoft.com", KEY)),
        ({}, f"{KEY}\n".encode(), ("api.bing.microsoft.com", KEY)),
        ({"KEY": ""}, KEY.encode(), ("api.bing.microsoft.com", KEY)),
        ({"URL": GATEWAY}, None, ("gateway.example", None)),
        ({"URL": GATEWAY, "KEY": KEY}, None, ("gateway.example", KEY)),
        ({"URL": GATEWAY}, KEY.encode(), ("gateway.example", KEY)),
        ({"URL": "", "KEY": KEY}, None, ("api.bing.microsoft.com", KEY)),
    ],
)
async def test_from_env(
    variables: dict[str, str],
    file: bytes | None,
    expected: tuple[str, str | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Key, key file and URL, in every combination that means something; empty variables are not set."""
    _set(monkeypatch, **variables)
    if file is not None:
        _set(monkeypatch, KEY_FILE=_key_file(tmp_path, file))
    assert await _sent(ImageSearchSession.from_env(), Service(), monkeypatch) == expected


def test_from_env_passes_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of the constructor, with its checks."""
    _set(monkeypatch, KEY=KEY)
    with pytest.raises(InvalidRequestError, match="market"):
        ImageSearchSession.from_env(market="nowhere at all")


@pytest.mark.parametrize(
    "data",
    [
        f"\ufeff{KEY}\r\n".encode(),
        f"{KEY}\n".encode("utf-16"),
        b"\xfe\xff" + KEY.encode("utf-16-be"),
        f" {KEY} ".encode(),
    ],
)
def test_key_file_with_a_byte_order_mark_is_read(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Editors and shells on Windows write one."""
    _set(monkeypatch, KEY_FILE=_key_file(tmp_path, data))
    key, _ = environment()
    assert key is not None
    assert key.reveal() == KEY


@pytest.mark.parametrize("variables", [{}, {"KEY": "", "URL": "", "KEY_FILE": ""}])
@pytest.mark.parametrize("others", [(), ("BING_SEARCH_V7_ENDPOINT", "BING_SEARCH_V7_SUBSCRIPTION_KEY")])
def test_from_env_without_a_service_names_the_variables(
    variables: dict[str, str], others: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing key must not make a program search artwork. Microsoft's own variables are not read, but named."""
    _set(monkeypatch, **variables)
    for name in ("BING_SEARCH_V7_ENDPOINT", "BING_SEARCH_V7_SUBSCRIPTION_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in others:
        monkeypatch.setenv(name, KEY)
    with pytest.raises(InvalidRequestError) as caught:
        ImageSearchSession.from_env()
    named = re.findall(r"BING_[A-Z0-9_]+", str(caught.value).partition(" Set ")[0])
    assert named == ["BING_IMAGES_KEY", "BING_IMAGES_KEY_FILE", "BING_IMAGES_URL", *others]
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("url", ["local:", " LOCAL: "])
@pytest.mark.parametrize("key", [None, KEY])
def test_from_env_local_is_the_built_in_service(url: str, key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key or without, and with the options of a program that usually searches elsewhere."""
    _set(monkeypatch, URL=url, **({} if key is None else {"KEY": key}))
    session = ImageSearchSession.from_env(market="en-US", trust_env=True, proxy="http://proxy.example:8080")
    assert repr(session) == "<ImageSearchSession on http://local.bing-images/v7.0>"


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["nope", "nope/deeper", "file.png/nope", "file.png"])
async def test_local_without_its_folder_names_it(name: str, tmp_path: Path) -> None:
    """A folder that is missing, or is none."""
    (tmp_path / "file.png").write_bytes(b"no picture")
    session = ImageSearchSession.local(tmp_path / name)
    with pytest.raises(InvalidRequestError, match=re.escape(repr(str(tmp_path / name))[:60])) as caught:
        await session.__aenter__()
    assert caught.value.parameter == "folder"


@pytest.mark.parametrize("folder", [5, b"/tmp", True, ["/tmp"]])
def test_local_refuses_what_is_no_path(folder: Any) -> None:
    """Before anything is opened."""
    with pytest.raises(InvalidRequestError, match="folder="):
        ImageSearchSession.local(folder)


def _refused_file(path: str) -> Callable[[Path], str]:
    return lambda folder: str(folder / path)


@pytest.mark.parametrize(
    ("key", "file", "words"),
    [
        (KEY, lambda folder: _key_file(folder, KEY.encode()), "both set"),
        (None, _refused_file("missing"), "FileNotFoundError"),
        (None, _refused_file("."), "IsADirectoryError"),
        (None, lambda folder: _key_file(folder, b"\xff\x00"), "not allowed in a header"),
        (None, lambda folder: _key_file(folder, b"\xff\xfe"), "KEY_FILE=.* cannot be used: its content is blank"),
        (None, lambda folder: _key_file(folder, b"\xef\xbb\xbf\n"), "KEY_FILE=.* cannot be used: its content is blank"),
        (None, lambda folder: _key_file(folder, b"\n"), "KEY_FILE=.* cannot be used: its content is blank"),
    ],
)
def test_an_environment_that_cannot_be_read(
    key: str | None,
    file: Callable[[Path], str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two keys, a file that is none, a file without a key: the error says which, and shows no key."""
    if key is not None:
        _set(monkeypatch, KEY=key)
    _set(monkeypatch, KEY_FILE=file(tmp_path))
    with pytest.raises(InvalidRequestError, match=words) as caught:
        ImageSearchSession.from_env()
    assert caught.value.parameter == "api_key"
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ["base_url", "client", "allow_http"])
def test_a_local_session_chooses_its_service_itself(name: str) -> None:
    """The settings that say who answers have no place there."""
    options: dict[str, Any] = {name: None}
    with pytest.raises(InvalidRequestError, match=name):
        ImageSearchSession.local(**options)


def test_a_missing_extra_says_how_to_install_it() -> None:
    """Without Starlette the package imports and searches; `local()` names the `pip install` line."""
    program = (
        "import sys\n"
        "sys.modules['starlette'] = None\n"
        "import bing_images_async as package\n"
        "try:\n"
        "    package.ImageSearchSession.local()\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'pip install "bing-images-async[emulator]"' in ran.stdout
    assert "starlette" in ran.stdout
