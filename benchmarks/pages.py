"""(c) Pages over a socket: 2,000 of 35 images from each candidate: `python -m benchmarks --only pages`."""

from __future__ import annotations

import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping

import attrs
from attrs import frozen

from .clients import CANDIDATES, GATHERED
from .load import Result, Task, sdk_threads
from .server import Server, serving
from .tables import Figure, Plan, Row, Table
from .workers import WorkerError, run_worker

__all__ = ["AT_ONCE", "Case", "measure"]

PAGES = 2_000
AT_ONCE = 2_000
"""Calls that are made at once in the last measurement; 100 may be under way, and each takes 300 ms."""

_OURS = "ours"


@frozen
class Case:
    """What candidates are measured in."""

    in_flight: int
    latency: int
    """Milliseconds from a request to its answer."""
    wire: str = "HTTP"
    loop: str = "asyncio"
    at_once: bool = False

    @property
    def labels(self) -> Mapping[str, str | int]:
        """As tables show it."""
        return {
            "in flight": self.in_flight,
            "server": f"{self.latency} ms",
            "wire": self.wire,
            "loop": self.loop,
            "calls": "at once" if self.at_once else "one after the other",
        }

    @property
    def ideal(self) -> float | None:
        """Pages per second, if nothing took time but the server."""
        return self.in_flight / self.latency * 1000 if self.latency else None

    @property
    def pages(self) -> int:
        """At least `PAGES` and four for each worker, and equally many for each: no worker ends alone."""
        if self.at_once:
            return AT_ONCE
        return self.in_flight * max(4, math.ceil(PAGES / self.in_flight))


@frozen
class _Bounds:
    """What one run of a candidate may take."""

    seconds: float
    """No page is begun later than this."""
    limit: float
    """The worker is ended after this, warm-up included."""
    rounds: int


def _cases(plan: Plan) -> list[Case]:
    at_once = Case(100, 300, at_once=True)
    if not plan.full:
        return [Case(64, 0), Case(16, 100), Case(64, 100), Case(256, 100), at_once]
    levels = [Case(in_flight, latency) for latency in (0, 100) for in_flight in (1, 16, 64, 256, 1_000)]
    wires = [Case(64, latency, wire) for latency in (0, 100) for wire in ("HTTP gzip", "TLS", "TLS gzip")]
    loops = [Case(64, latency, loop="uvloop") for latency in (0, 100)]
    return [*levels, *wires, *loops, at_once]


def _bounds(plan: Plan, case: Case) -> _Bounds:
    if case.at_once:
        return _Bounds(math.inf, 240.0, 1)
    if not plan.full:
        return _Bounds(1.2 if case.latency else 0.8, 20.0, min(2, plan.rounds))
    is_base = case.wire == "HTTP" and case.loop == "asyncio"
    return _Bounds(2.0, 40.0, min(3 if is_base else 2, plan.rounds))


def _candidates(plan: Plan, case: Case) -> list[str]:
    known = GATHERED if case.at_once else CANDIDATES
    names = [name for name in known if name.startswith(_OURS) or not plan.only_ours]
    if case.loop == "uvloop":
        names = [name for name in names if not known[name].in_threads]
    if plan.full:
        return names
    if case.at_once or case.in_flight == 16:  # promises about ours alone
        return [_OURS]
    return [name for name in names if known[name].is_main]


def measure(plan: Plan) -> Table:
    """All rows; two minutes (short) to half an hour (full)."""
    rows: list[Row] = []
    for (latency, wire), cases in itertools.groupby(_cases(plan), key=lambda case: (case.latency, case.wire)):
        with serving(plan.peers, latency=latency / 1000, tls="TLS" in wire, zipped="gzip" in wire) as server:
            for case in cases:
                rows += _rows(plan, case, server)
    return Table(
        name="pages",
        title="Pages over a socket",
        about=(
            "Pages of 35 images (55 KB) from a server on loopback, on a core of its own, which answers after the time "
            'named. So many workers get one page after the other ("in flight"). CPU is process time, threads included, '
            "once all connections are made. Ideal is in flight / server time. Memory is the peak above what the "
            "process had before the first request. Busy is CPU time by wall time: with many in flight and no latency, "
            "a client far below 100 % did not have its core to itself. Runs of candidates alternate; medians."
        ),
        rows=rows,
    )


def _rows(plan: Plan, case: Case, server: Server) -> Iterator[Row]:
    """One for each candidate. Whoever fails to finish or to start is not asked again."""
    bounds = _bounds(plan, case)
    results: defaultdict[str, list[Result]] = defaultdict(list)
    notes: dict[str, str] = {}
    names = _candidates(plan, case)
    for _, name in itertools.product(range(bounds.rounds), names):
        if name in notes:
            continue
        task = Task(
            name,
            server.url,
            None if server.ca is None else str(server.ca),
            case.in_flight,
            case.loop,
            case.pages,
            # JSON has no infinity; a day is as good.
            min(bounds.seconds, 86_400.0),
            case.at_once,
        )
        try:
            said = run_worker(plan, "load", json.dumps(attrs.asdict(task)), timeout=bounds.limit)
        except WorkerError as error:
            notes[name] = str(error).splitlines()[-1].removeprefix("load ")
            continue
        result = Result(**said)
        if result.left_out:
            notes[name] = f"left out: {result.left_out}"
        else:
            results[name].append(result)
    for name in names:
        yield _row(name, case, results[name], notes.get(name))


def _row(name: str, case: Case, results: list[Result], note: str | None) -> Row:
    notes = [] if note is None else [note]
    if CANDIDATES[name].in_threads if name in CANDIDATES else False:
        notes.append(f"{sdk_threads(case.in_flight)} threads")
    if results:
        fewest = min(result.pages + result.failed for result in results)
        if fewest < case.pages:
            notes.append(f"{fewest:,} pages")
        failed = sum(result.failed for result in results)
        if failed:
            error = next(result.error for result in results if result.error)
            notes.append(f"{failed:,} of {sum(r.pages + r.failed for r in results):,} failed ({error})")
    figures = _at_once(case, results) if case.at_once else _figures(case, [r for r in results if r.pages])
    return Row(name, case.labels, figures, "; ".join(notes))


def _figures(case: Case, results: list[Result]) -> dict[str, Figure]:
    if not results:
        return {}
    rates = [result.pages / result.elapsed for result in results]
    ideal = case.ideal
    share = {} if ideal is None else {"share of ideal": Figure.of([rate / ideal for rate in rates])}
    return {
        "CPU per page": Figure.of([result.cpu / result.pages * 1e6 for result in results], "µs"),
        "pages/s": Figure.of(rates),
        **share,
        "p50": Figure.of([result.p50 * 1e3 for result in results], "ms"),
        "p99": Figure.of([result.p99 * 1e3 for result in results], "ms"),
        "peak memory": Figure.of([result.memory for result in results], "MiB"),
        "client busy": Figure.of([result.cpu / result.elapsed * 100 for result in results], "%"),
        "server busy": Figure.of([result.server_cpu / result.elapsed * 100 for result in results], "%"),
    }


def _at_once(case: Case, results: list[Result]) -> dict[str, Figure]:
    assert case.ideal is not None
    if not results:
        return {}
    ideal = AT_ONCE / case.ideal
    return {
        "succeeded": Figure.of([result.pages for result in results]),
        "time / ideal": Figure.of([result.elapsed / ideal for result in results]),
    }
