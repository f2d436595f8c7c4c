"""Cancel a call at every step of the scheduler: nothing is lost, nothing is counted twice.

Each scenario has a victim and other calls. The victim is cancelled after step 1, 2, 3 … of the whole program. Then the
others succeed, the next call starts no later than without the cancellation, and the session is idle.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
import pytest
from promise_kit import SimulatedSession, figure, simulated_session
from sim import Entry, Link, Reply, Scenario, Server, cancel_everywhere
from sim.cancel import Backend, By, MakeScenario, Outcome

from bing_images_async import RateLimit, RetryPolicy, events

WAYS = pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])

LINK = Link(latency=0.005)
WORK = 0.01
ROUND_TRIP = 0.05
"""Seconds that a call takes at most if it need not wait: connecting, the way there and back, the work."""

BREAKING = 10 * ROUND_TRIP
A_MOMENT = 0.001


Latest = Callable[[Sequence[float], float], float]
"""When the call after the victim's end leaves at the latest, by the departures so far and when it came."""


def _at_once(_: Sequence[float], came: float) -> float:
    return came


def _after_others(_: Sequence[float], came: float) -> float:
    """Latest start with one permit and at most two calls before."""
    return came + 2 * ROUND_TRIP


def _paced(spacing: float, since: float = 0.0) -> Latest:
    """Latest start in the slot after the last used one."""
    return lambda send_log, came: max(came, *(left + spacing for left in send_log[-1:]), since) + ROUND_TRIP


def _at_a_probe(due: float) -> Latest:
    """Latest start with the first probe that finds the service up, or at once afterwards."""
    return lambda _, came: max(came, due) + 2 * ROUND_TRIP


async def _nothing(simulated: SimulatedSession) -> None:
    return


async def _slow_key() -> str:
    await anyio.sleep(ROUND_TRIP / 2)
    return "sim-key"


async def _break(simulated: SimulatedSession) -> None:
    """Open the circuit breaker with ten failures; the probe is due in 1 s at most."""
    impatient = simulated.session.with_options(retry=RetryPolicy(attempts=1), on_outage="fail")
    for _ in range(10):
        await simulated.ask("broken", impatient)
    assert simulated.session.stats.breaker == "open"


def _replies(status: int, number: int, body: bytes = b"{}", retry_after: str | None = None) -> Callable[[Entry], Reply]:
    """Respond to the first `number` requests with this, and to the others with a page."""
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    left = itertools.repeat(Reply(status=status, body=body, headers=headers), number)
    return lambda _: next(left, Reply())


@attrs.frozen(kw_only=True)
class Case:
    """before, behind: how many others come a moment before the victim, and a moment after it.

    paced: the others came early enough to wait for a slot, and so leave one after the other.
    latest: when the call after the victim's end leaves at the latest, given when it came; seconds since the start.
    """

    respond: Callable[[], Callable[[Entry], Reply]] = lambda: lambda _: Reply()
    options: dict[str, Any] = attrs.field(factory=dict)
    prepare: Callable[[SimulatedSession], Awaitable[None]] = _nothing
    before: int = 0
    behind: int = 0
    query: str | None = None
    latest: Latest = _at_once
    paced: bool = False


CASES = {
    "one call": Case(),
    "a retried call": Case(respond=lambda: _replies(503, 1)),
    "a call that is throttled": Case(
        respond=lambda: _replies(429, 1, retry_after="1"),
        options={"rate_limit": RateLimit(10)},
        latest=_paced(0.15, 1.2),
        paced=True,
    ),
    "waiting for a permit": Case(options={"max_concurrency": 1}, before=1, behind=1, latest=_after_others),
    "waiting for a slot": Case(
        options={"rate_limit": RateLimit(2)}, before=1, behind=1, latest=_paced(RateLimit(2).spacing), paced=True
    ),
    "waiting for a slot behind another": Case(
        options={"rate_limit": RateLimit(2)}, before=2, behind=1, latest=_paced(RateLimit(2).spacing), paced=True
    ),
    "with a slot, and without a key yet": Case(
        options={"rate_limit": RateLimit(2), "api_key": _slow_key},
        before=1,
        behind=1,
        latest=_paced(RateLimit(2).spacing + 2 * LINK.latency),
        paced=True,  # from the first request, which needs a connection
    ),
    "in a pause": Case(
        respond=lambda: _replies(429, 1, retry_after="1"),
        options={"rate_limit": RateLimit(10)},
        before=1,
        behind=1,
        latest=_paced(0.15, 1.2),
        paced=True,
    ),
    "a probe of the breaker": Case(
        respond=lambda: _replies(503, 10),
        options={"on_outage": "wait"},
        prepare=_break,
        behind=1,
        latest=_at_a_probe(1.0 + BREAKING),
    ),
    "a probe that fails": Case(
        respond=lambda: _replies(503, 11),
        options={"on_outage": "wait"},
        prepare=_break,
        behind=1,
        latest=_at_a_probe(3.0 + BREAKING),
    ),
    "behind a probe": Case(
        respond=lambda: _replies(503, 10),
        options={"on_outage": "wait"},
        prepare=_break,
        before=1,
        behind=1,
        latest=_at_a_probe(1.0 + BREAKING),
    ),
    "behind a latch": Case(
        respond=lambda: _replies(200, 1, body=b""),
        options={"on_outage": "wait"},
        prepare=lambda simulated: simulated.ask("latched", simulated.session.with_options(on_outage="fail")),
        before=1,
        behind=1,
        latest=_at_a_probe(60.0 + ROUND_TRIP),
    ),
    "leading equal calls": Case(options={"coalesce": True}, query="same", behind=2),
    "following an equal call": Case(options={"coalesce": True}, query="same", before=1, behind=1),
}


@attrs.define
class TokenCount:
    """Retry tokens as they should be, computed from events: a success gives one, or returns the cost of its retry."""

    waits: bool
    tokens: int = 0
    paid: set[int] = attrs.field(factory=set)

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.RetryScheduled) and (not self.waits or event.error == "RateLimitedError"):
            self.paid.add(event.call)
        if isinstance(event, events.AttemptFinished) and event.status == 200 and event.error is None:
            self.tokens += event.call not in self.paid


async def _drain(simulated: SimulatedSession) -> None:
    """Let two calls fail after two retries, so that tokens given twice are visible; then wait for timers to pass."""
    patient = simulated.session.with_options(on_outage="fail", retry=RetryPolicy())
    for _ in range(2):
        await simulated.ask("drain", patient)
    await simulated.ask("enough", patient)
    await anyio.sleep(60)


@attrs.define
class Victim:
    simulated: SimulatedSession
    case: Case
    purse: TokenCount
    began: float
    outcome: Outcome | None = None

    async def run(self) -> None:
        await self.simulated.ask(self.case.query or "victim", name="victim")

    async def check(self, outcome: Outcome) -> None:
        self.outcome = outcome
        came = anyio.current_time() - self.began
        await self.simulated.ask("next")
        place = self.simulated.send_log.queries.index("next")
        *before, left = (time - self.began for time in self.simulated.sent[: place + 1])
        for number, other in enumerate(before if self.case.paced else ()):
            assert other <= self.case.latest(before[:number], 0.0) + 1e-6, f"a slot was lost before {other:.3f}"
        latest = self.case.latest(before, came)
        assert left <= latest + 1e-6, f"the next call came at {came:.3f} and left at {left:.3f}, not by {latest:.3f}"

    def assert_all_ended_well(self) -> None:
        """Check that each call ended once, and all but the victim with an answer."""
        endings = {outcome.name: outcome.ending for outcome in self.simulated.outcomes}
        assert len(endings) == len(self.simulated.outcomes), "a call ended twice"
        assert endings == dict.fromkeys(endings, "ok") | {"victim": _ENDINGS[self.outcome]}
        assert self.simulated.session.stats.retry_tokens == self.purse.tokens


_ENDINGS = {"finished": "ok", "cancelled": "cancelled", None: "never checked"}


def _scenario(case: Case) -> MakeScenario:
    @asynccontextmanager
    async def make() -> AsyncGenerator[Scenario]:
        options = {"rate_limit": None, **case.options}
        purse, respond = TokenCount(waits="on_outage" in case.options), case.respond()

        def answer(entry: Entry) -> Reply:
            query = entry.target.rpartition("q=")[2]
            return Reply(status=503) if query == "drain" else Reply() if query == "enough" else respond(entry)

        async with simulated_session(
            Server(answer, latency=WORK), world={"link": LINK}, observers=[purse], **options
        ) as simulated:
            await _drain(simulated)
            began = anyio.current_time()
            await case.prepare(simulated)
            simulated.forget()
            purse.tokens = simulated.session.stats.retry_tokens
            assert purse.tokens < 450
            victim = Victim(simulated, case, purse, began)
            async with anyio.create_task_group() as others:
                for number in range(case.before + case.behind):
                    late = 0.0 if number < case.before else 2 * A_MOMENT
                    others.start_soon(_other, simulated, case, number, late)
                await anyio.sleep(A_MOMENT)
                yield victim
            victim.assert_all_ended_well()

    return make


async def _other(simulated: SimulatedSession, case: Case, number: int, late: float) -> None:
    await anyio.sleep(late)
    await simulated.ask(case.query or f"other {number}", name=f"other {number}")


@WAYS
@pytest.mark.parametrize("name", CASES)
def test_cancellation_at_every_step_loses_nothing(backend: Backend, by: By, name: str) -> None:
    """Permits, slots, probes, sockets and retry tokens are returned."""
    steps = cancel_everywhere(_scenario(CASES[name]), by=by, backend=backend)
    figure(backend, f"cancelled by {by}: {name}", steps=steps)
    assert steps > 10
