"""How much of a quota is used when the service rejects requests: at random, or by a quota lower than configured.

    python -m benchmarks throttling [--against REV] [--seeds 9] [--seconds 300] [--backend asyncio|trio]

64 callers that never stop share a session with `rate_limit=50`, on a simulated service (20 ± 15 ms each way, 10 ms of
work, `Retry-After` in whole seconds) and in virtual time, so every run with the same seed is the same. Prints the
median over the seeds for both backends; `--against` adds the figures of another revision, for "before and after".
Ends with 1 if a target is missed. Nine seeds of 300 virtual seconds take about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import anyio
import httpx
from attrs import asdict, define, field, frozen

from bing_images_async import ImageSearchSession, RateLimit, RetryPolicy
from bing_images_async.errors import BingImagesError
from bing_images_async.testing import run

__all__ = ["main"]

ROOT = Path(__file__).parents[1]
RATE = 50
CALLERS = 64
DELAY, JITTER, WORK = 0.02, 0.015, 0.01  # seconds one way, ± seconds of it, seconds at the service
BODY = b'{"_type": "Images", "value": []}'


@frozen
class Scenario:
    """What the service does, and the targets."""

    name: str
    rejected_at_random: float = 0.0
    quota: int | None = None
    """Requests in any second."""
    counts_rejected: bool = False
    least_used: float | None = None
    """Of the quota of the service, or of the configured one if the service has none."""
    most_throttled: float | None = None
    most_failed: int | None = None


SCENARIOS = (
    Scenario("0.2 % rejected at random", rejected_at_random=0.002, least_used=0.72),
    Scenario("1 % rejected at random", rejected_at_random=0.01, least_used=0.52),
    Scenario("5 % rejected at random", rejected_at_random=0.05, least_used=0.22),
    Scenario("10/s allowed", quota=10, most_throttled=0.02, most_failed=0),
    Scenario("10/s allowed, rejected requests count", quota=10, counts_rejected=True, most_failed=0),
    Scenario("50/s allowed", quota=50, least_used=0.96, most_throttled=0.0, most_failed=0),
)


@frozen
class Result:
    """Shares of one run, or medians of many."""

    used: float
    throttled: float
    failed: float

    def missed(self, scenario: Scenario) -> list[str]:
        """Return the targets that were not reached."""
        checks = {
            "used": scenario.least_used is not None and self.used < scenario.least_used,
            "throttled": scenario.most_throttled is not None and self.throttled > scenario.most_throttled,
            "failed": scenario.most_failed is not None and self.failed > scenario.most_failed,
        }
        return [name for name, is_missed in checks.items() if is_missed]


@define(eq=False)
class Service(httpx.AsyncBaseTransport):
    """An httpx transport that answers like the service of a scenario."""

    scenario: Scenario
    random: Random
    accepted: int = 0
    rejected: int = 0
    _window: deque[float] = field(factory=deque)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._travel()
        retry_after = self._retry_after(anyio.current_time())
        if retry_after is None:
            self.accepted += 1
            await anyio.sleep(WORK)
        else:
            self.rejected += 1
        await self._travel()
        if retry_after is None:
            return httpx.Response(200, content=BODY, request=request)
        return httpx.Response(429, headers={"Retry-After": str(retry_after)}, request=request)

    async def _travel(self) -> None:
        await anyio.sleep(DELAY + self.random.uniform(-JITTER, JITTER))

    def _retry_after(self, now: float) -> int | None:
        """Return the seconds to name in a rejection, or `None` to accept the request."""
        if self.random.random() < self.scenario.rejected_at_random:
            return 1
        quota, window = self.scenario.quota, self._window
        if quota is None:
            return None
        while window and window[0] <= now - 1.0:
            window.popleft()
        is_accepted = len(window) < quota
        if is_accepted or self.scenario.counts_rejected:
            window.append(now)
        return None if is_accepted else math.ceil(window[-quota] + 1.0 - now)


async def _simulate(scenario: Scenario, seed: int, seconds: float) -> Result:
    service, failed = Service(scenario, Random(seed)), 0
    client = httpx.AsyncClient(transport=service, trust_env=False)
    async with (
        client,
        ImageSearchSession(
            "key",
            base_url="http://127.0.0.1/v7.0",
            client=client,
            rate_limit=RateLimit(RATE),
            retry=RetryPolicy(),
            timeout=None,
            seed=seed,
        ) as session,
    ):

        async def caller() -> None:
            nonlocal failed
            while anyio.current_time() < seconds:
                try:
                    await session.search("boat")
                except BingImagesError:
                    failed += 1

        async with anyio.create_task_group() as tasks:
            for _ in range(CALLERS):
                tasks.start_soon(caller)
        elapsed = anyio.current_time()
    per_second = service.accepted / elapsed
    return Result(
        used=per_second / (scenario.quota or RATE),
        throttled=service.rejected / (service.accepted + service.rejected),
        failed=failed,
    )


def _measure(scenario: Scenario, backend: Any, seeds: int, seconds: float) -> Result:
    results = [run(_simulate, scenario, seed, seconds, backend=backend) for seed in range(seeds)]
    return Result(*(median(getattr(result, name) for result in results) for name in ("used", "throttled", "failed")))


def _measure_revision(revision: str, scenario: Scenario, backend: str, seeds: int, seconds: float) -> Result:
    """Run this module in a process of its own, with the library of another revision in front of this one."""
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder, "checkout")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", checkout, revision], cwd=ROOT, check=True)
        try:
            command = [sys.executable, "-P", __file__, "--json", scenario.name, "--backend", backend]
            command += ["--seeds", str(seeds), "--seconds", str(seconds)]
            path = os.pathsep.join([str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])])
            environment = {**os.environ, "PYTHONPATH": path}
            done = subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True, text=True)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", checkout], cwd=ROOT, check=True)
    return Result(**json.loads(done.stdout))


def _row(scenario: Scenario, library: str, backend: str, result: Result) -> str:
    missed = ", ".join(result.missed(scenario))
    shares = f"{result.used:7.1%} {result.throttled:9.2%} {result.failed:6g}"
    return f"{scenario.name:38} {library:10} {backend:8} {shares}  {f'missed: {missed}' if missed else 'ok'}"


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks throttling", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--against", metavar="REV", help="a commit whose figures are printed as well")
    parser.add_argument("--seeds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=300.0, help="virtual seconds of each run (300)")
    parser.add_argument("--backend", choices=["asyncio", "trio"])
    parser.add_argument("--json", metavar="SCENARIO", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.json is not None:
        [scenario] = [scenario for scenario in SCENARIOS if scenario.name == options.json]
        print(json.dumps(asdict(_measure(scenario, options.backend, options.seeds, options.seconds))))
        return 0
    print(f"configured {RATE}/s, {CALLERS} callers, {options.seconds:g} virtual s, median of {options.seeds} seeds")
    print(f"{'':58} {'used':>7} {'throttled':>9} {'failed':>6}")
    is_missed = False
    for scenario in SCENARIOS:
        for backend in [options.backend] if options.backend else ["asyncio", "trio"]:
            if options.against is not None:
                before = _measure_revision(options.against, scenario, backend, options.seeds, options.seconds)
                print(_row(scenario, options.against[:10], backend, before), flush=True)
            result = _measure(scenario, backend, options.seeds, options.seconds)
            print(_row(scenario, "here", backend, result), flush=True)
            is_missed = is_missed or bool(result.missed(scenario))
    return 1 if is_missed else 0


if __name__ == "__main__":
    sys.exit(main())
