"""Worker: `MANNER LOOP QUERIES`. So many queries by `fan_out`, or all at once by `gather`, answered in memory."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterator

import httpx

from benchmarks.speed.machine import Memory
from bing_images_async import ImageSearchSession, RetryPolicy

from .instant import URL, Instant, run_on
from .links import KEY

_WARM_UP = 200
_CONCURRENCY = 64
_TURNS = 2  # of the event loop that an answer takes, so that searches do overlap


def _queries(number: int) -> Iterator[str]:
    return (f"paper boat {index}" for index in range(number))


async def _fan_out(session: ImageSearchSession, number: int) -> int:
    images = 0
    async with session.fan_out(_queries(number)) as outcomes:
        async for outcome in outcomes:
            images += len(outcome.unwrap().value)
    return images


async def _gather(session: ImageSearchSession, number: int) -> int:
    # One turn of the event loop starts all of them: time limits would end those that are first.
    patient = session.with_options(timeout=None, retry=RetryPolicy(attempt_timeout=3600.0))

    async def images(query: str) -> int:
        return len((await patient.search(query)).value)

    return sum(await asyncio.gather(*map(images, _queries(number))))


async def main(manner: str, queries: int) -> dict[str, float]:
    """CPU microseconds per query, and MiB above the session at rest, at the height of it."""
    run = {"fan_out": _fan_out, "gather": _gather}[manner]
    async with (
        httpx.AsyncClient(transport=Instant(turns=_TURNS)) as client,
        ImageSearchSession(KEY, base_url=URL, client=client, rate_limit=None, max_concurrency=_CONCURRENCY) as session,
    ):
        await _fan_out(session, _WARM_UP)
        gc.collect()
        memory, began = Memory(), time.process_time()
        images = await run(session, queries)
        cpu = time.process_time() - began
        assert images == 35 * queries, f"{images} images of {queries} queries"
        return {"CPU per query": 1e6 * cpu / queries, "memory above rest": memory.growth()}


if __name__ == "__main__":
    print(json.dumps(run_on(sys.argv[2], main, sys.argv[1], int(sys.argv[3]))))
