"""Bytes of one answer to objects: `python -m benchmarks --only decode`.

CPU time to turn the bytes of one answer into objects, the same bytes for all. Ours is a `session.search` that a
middleware answers, less the same search with an answer without images. All models have the fields of ours (the SDK
has its own); json.loads, orjson and msgspec untyped make dicts. “Every attribute read”: of every object in the
answer, inside the timed region. Peak: of one decode. Kept: resident memory of 256 decoded pages that differ, in
multiples of their bodies, in a process of its own.
"""

import gc
import json
import statistics
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pkgutil import resolve_name

from . import peer_models
from .in_memory import EMPTY, answered_by_middleware
from .memory import resident
from .page import page
from .processes import Plan, run_worker, run_workers
from .tables import Figure, Row, Table
from .timing import Open, Use, cpu_times

OURS, READ, JSON = "ours", "ours, every attribute read", "json.loads"
_SEARCH = "a search without images"
Decode = Callable[[bytes], Awaitable[object]]
OpenDecoder = Callable[[], AbstractAsyncContextManager[Decode]]


@asynccontextmanager
async def _reading() -> AsyncIterator[Decode]:
    read = peer_models.reader()
    async with answered_by_middleware() as decode:

        async def decode_and_read(body: bytes) -> object:
            answer = await decode(body)
            read(answer)
            return answer

        yield decode_and_read


def _peer(make: Callable[[], Callable[[bytes], object]]) -> OpenDecoder:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Decode]:
        decode = make()

        async def use(body: bytes) -> object:
            return decode(body)

        yield use

    return opened


def _official() -> Callable[[bytes], object]:
    from azure.cognitiveservices.search.imagesearch import models
    from msrest import Deserializer

    deserialize = Deserializer({name: kind for name, kind in vars(models).items() if isinstance(kind, type)})
    return lambda body: deserialize("Images", body, "application/json")


CANDIDATES: dict[str, OpenDecoder] = {
    READ: _reading,
    OURS: answered_by_middleware,
    JSON: _peer(lambda: json.loads),
    "orjson.loads": _peer(lambda: resolve_name("orjson:loads")),
    "msgspec, untyped": _peer(lambda: resolve_name("msgspec.json:decode")),
    "msgspec Structs": _peer(peer_models.by_msgspec),
    "pydantic v2": _peer(peer_models.by_pydantic),
    "json.loads + cattrs Converter()": _peer(peer_models.by_cattrs),
    "official SDK's deserializer": _peer(_official),
}


def measure(plan: Plan) -> Table:
    """Every candidate, on pages of 35 and of 150 images."""
    return Table.of("decode", __doc__, [*_rows(plan, 35), *_rows(plan, 150)])


def _rows(plan: Plan, images: int) -> list[Row]:
    names = [READ, OURS, JSON] if plan.only_ours else list(CANDIDATES)
    taken = run_workers(plan.library, plan.rounds, "decode:times", images=images, names=names)
    search, unit = statistics.median(taken.pop(_SEARCH)), statistics.median(taken[JSON])
    rows: list[Row] = []
    for name, values in taken.items():
        times = [value - search for value in values] if name in {READ, OURS} else values
        figures = {
            "CPU per page": Figure.of(times, "µs"),
            "ratio to json.loads": Figure.of([time / unit for time in times], "×"),
        }
        if images == 35 and not plan.only_ours:
            peak, kept = run_worker(plan.library, "decode:memory", loop="asyncio", images=images, candidate=name)
            figures |= {"peak memory": Figure.of([peak], "KiB"), "memory kept": Figure.of([kept], "× body")}
        rows.append(Row(name, {"images": images}, figures))
    return rows


# --- the worker


def times(images: int, names: list[str]) -> dict[str, list[float]]:
    """Microseconds per page by candidate, and those of a search without images."""
    body = page(images)
    opened: dict[str, Open] = {name: partial(_timed, CANDIDATES[name], body) for name in names}
    return cpu_times({**opened, _SEARCH: partial(_timed, answered_by_middleware, EMPTY)}, values=3)


@asynccontextmanager
async def _timed(opened: OpenDecoder, body: bytes) -> AsyncIterator[Use]:
    async with opened() as decode:
        yield lambda: decode(body)


async def memory(images: int, candidate: str) -> tuple[float, float]:
    """KiB at the height of one decode, and what 256 decoded pages keep, as a multiple of their bodies."""
    async with CANDIDATES[candidate]() as decode:
        bodies = [page(images, seed) for seed in range(256)]
        await decode(bodies[0])
        gc.collect()
        before = resident()
        kept = [await decode(bytes(bytearray(body))) for body in bodies]  # of copies, so that views of bodies count
        gc.collect()
        size = resident() - before
        del kept
        tracemalloc.start()
        await decode(bodies[0])
        return tracemalloc.get_traced_memory()[1] / 1024, size / sum(map(len, bodies))
