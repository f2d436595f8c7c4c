"""A hundred thousand queries overnight: the first images of each, one JSON line per query, within a budget.

python examples/overnight.py queries.txt images.jsonl --rate 50 --budget 250000

The environment names the service (`BING_IMAGES_KEY`, `BING_IMAGES_URL`). `queries.txt` has one query per line and may
be longer than memory. The run waits for outages to end. Started again after any kind of end, it continues with the
queries that have no line yet. (`bing-images bulk` does the same with other formats and a report; this shows how to
build your own.)
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio

from bing_images_async import Budget, ImageSearchSession, Outcome, Progress, RateLimit
from bing_images_async.errors import AuthenticationError, BudgetExceededError, QuotaExhaustedError

ENDING = (AuthenticationError, BudgetExceededError, QuotaExhaustedError)
"""After these, asking on is no use. What was not sent by then has no line, and is asked for next time."""


def done(results: Path) -> set[str]:
    """Queries that have a line. A last line that was cut off in the middle is removed."""
    if not results.exists():
        return set()
    with results.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
    return {json.loads(line)["query"] for line in content.splitlines(keepends=True) if line.endswith(b"\n")}


def queries(file: Path, known: set[str]) -> Iterator[str]:
    """The queries of the file that are not known, read as they are needed."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            query = line.strip()
            if query and query not in known:
                yield query


def as_line(outcome: Outcome) -> str:
    """What is kept of a query: the addresses it found, or why it failed."""
    found = [image.content_url for image in outcome.images]
    error = None if outcome.error is None else str(outcome.error)
    return json.dumps({"query": outcome.query, "found": found, "error": error}) + "\n"


def show(progress: Progress) -> None:
    """Now and then, a line for whoever watches."""
    if progress.done % 1000 == 0:
        rate = progress.done / progress.elapsed
        print(f"{progress.done:,} done, {progress.failed:,} failed, {rate:.1f}/s", file=sys.stderr)


async def overnight(source: Path, results: Path, *, images: int, rate: int, budget: int) -> int:
    """How many queries could not be asked."""
    missing = 0
    known = done(results)
    async with ImageSearchSession.from_env(
        rate_limit=RateLimit(rate), budget=Budget(budget), priority="bulk"
    ) as session:
        todo = sum(1 for _ in queries(source, known))
        estimate = session.estimate(todo, limit=images)
        print(f"{todo:,} queries: {estimate.requests:,} requests, {estimate.seconds:,.0f} s", file=sys.stderr)
        with results.open("a", encoding="utf-8") as file:
            async with session.fan_out(queries(source, known), limit=images, stop_on=ENDING, progress=show) as outcomes:
                async for outcome in outcomes:
                    if isinstance(outcome.error, ENDING):
                        missing += 1
                    else:
                        file.write(as_line(outcome))
    return missing


def main() -> None:
    """Ends with 1 if there is something left to ask."""
    parser = argparse.ArgumentParser(description="Images for many queries.")
    parser.add_argument("source", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--images", type=int, default=300, help="of each query, at most")
    parser.add_argument("--rate", type=int, default=3, help="requests per second that the key allows")
    parser.add_argument("--budget", type=int, default=10_000, help="requests, at most")
    options = parser.parse_args()

    async def run() -> int:
        return await overnight(
            options.source, options.results, images=options.images, rate=options.rate, budget=options.budget
        )

    sys.exit(min(1, anyio.run(run)))


if __name__ == "__main__":
    main()
