"""A service in memory that answers at once, and the loops to run on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import httpx

from benchmarks.speed.page import page

__all__ = ["HEADERS", "URL", "Instant", "run_on"]

T = TypeVar("T")

URL = "http://127.0.0.1/v7.0"
HEADERS = {
    "content-type": "application/json; charset=utf-8",
    "bingapis-traceid": "7B1D6C2A9E0F4D53A8C4E6F10B2D3C4E",
    "bingapis-market": "en-US",
    "x-msedge-clientid": "3C1E5A7F9B2D4C6E8A0B1D3F5C7E9A2B",
}


class Instant(httpx.AsyncBaseTransport):
    """Answers every request with the same page; with `turns`, after the event loop has gone round so many times."""

    def __init__(self, images: int = 35, *, turns: int = 0) -> None:
        self._body = page(images)
        self._turns = turns

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(self._turns):
            await anyio.lowlevel.checkpoint()
        return httpx.Response(200, headers=HEADERS, content=self._body)


def run_on(loop: str, main: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Run `main` on `asyncio`, `uvloop` or `trio`."""
    if loop == "trio":
        return anyio.run(main, *arguments, backend="trio")
    return anyio.run(main, *arguments, backend="asyncio", backend_options={"use_uvloop": loop == "uvloop"})
