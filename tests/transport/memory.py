"""An `httpx.AsyncClient` over the library's own connections, for tests that speak httpx."""

from __future__ import annotations

import httpx

from bing_images_async._transport.client import make_client
from bing_images_async._transport.pool import ConnectionPool

__all__ = ["ask"]


async def ask(pool: ConnectionPool, request: httpx.Request) -> httpx.Response:
    """Send `request` through `pool`; the response is unread."""
    return await make_client(pool).send(request, stream=True)
