"""What type checkers accept as options, and what they refuse. Importing it runs nothing.

A refusal is written as an ignore: were the line accepted, mypy would call the ignore unused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import httpx

from bing_images_async import (
    UNSET,
    ApiKey,
    Aspect,
    Bearer,
    Call,
    Color,
    HeaderKey,
    ImageSearchSession,
    ImageSize,
    Location,
    Middleware,
    Module,
    Observer,
    RateLimit,
    Reply,
    RetryPolicy,
    SafeSearch,
    SearchParams,
    Send,
    SubscriptionKey,
)
from bing_images_async.events import Event


def keys(plain: Callable[[], str], later: Callable[[], Awaitable[str]]) -> list[ImageSearchSession]:
    """Every form of a key, and every way to show it."""
    return [
        ImageSearchSession("key"),
        ImageSearchSession(ApiKey("key"), auth=SubscriptionKey()),
        ImageSearchSession(plain, auth=Bearer()),
        ImageSearchSession(later, auth=HeaderKey("x-apikey")),
        ImageSearchSession(None, base_url="https://gateway.example"),
    ]


async def cache(call: Call, send: Send) -> Reply:
    """A middleware can be a function."""
    return await send(call)


class Tracing:
    """Or an object."""

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Pass the call on."""
        return await send(call)


def observe(event: Event) -> None:
    """An observer can be a function."""


def settings(client: httpx.AsyncClient) -> ImageSearchSession:
    """All of them by name."""
    links: list[Middleware] = [cache, Tracing()]
    observers: list[Observer] = [observe]
    return ImageSearchSession(
        "key",
        market="en-US",
        country_code=None,
        accept_language=UNSET,
        safe_search=SafeSearch.STRICT,
        location=Location(47.6, -122.3, 100),
        rate_limit=RateLimit(10, per=1.0),
        max_concurrency=8,
        retry=RetryPolicy(attempts=2, attempt_timeout=timedelta(seconds=5)),
        timeout=timedelta(seconds=10),
        on_outage="wait",
        client=client,
        headers={"x": "y"},
        params={"customConfig": "1"},
        priority="bulk",
        keep_raw=True,
        middleware=links,
        observers=observers,
    )


async def questions(session: ImageSearchSession) -> None:
    """Enums or their texts, `None` for "do not send"."""
    await session.search("boat", size=ImageSize.LARGE, aspect="Wide", color=Color.TEAL, safe_search="off", market=None)
    await session.search(SearchParams("boat", aspect=Aspect.TALL, market="en-US"), offset=35)
    await session.details(image_url="https://pictures.example/", modules=[Module.TAGS, "Caption"])
    await session.details(image=Path("boat.png"), modules="All")
    await session.details(image=BytesIO(b""), query="boat")
    await session.trending(market="en-US", no_cache=True, accept="application/json")


async def refused(session: ImageSearchSession) -> None:
    """What cannot be right is seen before it runs."""
    await session.search("boat", count="20")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await session.search("boat", marked="en-US")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await session.search()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await session.trending(size="Large")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await session.details(image="boat.png")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    session.with_options(api_key="key")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    session.with_options(timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ImageSearchSession("key", "https://gateway.example")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    ImageSearchSession("key", on_outage="hope")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ImageSearchSession(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
