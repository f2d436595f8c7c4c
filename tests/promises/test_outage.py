"""An outage of a minute: calls that wait lose nothing, other calls fail in time."""

from __future__ import annotations

from typing import Literal

import anyio
import pytest
from promise_kit import BACKENDS, WORK, SimulatedSession, figure, simulate, simulated_session
from sim import Outage, Server

from bing_images_async import RateLimit, RetryPolicy
from bing_images_async.testing import Backend

How = Literal["refused", "silence"]

START, END = 10.0, 70.0
KINDS = pytest.mark.parametrize("how", ["refused", "silence"])
"""Connections that are refused, and a black hole."""


def _at_length(*cases: tuple[int, ...]) -> list[object]:
    return [pytest.param(*case, marks=pytest.mark.figures) for case in cases]


@BACKENDS
@KINDS
@pytest.mark.parametrize(
    ("queries", "seed"), [(1_000, 0), (1_000, 1), *_at_length(*((3_000, seed) for seed in range(3)))]
)
def test_outage_of_a_minute_loses_ten_waiting_calls_at_most(
    backend: Backend, how: How, queries: int, seed: int
) -> None:
    """3,000 queries at 50/s; at most 30 requests are sent during the outage of 60 s."""
    in_flight = 0

    async def main() -> SimulatedSession:
        nonlocal in_flight
        options = {"rate_limit": RateLimit(50), "on_outage": "wait", "retry": RetryPolicy(attempt_timeout=2.0)}
        world = {"outages": [Outage(START, END, how)]}
        async with (
            simulated_session(Server(latency=WORK), seed=seed, world=world, **options) as simulated,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(simulated.ask_at_once, queries)
            await anyio.sleep_until(START)
            in_flight = simulated.session.stats.in_flight
        return simulated

    simulated = simulate(main, backend, seed=seed)
    sent = sum(START <= time < END for time in simulated.sent)
    figure(
        backend,
        f"outage of 60 s ({how}), {queries} queries wait, seed {seed}",
        failed=simulated.failed,
        sent_during_it=sent,
        in_flight_before=in_flight,
        first_answer_after=min(outcome.ended for outcome in simulated.outcomes if outcome.ended > END) - END,
    )
    assert len(simulated.outcomes) == queries
    assert simulated.failed <= 10
    assert sent <= 30


@BACKENDS
@KINDS
@pytest.mark.parametrize("seed", [0, *_at_length(*((seed,) for seed in range(1, 20)))])
def test_outage_fails_other_calls_in_time_and_its_end_is_noticed(backend: Backend, how: How, seed: int) -> None:
    """20 calls a second with 5 s each; of those that start 10 s after the end, 99 % succeed."""
    patience = 5.0

    async def main() -> SimulatedSession:
        world = {"outages": [Outage(START, END, how)]}
        async with (
            simulated_session(
                Server(latency=WORK), seed=seed, world=world, rate_limit=RateLimit(50), timeout=patience
            ) as simulated,
            anyio.create_task_group() as tasks,
        ):
            for number in range(20 * 110):
                await anyio.sleep_until(number / 20)
                tasks.start_soon(simulated.ask)
        return simulated

    simulated = simulate(main, backend, seed=seed)
    late = [outcome for outcome in simulated.outcomes if outcome.started > END + 10]
    succeeded = sum(outcome.ending == "ok" for outcome in late) / len(late)
    longest = max(outcome.elapsed for outcome in simulated.outcomes)
    figure(
        backend,
        f"outage of 60 s ({how}), 20 calls/s fail, seed {seed}",
        longest=longest,
        succeeded_10_s_after=f"{succeeded:.1%}",
        sent_during_it=sum(START <= time < END for time in simulated.sent),
        first_answer_after=min(o.ended for o in simulated.outcomes if o.ended > END and o.ending == "ok") - END,
    )
    assert set(simulated.endings) <= {
        "ok",
        "ConnectionFailedError",
        "AttemptTimeoutError",
        "ServiceUnavailableError",
        "DeadlineExceededError",
    }
    assert longest <= patience + 1e-6
    assert succeeded >= 0.99
