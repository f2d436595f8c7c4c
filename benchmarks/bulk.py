"""Commands that check `bing-images bulk` against the emulator on a socket."""

import csv
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from bing_images_async.emulator import Emulator, Profile, create_app, running_server, synthetic

from .checks import Measured


@contextmanager
def _bulk_run(queries: int, output: str, **profile: Any) -> Iterator[tuple[Emulator, list[str], dict[str, str], Path]]:
    """An emulator, the command of a run over so many queries, its environment, and the file of its output."""
    app = create_app(synthetic(400), profile=Profile(latency=0.05, **profile))
    with tempfile.TemporaryDirectory() as folder, running_server(app) as url:
        file, results = Path(folder, "queries.txt"), Path(folder, output)
        file.write_text("".join(f"boat {number}\n" for number in range(queries)))
        command = [sys.executable, "-m", "bing_images_async", "bulk", str(file), "--output", str(results)]
        yield app.state.emulator, command, {**os.environ, "BING_IMAGES_URL": url}, results


def bulk_quota(queries: int = 1_000, rate: int = 50) -> Measured:
    """No request gets a 429 and no query fails; first to last takes at most 1.06 times what the quota asks for."""
    gc.disable()  # the emulator is in this process, and a pause of its own would look like a burst of the run
    with _bulk_run(queries, "images.jsonl", qps=rate) as (emulator, command, environment, _):
        subprocess.run([*command, "--rate", str(rate)], check=True, env=environment)
    records = emulator.journal.records
    took, allowed = records[-1].time - records[0].time, queries / rate * 1.06
    throttled = sum(record.status == 429 for record in records)
    row = {"requests": len(records), "throttled": throttled, "seconds": f"{took:.2f} of {allowed:.2f}"}
    return row, took <= allowed and not throttled and len(records) == queries


def kill(
    queries: int = 2_000, kills: int = 20, concurrency: int = 32, seed: int = 7, output_format: str = "jsonl"
) -> Measured:
    """No result is missing or there twice, and after each SIGKILL at most `concurrency` queries are asked again."""
    random, ends = Random(seed), list[int]()
    with _bulk_run(queries, f"results.{output_format}") as (emulator, command, environment, output):
        command += ["--resume", "--rate", "100", "--concurrency", str(concurrency)]
        is_over = False
        while len(ends) < kills and not is_over:
            with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as process:
                time.sleep(random.uniform(0.3, 3.0))  # of which the start takes one
                is_over = process.poll() is not None
                process.kill()
            ends.append(emulator.requests)
        subprocess.run(command, check=True, env=environment)
        found = Counter(_queries_in(output))
    missing, duplicates, again = queries - len(found), found.total() - len(found), _asked_again(emulator, ends)
    results = f"results {found.total()}, missing {missing}, duplicates {duplicates}"
    row = {"results": results, "kills": len(ends), "asked again after each": " ".join(map(str, again))}
    return row, not (missing or duplicates) and max(again, default=0) <= concurrency


def _queries_in(output: Path) -> Iterator[str]:
    """Return the queries of the output, one for each result."""
    with output.open(newline="") as file:
        if output.suffix == ".csv":
            yield from (row["query"] for row in csv.DictReader(file) if row["rank"] == "0")
        else:
            results = map(json.loads, file)
            yield from (result["query"] for result in results if result["error"] is None and result["images"])


def _asked_again(emulator: Emulator, ends: list[int]) -> list[int]:
    """Return how many requests from each kill to the next asked what had been asked before."""
    again = [0] * (len(ends) + 1)
    seen: set[str] = set()
    for record in emulator.journal.records:
        query = dict(record.query)["q"]
        again[sum(record.number > end for end in ends)] += query in seen
        seen.add(query)
    return again[1:]
