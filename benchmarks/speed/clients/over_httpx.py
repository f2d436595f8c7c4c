"""Bare httpx: a client, a semaphore and `json.loads`; and the same over aiohttp's connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import httpx

from . import HEADERS, IMAGES, PATH, Fetch, Setting, check, query

__all__ = ["defaults", "over_aiohttp", "tuned", "unguarded"]


@asynccontextmanager
async def defaults(setting: Setting) -> AsyncIterator[Fetch]:
    async with httpx.AsyncClient(verify=setting.tls() or True) as client:
        yield _fetch(client, setting, asyncio.Semaphore(setting.in_flight))


@asynccontextmanager
async def tuned(setting: Setting) -> AsyncIterator[Fetch]:
    """As many connections as requests, and all of them kept."""
    async with httpx.AsyncClient(verify=setting.tls() or True, limits=_as_many(setting)) as client:
        yield _fetch(client, setting, asyncio.Semaphore(setting.in_flight))


@asynccontextmanager
async def over_aiohttp(setting: Setting) -> AsyncIterator[Fetch]:
    from httpx_aiohttp import HttpxAiohttpClient

    async with HttpxAiohttpClient(verify=setting.tls() or True, limits=_as_many(setting)) as client:
        yield _fetch(client, setting, asyncio.Semaphore(setting.in_flight))


@asynccontextmanager
async def unguarded(setting: Setting) -> AsyncIterator[Fetch]:
    """No semaphore: the pool is to see to it that no more than so many are under way."""
    limits = httpx.Limits(max_connections=setting.in_flight)
    async with httpx.AsyncClient(verify=setting.tls() or True, limits=limits) as client:
        yield _fetch(client, setting, nullcontext())


def _as_many(setting: Setting) -> httpx.Limits:
    return httpx.Limits(max_connections=setting.in_flight, max_keepalive_connections=setting.in_flight)


def _fetch(client: httpx.AsyncClient, setting: Setting, guard: AbstractAsyncContextManager[Any]) -> Fetch:
    url = setting.url + PATH

    async def fetch(number: int) -> None:
        async with guard:
            response = await client.get(url, params={"q": query(number), "count": IMAGES}, headers=HEADERS)
        response.raise_for_status()
        check(len(json.loads(response.content)["value"]))

    return fetch
