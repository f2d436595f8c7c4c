"""What the library promises about speed and memory, held against the tables of one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from attrs import frozen

from .decode import READ
from .growth import FAN_OUT
from .one_call import CHAIN, SHARE
from .start import FIRST_PAGE, OURS
from .tables import Figure, Table

__all__ = ["Promise", "promises"]


@frozen
class Promise:
    """One line of what is promised."""

    what: str
    promised: str
    measured: str | None
    """`None` if the run did not have it."""
    holds: bool | None


def promises(tables: Mapping[str, Table]) -> list[Promise]:
    """Every promise, by the tables there are: medians of one run, this machine."""
    find = _Finder(tables)
    return [*_decode(find), *_one_call(find), *_pages(find), *_memory(find), *_start(find)]


@frozen
class _Finder:
    """Medians in tables that may not be there."""

    tables: Mapping[str, Table]

    def __call__(self, table: str, candidate: str, figure: str, **case: str | int) -> float | None:
        found: Figure | None = None
        if table in self.tables:
            found = self.tables[table].figure(candidate, figure, **case)
        return None if found is None else found.median

    def page(self, candidate: str, figure: str, in_flight: int, server: str) -> float | None:
        """From the table `pages`, over plain HTTP on asyncio."""
        case: dict[str, str | int] = {"wire": "HTTP", "loop": "asyncio", "calls": "one after the other"}
        return self("pages", candidate, figure, in_flight=in_flight, server=server, **case)


def _promise(
    what: str, kind: Literal["at most", "at least"], limit: float, measured: float | None, show: Callable[[float], str]
) -> Promise:
    holds = None if measured is None else (measured <= limit if kind == "at most" else measured >= limit)
    return Promise(what, f"{kind} {show(limit)}", None if measured is None else show(measured), holds)


def _times(value: float) -> str:
    return f"{value:.3g} ×"


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else above / below


def _decode(find: _Finder) -> list[Promise]:
    return [
        _promise(
            f"decode of a page of {images}, every attribute read, to json.loads",
            "at most",
            1.2,
            find("decode", READ, "ratio to json.loads", images=images),
            _times,
        )
        for images in (35, 150)
    ]


def _one_call(find: _Finder) -> list[Promise]:
    cpu = find("one_call", CHAIN, "CPU per call", loop="asyncio")
    share = find("one_call", CHAIN, SHARE.format(64), loop="asyncio")
    return [
        _promise("CPU that the chain adds to a call", "at most", 60, cpu, lambda value: f"{value:.3g} µs"),
        _promise("the same, of the whole call", "at most", 12, share, lambda value: f"{value:.3g} %"),
    ]


def _pages(find: _Finder) -> list[Promise]:
    return [*_cpu_beside_peers(find), *_rates(find), *_at_once(find)]


def _cpu_beside_peers(find: _Finder) -> list[Promise]:
    def cpu(candidate: str, in_flight: int = 64, server: str = "0 ms") -> float | None:
        return find.page(candidate, "CPU per page", in_flight, server)

    def beside(what: str, limit: float, *candidates: str) -> Promise:
        """Beside the best of `candidates`; all of them must have been measured."""
        known = [taken for taken in map(cpu, candidates) if taken is not None]
        best = min(known) if len(known) == len(candidates) else None
        what = f"CPU per page, 64 in flight, server without latency, to {what}"
        return _promise(what, "at most", limit, _ratio(cpu("ours"), best), _times)

    growth = _ratio(cpu("ours", 256, "100 ms"), cpu("ours", 16, "100 ms"))
    return [
        beside("httpx + json.loads, the better of two configurations", 0.33, "httpx", "httpx, tuned"),
        beside("the official SDK", 1 / 8, "official SDK, threads"),
        beside("aiohttp + pydantic v2", 2.5, "aiohttp + pydantic"),
        _promise("CPU per page with 256 in flight to that with 16, 100 ms server", "at most", 1.3, growth, _times),
    ]


def _rates(find: _Finder) -> list[Promise]:
    def rate(candidate: str, in_flight: int) -> float | None:
        return find.page(candidate, "pages/s", in_flight, "100 ms")

    return [
        _promise(
            f"pages/s to those of aiohttp with the bytes alone, {in_flight} in flight, 100 ms server",
            "at least",
            limit,
            _ratio(rate("ours", in_flight), rate("aiohttp, bytes alone", in_flight)),
            _times,
        )
        for in_flight, limit in ((64, 0.90), (256, 0.50))
    ]


def _at_once(find: _Finder) -> list[Promise]:
    case: dict[str, str | int] = {"in_flight": 100, "server": "300 ms", "calls": "at once"}
    succeeded = find("pages", "ours", "succeeded", **case)
    time = find("pages", "ours", "time / ideal", **case)
    what = "2,000 calls at once, 100 permits, 300 ms server"
    return [
        _promise(f"{what}: succeed", "at least", 2_000, succeeded, lambda value: f"{value:,.0f}"),
        _promise(f"{what}: time to the ideal", "at most", 1.1, time, _times),
    ]


def _memory(find: _Finder) -> list[Promise]:
    kept = find("decode", READ, "memory kept", images=35)
    return [
        _promise("memory of 256 decoded pages to the size of their bodies", "at most", 4, kept, _times),
        _flat(find),
    ]


def _flat(find: _Finder) -> Promise:
    """Fan-out: from 1,000 queries to as many as the run had."""

    def memory(queries: int) -> float | None:
        return find("growth", FAN_OUT, "memory above rest", queries=queries, loop="asyncio")

    most = next((queries for queries in (100_000, 10_000) if memory(queries) is not None), 100_000)
    few, many = memory(1_000), memory(most)
    rise = None if few is None or many is None else many - few
    what = f"memory that a fan-out takes more for {most:,} queries than for 1,000"
    return _promise(what, "at most", 2, rise, lambda value: f"{value:.2g} MiB")


def _start(find: _Finder) -> list[Promise]:
    ratio = find("start", OURS, "ratio, wall", up_to=FIRST_PAGE)
    what = "import, session and first page, to httpx, cattrs, msgspec and anyio with a page of dicts"
    return [_promise(what, "at most", 1.6, ratio, _times)]
