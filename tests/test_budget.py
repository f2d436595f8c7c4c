"""Budgets: what may be sent, what was, and what a run would take."""

from __future__ import annotations

import pickle
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given, strategies as st
from step_kit import ScriptedService, a_call, reply

from bing_images_async import Budget, RateLimit, RetryPolicy, SearchParams
from bing_images_async._pipeline.budget import BudgetGuard, Estimate
from bing_images_async._pipeline.call import AttemptAborted
from bing_images_async.errors import BudgetExceededError, InvalidRequestError
from bing_images_async.testing import session_for, virtual_time

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


def empty(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"_type": "Images", "value": []})


@pytest.mark.parametrize(
    ("arguments", "named", "name"),
    [
        ((-1,), {}, "requests"), ((1.5,), {}, "requests"), ((None,), {}, "requests"), ((True,), {}, "requests"),
        ((5,), {"cost_per_1000": -1}, "cost_per_1000"), ((5,), {"cost_per_1000": float("nan")}, "cost_per_1000"),
    ],
)  # fmt: skip
def test_numbers_that_cannot_be_are_refused(arguments: Any, named: dict[str, Any], name: str) -> None:
    """By name."""
    with pytest.raises(InvalidRequestError) as caught:
        Budget(*arguments, **named)
    assert caught.value.parameter == name


def test_what_requests_cost() -> None:
    """In the currency of the price; unknown without one."""
    assert Budget(10, cost_per_1000=4).cost(250) == 1.0
    assert Budget(10).cost(250) is None


# --- the link


async def test_a_request_is_reserved_before_it_is_sent() -> None:
    """The next one is refused while the last is still on its way."""
    spending, end = BudgetGuard(Budget(1)), ScriptedService(latency=1.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(spending, a_call(), end)
        await anyio.sleep(0.5)
        assert (spending.requests, spending.left) == (1, 0)
        for link in (spending, spending.check_first):
            with pytest.raises(BudgetExceededError, match="budget of 1 requests"):
                await link(a_call(), end)
    assert (spending.requests, spending.left) == (1, 0)


@pytest.mark.parametrize("error", [AttemptAborted(), InvalidRequestError("no")])
async def test_what_was_not_sent_is_given_back(error: Exception) -> None:
    """However it ended before the wire."""
    spending = BudgetGuard(Budget(1))

    async def refusing(call: Any) -> Any:
        raise error

    with pytest.raises(type(error)):
        await spending(a_call(), refusing)
    assert (spending.requests, spending.left) == (0, 1)


async def test_what_is_cancelled_on_its_way_to_the_wire_is_given_back() -> None:
    """And what was on the wire is not: the service may have counted it."""
    spending = BudgetGuard(Budget(5))

    async def waiting(call: Any) -> Any:
        await anyio.sleep_forever()

    for end, requests in ((waiting, 0), (ScriptedService([reply()], latency=10.0), 1)):
        with anyio.move_on_after(1):
            await spending(a_call(), end)
        assert spending.requests == requests


# --- in a session


async def test_retries_and_pages_and_siblings_share_it() -> None:
    """Whoever sends; the error says what to do, and can be pickled."""
    statuses = [503, 200, 200]

    def handler(request: httpx.Request) -> httpx.Response:
        status = statuses.pop(0)
        page = {"_type": "Images", "value": [{"imageId": str(len(statuses))}], "nextOffset": 9 - len(statuses)}
        return httpx.Response(status, json=page)

    async with session_for(handler, budget=Budget(3, cost_per_1000=500), retry=RetryPolicy(base=0.0)) as session:
        await session.search("boat")
        pager = session.with_options(market="de-DE").iter_images("boat")
        await anext(pager)
        with pytest.raises(BudgetExceededError, match="larger Budget") as caught:
            await anext(pager)
        stats = session.stats
    assert (stats.budget_spent, stats.budget_left, stats.cost, stats.attempts) == (3, 0, 1.5, 3)
    assert (caught.value.requests, caught.value.attempts) == (3, ())
    assert pickle.loads(pickle.dumps(caught.value)).requests == 3


async def test_without_a_budget_there_is_nothing_to_tell() -> None:
    """Nor without a price."""
    async with session_for(empty) as session:
        stats = session.stats
        assert (stats.budget_spent, stats.budget_left, stats.cost) == (None, None, None)
    async with session_for(empty, budget=Budget(2)) as session:
        await session.search("boat")
        stats = session.stats
        assert (stats.budget_spent, stats.budget_left, stats.cost) == (1, 1, None)


async def test_a_spent_budget_waits_for_nothing() -> None:
    """No slot of the rate limit, and no turn."""
    async with session_for(empty, budget=Budget(1), rate_limit=RateLimit(1, per=60)) as session:
        await session.search("boat")
        with pytest.raises(BudgetExceededError):
            await session.search("boat")
        assert anyio.current_time() == pytest.approx(0, abs=1e-3)


async def test_middleware_may_answer_for_nothing() -> None:
    """What a cache of the user's answers costs no request."""

    async def cache(call: Any, send: Any) -> Any:
        return reply(body=b'{"_type": "Images", "value": []}')

    async with session_for(empty, budget=Budget(1), middleware=[cache]) as session:
        for _ in range(3):
            await session.search("boat")
        assert session.stats.budget_spent == 0


# --- estimates


def estimate(queries: Any = 10, *, session_options: dict[str, Any] | None = None, **options: Any) -> Estimate:
    return session_for(empty, **(session_options or {})).estimate(queries, **options)


@pytest.mark.parametrize(
    ("options", "requests", "most"),
    [
        ({}, 10, 50),
        ({"pages": 3}, 30, 150),
        ({"limit": 300}, 20, 15_000),
        ({"limit": 301}, 30, 15_050),
        ({"limit": 300, "pages": 5}, 20, 250),
        ({"limit": 3, "pages": 5}, 10, 150),
        ({"limit": 100, "count": 20}, 50, 5_000),
        ({"limit": 1000, "pages": 3}, 30, 150),
    ],
)
def test_pages_are_counted(options: dict[str, Any], requests: int, most: int) -> None:
    """As a rule full ones; at most as many as there are images to find, each tried five times."""
    found = estimate(**options)
    assert (found.queries, found.requests, found.most) == (10, requests, most)
    assert (found.cost, found.highest_cost, found.seconds, found.budget_left, found.fits) == (
        None,
        None,
        None,
        None,
        True,
    )


def test_queries_have_page_sizes_of_their_own() -> None:
    """`count` of the run goes before."""
    queries = ["a", SearchParams("b", count=10), SearchParams("c", count=35)]
    assert estimate(queries, limit=70).requests == 1 + 7 + 2
    assert estimate(queries, limit=70, count=7).requests == 30
    assert estimate({"a", "b"}).requests == estimate(("a", "b")).requests == 2


def test_money_time_and_the_budget() -> None:
    """By the session's own settings."""
    options = {
        "budget": Budget(30, cost_per_1000=10),
        "rate_limit": RateLimit(10, jitter=0),
        "retry": RetryPolicy(attempts=2),
    }
    found = estimate(21, session_options=options)
    assert (found.requests, found.most, found.cost, found.highest_cost) == (21, 42, 0.21, 0.42)
    assert found.seconds == pytest.approx(2.0, abs=1e-3)
    assert (found.budget_left, found.fits) == (30, False)
    assert estimate(15, session_options=options).fits
    assert estimate(0, session_options=options).seconds == 0


@pytest.mark.parametrize(
    ("queries", "options", "name"),
    [
        ("boat", {}, "queries"), (iter(["boat"]), {}, "queries"), (-1, {}, "queries"), (True, {}, "queries"),
        (1.5, {}, "queries"), (None, {}, "queries"), (1, {"limit": 0}, "limit"), (1, {"pages": 0}, "pages"),
        (1, {"count": 151}, "count"),
    ],
)  # fmt: skip
def test_what_cannot_be_estimated_is_refused(queries: Any, options: dict[str, Any], name: str) -> None:
    """An iterator could be read only once."""
    with pytest.raises(InvalidRequestError) as caught:
        estimate(queries, **options)
    assert caught.value.parameter == name


@given(
    st.integers(0, 6),
    st.none() | st.integers(1, 12),
    st.none() | st.integers(1, 5),
    st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(-2, 9)), max_size=60),
)
def test_no_run_takes_more_than_the_most(
    number: int, limit: int | None, pages: int | None, script: list[tuple[bool, int, int]]
) -> None:
    """Whatever the service does: failures, short pages, offsets that lead nowhere."""
    left, asked = iter(script), 0

    def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        fails, images, step = next(left, (False, 1, 1))
        if fails:
            return httpx.Response(503)
        value = [{"imageId": f"{asked}-{index}"} for index in range(images)]
        following = int(request.url.params.get("offset", 0)) + step
        return httpx.Response(200, json={"_type": "Images", "value": value, "nextOffset": max(0, following)})

    async def main() -> int:
        async with session_for(handler, retry=RetryPolicy(attempts=3, base=0.0), on_outage="fail") as session:
            most = session.estimate(number, limit=limit, pages=pages).most
            await session.search_all(
                [f"q{index}" for index in range(number)], limit=limit, pages=pages, on_outage="fail"
            )
            return most

    assert anyio.run(main) >= asked
