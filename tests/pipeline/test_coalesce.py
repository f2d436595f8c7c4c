"""Coalescing: identical concurrent calls share one request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from attrs import evolve
from sim import cancel_everywhere
from step_kit import NOBODY, Ends, ScriptedService, a_call, chained, refused, reply, throttled

from bing_images_async._pipeline.call import Call
from bing_images_async._pipeline.coalesce import Coalesce
from bing_images_async._pipeline.deadline import Deadline
from bing_images_async._pipeline.retry import Retry, RetryBudget, RetryPolicy
from bing_images_async._protocol.messages import Upload
from bing_images_async.errors import ConnectionFailedError, DeadlineExceededError


def shared(**options: Any) -> Call:
    return a_call(coalesce=True, **options)


async def together(send: Any, *calls: Call, ends: Ends | None = None) -> Ends:
    ends = ends or Ends()
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(ends.collect, send, call)
            await anyio.sleep(0.01)
    return ends


def a_retry() -> Retry:
    return Retry(RetryPolicy(), RetryBudget(), random=lambda: 0.5, events=NOBODY)


@pytest.mark.anyio
async def test_identical_calls_share_one_request() -> None:
    """Reply and attempts are shared; a later call sends its own request."""
    service = ScriptedService([reply(500), reply()], latency=1.0)
    step = Coalesce()
    send = chained(step, a_retry(), to=service)
    calls = [shared() for _ in range(10)]
    ends = await together(send, *calls)
    assert [ends[call] for call in calls] == [reply()] * 10
    assert len(service.sent) == 2
    assert all(call.attempts == calls[0].attempts for call in calls)
    assert [attempt.status for attempt in calls[9].attempts] == [500, 200]
    assert calls[9].state.waited == {"another call's answer": pytest.approx(2.05 - 0.09)}
    await send(shared())
    assert (len(service.sent), step._flights) == (3, {})


@pytest.mark.anyio
@pytest.mark.parametrize(
    "other",
    [
        {"query": "ship"},
        {"endpoint": "trending"},
        {"on_outage": "wait"},
        {"priority": "bulk"},
        {"coalesce": False},
    ],
)
async def test_different_calls_are_not_shared(other: dict[str, Any]) -> None:
    """They differ in request, `on_outage`, priority or `coalesce`."""
    service = ScriptedService(latency=1.0)
    await together(chained(Coalesce(), to=service), shared(), a_call(**{"coalesce": True, **other}))
    assert len(service.sent) == 2


@pytest.mark.anyio
async def test_uploads_are_not_shared() -> None:
    """Comparing megabytes would take longer."""
    service, upload = ScriptedService(latency=1.0), Upload("boat.jpg", b"same")
    calls = [call.with_request(evolve(call.request, upload=upload)) for call in (shared(), shared())]
    await together(chained(Coalesce(), to=service), *calls)
    assert len(service.sent) == 2


@pytest.mark.anyio
async def test_cancelled_follower_does_not_affect_others() -> None:
    """They get the reply."""
    service, leader, follower = ScriptedService(latency=1.0), shared(), shared()
    send = chained(Coalesce(), to=service)

    async def give_up() -> None:
        with anyio.move_on_after(0.5):
            await send(shared())

    ends = Ends()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(together, send, leader)
        await anyio.sleep(0.1)
        tasks.start_soon(give_up)
        await together(send, follower, ends=ends)
    assert (len(service.sent), ends[follower]) == (1, reply())


@pytest.mark.anyio
async def test_cancelled_leader_is_replaced_by_a_follower() -> None:
    """It sends one new request for all that remain."""
    service, step, followers = ScriptedService(latency=1.0), Coalesce(), [shared() for _ in range(5)]
    send = chained(step, to=service)

    async def lead() -> None:
        with anyio.move_on_after(0.5):
            await send(shared())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lead)
        await anyio.sleep(0.1)
        ends = await together(send, *followers)
    assert service.times == pytest.approx([0.0, 0.5])
    assert [ends[call] for call in followers] == [reply()] * 5
    assert step._flights == {}


@pytest.mark.anyio
async def test_shared_errors_are_copies() -> None:
    """A change of one does not affect the others."""
    service, calls = ScriptedService([refused()], latency=1.0), [shared() for _ in range(3)]
    ends = await together(chained(Coalesce(), a_retry(), to=service), *calls)
    errors = [ends[call] for call in calls]
    assert all(isinstance(error, ConnectionFailedError) for error in errors)
    assert len({id(error) for error in errors}) == 3
    assert {str(error) for error in errors} == {"refused"}
    assert [call.state.reason for call in calls] == ["attempts"] * 3
    assert [len(call.state.attempts) for call in calls] == [3] * 3
    assert len(service.sent) == 3


@pytest.mark.anyio
async def test_reason_is_shared_with_the_reply() -> None:
    """Followers also need the reason why it was not retried."""
    calls = [shared(), shared()]
    await together(chained(Coalesce(), a_retry(), to=ScriptedService([reply(500)], latency=1.0)), *calls)
    assert [call.state.reason for call in calls] == ["attempts"] * 2


@pytest.mark.anyio
@pytest.mark.parametrize("script", [[throttled(5), reply()], [refused(), reply()]])
async def test_deadline_of_the_leader_does_not_end_followers(script: Any) -> None:
    """They may have more time."""
    service, hasty, patient = ScriptedService(script, latency=1.0), shared(timeout=1.02), shared(timeout=20)
    retry = Retry(RetryPolicy(base=10, cap=10), RetryBudget(), random=lambda: 0.5, events=NOBODY)
    ends = await together(chained(Deadline(), Coalesce(), retry, to=service), hasty, patient)
    assert hasty.state.reason == "deadline"
    assert ends[hasty] == script[0]
    assert ends[patient] == reply()
    assert (len(service.sent), len(patient.attempts)) == (2, 1)


@pytest.mark.anyio
async def test_deadline_error_is_not_shared() -> None:
    """`DeadlineExceededError` concerns one call only."""
    service = ScriptedService(latency=1.0)

    async def crowded(call: Call, send: Any) -> Any:
        await anyio.sleep(0.1)
        call.afford(5, "rate_limit")
        return await send(call)

    hasty, patient = shared(timeout=2), shared()
    ends = await together(chained(Coalesce(), crowded, to=service), hasty, patient)
    assert isinstance(ends[hasty], DeadlineExceededError)
    assert ends[patient] == reply()


@pytest.mark.anyio
async def test_error_of_middleware_is_not_shared() -> None:
    """Each call gets its own."""
    calls = [shared(), shared()]
    ends = await together(chained(Coalesce(), to=ScriptedService([ValueError("mine")], latency=1.0)), *calls)
    assert all(isinstance(ends[call], ValueError) for call in calls)


class _LeaderScenario:
    """A leader with two followers; the leader is cancelled."""

    def __init__(self) -> None:
        self.service, self.step, self.ends = ScriptedService(latency=1.0), Coalesce(), Ends()
        self.send = chained(self.step, to=self.service)
        self.leader = shared()
        self.followers = [shared(), shared()]

    async def run(self) -> None:
        await self.send(self.leader)

    async def check(self, outcome: str) -> None:
        await anyio.sleep(5)
        assert [self.ends[call] for call in self.followers] == [reply()] * 2
        assert len(self.service.sent) <= 2
        assert (self.step._flights, self.service.in_flight.requests) == ({}, 0)


@asynccontextmanager
async def _followed() -> AsyncIterator[_LeaderScenario]:
    scenario = _LeaderScenario()

    async def follow(call: Call) -> None:
        await anyio.sleep(0.5)
        await scenario.ends.collect(scenario.send, call)

    async with anyio.create_task_group() as tasks:
        for call in scenario.followers:
            tasks.start_soon(follow, call)
        yield scenario


@pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])
def test_cancellation_of_the_leader_at_any_step_costs_one_request_at_most(backend: Any, by: Any) -> None:
    """The followers get a reply."""
    assert cancel_everywhere(_followed, by=by, backend=backend) >= 2
