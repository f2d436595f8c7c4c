"""A command that measures the use of a quota when the service rejects requests, in virtual time.

64 callers that never stop share a session with `rate_limit=50`, on a simulated service (20 ± 15 ms each way, 10 ms of
work, `Retry-After` in whole seconds). Every run with the same seed is the same.
"""

import math
from collections import Counter, deque
from contextlib import nullcontext
from itertools import product
from random import Random
from statistics import median
from typing import Any

import anyio
import httpx
from attrs import frozen

from bing_images_async import RateLimit
from bing_images_async.errors import BingImagesError
from bing_images_async.testing import run

from .checks import Measured
from .in_memory import EMPTY, session_over
from .processes import HERE, library_at, run_worker

RATE = 50
DELAY, JITTER, WORK = 0.02, 0.015, 0.01  # seconds one way, ± seconds of it, seconds at the service


@frozen
class Scenario:
    """What the service does, and the targets: shares of the quota used and of the requests rejected, calls failed."""

    rejected_at_random: float = 0.0
    quota: int | None = None
    """Requests in any second; the configured ones if there is none."""
    counts_rejected: bool = False
    least_used: float = 0.0
    most_rejected: float = 1.0
    most_failed: float = math.inf


SCENARIOS = {
    "0.2 % rejected at random": Scenario(rejected_at_random=0.002, least_used=0.72),
    "1 % rejected at random": Scenario(rejected_at_random=0.01, least_used=0.52),
    "5 % rejected at random": Scenario(rejected_at_random=0.05, least_used=0.22),
    "10/s allowed": Scenario(quota=10, most_rejected=0.02, most_failed=0),
    "10/s allowed, rejected requests count": Scenario(quota=10, counts_rejected=True, most_failed=0),
    "50/s allowed": Scenario(quota=50, least_used=0.96, most_rejected=0.0, most_failed=0),
}


def throttling(backend: str, seeds: int = 9, seconds: float = 300.0, against: str = "") -> Measured:
    """The targets of each scenario are met, as medians over the seeds; `against` adds those of another revision."""
    row: dict[str, str] = {}
    is_met = True
    with library_at(against) if against else nullcontext(HERE) as other:
        for (name, scenario), library in product(SCENARIOS.items(), dict.fromkeys([other, HERE])):
            task = {"name": name, "backend": backend, "seeds": seeds, "seconds": seconds}
            used, rejected, failed = run_worker(library, "throttling:simulated", timeout=3600, **task)
            shown = name if library == HERE else f"{name} ({against})"
            row[shown] = f"used {used:.1%}, rejected {rejected:.2%}, failed {failed:g}"
            met = used >= scenario.least_used and rejected <= scenario.most_rejected and failed <= scenario.most_failed
            is_met &= met or library != HERE
    return row, is_met


# --- the worker


def simulated(name: str, backend: Any, seeds: int, seconds: float) -> list[float]:
    """Medians over seeds: shares of the quota used and of the requests rejected, calls failed."""
    results = [run(_simulate, SCENARIOS[name], seed, seconds, backend=backend) for seed in range(seeds)]
    return [median(values) for values in zip(*results, strict=True)]


async def _simulate(scenario: Scenario, seed: int, seconds: float) -> tuple[float, float, float]:
    random, window, count = Random(seed), deque[float](), Counter[str]()

    async def handle(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(DELAY + random.uniform(-JITTER, JITTER))
        retry_after = _retry_after(scenario, random, window, anyio.current_time())
        count["rejected" if retry_after else "accepted"] += 1
        await anyio.sleep((0 if retry_after else WORK) + DELAY + random.uniform(-JITTER, JITTER))
        return httpx.Response(429 if retry_after else 200, headers=retry_after, content=EMPTY)

    async def caller() -> None:
        while anyio.current_time() < seconds:
            try:
                await session.search("boat")
            except BingImagesError:
                count["failed"] += 1

    transport = httpx.MockTransport(handle)
    async with session_over(transport, rate_limit=RateLimit(RATE), timeout=None, seed=seed) as session:
        async with anyio.create_task_group() as tasks:
            for _ in range(64):
                tasks.start_soon(caller)
        per_second = count["accepted"] / anyio.current_time()
    rejected = count["rejected"] / (count["accepted"] + count["rejected"])
    return per_second / (scenario.quota or RATE), rejected, count["failed"]


def _retry_after(scenario: Scenario, random: Random, window: deque[float], now: float) -> dict[str, str]:
    """Return the header of a rejection, or nothing to accept the request."""
    while window and window[0] <= now - 1.0:
        window.popleft()
    if random.random() < scenario.rejected_at_random:
        return {"Retry-After": "1"}
    is_accepted = scenario.quota is None or len(window) < scenario.quota
    if is_accepted or scenario.counts_rejected:
        window.append(now)
    return {} if is_accepted else {"Retry-After": str(math.ceil(window[-scenario.quota] + 1.0 - now))}
