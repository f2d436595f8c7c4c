"""Does a run over 100,000 queries take more memory than one over a hundred?

    python -m benchmarks.fan_out [--queries 100000] [--backend asyncio|trio] [--plot FILE.svg]

One session, `fan_out`, and a service in a process of its own that answers with pages of 35 images. The memory of this
process (resident set, from `/proc`) is read at every hundredth of the run and compared with that of the same session
at rest, after its first queries. Ends with 1 if it ever rises by 30 MiB or more, if the second half of the run takes
2 MiB more than the first, or if a query has not exactly one outcome. `--plot` draws the curve if matplotlib is
installed.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import attrs

from bing_images_async import ImageSearchSession

from .service import service

MOST = 30.0  # MiB above the session at rest
RISE = 2.0  # MiB from the first half of a run to the second
WARM_UP = 200
SAMPLES = 100
CONCURRENCY = 64


@attrs.frozen
class Sample:
    """The memory of this process at one moment of the run."""

    done: int
    above: float
    """MiB above the session at rest."""


@attrs.frozen
class Result:
    """A run."""

    seconds: float
    samples: tuple[Sample, ...]
    is_whole: bool
    """Each query had exactly one outcome, and it was an answer."""

    @property
    def peak(self) -> float:
        return max(sample.above for sample in self.samples)

    @property
    def rise(self) -> float:
        """From the highest of the first half, warming up left out, to the highest of the second."""
        tenth, half = len(self.samples) // 10, len(self.samples) // 2
        first, second = self.samples[tenth:half], self.samples[half:]
        return max(sample.above for sample in second) - max(sample.above for sample in first)

    @property
    def holds(self) -> bool:
        return self.is_whole and self.peak < MOST and self.rise < RISE


def _memory() -> float:
    """MiB of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _queries(number: int) -> Iterator[str]:
    return (f"paper boat {index}" for index in range(number))


async def _measure(url: str, number: int) -> Result:
    seen, samples, is_whole = bytearray(number), list[Sample](), True
    async with ImageSearchSession("key", base_url=url, rate_limit=None, max_concurrency=CONCURRENCY) as session:
        await session.search_all(_queries(WARM_UP))
        gc.collect()
        at_rest, began = _memory(), time.monotonic()
        async with session.fan_out(_queries(number)) as outcomes:
            async for outcome in outcomes:
                is_whole = is_whole and outcome.error is None and not seen[outcome.index]
                seen[outcome.index] = 1
                if _is_due(len(samples), outcome.index, number):
                    samples.append(Sample(outcome.index, _memory() - at_rest))
        return Result(time.monotonic() - began, tuple(samples), is_whole and sum(seen) == number)


def _is_due(taken: int, index: int, number: int) -> bool:
    """Is it time for the next of the samples?"""
    return index >= taken * number // SAMPLES


def _plot(file: Path, results: dict[str, Result]) -> None:
    try:
        from matplotlib import pyplot  # type: ignore[import-not-found,unused-ignore]  # optional
    except ModuleNotFoundError:
        print("matplotlib is not installed: no plot")
        return
    figure, axes = pyplot.subplots(figsize=(8, 4))
    for backend, result in results.items():
        axes.plot([s.done for s in result.samples], [s.above for s in result.samples], label=backend)
    axes.axhline(MOST, linestyle="--", color="grey")
    axes.set(xlabel="queries done", ylabel="MiB above the session at rest", ylim=(min(0, *axes.get_ylim()), MOST + 2))
    axes.legend()
    figure.savefig(file)


def main() -> None:
    """Both backends, unless one is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--backend", choices=["asyncio", "trio"])
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    results: dict[str, Result] = {}
    print(f"{options.queries:,} queries, {CONCURRENCY} at once; MiB above the session at rest")
    steps = "".join(f"{f'{share} %':>7}" for share in range(0, 100, 10))
    print(f"{'':8}{steps}{'peak':>7}{'rise':>7}{'queries/s':>11}  one outcome each")
    for backend in [options.backend] if options.backend else ["asyncio", "trio"]:
        with service() as url:
            result = results[backend] = anyio.run(_measure, url, options.queries, backend=backend)
        shown = "".join(f"{sample.above:7.1f}" for sample in result.samples[:: SAMPLES // 10])
        print(f"{backend:8}{shown}{result.peak:7.1f}{result.rise:7.1f}", end="")
        print(f"{options.queries / result.seconds:11.0f}  {'yes' if result.is_whole else 'NO'}")
    if options.plot is not None:
        _plot(options.plot, results)
    sys.exit(0 if all(result.holds for result in results.values()) else 1)


if __name__ == "__main__":
    main()
