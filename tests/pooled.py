"""httpx in front of the library's own connections, for tests that speak httpx."""

from __future__ import annotations

import httpx

from bing_images_async._transport._patched import Transport
from bing_images_async._transport.pool import ConnectionPool

__all__ = ["ask"]


async def ask(pool: ConnectionPool, request: httpx.Request) -> httpx.Response:
    """Send `request` through `pool`; the response is unread."""
    return await Transport(pool.send, request.extensions.get("departure")).handle_async_request(request)
