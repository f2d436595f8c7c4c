"""Written by hand on aiohttp: the floor, and what two fast decoders add to it. No retries, no deadline, no pacing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp

from benchmarks.speed.page import page

from . import HEADERS, IMAGES, PATH, Fetch, Setting, check, query

__all__ = ["bytes_alone", "msgspec", "pydantic"]


@asynccontextmanager
async def bytes_alone(setting: Setting) -> AsyncIterator[Fetch]:
    """The body is read and nothing is made of it."""
    whole = len(page(IMAGES))
    async with _client(setting, lambda body: IMAGES if len(body) == whole else 0) as fetch:
        yield fetch


@asynccontextmanager
async def msgspec(setting: Setting) -> AsyncIterator[Fetch]:
    """Structs with all the fields that our models have."""
    from msgspec.json import Decoder

    from benchmarks.speed.peers.same_models import msgspec_models
    from bing_images_async.models import ImageAnswer

    decoder = Decoder(msgspec_models(ImageAnswer).ImageAnswer)
    async with _client(setting, lambda body: len(decoder.decode(body).value)) as fetch:
        yield fetch


@asynccontextmanager
async def pydantic(setting: Setting) -> AsyncIterator[Fetch]:
    """Models with all the fields that ours have."""
    from benchmarks.speed.peers.same_models import pydantic_models
    from bing_images_async.models import ImageAnswer

    model = pydantic_models(ImageAnswer).ImageAnswer
    async with _client(setting, lambda body: len(model.model_validate_json(body).value)) as fetch:
        yield fetch


@asynccontextmanager
async def _client(setting: Setting, images: Callable[[bytes], int]) -> AsyncIterator[Fetch]:
    url = setting.url + PATH
    connector = aiohttp.TCPConnector(limit=setting.in_flight, ssl=setting.tls() or True)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:

        async def fetch(number: int) -> None:
            async with session.get(url, params={"q": query(number), "count": IMAGES}) as response:
                response.raise_for_status()
                check(images(await response.read()))

        yield fetch
