"""Is every result there once, and none twice, however often a bulk run is killed?

    python -m benchmarks.kill [--queries 2000] [--kills 20] [--concurrency 32] [--seed 7] [--output-format jsonl]

`bing-images bulk --resume` asks the emulator, on a socket. At random moments it is ended with SIGKILL and started
again, then left to finish. The output is compared with the input, and the emulator's journal says which queries
were asked more than once. Ends with 1 if a result is missing or there twice, or if after any kill more than
`concurrency` queries were asked again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import attrs

from bing_images_async.emulator import Emulator, Profile, create_app, running_server, synthetic

__all__ = ["Verdict", "kill_often"]

_LONGEST_LIFE = 3.0  # seconds, of which the start takes one
_RATE = 100  # requests per second, so that there is something left to kill


@attrs.frozen(kw_only=True)
class Verdict:
    """What came of it."""

    results: int
    missing: int
    duplicates: int
    kills: int
    asked_again: list[int]
    """After each kill, how many queries were asked that had been asked before."""
    failed: int

    def holds(self, concurrency: int) -> bool:
        """Is that what was promised?"""
        return not (self.missing or self.duplicates or self.failed) and max(self.asked_again, default=0) <= concurrency


def kill_often(
    *, queries: int, kills: int, concurrency: int, seed: int, form: str = "jsonl", rate: int = _RATE,
    longest_life: float = _LONGEST_LIFE,
) -> Verdict:  # fmt: skip
    """Run, kill, go on."""
    random = Random(seed)
    app = create_app(synthetic(400), profile=Profile(latency=0.05))
    emulator: Emulator = app.state.emulator
    with tempfile.TemporaryDirectory() as folder, running_server(app) as url:
        asked = [f"boat {number}" for number in range(queries)]
        place = Path(folder)
        (place / "queries.txt").write_text("\n".join(asked))
        output = place / f"results.{form}"
        command = [sys.executable, "-m", "bing_images_async", "bulk", str(place / "queries.txt"), "--resume"]
        command += ["--output", str(output), "--rate", str(rate), "--concurrency", str(concurrency)]
        environment = {**os.environ, "BING_IMAGES_URL": url}
        ends: list[int] = []
        while len(ends) < kills:
            with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as process:
                time.sleep(random.uniform(0.1, 1.0) * longest_life)
                is_over = process.poll() is not None
                process.send_signal(signal.SIGKILL)
            ends.append(emulator.requests)
            if is_over:
                break
        code = subprocess.run(command, check=False, env=environment).returncode
        if not output.exists():
            sys.exit("There is no output at all.")
        found = Counter(_queries(output))
        return Verdict(
            results=found.total(),
            missing=len(set(asked) - found.keys()),
            duplicates=found.total() - len(found),
            kills=len(ends),
            asked_again=_asked_again(emulator, ends),
            failed=code,
        )


def _queries(output: Path) -> Iterator[str]:
    """The queries of the output, one for each result."""
    if output.suffix == ".jsonl":
        with output.open() as file:
            for line in file:
                result = json.loads(line)
                if result["error"] is None and result["images"]:
                    yield result["query"]
        return
    with output.open(newline="") as file:
        yield from (row["query"] for row in csv.DictReader(file) if row["rank"] == "0")


def _asked_again(emulator: Emulator, ends: list[int]) -> list[int]:
    """Of the requests from each kill to the next one, how many asked what had been asked before."""
    again = [0] * (len(ends) + 1)
    seen: set[str] = set()
    for record in emulator.journal.records:
        run = sum(record.number > end for end in ends)
        query = dict(record.query)["q"]
        again[run] += query in seen
        seen.add(query)
    return again[1:]


def main() -> None:
    """Prints what came of it."""
    parser = argparse.ArgumentParser()
    for name, default in (("queries", 2_000), ("kills", 20), ("concurrency", 32), ("seed", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--output-format", choices=["jsonl", "csv"], default="jsonl")
    options = parser.parse_args()
    verdict = kill_often(
        queries=options.queries,
        kills=options.kills,
        concurrency=options.concurrency,
        seed=options.seed,
        form=options.output_format,
    )
    print(
        f"{options.queries} queries, {verdict.kills} × SIGKILL, {options.concurrency} at once, {options.output_format}"
    )
    print(f"results {verdict.results}, missing {verdict.missing}, duplicates {verdict.duplicates}")
    print(f"asked again after each kill: {' '.join(map(str, verdict.asked_again))} (at most {options.concurrency})")
    sys.exit(0 if verdict.holds(options.concurrency) else 1)


if __name__ == "__main__":
    main()
