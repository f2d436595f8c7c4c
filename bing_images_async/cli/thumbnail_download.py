"""The thumbnails of a page, as `data:` URLs. A thumbnail that cannot be fetched is left out."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable
from http.cookiejar import CookieJar, DefaultCookiePolicy

import anyio
import httpx

from .._session import ImageSearchSession
from .._version import __version__
from ..errors import BingImagesError, InvalidRequestError

__all__ = ["fetch_thumbnails"]

_MAX_NUMBER = 1_000
_MAX_SIZE = 2**20  # bytes; a typical thumbnail has 20,000
_MAX_TOTAL = 64 * 2**20  # bytes
_CONCURRENCY = 8
_TIMEOUT = 15.0  # seconds for one
_TOTAL_TIMEOUT = 120.0  # seconds for all

_HEADERS = {"User-Agent": f"bing-images-async/{__version__}", "Accept-Encoding": "identity"}

_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp", b"BM": "bmp"}


async def fetch_thumbnails(
    session: ImageSearchSession, urls: Iterable[str], report: Callable[[int, int], None]
) -> dict[str, str]:
    """Return the `data:` URL of each thumbnail that is a picture and arrived in time, by its URL.

    URLs of the session's own service are fetched through the session; others without key, cookies or redirects.
    Size, time and number are bounded.
    """
    wanted = list(dict.fromkeys(url for url in urls if url))[:_MAX_NUMBER]
    pictures: dict[str, str] = {}
    limiter = anyio.CapacityLimiter(_CONCURRENCY)
    done = size = 0

    async def fetch(url: str) -> None:
        nonlocal done, size
        data = b""
        async with limiter:
            if size < _MAX_TOTAL:
                with anyio.move_on_after(_TIMEOUT):
                    data = await _fetch(session, client, url)
        kind = next((kind for signature, kind in _SIGNATURES.items() if data.startswith(signature)), None)
        if kind is not None and len(data) <= _MAX_SIZE:
            size += len(data)
            pictures[url] = f"data:image/{kind};base64,{b64encode(data).decode()}"
        done += 1
        report(done, len(wanted))

    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    async with httpx.AsyncClient(headers=_HEADERS, cookies=no_cookies, timeout=None) as client:
        with anyio.move_on_after(_TOTAL_TIMEOUT):
            async with anyio.create_task_group() as tasks:
                for url in wanted:
                    tasks.start_soon(fetch, url)
    return pictures


async def _fetch(session: ImageSearchSession, client: httpx.AsyncClient, url: str) -> bytes:
    """Return the bytes at the URL; nothing if it cannot be fetched."""
    try:
        return await session.fetch(url)
    except InvalidRequestError:
        pass  # not a URL of the session's own service
    except BingImagesError:
        return b""
    data = b""
    try:
        async with client.stream("GET", url) as response:
            async for chunk in response.aiter_raw():
                data += chunk
                if len(data) > _MAX_SIZE:
                    await response.aclose()  # which ends the iteration; leaving it would suspend httpx's generators
            return data if response.status_code == 200 else b""
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
        return b""
