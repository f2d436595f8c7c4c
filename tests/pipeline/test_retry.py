"""Retries: the policy, the retry budget, and the loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import pytest
from hypothesis import given, strategies as st
from sim import cancel_everywhere
from step_kit import ABUSE, NOBODY, QUOTA, Record, ScriptedService, a_call, chained, refused, reply, throttled

from bing_images_async._pipeline.call import Call
from bing_images_async._pipeline.classification import failure_of
from bing_images_async._pipeline.deadline import Deadline
from bing_images_async._pipeline.retry import Decision, Retry, RetryBudget, RetryPolicy
from bing_images_async._protocol.messages import Reply, Request
from bing_images_async.errors import (
    AttemptTimeoutError,
    BingImagesError,
    ConnectionFailedError,
    DeadlineExceededError,
    InvalidRequestError,
    MalformedResponseError,
)
from bing_images_async.events import AttemptFinished, Dispatcher, RetryScheduled

# --- the rule


def failing(answer: Reply | BingImagesError) -> BingImagesError:
    if isinstance(answer, BingImagesError):
        return answer
    failure = failure_of(Call("search", Request("GET", "https://api.example/")), answer)
    assert failure is not None
    return failure


def decide(answer: Reply | BingImagesError, policy: RetryPolicy | None = None, **facts: Any) -> Decision:
    facts = {"attempt": 1, "endpoint": "search", "left": 30.0, "draw": 0.5, **facts}
    return (policy or RetryPolicy()).decide(failure=failing(answer), **facts)


@pytest.mark.parametrize(
    ("answer", "facts", "expected"),
    [
        (refused(), {}, Decision(True, 0.05, "transient")),
        (refused(), {"attempt": 2}, Decision(True, 0.1, "transient")),
        (refused(), {"attempt": 3}, Decision(False, 0.0, "attempts")),
        (AttemptTimeoutError("slow"), {}, Decision(True, 0.05, "transient")),
        (reply(500), {}, Decision(True, 0.05, "transient")),
        (reply(500), {"draw": 0.0}, Decision(True, 0.0, "transient")),
        (reply(500), {"left": 0.04}, Decision(False, 0.05, "deadline")),
        (reply(500), {"left": 0.05}, Decision(True, 0.05, "transient")),
        (reply(500, retry_after="7"), {}, Decision(True, 7.0, "transient")),
        (reply(500, retry_after="0"), {}, Decision(True, 0.05, "transient")),
        (reply(502, retry_after="61"), {}, Decision(False, 61.0, "retry_after")),
        (throttled(5), {"draw": 0.9}, Decision(True, 5.0, "throttled")),
        (throttled(5, status=503), {}, Decision(True, 5.0, "throttled")),
        (throttled(), {}, Decision(True, 1.0, "throttled")),
        (throttled(0), {}, Decision(True, 0.0, "throttled")),
        (throttled(60), {"left": 100.0}, Decision(True, 60.0, "throttled")),
        (throttled(61), {"left": 100.0}, Decision(False, 61.0, "retry_after")),
        (throttled(31), {}, Decision(False, 31.0, "deadline")),
        (throttled(5), {"attempt": 3}, Decision(False, 0.0, "attempts")),
        (reply(400), {}, Decision(False, 0.0, "not_retryable")),
        (reply(400), {"attempt": 9}, Decision(False, 0.0, "not_retryable")),
        (reply(401), {}, Decision(False, 0.0, "not_retryable")),
        (QUOTA, {}, Decision(False, 0.0, "not_retryable")),
        (ABUSE, {}, Decision(False, 0.0, "not_retryable")),
        (reply(301), {}, Decision(False, 0.0, "not_retryable")),
        (reply(501), {}, Decision(False, 0.0, "not_retryable")),
        (reply(505), {}, Decision(False, 0.0, "not_retryable")),
        (MalformedResponseError("HTML"), {}, Decision(False, 0.0, "not_retryable")),
        (ConnectionFailedError("certificate", retryable=False), {}, Decision(False, 0.0, "not_retryable")),
    ],
)
def test_decide_retries_what_may_succeed(answer: Any, facts: dict[str, Any], expected: Decision) -> None:
    """Within the attempts, `max_retry_after` and the remaining time."""
    decision = decide(answer, **facts)
    assert (decision.retry, decision.reason) == (expected.retry, expected.reason)
    assert decision.wait == pytest.approx(expected.wait)


@given(
    attempt=st.integers(1, 999),
    draw=st.floats(0, 1, exclude_max=True),
    base=st.floats(0, 10),
    cap=st.floats(0, 100),
    asked=st.none() | st.integers(0, 50),
)
def test_wait_has_full_jitter_and_respects_retry_after(
    attempt: int, draw: float, base: float, cap: float, asked: int | None
) -> None:
    """Drawn from 0 to min(cap, base·2^(k-1)), but never shorter than requested."""
    policy = RetryPolicy(attempts=1_000, base=base, cap=cap)
    answer = reply(500) if asked is None else reply(500, retry_after=str(asked))
    wait = decide(answer, policy, attempt=attempt, draw=draw, left=1e9).wait
    longest = min(cap, base * 2.0 ** min(attempt - 1, 60))
    assert wait == max(asked or 0.0, draw * longest)
    assert 0 <= wait <= max(asked or 0.0, longest)


@given(st.integers(1, 9), st.sampled_from([refused(), reply(500), throttled(3), reply(404)]), st.floats(0, 40))
def test_wait_beyond_the_deadline_is_not_retried(attempt: int, answer: Any, left: float) -> None:
    """The retry could not be sent."""
    decision = decide(answer, RetryPolicy(attempts=5), attempt=attempt, left=left)
    assert not decision.retry or decision.wait <= left


@pytest.mark.parametrize(
    "make",
    [
        lambda: RetryPolicy(attempts=0),
        lambda: RetryPolicy(attempts=1_001),
        lambda: RetryPolicy(attempts=None),  # type: ignore[arg-type]  # wrong on purpose
        lambda: RetryPolicy(attempts=True),
        lambda: RetryPolicy(attempts=2.0),  # type: ignore[arg-type]  # wrong on purpose
        lambda: RetryPolicy(attempt_timeout=0),
        lambda: RetryPolicy(attempt_timeout=-1),
        lambda: RetryPolicy(max_retry_after=None),
        lambda: RetryPolicy(max_retry_after=float("inf")),
        lambda: RetryPolicy(base=-0.1),
        lambda: RetryPolicy(cap="20"),  # type: ignore[arg-type]  # wrong on purpose
    ],
)
def test_policy_with_a_wrong_value_is_refused(make: Callable[[], RetryPolicy]) -> None:
    """With `InvalidRequestError`."""
    with pytest.raises(InvalidRequestError, match="is not allowed"):
        make()


def test_durations_may_be_timedeltas() -> None:
    """They become seconds; `None` means no attempt timeout."""
    policy = RetryPolicy(attempt_timeout=timedelta(seconds=2), cap=timedelta(minutes=1))
    assert (policy.attempt_timeout, policy.cap) == (2.0, 60.0)
    assert RetryPolicy(attempt_timeout=None).attempt_timeout is None


# --- the budget


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200)), max_size=50))
def test_retry_budget_stays_between_zero_and_its_size(steps: list[tuple[bool, int]]) -> None:
    """For any order of spending and giving."""
    budget, tokens = RetryBudget(), 500
    for spends, amount in steps:
        if spends:
            assert budget.spend(amount) is (amount <= tokens)
            tokens -= amount if amount <= tokens else 0
        else:
            budget.give(amount)
            tokens = min(500, tokens + amount)
        assert budget.tokens == tokens


# --- the loop


def a_retry(events: Dispatcher = NOBODY, budget: RetryBudget | None = None, draw: float = 0.5, **policy: Any) -> Retry:
    return Retry(RetryPolicy(**policy), budget or RetryBudget(), random=lambda: draw, events=events)


@pytest.mark.anyio
async def test_retry_repeats_until_success() -> None:
    """With the waits of the policy; every attempt is recorded."""
    record, budget = Record(), RetryBudget()
    service, call = ScriptedService([refused(), reply(500), reply()], latency=1.0), a_call()
    await anyio.sleep(10)
    assert await a_retry(Dispatcher([record]), budget)(call, service) == reply()
    assert service.times == pytest.approx([10.0, 11.05, 12.15])
    assert [(a.number, a.started, a.elapsed, a.status, a.error, dict(a.waited)) for a in call.state.attempts] == [
        (1, pytest.approx(10.0), pytest.approx(1.0), None, "ConnectionFailedError", {}),
        (2, pytest.approx(11.05), pytest.approx(1.0), 500, None, {"back_off": pytest.approx(0.05)}),
        (3, pytest.approx(12.15), pytest.approx(1.0), 200, None, {"back_off": pytest.approx(0.1)}),
    ]
    assert [(e.call, e.number, e.status, e.error) for e in record.of(AttemptFinished)] == [
        (call.number, 1, None, "ConnectionFailedError"),
        (call.number, 2, 500, None),
        (call.number, 3, 200, None),
    ]
    assert [(e.at, e.number, e.wait, e.error) for e in record.of(RetryScheduled)] == [
        (pytest.approx(11.0), 2, pytest.approx(0.05), "ConnectionFailedError"),
        (pytest.approx(12.05), 3, pytest.approx(0.1), "ServerError"),
    ]
    assert (call.state.reason, budget.tokens) == (None, 500 - 14)  # the cost of the last retry was returned


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("script", "policy", "timeout", "reason", "requests"),
    [
        ([reply(500)], {}, None, "attempts", 3),
        ([reply(500)], {"attempts": 1}, None, "attempts", 1),
        ([reply(400)], {}, None, "not_retryable", 1),
        ([throttled(100)], {}, None, "retry_after", 1),
        ([throttled(5)], {}, 4.0, "deadline", 1),
        ([reply(500), reply(400)], {}, None, "not_retryable", 2),
    ],
)
async def test_last_reply_is_returned_with_the_reason(
    script: Any, policy: dict[str, Any], timeout: float | None, reason: str, requests: int
) -> None:
    """At once, without another wait."""
    service, call = ScriptedService(script), a_call(timeout=timeout)
    assert await a_retry(draw=0.0, **policy)(call, service) == script[-1]
    assert (call.state.reason, len(service.sent), anyio.current_time()) == (reason, requests, 0.0)


@pytest.mark.anyio
async def test_last_error_is_raised_without_a_reply() -> None:
    """The same object."""
    errors = [refused(), refused(), refused()]
    with pytest.raises(ConnectionFailedError) as caught:
        await a_retry()(a_call(), ScriptedService(errors))
    assert caught.value is errors[2]


@pytest.mark.anyio
@pytest.mark.parametrize(("answer", "cost"), [(reply(500), 14), (throttled(1), 5)])
async def test_retry_costs_tokens_by_kind_of_failure(answer: Reply, cost: int) -> None:
    """14 for a transient failure, 5 for throttling; a successful retry returns its own, any success one."""
    budget = RetryBudget()
    retry = a_retry(budget=budget)
    await retry(a_call(), ScriptedService([answer]))
    assert budget.tokens == 500 - 2 * cost
    await retry(a_call(), ScriptedService([answer, reply()]))
    assert budget.tokens == 500 - 2 * cost
    await retry(a_call(), ScriptedService([reply()]))
    assert budget.tokens == 500 - 2 * cost + 1


@pytest.mark.anyio
async def test_empty_retry_budget_ends_retries() -> None:
    """The last error is raised at once; successes fill the budget again."""
    budget = RetryBudget()
    budget.spend(500 - 20)
    retry, call = a_retry(budget=budget), a_call()
    assert await retry(call, ScriptedService([reply(500)])) == reply(500)
    assert (call.state.reason, len(call.state.attempts), budget.tokens) == ("retry_budget", 2, 6)
    for _ in range(8):
        await retry(a_call(), ScriptedService())
    call = a_call()
    await retry(call, ScriptedService([reply(500)]))
    assert (call.state.reason, len(call.state.attempts)) == ("retry_budget", 2)


@pytest.mark.anyio
@pytest.mark.parametrize("patience", [0.02, 0.5, 1.02, 1.5])
async def test_cancelled_retry_returns_its_tokens(patience: float) -> None:
    """Waiting or in flight: its result is unknown."""
    budget = RetryBudget()
    with anyio.move_on_after(patience):
        await a_retry(budget=budget, base=1.0, cap=1.0, draw=0.999)(
            a_call(), ScriptedService([reply(500)], latency=0.01)
        )
        raise AssertionError
    # From 1.02 s on the second retry is in flight: the first has failed, and its cost is spent.
    assert budget.tokens == (500 if patience < 1.01 else 500 - 14)


@asynccontextmanager
async def _retried() -> AsyncIterator[Any]:
    class Scenario:
        budget = RetryBudget()
        service = ScriptedService([reply(500), reply()], latency=0.1)
        call = a_call()

        async def run(self) -> None:
            await a_retry(budget=self.budget)(self.call, self.service)

        async def check(self, outcome: str) -> None:
            assert (self.budget.tokens, self.service.in_flight.requests) == (500, 0)
            assert len(self.call.state.attempts) == len(self.service.sent)

    yield Scenario()


@pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])
def test_cancellation_at_any_step_loses_no_token(backend: Any, by: Any) -> None:
    """No request stays in flight, and every sent attempt is recorded."""
    assert cancel_everywhere(_retried, by=by, backend=backend) >= 3


@pytest.mark.anyio
async def test_back_off_holds_no_permit_or_slot() -> None:
    """No later step is entered between two attempts."""
    inside = 0
    seen: list[int] = []

    async def step(call: Call, send: Any) -> Reply:
        nonlocal inside
        inside += 1
        try:
            return await send(call)  # type: ignore[no-any-return]
        finally:
            inside -= 1

    async def look() -> None:
        await anyio.sleep(1.5)
        seen.append(inside)
        await anyio.sleep(10)
        seen.append(inside)

    service = ScriptedService([throttled(20), reply()], latency=2.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        await chained(a_retry(), step, to=service)(a_call())
    assert seen == [1, 0]


@pytest.mark.anyio
async def test_unsent_attempts_are_not_recorded() -> None:
    """Their waiting time is added to the attempt that is sent."""
    call = a_call()
    late = DeadlineExceededError("late")

    async def refusing(call: Call) -> Reply:
        with call.waiting("permit"):
            await anyio.sleep(1)
        raise late

    with pytest.raises(DeadlineExceededError):
        await a_retry()(call, refusing)
    assert (call.state.attempts, call.state.waited, call.state.reason) == (
        [],
        {"permit": pytest.approx(1.0)},
        "not_retryable",
    )


@pytest.mark.anyio
async def test_attempt_timeout_applies_to_each_attempt() -> None:
    """`None` leaves only the deadline of the call."""
    service = ScriptedService(latency=None)
    with pytest.raises(AttemptTimeoutError):
        await a_retry(attempt_timeout=2, draw=0.0)(a_call(), service)
    assert service.times == pytest.approx([0.0, 2.0, 4.0])
    with pytest.raises(DeadlineExceededError):
        await chained(Deadline(), a_retry(attempt_timeout=None), to=service)(a_call(timeout=100))
    assert anyio.current_time() == pytest.approx(106.0)


@pytest.mark.anyio
async def test_attempt_ended_by_the_deadline_is_recorded() -> None:
    """It was sent."""
    call = a_call(timeout=1)
    with pytest.raises(DeadlineExceededError):
        await chained(Deadline(), a_retry(), to=ScriptedService(latency=None))(call)
    assert [(a.number, a.status, a.error, a.elapsed) for a in call.state.attempts] == [
        (1, None, "Cancelled", pytest.approx(1.0))
    ]


@pytest.mark.anyio
async def test_waiting_for_an_outage_costs_no_tokens() -> None:
    """A probe gate limits these calls; throttling costs tokens as always."""
    budget = RetryBudget()
    retry = a_retry(budget=budget)
    await retry(a_call(on_outage="wait"), ScriptedService([reply(500)]))
    assert budget.tokens == 500
    await retry(a_call(on_outage="wait"), ScriptedService([throttled(1)]))
    assert budget.tokens == 490


@pytest.mark.anyio
async def test_failed_probes_do_not_count_as_attempts() -> None:
    """A waiting call may be the probe many times; its other failures count."""

    def probing(service: ScriptedService, probes: int) -> Any:
        async def step(call: Call) -> Reply:
            call.state.is_probe = len(service.sent) < probes
            return await service(call)

        return step

    service, call = ScriptedService([reply(500)]), a_call(on_outage="wait")
    await a_retry()(call, probing(service, 10))
    assert (len(service.sent), call.state.reason) == (13, "attempts")

    service, call = ScriptedService([reply(500)]), a_call(on_outage="fail")
    await a_retry()(call, probing(service, 10))
    assert len(service.sent) == 3
