"""Is a quota used up, and never exceeded, on a real socket against a server that counts a sliding window?

    python -m benchmarks.quota [--seconds 10] [--rate 50] [--backend asyncio|trio]

64 callers that never stop share a session which was told the server's quota. The server counts on its own clock,
in a process of its own. Ends with 1 if a single request was throttled, or less than 95 % of the quota was used.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import anyio

from bing_images_async import ImageSearchSession, RateLimit

from .service import service, tell

CALLERS = 64
LATENCY = 0.05


async def _measure(url: str, rate: int, seconds: float) -> None:
    async with ImageSearchSession("key", base_url=url, rate_limit=RateLimit(rate), timeout=None) as session:

        async def caller() -> None:
            while True:
                await session.search("boat")

        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                for _ in range(CALLERS):
                    tasks.start_soon(caller)


def _holds(backend: str, rate: int, seconds: float) -> bool:
    with service(latency=LATENCY, quota=rate) as url:
        anyio.run(_measure, url, rate, seconds, backend=backend)
        journal: dict[str, Any] = tell(url, "journal")
    used = journal["requests"] / (rate * seconds)
    print(f"{backend:8} {journal['requests']:8} {journal['throttled']:9} {journal['most']:14} {used:9.1%}")
    return not journal["throttled"] and used >= 0.95


def main() -> None:
    """Both backends, unless one is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=50)
    parser.add_argument("--backend", choices=["asyncio", "trio"])
    options = parser.parse_args()
    print(f"{options.rate}/s for {options.seconds:g} s, {CALLERS} callers, {LATENCY * 1000:g} ms, on a socket")
    print(f"{'':8} {'requests':>8} {'throttled':>9} {'most in a second':>14} {'used':>7}")
    backends = [options.backend] if options.backend else ["asyncio", "trio"]
    held = [_holds(backend, options.rate, options.seconds) for backend in backends]
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
