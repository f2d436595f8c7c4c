"""What the library promises about speed and memory, held against the tables of one run: medians, this machine."""

from collections.abc import Callable, Iterable
from operator import sub, truediv
from typing import Literal

from attrs import frozen

from .decode import READ
from .growth import FAN_OUT
from .one_call import ADDED
from .start import OURS
from .tables import Table, aligned


@frozen
class Promise:
    """One promise; `measured` is `None` if the run did not have its figures."""

    what: str
    bound: Literal["at most", "at least"]
    limit: float
    measured: float | None
    unit: str = "×"

    @property
    def holds(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured <= self.limit if self.bound == "at most" else self.measured >= self.limit


def promises(tables: Iterable[Table]) -> list[Promise]:
    """Return every promise."""
    by_name = {table.name: table for table in tables}

    def get(table: str, candidate: str, figure: str, **case: str | int) -> float | None:
        return by_name[table].median(candidate, figure, **case) if table in by_name else None

    def page(candidate: str, figure: str, in_flight: int, server: str) -> float | None:
        calls = "one after the other"
        case: dict[str, str | int] = {"server": server, "wire": "HTTP", "loop": "asyncio", "calls": calls}
        return get("pages", candidate, figure, in_flight=in_flight, **case)

    def cpu(*candidates: str) -> float | None:
        """Of the best of them, all of which must have been measured; 64 in flight, server without latency."""
        known = [page(candidate, "CPU per page", 64, "0 ms") for candidate in candidates]
        return None if None in known else min(filter(None, known))

    def decode(images: int) -> Promise:
        ratio = get("decode", READ, "ratio to json.loads", images=images)
        return Promise(f"decode of {images} images, every attribute read, to json.loads", "at most", 1.2, ratio)

    def beside(what: str, limit: float, *candidates: str) -> Promise:
        ratio = _of(truediv, cpu("ours"), cpu(*candidates))
        return Promise(f"CPU per page, 64 in flight, server without latency, to {what}", "at most", limit, ratio)

    def rate(in_flight: int, least: float) -> Promise:
        ours, theirs = (page(name, "pages/s", in_flight, "100 ms") for name in ("ours", "aiohttp, bytes alone"))
        what = f"pages/s to those of aiohttp with the bytes alone, {in_flight} in flight, 100 ms server"
        return Promise(what, "at least", least, _of(truediv, ours, theirs))

    def at_once(figure: str) -> float | None:
        return get("pages", "ours", figure, in_flight=100, server="300 ms", calls="at once")

    def memory(queries: int) -> float | None:
        return get("growth", FAN_OUT, "memory above rest", queries=queries, loop="asyncio")

    added, kept = get("one_call", ADDED, "CPU per call", loop="asyncio"), get("decode", READ, "memory kept", images=35)
    many, few = (page("ours", "CPU per page", in_flight, "100 ms") for in_flight in (256, 16))
    most, least = memory(10_000) if memory(100_000) is None else memory(100_000), memory(1_000)
    start = get("start", OURS, "ratio, wall")
    all_at_once = "2,000 calls at once, 100 permits, 300 ms server"
    return [
        decode(35),
        decode(150),
        Promise("CPU that a session adds to the sending of a request", "at most", 100, added, "µs"),
        Promise("the same, to a page over a socket, 64 in flight", "at most", 0.2, _of(truediv, added, cpu("ours"))),
        beside("httpx, a semaphore and json.loads, the better of two", 0.33, "httpx", "httpx, tuned"),
        beside("the official SDK", 1 / 8, "official SDK, threads"),
        beside("aiohttp + pydantic", 2.05, "aiohttp + pydantic"),
        rate(64, 0.90),
        rate(256, 0.55),
        Promise("CPU per page, 256 in flight to 16, 100 ms server", "at most", 1.3, _of(truediv, many, few)),
        Promise(f"{all_at_once}: successes", "at least", 2_000, at_once("succeeded"), ""),
        Promise(f"{all_at_once}: time to the ideal", "at most", 1.1, at_once("time / ideal")),
        Promise("memory of 256 decoded pages to the size of their bodies", "at most", 4, kept),
        Promise("memory of a fan-out, the most queries less 1,000", "at most", 2, _of(sub, most, least), "MiB"),
        Promise("start to the first page, to httpx, cattrs, msgspec, anyio and dicts", "at most", 1.6, start),
    ]


def _of(operation: Callable[[float, float], float], left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else operation(left, right)


def promises_table(kept: Iterable[Promise]) -> str:
    """What was promised, what was measured, and whether it holds."""
    words = {True: "yes", False: "**NO**", None: "not measured"}
    lines = [["promise", "limit", "measured", "holds"]]
    for p in kept:
        measured = "–" if p.measured is None else f"{p.measured:.4g}"
        lines.append([p.what, f"{p.bound} {p.limit:.4g} {p.unit}", measured, words[p.holds]])
    return aligned(lines, left={0, 3})
