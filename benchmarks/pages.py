"""Pages over a socket, 2,000 of 35 images from each candidate: `python -m benchmarks --only pages`.

Pages of 35 images (55 KB) from a server on loopback, on a core of its own, which answers after the time named. So
many workers get one page after the other ("in flight"). CPU is process time, threads included, once all connections
are made. Ideal is in flight / server time. Memory is the peak above what the process had before the first request.
Busy is CPU time by wall time: with many in flight and no latency, a client far below 100 % did not have its core to
itself. Runs of candidates alternate; medians.
"""

import asyncio
import gc
import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import groupby, product
from typing import Any

import attrs

from .clients import AT_ONCE, CANDIDATES, ONLY_FULL, Fetch, Setting
from .memory import Memory
from .processes import Plan, WorkerError, run_worker
from .server import Server, serving
from .tables import Figure, Row, Table

_PAGES, _WARM_PAGES = 2_000, 20
_UNITS = {"CPU per page": "µs", "p50": "ms", "p99": "ms", "peak memory": "MiB", "client busy": "%", "server busy": "%"}

Result = dict[str, Any]
"""What `measured` returns."""


@attrs.frozen
class Case:
    """What candidates are measured in; `latency` is the server's, in milliseconds."""

    in_flight: int
    latency: int
    wire: str = "HTTP"
    loop: str = "asyncio"
    at_once: bool = False

    @property
    def labels(self) -> dict[str, str | int]:
        calls = "at once" if self.at_once else "one after the other"
        case = {"in flight": self.in_flight, "server": f"{self.latency} ms", "wire": self.wire, "loop": self.loop}
        return {**case, "calls": calls}

    @property
    def ideal(self) -> float:
        """Pages per second, if nothing took time but the server; 0 if that takes none."""
        return self.in_flight / self.latency * 1000 if self.latency else 0.0

    @property
    def pages(self) -> int:
        """At least 2,000 and four for each worker, and equally many for each, so that no worker ends alone."""
        return _PAGES if self.at_once else self.in_flight * max(4, math.ceil(_PAGES / self.in_flight))


def _cases(plan: Plan) -> list[Case]:
    if plan.only_ours:
        return [*(Case(in_flight, 0) for in_flight in (1, 16, 64, 256)), Case(256, 100)]
    at_once = Case(100, 300, at_once=True)
    if not plan.full:
        return [Case(64, 0), Case(16, 100), Case(64, 100), Case(256, 100), at_once]
    levels = [Case(in_flight, latency) for latency, in_flight in product((0, 100), (1, 16, 64, 256, 1_000))]
    wires = [Case(64, latency, wire) for latency, wire in product((0, 100), ("HTTP gzip", "TLS", "TLS gzip"))]
    return [*levels, *wires, *(Case(64, latency, loop="uvloop") for latency in (0, 100)), at_once]


def _candidates(plan: Plan, case: Case) -> list[str]:
    names = list(AT_ONCE) if case.at_once else [name for name in CANDIDATES if name not in AT_ONCE[1:]]
    if plan.only_ours:
        return [name for name in names if name.startswith("ours")]
    if not plan.full and (case.at_once or case.in_flight == 16):  # promises about ours alone
        return ["ours"]
    return [name for name in names if plan.full or name not in ONLY_FULL]


def _bounds(plan: Plan, case: Case) -> tuple[int, float, float]:
    """Return rounds, the seconds in which pages are begun, and those after which a worker is ended."""
    if case.at_once:
        return 1, 86_400.0, 240.0
    if not plan.full:
        return min(2, plan.rounds), 1.2 if case.latency else 0.8, 20.0
    return min(3 if case.wire == "HTTP" and case.loop == "asyncio" else 2, plan.rounds), 2.0, 40.0


def measure(plan: Plan) -> Table:
    """All rows; two minutes (short) to half an hour (full)."""
    rows: list[Row] = []
    for (latency, wire), cases in groupby(_cases(plan), key=lambda case: (case.latency, case.wire)):
        with serving(plan.library, latency=latency / 1000, tls="TLS" in wire, gzip="gzip" in wire) as server:
            for case in cases:
                rows += _rows(plan, case, server)
    return Table.of("pages", __doc__, rows)


def _rows(plan: Plan, case: Case, server: Server) -> Iterator[Row]:
    """One for each candidate; one that fails to start or to finish gets no further round."""
    rounds, seconds, timeout = _bounds(plan, case)
    results: defaultdict[str, list[Result]] = defaultdict(list)
    notes: dict[str, str] = {}
    names = _candidates(plan, case)
    place = {"loop": case.loop, "url": server.url, "ca": server.ca}
    measure_one = partial(run_worker, plan.library, "pages:measured", timeout=timeout, **place)
    for _, name in product(range(rounds), names):
        if name in notes:
            continue
        try:
            result = measure_one(candidate=name, case=attrs.asdict(case), seconds=seconds)
        except WorkerError as error:
            result = {"left_out": str(error).splitlines()[-1]}
        if "left_out" in result:
            notes[name] = f"left out: {result['left_out']}"
        else:
            results[name].append(result)
    for name in names:
        yield row(name, case, results[name], notes.get(name))


def row(name: str, case: Case, results: Sequence[Result], note: str | None = None) -> Row:
    """Return medians over results, with notes on what was not as planned."""
    notes = [] if note is None else [note]
    begun = [result["begun"] for result in results]
    if begun and min(begun) < case.pages:
        notes.append(f"{min(begun):,} pages")
    if failed := sum(result["failed"] for result in results):
        error = next(result["error"] for result in results if result["error"])
        notes.append(f"{failed:,} of {sum(begun):,} failed ({error})")
    counted = [result["figures"] for result in results if result["figures"]]
    names = counted[0] if counted else ()
    figures = {figure: Figure.of([one[figure] for one in counted], _UNITS.get(figure, "")) for figure in names}
    return Row(name, case.labels, figures, "; ".join(notes))


# --- the worker


async def measured(candidate: str, url: str, ca: str | None, case: dict[str, Any], seconds: float) -> Result:
    """Return figures of one run, pages begun and failed, and the kind of the first failure; or why it was left out."""
    server, chosen = Server(url, ca), Case(**case)
    async with AsyncExitStack() as stack:
        try:
            fetch = await stack.enter_async_context(CANDIDATES[candidate](Setting(url, ca, chosen.in_flight)))
        except Exception as error:  # noqa: BLE001  # an older library, or a peer, has no such client
            return {"left_out": f"{type(error).__name__}: {error}"}
        memory = Memory()
        if not chosen.at_once:
            await _got(fetch, max(chosen.in_flight, _WARM_PAGES), chosen.in_flight)
        gc.collect()
        server_cpu, cpu, began = server.tell("journal")["cpu"], time.process_time(), time.perf_counter()
        workers = chosen.pages if chosen.at_once else chosen.in_flight
        times, errors = await _got(fetch, chosen.pages, workers, began + seconds)
        elapsed, cpu = time.perf_counter() - began, time.process_time() - cpu
        server_cpu, got = server.tell("journal")["cpu"] - server_cpu, len(times)
    figures = {}
    if chosen.at_once:
        figures = {"succeeded": got, "time / ideal": elapsed / chosen.pages * chosen.ideal}
    elif got:
        figures = {
            "CPU per page": 1e6 * cpu / got,
            "pages/s": got / elapsed,
            **({"share of ideal": got / elapsed / chosen.ideal} if chosen.ideal else {}),
            "p50": 1e3 * times[got // 2],
            "p99": 1e3 * times[got * 99 // 100],
            "peak memory": memory.growth(),
            "client busy": 100 * cpu / elapsed,
            "server busy": 100 * server_cpu / elapsed,
        }
    return {"figures": figures, "begun": got + len(errors), "failed": len(errors), "error": "".join(errors[:1])}


async def _got(fetch: Fetch, pages: int, workers: int, until: float = math.inf) -> tuple[list[float], list[str]]:
    """Get so many pages, none of them begun later than `until`; return the seconds each took, and errors."""
    numbers, times, errors = iter(range(pages)), list[float](), list[str]()

    async def worker() -> None:
        while (called := time.perf_counter()) < until and (number := next(numbers, None)) is not None:
            try:
                await fetch(number)
            except Exception as error:  # noqa: BLE001  # any error of a client is its result
                errors.append(type(error).__name__)
            else:
                times.append(time.perf_counter() - called)

    await asyncio.gather(*(worker() for _ in range(workers)))
    return sorted(times), errors
