"""Cancel a call at every step that the scheduler takes: nothing is lost, nothing is counted twice.

Each scenario has a victim and others; the victim is cancelled after step 1, 2, 3 … of the whole program. Then the
others end well, the next call works and leaves no later than it would have anyway, and the session is at rest.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
import pytest
from promise_kit import Scene, figure, scene
from sim import Entry, Link, Reply, Scenario, Server, cancel_everywhere
from sim.cancel import Backend, By, MakeScenario, Outcome

from bing_images_async import RateLimit, RetryPolicy

WAYS = pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])

LINK = Link(latency=0.005)
WORK = 0.01
ROUND_TRIP = 0.05
"""Seconds that a call takes at most if it need not wait: connecting, the way there and back, the work."""

BUDGET = 500  # tokens for retries, as at the start
A_MOMENT = 0.001


def _at_once(stage: Scene, came: float) -> float:
    return came


def _after_others(stage: Scene, came: float) -> float:
    """One permit, and at most two that were there before."""
    return came + 2 * ROUND_TRIP


def _paced(spacing: float, since: float = 0.0) -> Callable[[Scene, float], float]:
    def latest(stage: Scene, came: float) -> float:
        place = stage.departures.queries.index("next")
        before = stage.sent[place - 1] if place else 0.0
        return max(came, before + spacing, since) + ROUND_TRIP

    return latest


async def _nothing(stage: Scene) -> None:
    return


async def _break(stage: Scene) -> None:
    """Ten failures open the circuit breaker; the probe is due in 1 s at the latest."""
    impatient = stage.session.with_options(retry=RetryPolicy(attempts=1), on_outage="fail")
    for _ in range(10):
        await stage.ask("broken", impatient)
    assert stage.session.stats.breaker == "open"


def _replies(status: int, number: int, **headers: str) -> Callable[[Entry], Reply]:
    """The first `number` requests get `status`."""
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda entry: Reply(status=status, headers=pairs) if entry.number < number else Reply()


@attrs.frozen(kw_only=True)
class Case:
    """before, behind: how many others come a moment before the victim, and a moment after it.

    latest: when the call after the victim's end leaves at the latest, given when it came.
    """

    respond: Callable[[Entry], Reply] = lambda _: Reply()
    options: dict[str, Any] = attrs.field(factory=dict)
    prepare: Callable[[Scene], Awaitable[None]] = _nothing
    before: int = 0
    behind: int = 0
    query: str | None = None
    latest: Callable[[Scene, float], float] = _at_once


CASES = {
    "one call": Case(),
    "a retried call": Case(respond=_replies(503, 1)),
    "a call that is throttled": Case(
        respond=_replies(429, 1, Retry_After="1"), options={"rate_limit": RateLimit(10)}, latest=_paced(0.15, 1.2)
    ),
    "waiting for a permit": Case(options={"max_concurrency": 1}, before=1, behind=1, latest=_after_others),
    "waiting for a slot": Case(
        options={"rate_limit": RateLimit(2)}, before=1, behind=1, latest=_paced(RateLimit(2).spacing)
    ),
    "waiting for a slot behind another": Case(
        options={"rate_limit": RateLimit(2)}, before=2, behind=1, latest=_paced(RateLimit(2).spacing)
    ),
    "in a pause": Case(
        respond=_replies(429, 1, Retry_After="1"),
        options={"rate_limit": RateLimit(10)},
        before=1,
        behind=1,
        latest=_paced(0.15, 1.2),
    ),
    "a probe of the breaker": Case(
        respond=_replies(503, 10),
        options={"on_outage": "wait"},
        prepare=_break,
        behind=1,
        latest=lambda _, came: max(came, 1.0 + 10 * ROUND_TRIP) + 2 * ROUND_TRIP,
    ),
    "a probe that fails": Case(
        respond=_replies(503, 11),
        options={"on_outage": "wait"},
        prepare=_break,
        behind=1,
        latest=lambda _, came: max(came, 3.0 + 10 * ROUND_TRIP) + 2 * ROUND_TRIP,
    ),
    "behind a probe": Case(
        respond=_replies(503, 10),
        options={"on_outage": "wait"},
        prepare=_break,
        before=1,
        behind=1,
        latest=lambda _, came: max(came, 1.0 + 10 * ROUND_TRIP) + 2 * ROUND_TRIP,
    ),
    "behind a latch": Case(
        respond=lambda entry: Reply(body=b"") if entry.number == 0 else Reply(),
        options={"on_outage": "wait"},
        prepare=lambda stage: stage.ask("latched", stage.session.with_options(on_outage="fail")),
        before=1,
        behind=1,
        latest=lambda _, came: max(came, 61.0) + 2 * ROUND_TRIP,
    ),
    "leading equal calls": Case(options={"coalesce": True}, query="same", behind=2),
    "following an equal call": Case(options={"coalesce": True}, query="same", before=1, behind=1),
}


@attrs.define
class Victim:
    stage: Scene
    case: Case
    outcome: Outcome | None = None

    async def run(self) -> None:
        await self.stage.ask(self.case.query or "victim", name="victim")

    async def check(self, outcome: Outcome) -> None:
        came = anyio.current_time()
        self.outcome = outcome
        await self.stage.ask("next")
        left = self.stage.sent[self.stage.departures.queries.index("next")]
        latest = self.case.latest(self.stage, came)
        assert left <= latest + 1e-6, f"the next call came at {came} and left at {left}, not by {latest}"

    def assert_all_ended_well(self) -> None:
        """Each call once, and all but the victim with an answer."""
        endings = {outcome.name: outcome.ending for outcome in self.stage.outcomes}
        assert len(endings) == len(self.stage.outcomes), "a call ended twice"
        assert endings == dict.fromkeys(endings, "ok") | {"victim": _ENDINGS[self.outcome]}
        assert self.stage.session.stats.retry_tokens == BUDGET


_ENDINGS = {"finished": "ok", "cancelled": "cancelled", None: "never checked"}


def _scenario(case: Case) -> MakeScenario:
    @asynccontextmanager
    async def make() -> AsyncGenerator[Scenario]:
        options = {"rate_limit": None, **case.options}
        async with scene(Server(case.respond, latency=WORK), world={"link": LINK}, **options) as stage:
            await case.prepare(stage)
            stage.outcomes.clear()
            victim = Victim(stage, case)
            async with anyio.create_task_group() as others:
                for number in range(case.before + case.behind):
                    late = 0.0 if number < case.before else 2 * A_MOMENT
                    others.start_soon(_other, stage, case, number, late)
                await anyio.sleep(A_MOMENT)
                yield victim
            victim.assert_all_ended_well()

    return make


async def _other(stage: Scene, case: Case, number: int, late: float) -> None:
    await anyio.sleep(late)
    await stage.ask(case.query or f"other {number}", name=f"other {number}")


@WAYS
@pytest.mark.parametrize("name", CASES)
def test_cancelled_at_every_step(backend: Backend, by: By, name: str) -> None:
    """Permits, slots, probes, sockets, retry tokens: all are where they belong, whenever the victim goes."""
    steps = cancel_everywhere(_scenario(CASES[name]), by=by, backend=backend)
    figure(backend, f"cancelled by {by}: {name}", steps=steps)
    assert steps > 10
