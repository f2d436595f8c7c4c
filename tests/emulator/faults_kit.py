"""What the tests of faults share: one search, and what a client of httpx makes of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from service_kit import NOON, pictures

from bing_images_async.emulator import Emulator, create_app

SEARCH = "/v7.0/images/search?q=boat&count=5&offset=20"


@asynccontextmanager
async def emulated(
    *, address: tuple[str, int] = ("127.0.0.1", 123), base: str = "http://local.bing-images", **settings: Any
) -> AsyncGenerator[tuple[httpx.AsyncClient, Emulator]]:
    """A client in process, and the emulator that it talks to. `settings` go to `create_app`."""
    app = create_app(pictures(), **{"now": lambda: NOON, **settings})
    transport = httpx.ASGITransport(app, client=address)
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        yield client, app.state.emulator


async def impression(client: httpx.AsyncClient) -> str:
    """What a search leads to: the status and what its body is, or the name of the exception."""
    try:
        async with client.stream("GET", SEARCH) as response:
            # Decoded here: on trio httpx leaves generators behind when it cannot.
            body = b"".join([chunk async for chunk in response.aiter_raw()])
    except httpx.TransportError as error:
        return type(error).__name__
    try:
        if response.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
    except (OSError, EOFError) as error:
        return f"{response.status_code} {type(error).__name__}"
    return f"{response.status_code} {_kind(body)}"


def _kind(body: bytes) -> str:
    if body.startswith(b"<html>"):
        return "html"
    try:
        value = json.loads(body) if body else "empty"
    except (ValueError, RecursionError) as error:
        return type(error).__name__
    if isinstance(value, dict):
        return str(value.get("_type") or sorted(value))
    return value if isinstance(value, str) else type(value).__name__


def raised(function: Callable[..., object], *arguments: Any, **named: Any) -> str:
    """The message of the ValueError that a call raises."""
    try:
        function(*arguments, **named)
    except ValueError as error:
        return str(error)
    raise AssertionError("it was accepted")
