"""httpx2, the successor of httpx: a client, a semaphore and `json.loads`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from . import HEADERS, IMAGES, PATH, Fetch, Setting, check, query

__all__ = ["defaults", "tuned"]


@asynccontextmanager
async def defaults(setting: Setting) -> AsyncIterator[Fetch]:
    async with httpx2.AsyncClient(verify=setting.tls() or True) as client:
        yield _fetch(client, setting)


@asynccontextmanager
async def tuned(setting: Setting) -> AsyncIterator[Fetch]:
    """As many connections as requests, and all of them kept."""
    limits = httpx2.Limits(max_connections=setting.in_flight, max_keepalive_connections=setting.in_flight)
    async with httpx2.AsyncClient(verify=setting.tls() or True, limits=limits) as client:
        yield _fetch(client, setting)


def _fetch(client: httpx2.AsyncClient, setting: Setting) -> Fetch:
    url = setting.url + PATH
    semaphore = asyncio.Semaphore(setting.in_flight)

    async def fetch(number: int) -> None:
        async with semaphore:
            response = await client.get(url, params={"q": query(number), "count": IMAGES}, headers=HEADERS)
        response.raise_for_status()
        check(len(json.loads(response.content)["value"]))

    return fetch
