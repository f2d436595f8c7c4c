"""Random calls, faults, throttling and cancellations: the same seed gives the same trace, and every invariant holds.

The first 25 seeds always run, all 200 with `-m "figures or not figures"`. A failed run says how to replay it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from random import Random
from typing import Any

import anyio
import pytest
from promise_kit import BACKENDS, Outcome, SimulatedSession, busiest, figure, simulate, simulated_session
from sim import ConnectFault, Cut, Entry, Link, Reply, Server, SlidingWindow

from bing_images_async import ImageSearchSession, RateLimit, RetryPolicy
from bing_images_async.testing import Backend

CALLS = 120

LINK = Link(latency=0.01, jitter=0.008, fragment=300, loss=0.002)
QUOTA = 20

PASSING: list[ConnectFault | None] = [None] * 12 + ["refused", "dns", "reset", "silence"]

REPLIES = [
    *[Reply()] * 14,
    Reply(chunked=True),
    Reply(closes=True),
    Reply(drip=0.002),
    Reply(status=500, body=b"{}"),
    Reply(status=503, body=b"", headers=(("Retry-After", "1"),)),
    Reply(status=404, body=b"{}"),
    Reply(status=302, headers=(("Location", "http://elsewhere/"),)),
    Reply(body=b"<html>"),
    Reply(raw=b"HTP/1.1 nonsense\r\n\r\n"),
    Reply(cut=Cut("before")),
    Reply(cut=Cut("before", "close")),
    Reply(cut=Cut("head")),
    Reply(cut=Cut("body", "close")),
    Reply(cut=Cut("body", "half_close")),
    Reply(cut=Cut("body", "stall")),
]
RARE = [
    Reply(status=401, body=b'{"error": {"code": "401", "message": "no"}}'),
    Reply(body=b""),
    Reply(status=403, body=b'{"statusCode": 403, "message": "Out of call volume quota. replenished in 00:00:02."}'),
]

ENDINGS = {
    "ok",
    "cancelled",
    "AttemptTimeoutError",
    "AuthenticationError",
    "ConnectionFailedError",
    "DeadlineExceededError",
    "MalformedResponseError",
    "NotFoundError",
    "QuotaExhaustedError",
    "RateLimitedError",
    "ServerError",
    "ServiceUnavailableError",
    "SuspectedAbuseError",
    "UnexpectedRedirectError",
}


def _server(seed: int) -> Server:
    """Return a server that mostly answers, but also throttles without a known quota and has every fault."""
    troubled = Random(f"{seed}/server").random() < 0.3

    def respond(entry: Entry) -> Reply:
        random = Random(f"{seed}/reply {entry.number}")
        if troubled and random.random() < 0.02:
            return random.choice(RARE)
        return random.choice(REPLIES)

    def latency(random: Random) -> float:
        return random.choice([0.005, 0.02, 0.05, 0.4])

    return Server(respond, gates=[SlidingWindow(QUOTA, retry_after=1.0)], latency=latency, idle=3.0)


def _siblings(session: ImageSearchSession) -> list[ImageSearchSession]:
    return [
        session,
        session.with_options(priority="bulk"),
        session.with_options(priority="bulk", on_outage="wait", timeout=30.0),
        session.with_options(coalesce=True),
        session.with_options(timeout=0.5),
        session.with_options(retry=RetryPolicy(attempts=5, attempt_timeout=0.3, max_retry_after=5.0)),
    ]


@contextmanager
def _patience(random: Random, backend: Backend) -> Generator[None]:
    """Cancel the block sometimes: with a scope or, on asyncio, with the task's own `cancel()`."""
    seconds = random.choice([0.01, 0.1, 0.5, 1e6, 1e6, 1e6])
    natively = random.random() < 0.5
    if backend == "trio" or not natively:
        with anyio.move_on_after(seconds):
            yield
        return
    task = asyncio.current_task()
    assert task is not None
    timer = asyncio.get_running_loop().call_later(seconds, task.cancel)
    try:
        yield
    except asyncio.CancelledError:
        if not task.cancelling():
            raise
    finally:
        timer.cancel()


async def _play(simulated: SimulatedSession, seed: int, backend: Backend) -> None:
    """Make calls of all kinds, some of them cancelled."""
    siblings = _siblings(simulated.session)

    async def caller(number: int) -> None:
        random = Random(f"{seed}/caller {number}")
        name = f"call {number}"
        await anyio.sleep(random.expovariate(0.7))
        simulated.world.note(name, "begins")
        with _patience(random, backend):
            outcome = await simulated.ask(f"query {random.randint(0, 9)}", random.choice(siblings), name)
            simulated.world.note(name, outcome.ending)

    async with anyio.create_task_group() as tasks:
        for number in range(CALLS):
            tasks.start_soon(caller, number)


async def _recover(simulated: SimulatedSession) -> None:
    """Wait, without faults, until every gate may be open again; then every call succeeds at once."""
    simulated.world.server.respond = lambda _: Reply()
    simulated.world.server.latency = 0.02
    simulated.world.server.gates = ()
    await anyio.sleep(120)
    simulated.forget()
    await simulated.ask("first")
    await simulated.ask_at_once(20)
    assert simulated.endings == {"ok": 21}


def _run(seed: int, backend: Backend) -> tuple[str, list[Outcome], int]:
    faults = Random(f"{seed}/connecting")
    over = False

    def connecting(number: int) -> ConnectFault | None:
        return None if over else faults.choice(PASSING)

    async def main() -> tuple[str, list[Outcome], int]:
        nonlocal over
        limit = Random(f"{seed}/quota").choice([None, RateLimit(QUOTA), RateLimit(2 * QUOTA)])
        options: dict[str, Any] = {
            "rate_limit": limit,
            "max_concurrency": Random(f"{seed}/permits").choice([2, 8, 64]),
            "retry": RetryPolicy(attempt_timeout=1.0),
            "timeout": 10.0,
        }
        world = {"link": LINK, "connecting": connecting}
        async with simulated_session(_server(seed), seed=seed, world=world, **options) as simulated:
            await _play(simulated, seed, backend)
            simulated.assert_at_rest()
            assert sorted(outcome.name for outcome in simulated.outcomes) == sorted(f"call {n}" for n in range(CALLS))
            assert set(simulated.endings) <= ENDINGS
            assert limit is None or busiest(simulated.sent, 1.0) <= limit.requests
            outcomes, requests = list(simulated.outcomes), len(simulated.world.journal.entries)
            over, simulated.world.network.link = True, Link(latency=0.01)
            await _recover(simulated)
            return simulated.world.trace_digest(), outcomes, requests

    try:
        return simulate(main, backend, seed=seed)
    except BaseException as error:
        error.add_note(f"pytest {__file__} -m 'figures or not figures' -k 'seed{seed}-{backend}'")
        raise


def _seeds() -> list[object]:
    return [pytest.param(n, id=f"seed{n}", marks=() if n < 25 else pytest.mark.figures) for n in range(200)]


@BACKENDS
@pytest.mark.parametrize("seed", _seeds())
def test_random_run_keeps_every_invariant_and_repeats(backend: Backend, seed: int) -> None:
    """Each call ends once, without foreign errors; the session recovers; the seed gives the same trace."""
    digest, outcomes, requests = _run(seed, backend)
    assert _run(seed, backend) == (digest, outcomes, requests)
    kinds = sorted({outcome.ending for outcome in outcomes})
    figure(backend, f"seed {seed}", requests=requests, kinds_of_ending=len(kinds), trace=digest[:12])


@BACKENDS
def test_random_runs_cover_most_faults(backend: Backend) -> None:
    """Five seeds differ and show most faults, but many calls succeed."""
    runs = [_run(seed, backend) for seed in range(5)]
    endings = [outcome.ending for _, outcomes, _ in runs for outcome in outcomes]
    assert len({digest for digest, _, _ in runs}) == 5
    assert len(set(endings)) >= 8
    assert endings.count("ok") > len(endings) / 4
