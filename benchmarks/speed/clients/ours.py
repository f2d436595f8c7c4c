"""Ours: an `ImageSearchSession` as a user would make it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bing_images_async import ImageSearchSession, RateLimit

from . import IMAGES, KEY, Fetch, Setting, check, query

__all__ = ["default", "paced"]

_FAR_ABOVE = 1_000_000
"""Requests per second: the limiter does its work and nobody waits for it."""


@asynccontextmanager
async def default(setting: Setting) -> AsyncIterator[Fetch]:
    async with _session(setting, rate_limit=None) as fetch:
        yield fetch


@asynccontextmanager
async def paced(setting: Setting) -> AsyncIterator[Fetch]:
    async with _session(setting, rate_limit=RateLimit(_FAR_ABOVE)) as fetch:
        yield fetch


@asynccontextmanager
async def _session(setting: Setting, **options: Any) -> AsyncIterator[Fetch]:
    if setting.ca is not None:
        _trust(setting.ca)
    made = ImageSearchSession(KEY, base_url=setting.url, max_concurrency=setting.in_flight, **options)
    async with made as session:

        async def fetch(number: int) -> None:
            answer = await session.search(query(number), count=IMAGES)
            check(len(answer.value))

        yield fetch


def _trust(ca: str) -> None:
    """Let this process take the file for certifi's.

    The session makes its TLS context itself and trusts certifi alone. A context of ours would have to come in with a
    client of ours, whose connections would then be what is measured.
    """
    import certifi

    certifi.where = lambda: ca
