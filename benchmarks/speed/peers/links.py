"""Links of the library's chain, by their private names, to be used one at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from bing_images_async import ImageSearchSession, RateLimit
from bing_images_async._pipeline.call import Call
from bing_images_async._protocol.messages import Reply, Request

from .instant import HEADERS, URL

__all__ = ["KEY", "REPLY", "new_call", "permits_link", "rate_link", "terminal"]

KEY = "k" * 32
REPLY = Reply(200, HEADERS, b"{}")
_REQUEST = Request("GET", f"{URL}/images/search?q=boat")

Hold = Callable[[], Awaitable[None]]


def new_call(timeout: float = 3600.0) -> Call:
    """A call that begins now."""
    started = anyio.current_time()
    return Call("search", _REQUEST, started=started, deadline=started + timeout)


async def terminal(call: Call) -> Reply:
    """The end of a chain: answers at once."""
    call.sent = anyio.current_time()
    return REPLY


def permits_link(permits: int) -> Callable[[Hold], Awaitable[object]]:
    """What holds back calls beyond `max_concurrency`."""
    return _used(_engine(max_concurrency=permits, rate_limit=None)._permits)


def rate_link(requests: int, burst: int = 1) -> Callable[[Hold], Awaitable[object]]:
    """What paces calls."""
    return _used(_engine(rate_limit=RateLimit(requests, burst=burst))._limiter)


def _engine(**options: Any) -> Any:
    return ImageSearchSession(KEY, base_url=URL, **options)._engine


def _used(link: Any) -> Callable[[Hold], Awaitable[object]]:
    async def use(hold: Hold) -> None:
        async def send(call: Call) -> Reply:
            await hold()
            return await terminal(call)

        await link(new_call(), send)

    return use
