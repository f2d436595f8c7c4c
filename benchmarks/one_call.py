"""Worker: `LOOP ROUNDS URL`. CPU microseconds per call of a whole call, of what it stands on, and of its parts.

The parts go by private names of the library; one that a measured version does not have is left out.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import anyio
import httpx

from benchmarks.speed.one_call import CHAIN, IN_FLIGHT, PART, WHOLE
from benchmarks.speed.page import page
from bing_images_async import ImageSearchSession, RateLimit, RetryPolicy, SearchParams

from .instant import HEADERS, URL, Instant, run_on
from .links import KEY, new_call, terminal

_FAR_ABOVE = RateLimit(1_000_000, burst=10_000)
"""A limit that no call of these has to wait for: the burst is for clocks that move once a millisecond (uvloop)."""
_SLICE = 0.05  # seconds of CPU for a candidate in a round, about
_LOOPBACK = 1_000  # calls of a slice over the loopback socket
_LINKS = ("deadline", "coalesce", "latch", "breaker", "permits", "limiter")

Use = Callable[[], Awaitable[object]]
"""One use of what is measured."""


async def main(rounds: int, url: str) -> dict[str, list[float]]:
    """Round by round, in turn."""
    taken: dict[str, list[float]] = {}
    async with (
        httpx.AsyncClient(transport=Instant()) as client,
        ImageSearchSession(KEY, base_url=URL, client=client, rate_limit=_FAR_ABOVE) as session,
        ImageSearchSession(KEY, base_url=url, rate_limit=_FAR_ABOVE) as real,
    ):
        whole, sending = {**_in_memory(session, client), **_beside(session)}, _sending(session)
        call = new_call()
        bare = await _Clocked.of(lambda: terminal(call))
        clocked = {name: await _Clocked.of(use) for name, use in {**whole, **sending}.items()}
        await _over_loopback(real, max(IN_FLIGHT))
        for _ in range(rounds):
            nothing = await bare.cpu()
            for name, use in clocked.items():
                taken.setdefault(name, []).append(await use.cpu() - (nothing if name in sending else 0.0))
            for in_flight in IN_FLIGHT:
                taken.setdefault(WHOLE.format(in_flight), []).append(await _over_loopback(real, in_flight))
    return taken


class _Clocked:
    """Something that can be used again and again, as often at a time as fills a slice."""

    def __init__(self, use: Use, number: int) -> None:
        self._use = use
        self._number = number

    @classmethod
    async def of(cls, use: Use) -> _Clocked:
        """It is warm afterwards."""
        trial = cls(use, 50)
        await trial.cpu()
        return cls(use, max(50, int(1e6 * _SLICE / await trial.cpu())))

    async def cpu(self) -> float:
        """Microseconds per use."""
        use, number = self._use, self._number
        gc.collect()
        began = time.process_time()
        for _ in range(number):
            await use()
        return 1e6 * (time.process_time() - began) / number


async def _over_loopback(session: ImageSearchSession, in_flight: int) -> float:
    """Microseconds per search, so many at a time."""

    async def work() -> None:
        while next(started) < _LOOPBACK:
            await session.search("paper boat")

    gc.collect()
    started, began = count(), time.process_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(in_flight):
            tasks.start_soon(work)
    return 1e6 * (time.process_time() - began) / _LOOPBACK


def _in_memory(session: ImageSearchSession, client: httpx.AsyncClient) -> dict[str, Use]:
    """A whole call, and what a client without us does, over a transport that answers at once."""
    transport, url = Instant(), httpx.URL(f"{URL}/images/search?q=paper%20boat&count=35")

    async def send() -> httpx.Response:
        return await client.send(client.build_request("GET", url))

    return {
        "ours: session.search in memory": lambda: session.search("paper boat"),
        "httpx: client.send in memory": send,
        "httpx: its transport alone": lambda: transport.handle_async_request(httpx.Request("GET", url)),
    }


def _sending(session: ImageSearchSession) -> dict[str, Use]:
    """What sends: the whole chain, and its links one by one. The terminal answers at once."""
    links = {name: getattr(session._engine, f"_{name}", None) for name in _LINKS}
    return {
        CHAIN: _chain(session),
        f"{CHAIN}, unpaced": _chain(ImageSearchSession(KEY, rate_limit=None)),
        **{f"{PART}{name}": _link(link) for name, link in links.items() if link is not None},
    }


def _chain(session: ImageSearchSession) -> Use:
    """A call's way through every link of `session`."""
    engine: Any = session._engine
    wire, engine.terminal = engine.terminal, terminal
    send = engine.chain(RetryPolicy())
    engine.terminal = wire
    question = SearchParams(query="paper boat")

    async def use() -> None:
        call = new_call()
        with engine.watch(call, question):
            await send(call)

    return use


def _link(link: Any) -> Use:
    call = new_call()
    return lambda: link(call, terminal)


def _beside(session: ImageSearchSession) -> dict[str, Use]:
    """What a call does beside sending."""
    found: dict[str, Use] = {}
    parts = {
        "request building": _building,
        "call and watch": _watching,
        "terminal in memory": _receiving,
        "decode": _decoding,
    }
    for name, make in parts.items():
        try:
            found[f"{PART}{name}"] = make(session)
        except (AttributeError, ImportError):
            continue
    return found


def _building(session: Any) -> Use:
    from bing_images_async._protocol.request_building import build

    service, defaults = session._service, session._view.defaults

    async def use() -> None:
        build(service, "search", SearchParams(query="paper boat", count=35).with_defaults(defaults))

    return use


def _watching(session: Any) -> Use:
    watch, question = session._engine.watch, SearchParams(query="paper boat")

    async def use() -> None:
        with watch(new_call(), question):
            pass

    return use


def _receiving(session: Any) -> Use:
    wire = session._engine.terminal
    return lambda: wire(new_call())


def _decoding(_: object) -> Use:
    from bing_images_async._protocol.messages import Reply
    from bing_images_async._protocol.response_reading import decipher
    from bing_images_async.models import ImageAnswer

    body = page(35)

    async def use() -> None:
        decipher(Reply(200, HEADERS, body), ImageAnswer)

    return use


if __name__ == "__main__":
    print(json.dumps(run_on(sys.argv[1], main, int(sys.argv[2]), sys.argv[3])))
