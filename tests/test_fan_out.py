"""Many queries at once: each has one outcome, nothing runs ahead of its consumer, and nothing is left behind."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from attrs import define, field
from hypothesis import given, strategies as st
from promise_kit import WORK, simulate, simulated_session
from sim import Outage, Server
from sim.cancel import Backend, By, Outcome as Ending, cancel_everywhere

from bing_images_async import (
    Budget,
    Call,
    FanOut,
    ImageSearchSession,
    Outcome,
    Progress,
    RateLimit,
    Reply,
    RetryPolicy,
    SearchParams,
    Send,
)
from bing_images_async.errors import (
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    DeadlineExceededError,
    InvalidRequestError,
    ServerError,
    SessionStateError,
)
from bing_images_async.testing import run, session_for, virtual_time

pytestmark = pytest.mark.anyio

ONE_TRY = RetryPolicy(attempts=1)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


@define
class Service:
    """Takes a second for each page; a query that is a number gets that status; knows what is on its way."""

    seconds: float = 1.0
    asked: list[str] = field(factory=list)
    on_its_way: int = 0
    most: int = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params["q"]
        self.asked.append(query)
        self.on_its_way += 1
        self.most = max(self.most, self.on_its_way)
        try:
            await anyio.sleep(self.seconds * (3.5 if query.startswith("slow") else 1))
        finally:
            self.on_its_way -= 1
        if query.isdigit() and query != "200":
            return httpx.Response(int(query))
        offset, count = int(request.url.params.get("offset", 0)), int(request.url.params.get("count", 2))
        value = [{"imageId": f"{query}-{number}"} for number in range(offset, min(20, offset + count))]
        return httpx.Response(200, json={"_type": "Images", "value": value, "nextOffset": offset + count})


@asynccontextmanager
async def a_session(service: Any = None, **options: Any) -> AsyncGenerator[ImageSearchSession]:
    """At rest when it ends."""
    options = {"retry": ONE_TRY, "timeout": None, **options}
    async with session_for(service or Service(), **options) as session:
        yield session
        stats = session.stats
        assert (stats.waiting, stats.in_flight, stats.permits_in_use) == (0, 0, 0)
        assert stats.calls == stats.succeeded + stats.failed + stats.cancelled


@define
class Counted:
    """An input that knows how much of it was read."""

    items: Iterable[Any]
    read: int = 0

    def __iter__(self) -> Iterator[Any]:
        for item in self.items:
            self.read += 1
            yield item


async def slowly(items: Iterable[Any], seconds: float = 0.0) -> AsyncGenerator[Any]:
    for item in items:
        await anyio.sleep(seconds)
        yield item


async def handed_over(run: FanOut, found: list[Outcome]) -> None:
    """Puts outcomes into `found`, up to whatever ends the run."""
    async with run as outcomes:
        async for outcome in outcomes:
            found.append(outcome)  # noqa: PERF401  # what came before an error counts


def numbered(number: int) -> list[str]:
    return [f"q{index}" for index in range(number)]


# --- every query, once


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("number", [0, 1, 3, 50])
@pytest.mark.parametrize("source", [list, iter, slowly, tuple])
async def test_each_query_has_one_outcome(source: Callable[[Any], Any], number: int, ordered: bool) -> None:
    """Out of any kind of input, texts and parameters mixed, with the place it had there."""
    queries = [SearchParams(f"q{index}", count=5) if index % 3 == 0 else f"q{index}" for index in range(number)]
    async with (
        a_session() as session,
        session.fan_out(source(queries), concurrency=7, ordered=ordered, market="de-DE") as outcomes,
    ):
        found = [outcome async for outcome in outcomes]
    assert sorted(outcome.index for outcome in found) == list(range(number))
    for outcome in found:
        assert outcome.query is queries[outcome.index]
        assert outcome.unwrap().value == outcome.images
        assert outcome.images[0].image_id == f"q{outcome.index}-0"
        assert (outcome.was_sent, outcome.requests, outcome.elapsed) == (True, 1, 1.0)
        assert len(outcome.images) == (5 if outcome.index % 3 == 0 else 2)


async def test_outcomes_come_as_they_are_done() -> None:
    """A slow one holds nobody up."""
    async with a_session() as session, session.fan_out(["slow", "a", "b", "c"], concurrency=2) as outcomes:
        assert [outcome.query async for outcome in outcomes] == ["a", "b", "c", "slow"]


async def test_ordered_means_in_the_order_of_the_input() -> None:
    """Though they were done in another."""
    async with a_session() as session, session.fan_out(["slow", *numbered(9)], concurrency=3, ordered=True) as outcomes:
        assert [outcome.index async for outcome in outcomes] == list(range(10))


async def test_search_all_gives_the_order_of_the_input() -> None:
    """As a list, with the options of a run."""
    async with a_session() as session:
        outcomes = await session.search_all(["slow", *numbered(5)], count=1, concurrency=3)
    assert [outcome.index for outcome in outcomes] == list(range(6))
    assert [len(outcome.images) for outcome in outcomes] == [1] * 6


async def test_so_many_at_once_and_no_more() -> None:
    """By default as many as the session's `max_concurrency`; no task without work."""
    service = Service()
    async with a_session(service, max_concurrency=6) as session:
        await session.search_all(numbered(30))
        assert service.most == 6
        await session.search_all(numbered(30), concurrency=2)
    other = Service()
    async with a_session(other) as session, session.fan_out(numbered(30), concurrency=50) as outcomes:
        assert len([outcome async for outcome in outcomes]) == 30
    assert other.most == 30


async def test_a_run_of_many_workers_starts_as_many_as_there_are_queries() -> None:
    """A task without work would be waste."""
    async with a_session() as session:
        before = len(anyio.get_running_tasks())
        async with session.fan_out(numbered(3), concurrency=1000):
            assert len(anyio.get_running_tasks()) - before == 3


# --- back-pressure


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("make", [Counted, lambda items: items])
async def test_a_slow_consumer_slows_the_run_down(make: Callable[[Any], Any], ordered: bool) -> None:
    """Whatever is read and not handed over yet fits into the workers' hands, ordered or not."""
    service, queries = Service(seconds=0.01), Counted(numbered(200))
    async with (
        a_session(service) as session,
        session.fan_out(iter(queries), concurrency=4, ordered=ordered) as outcomes,
    ):
        handed = 0
        async for _ in outcomes:
            handed += 1
            await anyio.sleep(5)
            assert queries.read - handed <= 4 * (2 + ordered)
            assert service.on_its_way == 0
    assert queries.read == handed == 200


async def test_an_ordered_run_waits_within_its_window() -> None:
    """However long the first query takes, no more than two rounds are done ahead of it."""
    queries, service, read = Counted(["slow", *numbered(100)]), Service(seconds=0.0), 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal read
        if request.url.params["q"] == "slow":
            await anyio.sleep(5)
            read = queries.read
        return await service(request)

    async with a_session(handler) as session, session.fan_out(iter(queries), concurrency=4, ordered=True) as outcomes:
        assert [outcome.index async for outcome in outcomes] == list(range(101))
    assert 4 < read <= 4 * 3


# --- failures


async def test_a_failing_query_stops_no_other() -> None:
    """Each has its own error; a query that cannot be is one of them."""
    queries: list[Any] = ["a", "400", "", "500", "b", 5, "c"]
    async with a_session() as session:
        outcomes = await session.search_all(queries, concurrency=2)
    kinds = [type(outcome.error) for outcome in outcomes]
    assert kinds == [
        type(None), BadRequestError, InvalidRequestError, ServerError, type(None), InvalidRequestError, type(None)
    ]  # fmt: skip
    assert [outcome.was_sent for outcome in outcomes] == [True, True, False, True, True, False, True]
    with pytest.raises(BadRequestError):
        outcomes[1].unwrap()
    assert [(outcome.answer is None) for outcome in outcomes] == [kind is not type(None) for kind in kinds]


@pytest.mark.parametrize("source", [list, slowly])
async def test_a_refused_key_ends_the_run(source: Callable[[Any], Any]) -> None:
    """What is under way is finished; all that was not sent is reported as such, and nothing more is asked."""
    service = Service()
    async with a_session(service) as session:
        outcomes = await session.search_all(source(["a", "b", "slow", "401", *numbered(500)]), concurrency=4)
    assert len(outcomes) == 504
    assert len(service.asked) <= 8
    for outcome in outcomes:
        assert outcome.was_sent is (outcome.query in service.asked)
        assert outcome.requests == (outcome.query in service.asked)
        assert outcome.answer is not None or isinstance(outcome.error, AuthenticationError)
    assert outcomes[2].error is None
    assert outcomes[-1].error is not outcomes[-2].error  # raising one adds no traceback to another


async def test_what_ends_a_run_can_be_chosen() -> None:
    """`stop_on`: other errors, or none."""
    service = Service()
    async with a_session(service) as session:
        outcomes = await session.search_all(["400", "a", "b"], concurrency=1, stop_on=[BadRequestError])
        assert [outcome.was_sent for outcome in outcomes] == [True, False, False]
        outcomes = await session.search_all(["400", "a"], concurrency=1, stop_on=())
        assert [outcome.was_sent for outcome in outcomes] == [True, True]


async def test_a_run_tries_harder_than_a_call() -> None:
    """Five attempts, unless the session was given a policy; all of them are in the outcome."""
    async with session_for(lambda request: httpx.Response(503)) as session:
        (outcome,) = await session.search_all(["a"])
        assert [attempt.number for attempt in outcome.attempts] == [1, 2, 3, 4, 5]
    async with session_for(lambda request: httpx.Response(503), retry=RetryPolicy(attempts=2)) as session:
        (outcome,) = await session.search_all(["a"])
        assert outcome.requests == 2


@pytest.mark.parametrize("ordered", [False, True])
async def test_an_error_that_is_no_outcome_ends_the_run(ordered: bool) -> None:
    """A middleware's own: what is under way is handed over first, then it arrives as it was."""
    cause = KeyError("why")

    async def broken(call: Any, send: Any) -> Reply:
        if "q=b&" in f"{call.request.url}&":
            raise ValueError("of the user") from cause
        reply: Reply = await send(call)
        return reply

    found: list[Outcome] = []
    service = Service()
    async with a_session(service, middleware=[broken]) as session:
        with pytest.raises(ValueError, match="of the user") as caught:
            await handed_over(session.fan_out(["a", "b", *numbered(100)], concurrency=3, ordered=ordered), found)
    assert caught.value.__cause__ is cause
    assert sorted(str(outcome.query) for outcome in found) == sorted(service.asked)
    assert len(service.asked) <= 4


# --- the input


class TestInput:
    """It may fail, wait, or be no input at all."""

    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_its_error_comes_after_what_is_under_way(self, asynchronous: bool) -> None:
        """Bare, with its own cause, and once."""
        cause = KeyError("why")

        def plain() -> Iterator[str]:
            yield from numbered(5)
            raise ValueError("of the input") from cause

        async def waiting() -> AsyncIterator[str]:
            for item in plain():
                yield item

        found: list[Outcome] = []
        async with a_session() as session:
            with pytest.raises(ValueError, match="of the input") as caught:
                await handed_over(session.fan_out(waiting() if asynchronous else plain(), concurrency=3), found)
        assert caught.value.__cause__ is cause
        assert sorted(outcome.index for outcome in found) == list(range(5))

    async def test_it_may_take_its_time(self) -> None:
        """Outcomes come while the next query is waited for; leaving ends the waiting, and the generator."""
        ended: list[str] = []

        async def forever() -> AsyncIterator[str]:
            try:
                yield "a"
                yield "b"
                await anyio.sleep_forever()
            finally:
                ended.append("input")

        async with a_session() as session, session.fan_out(forever(), concurrency=4) as outcomes:
            assert {(await anext(outcomes)).query, (await anext(outcomes)).query} == {"a", "b"}
        assert ended == ["input"]

    async def test_a_generator_that_was_not_read_to_its_end_is_closed(self) -> None:
        """Even if nobody waits in it."""
        ended: list[str] = []

        async def many() -> AsyncIterator[str]:
            try:
                for query in numbered(100):
                    yield query
            finally:
                ended.append("input")

        async with a_session() as session, session.fan_out(many(), concurrency=2) as outcomes:
            await anext(outcomes)
        assert ended == ["input"]

    @pytest.mark.parametrize("queries", ["boat", b"boat", 5, None])
    async def test_what_is_no_list_of_queries_is_refused(self, queries: Any) -> None:
        """A single text above all, whose letters would be searched for."""
        async with a_session() as session:
            with pytest.raises(InvalidRequestError, match="queries") as caught:
                session.fan_out(queries)
            assert caught.value.parameter == "queries"


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0}, {"pages": 0}, {"limit": -1}, {"timeout": 0}, {"ordered": 1}, {"on_outage": "hope"},
        {"stop_on": [ValueError]}, {"stop_on": AuthenticationError}, {"stop_on": [5]}, {"sise": "Large"},
        {"size": "Huge"},
    ],
    ids=str,
)  # fmt: skip
async def test_arguments_that_cannot_be_are_refused_at_once(options: dict[str, Any]) -> None:
    """What is wrong for every query is no outcome of each."""
    async with a_session() as session:
        with pytest.raises(InvalidRequestError) as caught:
            session.fan_out(["a"], **options)
    assert caught.value.parameter in options


async def test_a_run_is_entered_once() -> None:
    """And before it is iterated; afterwards it is over."""
    async with a_session() as session:
        outcomes = session.fan_out(["a"])
        with pytest.raises(SessionStateError, match="Enter the run first"):
            await anext(outcomes)
        async with outcomes:
            with pytest.raises(SessionStateError, match="entered before"):
                await outcomes.__aenter__()
        assert [outcome async for outcome in outcomes] == []
        with pytest.raises(SessionStateError, match="entered before"):
            await outcomes.__aenter__()


# --- time


async def test_each_query_has_its_own_clock() -> None:
    """Waiting for one's turn is not counted: a run may take far longer than the `timeout` of a call."""
    async with a_session(timeout=2.5, rate_limit=RateLimit(1), max_concurrency=1) as session:
        outcomes = await session.search_all([*numbered(20), "slow"], concurrency=21)
    assert [type(outcome.error) for outcome in outcomes] == [*[type(None)] * 20, DeadlineExceededError]
    assert outcomes[-1].was_sent


@pytest.mark.parametrize("ordered", [False, True])
async def test_a_run_ends_at_its_timeout(ordered: bool) -> None:
    """What is under way gets the error, the rest is reported as not sent, and it takes no longer than that."""
    service = Service()
    async with a_session(service) as session:
        began = anyio.current_time()
        outcomes = await session.search_all(numbered(100), concurrency=10, timeout=2.5, ordered=ordered)
        assert anyio.current_time() - began == pytest.approx(2.5)
    assert [outcome.error is None for outcome in outcomes] == [True] * 20 + [False] * 80
    assert [outcome.was_sent for outcome in outcomes] == [True] * 30 + [False] * 70
    assert {type(outcome.error) for outcome in outcomes[20:]} == {DeadlineExceededError}
    assert len(service.asked) == 30


async def test_a_timeout_passes_while_the_consumer_sleeps() -> None:
    """Then nothing more is sent, either."""
    service = Service()
    async with a_session(service) as session, session.fan_out(numbered(9), concurrency=2, timeout=5) as outcomes:
        await anext(outcomes)
        await anyio.sleep(10)
        rest = [outcome async for outcome in outcomes]
    assert sum(outcome.was_sent for outcome in rest) == len(service.asked) - 1 == 2
    assert len(rest) == 8


async def test_an_input_is_waited_for_no_longer_than_the_run_may_take() -> None:
    """What was read has its outcome; then the error arrives."""
    found: list[Outcome] = []

    async def stuck() -> AsyncIterator[str]:
        yield "a"
        await anyio.sleep_forever()

    async with a_session() as session:
        with pytest.raises(DeadlineExceededError):
            await handed_over(session.fan_out(stuck(), timeout=7), found)
        assert anyio.current_time() == pytest.approx(7)
    assert [outcome.query for outcome in found] == ["a"]


# --- several pages


async def test_a_query_can_mean_its_first_images() -> None:
    """`limit` and `pages` are those of the pager; the outcome has the images of all pages, and the first answer."""
    async with a_session() as session:
        (outcome,) = await session.search_all(["a"], limit=9, count=4)
        assert [image.image_id for image in outcome.images] == [f"a-{number}" for number in range(9)]
        assert (outcome.requests, outcome.stop_reason, len(outcome.unwrap().value)) == (3, "limit", 4)
        (outcome,) = await session.search_all(["a"], pages=2, count=4)
        assert (len(outcome.images), outcome.requests, outcome.stop_reason) == (8, 2, "max_pages")
        (outcome,) = await session.search_all(["a"], pages=9, limit=99)
        assert (len(outcome.images), outcome.requests, outcome.stop_reason) == (20, 2, "empty_page")


async def test_what_came_before_a_failing_page_is_kept() -> None:
    """Beside the error, with the attempts of all pages."""
    service = Service()

    async def failing(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500) if request.url.params.get("offset") == "8" else await service(request)

    async with a_session(failing, retry=RetryPolicy(attempts=2)) as session:
        (outcome,) = await session.search_all(["a"], limit=20, count=4)
    assert isinstance(outcome.error, ServerError)
    assert (len(outcome.images), outcome.answer, outcome.was_sent) == (8, None, True)
    assert [(attempt.number, attempt.status) for attempt in outcome.attempts] == [
        (1, 200),
        (1, 200),
        (1, 500),
        (2, 500),
    ]


# --- leaving


@define
class Run:
    """A run that is cancelled somewhere: each query was handed over once at most, and none but those lost."""

    session: ImageSearchSession
    service: Service
    ordered: bool
    asynchronous: bool
    found: list[Outcome] = field(factory=list)

    async def run(self) -> None:
        queries: Any = numbered(5)
        source = slowly(queries, 0.4) if self.asynchronous else queries
        async with self.session.fan_out(source, concurrency=2, ordered=self.ordered) as outcomes:
            async for outcome in outcomes:
                self.found.append(outcome)
                await anyio.sleep(0.3)

    async def check(self, ending: Ending) -> None:
        assert self.service.on_its_way == 0
        stats = self.session.stats
        assert (stats.waiting, stats.in_flight, stats.permits_in_use) == (0, 0, 0)
        indices = [outcome.index for outcome in self.found]
        assert len(set(indices)) == len(indices)
        assert ending == "cancelled" or len(indices) == 5
        assert (await self.session.search("after")).value


@asynccontextmanager
async def a_run(*, ordered: bool, asynchronous: bool) -> AsyncGenerator[Run]:
    service = Service()
    async with a_session(service) as session:
        yield Run(session, service, ordered, asynchronous)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize(("backend", "by"), [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")])
def test_cancelled_at_any_step_it_leaves_nothing_behind(
    backend: Backend, by: By, ordered: bool, asynchronous: bool
) -> None:
    """No task, no request, no permit; and the session still works."""
    assert cancel_everywhere(lambda: a_run(ordered=ordered, asynchronous=asynchronous), by=by, backend=backend) > 20


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("how", ["break", "raise"])
async def test_it_may_be_left_at_any_outcome(how: str, number: int) -> None:
    """What the block raises arrives as it was, after everything has ended."""
    service, cause = Service(), KeyError("why")
    async with a_session(service) as session:
        before = {task.id for task in anyio.get_running_tasks()}

        async def consume() -> None:
            left = number
            async with session.fan_out(numbered(50), concurrency=3) as outcomes:
                while left:
                    await anext(outcomes)
                    left -= 1
                if how == "raise":
                    raise ValueError("of the block") from cause

        if how == "raise":
            with pytest.raises(ValueError, match="of the block") as caught:
                await consume()
            assert caught.value.__cause__ is cause
        else:
            await consume()
        assert service.on_its_way == 0
        assert {task.id for task in anyio.get_running_tasks()} == before


# --- progress


async def test_progress_is_told_after_each_outcome() -> None:
    """With what is done, failed and sent so far; the total if the input knows it."""
    told: list[Progress] = []
    async with a_session() as session:
        await session.search_all(["a", "500", "b"], concurrency=1, progress=told.append)
        assert [(one.done, one.failed, one.total, one.requests, one.elapsed) for one in told] == [
            (1, 0, 3, 1, 1.0), (2, 1, 3, 2, 2.0), (3, 1, 3, 3, 3.0)
        ]  # fmt: skip
        assert [one.seconds_left for one in told] == [2.0, 1.0, 0.0]
        await session.search_all(iter(["a"]), progress=told.append)
    assert (told[-1].total, told[-1].seconds_left) == (None, None)


# --- outages


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_outage_is_waited_for(backend: Backend) -> None:
    """A minute without the service in the middle of a run: no query is lost, no outcome is missing."""

    async def main() -> list[Outcome]:
        options: dict[str, Any] = {
            "rate_limit": RateLimit(50),
            "retry": RetryPolicy(attempts=5, attempt_timeout=2.0),
            "timeout": 10.0,
        }
        world = {"outages": [Outage(5.0, 65.0, "refused")]}
        async with simulated_session(Server(latency=WORK), world=world, **options) as simulated:
            return await simulated.session.search_all(numbered(500))

    outcomes = simulate(main, backend)
    assert [outcome.index for outcome in outcomes] == list(range(500))
    assert [outcome.error for outcome in outcomes if outcome.error is not None] == []


# --- budgets


@given(st.integers(0, 30), st.integers(1, 8), st.lists(st.booleans(), max_size=40), st.integers(0, 30))
def test_a_budget_is_never_exceeded(requests: int, concurrency: int, failures: list[bool], patience: int) -> None:
    """By retries, pages or whatever is cancelled; and all of it is used if there is need for it."""
    left, asked = iter(failures), 0

    async def handler(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        await anyio.sleep(1)
        if next(left, False):
            return httpx.Response(503)
        offset = int(request.url.params["offset"])
        value = [{"imageId": str(offset)}]
        return httpx.Response(200, json={"_type": "Images", "value": value, "nextOffset": offset + 1})

    async def main() -> None:
        budget = Budget(requests, cost_per_1000=3)
        async with session_for(handler, budget=budget, retry=RetryPolicy(base=0.01), max_concurrency=5) as session:
            with anyio.move_on_after(patience + 0.5) as scope:
                found = await session.search_all(numbered(10), concurrency=concurrency, pages=3)
            stats = session.stats
            assert asked == stats.attempts == stats.budget_spent
            assert asked <= requests
            assert stats.budget_left == requests - asked
            assert stats.cost == pytest.approx(asked * 0.003)
            if scope.cancelled_caught:
                return
            assert asked == sum(outcome.requests for outcome in found)
            spent = [outcome for outcome in found if isinstance(outcome.error, BudgetExceededError)]
            assert all(outcome.was_sent is (outcome.requests > 0) for outcome in spent)
            assert not spent or asked == requests

    run(main)


# --- what is no Exception


class Stop(BaseException):
    """Neither an `Exception` nor a cancellation."""


URGENT: list[type[BaseException]] = [SystemExit, GeneratorExit, KeyboardInterrupt, Stop]


@pytest.mark.anyio
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("kind", URGENT)
async def test_what_is_no_exception_arrives_bare_from_the_input(
    kind: type[BaseException], ordered: bool, is_async: bool
) -> None:
    """At once: calls in flight, which could take for ever, are cancelled."""
    cancelled: list[str] = []

    def queries() -> Iterator[str]:
        yield "boat"
        yield "forever"
        raise kind("the input")

    async def asynchronous() -> AsyncGenerator[str]:
        for query in queries():
            await anyio.lowlevel.checkpoint()
            yield query

    async def handler(request: httpx.Request) -> httpx.Response:
        if request.url.params["q"] == "forever":
            try:
                await anyio.sleep_forever()
            finally:
                cancelled.append("forever")
        return httpx.Response(200, json={"_type": "Images", "value": []})

    async with session_for(handler, timeout=None) as session:
        with pytest.raises(kind) as caught, anyio.fail_after(5):
            await session.search_all(asynchronous() if is_async else queries(), ordered=ordered)
        assert type(caught.value) is kind
        assert cancelled == ["forever"]
        assert session.stats.in_flight == 0


@pytest.mark.anyio
@pytest.mark.parametrize("kind", URGENT)
async def test_what_is_no_exception_arrives_bare_from_a_middleware(kind: type[BaseException]) -> None:
    """The same where a call itself raises it."""

    async def middleware(call: Call, send: Send) -> Any:
        raise kind("a middleware")

    async with session_for(lambda request: httpx.Response(200), middleware=[middleware]) as session:
        with pytest.raises(kind) as caught:
            await session.search_all(["boat", "bird"])
        assert type(caught.value) is kind


@pytest.mark.anyio
@pytest.mark.parametrize("kind", URGENT)
async def test_what_is_no_exception_arrives_bare_though_nobody_iterates(kind: type[BaseException]) -> None:
    """Leaving the block raises it; an error of the block itself comes first."""

    def queries() -> Iterator[str]:
        raise kind("the input")
        yield "boat"

    async with session_for(lambda request: httpx.Response(200)) as session:
        with pytest.raises(kind) as caught:
            async with session.fan_out(queries()):
                await anyio.wait_all_tasks_blocked()
        assert type(caught.value) is kind
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with session.fan_out(queries()):
                await anyio.wait_all_tasks_blocked()
                raise ZeroDivisionError
