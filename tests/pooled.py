"""httpx in front of the library's own connections, for tests that speak httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from bing_images_async._flow.carrier import Carrier, Incoming, Outgoing

__all__ = ["PooledTransport", "ask"]

_FOLLOWING = ("host", "content-length")


class _Body(httpx.AsyncByteStream):
    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return bytes(await anext(aiter(self._incoming)))

    async def aclose(self) -> None:
        await self._incoming.aclose()


async def ask(pool: Carrier, request: httpx.Request) -> httpx.Response:
    """Send `request` through `pool`; the response is unread, and `extensions["incoming"]` is the pool's own."""
    headers = [(name, value) for name, value in request.headers.multi_items() if name not in _FOLLOWING]
    outgoing = Outgoing(request.method, str(request.url), headers, await request.aread())
    outgoing.on_departure = request.extensions.get("departure")
    incoming = await pool.send(outgoing)
    return httpx.Response(
        incoming.status, headers=incoming.headers, stream=_Body(incoming), extensions={"incoming": incoming}
    )


class PooledTransport(httpx.AsyncBaseTransport):
    """An httpx transport over `pool`."""

    def __init__(self, pool: Carrier) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await ask(self._pool, request)
