"""What the tests of the session share: a service that answers alike, and a session that talks to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx

from bing_images_async import ImageSearchSession

KEY = "0123456789abcdef0123456789abcdef"
HOST = "https://api.bing.microsoft.com"

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


def page(*names: str, **more: Any) -> dict[str, Any]:
    """A search answer with one image for each name."""
    images = [{"name": name, "contentUrl": f"https://pictures.example/{name}.png"} for name in names]
    return {"_type": "Images", "totalEstimatedMatches": len(names), "value": images, **more}


BODIES: dict[str, dict[str, Any]] = {
    "search": page("boat", nextOffset=35, currentOffset=0),
    "details": {"_type": "ImageInsights", "imageTags": {"value": [{"name": "boat"}]}},
    "trending": {"_type": "TrendingImages", "categories": [{"title": "Boats", "tiles": []}]},
}


class Service:
    """Answers every request alike (by default as its endpoint does) and remembers what it was asked."""

    def __init__(self, body: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self._body = body
        self._status = status
        self._headers = dict(headers or {})

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        # A copy: the session takes the key out of a request when the attempt is over.
        content = await request.aread()
        self.requests.append(httpx.Request(request.method, request.url, headers=request.headers, content=content))
        body = BODIES[request.url.path.rpartition("/")[2]] if self._body is None else self._body
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return httpx.Response(self._status, headers=self._headers, **content)

    @property
    def last(self) -> httpx.Request:
        return self.requests[-1]

    @property
    def query(self) -> dict[str, str]:
        """The query parameters of the last request."""
        return dict(self.last.url.params)


@asynccontextmanager
async def session_with(handler: Handler, api_key: Any = KEY, **options: Any) -> AsyncGenerator[ImageSearchSession]:
    """An entered session whose requests go to `handler`."""
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client,
        ImageSearchSession(api_key, client=client, **options) as session,
    ):
        yield session


class Chunks(httpx.AsyncByteStream):
    """A body that comes in pieces, each after a wait of `seconds`; it knows whether it was closed."""

    def __init__(self, *chunks: bytes, seconds: float = 0.0) -> None:
        self.given = 0
        self.closed = False
        self._chunks = chunks
        self._seconds = seconds

    def __aiter__(self) -> AsyncIterator[bytes]:
        self.closed = False  # the same body answers the next attempt
        return self

    async def __anext__(self) -> bytes:
        if self.closed or self.given == len(self._chunks):
            raise StopAsyncIteration
        await anyio.sleep(self._seconds)
        self.given += 1
        return self._chunks[self.given - 1]

    async def aclose(self) -> None:
        self.closed = True


def streaming(stream: httpx.AsyncByteStream, status: int = 200, **headers: str) -> Handler:
    """A handler that answers with a body as it comes; underscores in header names are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers=named, stream=stream)

    return answer
