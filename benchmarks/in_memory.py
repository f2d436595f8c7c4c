"""Sessions without a network: over a transport that answers at once, or answered by a middleware."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from bing_images_async import Call, ImageSearchSession, Reply, Send
from bing_images_async.models import ImageAnswer

from .page import HEADERS, page

KEY = "0123456789abcdef0123456789abcdef"
URL = "http://127.0.0.1/v7.0"
EMPTY = b'{"_type":"Images","value":[]}'
"""An answer in which there is next to nothing to decode."""

_HEADERS = {name.lower(): value for name, value in HEADERS.items()}


class Instant(httpx.AsyncBaseTransport):
    """Answers every request with the same body; `before` is awaited first."""

    def __init__(self, body: bytes | None = None, before: Callable[[], Awaitable[object]] | None = None) -> None:
        self._body = page() if body is None else body
        self._before = before

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._before is not None:
            await self._before()
        return httpx.Response(200, headers=_HEADERS, content=self._body)


@asynccontextmanager
async def session_over(transport: httpx.AsyncBaseTransport, **options: Any) -> AsyncIterator[ImageSearchSession]:
    """A session on a lent client over `transport`; with a key and unpaced unless `options` say otherwise."""
    options = {"api_key": KEY, "base_url": URL, "rate_limit": None, **options}
    async with httpx.AsyncClient(transport=transport) as lent, ImageSearchSession(client=lent, **options) as session:
        yield session


@asynccontextmanager
async def answered_by_middleware() -> AsyncIterator[Callable[[bytes], Awaitable[ImageAnswer]]]:
    """A search whose answer is the given body: nothing is sent, so it is the cheapest public way to decode one."""
    body = EMPTY

    async def answer(_: Call, __: Send) -> Reply:
        return Reply(200, _HEADERS, body)

    async def decode(given: bytes) -> ImageAnswer:
        nonlocal body
        body = given
        return await session.search("paper boat")

    async with ImageSearchSession(KEY, base_url=URL, rate_limit=None, middleware=[answer]) as session:
        yield decode
