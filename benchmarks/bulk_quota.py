"""Does a bulk run use up a quota, and never exceed it?

    python -m benchmarks.bulk_quota [--queries 1000] [--rate 50]

`bing-images bulk --rate 50` asks the emulator, which lets in 50 requests in any second and answers more with 429,
on its own clock. Ends with 1 if a single request was throttled or a query failed, or if the first and the last
request are more than 1.06 times as far apart as the quota asks for.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bing_images_async.emulator import Emulator, Profile, create_app, running_server, synthetic

__all__ = ["main"]

_ALLOWED = 1.06
_LATENCY = 0.05


def main() -> None:
    """Prints how long it took, and what the quota allows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=50)
    options = parser.parse_args()
    gc.disable()  # the emulator is in this process, and a pause of its own would look like a burst of ours
    app = create_app(synthetic(400), profile=Profile(qps=options.rate, latency=_LATENCY))
    emulator: Emulator = app.state.emulator
    with tempfile.TemporaryDirectory() as folder, running_server(app) as url:
        queries = Path(folder, "queries.txt")
        queries.write_text("".join(f"boat {number}\n" for number in range(options.queries)))
        command = [sys.executable, "-m", "bing_images_async", "bulk", str(queries), "--rate", str(options.rate)]
        command += ["--output", str(Path(folder, "images.jsonl"))]
        code = subprocess.run(command, check=False, env={**os.environ, "BING_IMAGES_URL": url}).returncode
    records = emulator.journal.records
    took = records[-1].time - records[0].time
    allowed = options.queries / options.rate * _ALLOWED
    throttled = sum(record.status == 429 for record in records)
    print(f"{len(records)} requests for {options.queries} queries at {options.rate}/s, exit code {code}")
    print(f"first to last {took:.2f} s (at most {allowed:.2f}), throttled {throttled}")
    sys.exit(0 if took <= allowed and not throttled and not code and len(records) == options.queries else 1)


if __name__ == "__main__":
    main()
