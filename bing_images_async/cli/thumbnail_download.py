"""The pictures of a contact sheet, as `data:` URLs. Whatever cannot be had is left out."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable

import anyio
import httpx
from attrs import define, field

from .._session import ImageSearchSession
from .._transport.body import BodyLimits, read_body
from .._transport.client import make_client
from .._transport.pool import ConnectionPool
from .._version import __version__
from ..errors import BingImagesError, InvalidRequestError

__all__ = ["fetch_thumbnails"]

_MOST = 1_000
_LARGEST = 2**20  # bytes; a thumbnail has some 20,000
_LIMITS = BodyLimits(wire=_LARGEST, decoded=_LARGEST)
_ALL_TOGETHER = 64 * 2**20  # bytes
_AT_ONCE = 8
_PATIENCE = 15.0  # seconds for one
_WHOLE_PATIENCE = 120.0  # seconds for all

_HEADERS = (("User-Agent", f"bing-images-async/{__version__}"), ("Accept-Encoding", "identity"))

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"RIFF", "webp"),
    (b"BM", "bmp"),
)


async def fetch_thumbnails(
    session: ImageSearchSession, urls: Iterable[str], report: Callable[[int, int], None]
) -> dict[str, str]:
    """Address to `data:` URL, of those that are pictures and came in time.

    What lies with the session's own service is fetched through it; the rest plainly, without the key, cookies,
    proxy settings or redirects. Size, time and number are bounded.
    """
    wanted = list(dict.fromkeys(url for url in urls if url))[:_MOST]
    async with make_client(ConnectionPool()) as client:
        basket = _Basket(session, client, report, len(wanted))
        with anyio.move_on_after(_WHOLE_PATIENCE):
            async with anyio.create_task_group() as tasks:
                for url in wanted:
                    tasks.start_soon(basket.fetch, url)
    return basket.pictures


@define
class _Basket:
    """The pictures so far."""

    session: ImageSearchSession
    client: httpx.AsyncClient
    report: Callable[[int, int], None]
    total: int
    pictures: dict[str, str] = field(factory=dict[str, str])
    done: int = 0
    weight: int = 0
    turn: anyio.CapacityLimiter = field(factory=lambda: anyio.CapacityLimiter(_AT_ONCE))

    async def fetch(self, url: str) -> None:
        """Put one picture in, if it can be had."""
        async with self.turn:
            data = b""
            if self.weight < _ALL_TOGETHER:
                with anyio.move_on_after(_PATIENCE):
                    data = await self._bytes(url)
        kind = next((kind for signature, kind in _SIGNATURES if data.startswith(signature)), None)
        if kind is not None and len(data) <= _LARGEST:
            self.weight += len(data)
            self.pictures[url] = f"data:image/{kind};base64,{b64encode(data).decode()}"
        self.done += 1
        self.report(self.done, self.total)

    async def _bytes(self, url: str) -> bytes:
        try:
            return await self.session.fetch(url)
        except InvalidRequestError:
            return await self._plain(url)  # not the session's own service
        except BingImagesError:
            return b""

    async def _plain(self, url: str) -> bytes:
        try:
            async with self.client.stream("GET", url, headers=_HEADERS, timeout=None) as response:
                return await read_body(response.aiter_raw(), response.headers, _LIMITS) if response.is_success else b""
        except (httpx.HTTPError, httpx.InvalidURL, BingImagesError, OSError, ValueError):
            return b""
