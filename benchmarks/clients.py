"""The candidates of `pages`: this library, and other ways to get a page of images.

A candidate opens a client: an async context manager around a function that gets page `number`, and raises unless that
is the whole page. Its packages are imported in the worker alone.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pkgutil import resolve_name
from typing import Any

from attrs import frozen

from bing_images_async import ImageSearchSession

from . import peer_models
from .in_memory import KEY
from .page import page

HEADERS = {"Ocp-Apim-Subscription-Key": KEY}
IMAGES = 35
PATH = "/v7.0/images/search"
HTTPX, HTTPX2 = "httpx:AsyncClient", "httpx2:AsyncClient"

Fetch = Callable[[int], Awaitable[None]]
Images = Callable[[bytes], int]
Decoder = Callable[[], Callable[[bytes], Any]]
Guard = AbstractAsyncContextManager[Any]


@frozen
class Setting:
    """What a client is given; `ca` is the file of the certificate authority to trust, `None` for plain HTTP."""

    url: str
    ca: str | None
    in_flight: int

    def session(self) -> ImageSearchSession:
        return session_at(self.url, self.ca, max_concurrency=self.in_flight, rate_limit=None)

    def verify(self) -> Any:
        return True if self.ca is None else ssl.create_default_context(cafile=self.ca)


def _query(number: int) -> str:
    """Return the query of a page: each has its own, so that nobody gains by caching."""
    return f"paper boat {number}"


def _params(number: int) -> dict[str, str]:
    return {"q": _query(number), "count": str(IMAGES)}


def _images_in(body: bytes) -> int:
    return len(json.loads(body)["value"])


_SIZE = len(page(IMAGES))


def _whole_body(body: bytes) -> int:
    """Return the number of images of the page with as many bytes; nothing is parsed."""
    return IMAGES if len(body) == _SIZE else 0


def _check(images: int) -> None:
    if images != IMAGES:
        raise ValueError(f"{images} images instead of {IMAGES}")


# --- this library


def session_at(url: str, ca: str | None, **options: Any) -> ImageSearchSession:
    """A session on a server of ours, with its own connections."""
    trusted = {} if ca is None else {"verify": ca}  # revisions before `verify=` have none
    return ImageSearchSession(KEY, base_url=url, **trusted, **options)


@asynccontextmanager
async def _session(setting: Setting) -> AsyncIterator[Fetch]:
    async with setting.session() as session:

        async def fetch(number: int) -> None:
            _check(len((await session.search(_query(number), count=IMAGES)).value))

        yield fetch


@asynccontextmanager
async def _session_client(setting: Setting) -> AsyncIterator[Fetch]:
    """Requests through `session.client` alone: the cost of connections and of httpx's client."""
    async with setting.session() as session:
        yield _fetch(session.client, setting, nullcontext(), _whole_body)


# --- the httpx family


@asynccontextmanager
async def _httpx(
    setting: Setting,
    client: str = "httpx:AsyncClient",
    is_tuned: bool = False,
    is_guarded: bool = True,
    images: Images = _images_in,
) -> AsyncIterator[Fetch]:
    """A client and a semaphore. Tuned: as many connections as requests, and all of them kept."""
    limits = resolve_name("httpx2:Limits" if client == HTTPX2 else "httpx:Limits")
    most, kept = (setting.in_flight, setting.in_flight) if is_tuned else (100, 20)  # 100 and 20 are the defaults
    options = {"limits": limits(max_connections=most, max_keepalive_connections=kept), "verify": setting.verify()}
    guard = asyncio.Semaphore(setting.in_flight) if is_guarded else nullcontext()
    async with resolve_name(client)(**options) as opened:
        yield _fetch(opened, setting, guard, images)


def _fetch(client: Any, setting: Setting, guard: Guard, images: Images) -> Fetch:
    async def fetch(number: int) -> None:
        async with guard:
            response = await client.get(setting.url + PATH, params=_params(number), headers=HEADERS)
        response.raise_for_status()
        _check(images(response.content))

    return fetch


# --- written by hand on aiohttp: no retries, no deadline, no pacing


@asynccontextmanager
async def _aiohttp(setting: Setting, decoder: Decoder | None = None) -> AsyncIterator[Fetch]:
    import aiohttp

    decode = None if decoder is None else decoder()
    connector = aiohttp.TCPConnector(limit=setting.in_flight, ssl=setting.verify())
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def fetch(number: int) -> None:
            async with session.get(setting.url + PATH, params=_params(number)) as response:
                response.raise_for_status()
                body = await response.read()
                _check(_whole_body(body) if decode is None else len(decode(body).value))

        yield fetch


# --- the official SDK: it blocks, so it runs in threads


@asynccontextmanager
async def _official(setting: Setting) -> AsyncIterator[Fetch]:
    from azure.cognitiveservices.search.imagesearch import ImageSearchClient
    from msrest.authentication import ApiKeyCredentials

    def get(number: int) -> None:
        _check(len(client.images.search(_query(number), count=IMAGES).value))

    async def fetch(number: int) -> None:
        await asyncio.get_running_loop().run_in_executor(threads, get, number)

    # More threads than 32 slow each other down; with 256 requests in flight and more, 64 are a little better.
    number = min(setting.in_flight, 32 if setting.in_flight <= 64 else 64)
    key = ApiKeyCredentials(in_headers=HEADERS)
    with ThreadPoolExecutor(number) as threads, ImageSearchClient(setting.url, key) as client:
        client.config.connection.verify = setting.ca or True
        yield fetch


CANDIDATES: dict[str, Callable[[Setting], AbstractAsyncContextManager[Fetch]]] = {
    "ours": _session,
    "ours, bytes alone": _session_client,
    "official SDK, threads": _official,
    "httpx": _httpx,
    "httpx, tuned": partial(_httpx, is_tuned=True),
    "httpx, max_connections": partial(_httpx, is_tuned=True, is_guarded=False),
    "httpx2": partial(_httpx, client=HTTPX2),
    "httpx2, tuned": partial(_httpx, client=HTTPX2, is_tuned=True),
    "httpx over aiohttp": partial(_httpx, client="httpx_aiohttp:HttpxAiohttpClient", is_tuned=True),
    "aiohttp + pydantic": partial(_aiohttp, decoder=peer_models.by_pydantic),
    "aiohttp + msgspec": partial(_aiohttp, decoder=peer_models.by_msgspec),
    "aiohttp, bytes alone": _aiohttp,
}
"""By the name in the tables. Those that start with "ours" are of this library."""

AT_ONCE = ("ours", "httpx, max_connections")
"""Of the case in which all calls are made at once."""
ONLY_FULL = "httpx2"
"""Left out of a short run."""
