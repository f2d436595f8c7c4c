"""One call without a network, and what a session adds to it: `python -m benchmarks --only one_call`.

CPU time per call, one call after the other, over a lent client whose transport answers at once. Every session has a
rate limit far above what comes, and no observers. `fetch` is the sending step under a deadline, without the rest of a
call. So the search less the fetch of the same answer, both without a key, is what a session adds to the sending of a
request: building it, coalescing, retry, error cache, circuit breaker, permits, rate limit, counting, and reading an
answer without images.
"""

import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx

from .in_memory import EMPTY, KEY, URL, Instant, session_over
from .page import page
from .processes import Plan, run_workers
from .tables import Row, Table, rows_of
from .timing import Open, Use, cpu_times

ADDED = "added by the session to the sending of a request"
_SEARCH, _FETCH = "ours: search, no images, no key", "ours: fetch, no images"
_TARGET = f"{URL}/images/search?q=paper+boat&count=35"


def measure(plan: Plan) -> Table:
    """On asyncio, and in a full run on uvloop and trio."""
    rows: list[Row] = []
    for loop in ("asyncio", "uvloop", "trio") if plan.full else ("asyncio",):
        taken = run_workers(plan.library, plan.rounds, "one_call:times", loop=loop)
        fetch = statistics.median(taken[_FETCH])
        taken[ADDED] = [value - fetch for value in taken[_SEARCH]]
        rows += rows_of(taken, {"loop": loop}, "CPU per call")
    return Table.of("one_call", __doc__, rows)


# --- the worker


@asynccontextmanager
async def _search(body: bytes, key: str | None = KEY, is_fetch: bool = False) -> AsyncIterator[Use]:
    from bing_images_async import RateLimit

    # The burst is for clocks that move once a millisecond (uvloop).
    async with session_over(Instant(body), api_key=key, rate_limit=RateLimit(1_000_000, burst=10_000)) as session:
        yield (lambda: session.fetch(_TARGET)) if is_fetch else (lambda: session.search("paper boat"))


@asynccontextmanager
async def _client() -> AsyncIterator[Use]:
    async with httpx.AsyncClient(transport=Instant(EMPTY)) as client:
        url = httpx.URL(_TARGET)
        yield lambda: client.send(client.build_request("GET", url))


def times(loop: str) -> dict[str, list[float]]:
    """Microseconds per call, by candidate."""
    candidates: dict[str, Open] = {
        "ours: search": partial(_search, page(35)),
        _SEARCH: partial(_search, EMPTY, key=None),
        _FETCH: partial(_search, EMPTY, key=None, is_fetch=True),
        "httpx: client.send, no images": _client,
    }
    return cpu_times(candidates, values=5, loop=loop)
