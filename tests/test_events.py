"""What observers are told: everything, at the right time, and never the key."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import attrs
import httpx
import pytest
from session_kit import KEY, Service, session_with
from step_kit import Record

from bing_images_async import Call, RateLimit, RetryPolicy, Send, events
from bing_images_async.errors import BingImagesError, ConnectionFailedError, ServerError
from bing_images_async.events import (
    AttemptFinished,
    BreakerChanged,
    CallFinished,
    CallStarted,
    ConcurrencyChanged,
    Dispatcher,
    Event,
    LatchChanged,
    LoggingObserver,
    RateChanged,
    RetryScheduled,
    Throttled,
)
from bing_images_async.testing import virtual_time

RETRY = RetryPolicy(attempts=3, base=0.0)
ONE_OF_EACH: list[Event] = [
    CallStarted(at=1.0, call=1, endpoint="search", priority="bulk", query="boat"),
    CallFinished(at=2.0, call=1, endpoint="search", elapsed=1.0, attempts=1),
    AttemptFinished(at=2.0, call=1, number=1, elapsed=1.0, status=200, error=None, waited={"permit": 0.5}),
    RetryScheduled(at=2.0, call=1, number=2, wait=0.5, error="ServerError"),
    Throttled(at=2.0, call=1, pause=1.5),
    RateChanged(at=2.0, rate=7.0, previous=10.0),
    ConcurrencyChanged(at=2.0, limit=44, previous=64),
    BreakerChanged(at=2.0, state="open", retry_after=1.0),
    LatchChanged(at=2.0, error="AuthenticationError", retry_after=60.0),
]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


class Answers:
    """One status after the other, the last for ever; 0 is a connection refused, -1 a silence."""

    def __init__(self, *statuses: int, seconds: float = 1.0, **headers: str) -> None:
        self._statuses = list(statuses)
        self._seconds = seconds
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self._ok = Service()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        await anyio.sleep(self._seconds)
        if status == 0:
            raise httpx.ConnectError("refused")
        if status == -1:
            await anyio.sleep_forever()
        return await self._ok(request) if status == 200 else httpx.Response(status, headers=self._headers)


def plain(event: Event) -> dict[str, Any]:
    return attrs.asdict(event)


@pytest.mark.anyio
async def test_the_story_of_a_call() -> None:
    """From start to end, with times, numbers and reasons."""
    record = Record()
    await anyio.sleep(5)
    async with session_with(Answers(0, 500, 200), observers=[record], rate_limit=None, retry=RETRY) as session:
        await session.with_options(priority="bulk").search("boat")
    number = record.of(CallStarted)[0].call
    waited: dict[str, float] = {}
    again = {"back_off": 0.0}
    assert record.events == [
        CallStarted(at=5.0, call=number, endpoint="search", priority="bulk"),
        AttemptFinished(
            at=6.0, call=number, number=1, elapsed=1.0, status=None, error="ConnectionFailedError", waited=waited
        ),
        RetryScheduled(at=6.0, call=number, number=2, wait=0.0, error="ConnectionFailedError"),
        AttemptFinished(at=7.0, call=number, number=2, elapsed=1.0, status=500, error=None, waited=again),
        RetryScheduled(at=7.0, call=number, number=3, wait=0.0, error="ServerError"),
        AttemptFinished(at=8.0, call=number, number=3, elapsed=1.0, status=200, error=None, waited=again),
        CallFinished(at=8.0, call=number, endpoint="search", elapsed=3.0, attempts=3),
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("statuses", "options", "error", "attempts"),
    [
        ((500,), {}, "ServerError", 3),
        ((400,), {}, "BadRequestError", 1),
        ((0,), {}, "ConnectionFailedError", 3),
        ((-1,), {"timeout": 5}, "DeadlineExceededError", 1),
        ((301,), {}, "UnexpectedRedirectError", 1),
    ],
)
async def test_how_a_call_ended(statuses: tuple[int, ...], options: dict[str, Any], error: str, attempts: int) -> None:
    """By the name of the error that the caller got."""
    record = Record()
    options = {"rate_limit": None, "retry": RETRY, **options}
    async with session_with(Answers(*statuses), observers=[record], **options) as session:
        with pytest.raises(BingImagesError):
            await session.search("boat")
    (finished,) = record.of(CallFinished)
    assert (finished.error, finished.attempts) == (error, attempts)
    assert record.events[-1] is finished


@pytest.mark.anyio
async def test_a_call_that_was_cancelled_or_met_a_stranger() -> None:
    """A cancelled one is `Cancelled`; what a middleware raises goes by its own name."""

    async def strange(call: Call, send: Send) -> Any:
        if call.endpoint == "trending":
            raise ValueError("mine")
        return await send(call)

    record = Record()
    async with session_with(Answers(-1), observers=[record], rate_limit=None, middleware=[strange]) as session:
        with anyio.move_on_after(2):
            await session.search("boat")
        with pytest.raises(ValueError, match="mine"):
            await session.trending()
        assert (session.stats.cancelled, session.stats.failed) == (1, 1)
    assert [(event.error, event.elapsed) for event in record.of(CallFinished)] == [
        ("Cancelled", 2.0),
        ("ValueError", 0.0),
    ]
    assert [(event.error, event.status) for event in record.of(AttemptFinished)] == [("Cancelled", None)]


@pytest.mark.anyio
async def test_changes_of_the_session() -> None:
    """Throttled, a new pace, fewer permits, a circuit that opens, probes and closes, a latch that holds."""
    record = Record()
    answers = Answers(429, 429, 429, 200, *[500] * 13, 200, 401, seconds=0.1, retry_after="3")
    retry = RetryPolicy(attempts=1)
    async with session_with(
        answers, observers=[record], rate_limit=RateLimit(1_000, jitter=0), retry=retry, max_concurrency=20
    ) as session:

        async def ask() -> None:
            with suppress(BingImagesError):
                await session.search("boat")

        for _ in range(4):
            await ask()
        assert [event.pause for event in record.of(Throttled)] == [pytest.approx(3.15, abs=0.16)] * 3
        assert [(event.previous, event.rate) for event in record.of(RateChanged)] == [(1_000.0, 500.0)]
        for _ in range(10):
            await ask()
        assert [(event.previous, event.limit) for event in record.of(ConcurrencyChanged)] == [(20, 14), (14, 9)]
        for _ in range(60):
            await ask()
            await anyio.sleep(0.5)
    assert [event.state for event in record.of(BreakerChanged)] == [
        "open",
        *["half-open", "open"] * 3,
        "half-open",
        "closed",
    ]
    latched = record.of(LatchChanged)[0]
    assert (latched.error, latched.retry_after) == ("AuthenticationError", 3.0)


@pytest.mark.anyio
async def test_the_query_is_for_those_who_want_it() -> None:
    """And for nobody else, in the same session."""
    eager, modest = Record(wants_queries=True), Record()
    seen: list[Event] = []
    async with session_with(Service(), observers=[modest, eager, seen.append]) as session:
        await session.search("secret plans")
        await session.trending()
    assert [event.query for event in eager.of(CallStarted)] == ["secret plans", None]
    assert [event.query for event in modest.of(CallStarted)] == [None, None]
    assert "secret plans" not in repr(seen)
    assert len(seen) == len(modest.events) == len(eager.events) == 6


@pytest.mark.anyio
async def test_no_event_holds_the_key() -> None:
    """Not on any path: not even if the service repeats it."""

    async def echo(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("trending"):
            raise httpx.ConnectError(f"no way with {KEY}")
        return httpx.Response(401, json={"error": {"code": "401", "message": f"bad key {KEY}"}})

    record = Record(wants_queries=True)
    async with session_with(echo, observers=[record], rate_limit=None) as session:
        for ask in (session.trending, lambda: session.search("boat"), session.trending):
            with pytest.raises(BingImagesError):
                await ask()
    assert len(record.events) > 8
    assert KEY not in repr([plain(event) for event in record.events])


@pytest.mark.anyio
async def test_an_observer_that_raises_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, the others are told, and the call goes on."""

    def broken(event: Event) -> None:
        raise RuntimeError("observer")

    before, after = Record(), Record()
    async with session_with(Service(), observers=[before, broken, after]) as session:
        await session.search("boat")
    assert len(before.events) == len(after.events) == 3
    failures = [entry for entry in caplog.records if entry.exc_info is not None]
    assert [entry.getMessage() for entry in failures] == [
        f"An observer failed on {name}; it was skipped." for name in ("CallStarted", "AttemptFinished", "CallFinished")
    ]
    assert KEY not in caplog.text


def test_no_record_is_made_for_nobody() -> None:
    """An empty events is false, which is what every link looks at first; one with an observer is true."""
    assert not Dispatcher()
    assert Dispatcher([Record()])


@pytest.mark.anyio
async def test_a_session_without_observers_makes_no_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """On no path, good or bad."""

    def refuse(self: Event, *args: object, **options: object) -> None:
        raise AssertionError("a record was made")

    for name in events.__all__:
        kind = getattr(events, name)
        if isinstance(kind, type) and issubclass(kind, Event):
            monkeypatch.setattr(kind, "__init__", refuse)
    answers = Answers(429, 200, *[500] * 11, 200, 401, 401, seconds=0.1)
    async with session_with(answers, rate_limit=RateLimit(10, jitter=0), retry=RetryPolicy(attempts=1)) as session:
        for _ in range(30):
            try:
                await session.search("boat")
            except (BingImagesError, ConnectionFailedError) as error:
                last = error
            await anyio.sleep(0.5)
        assert session.stats.latched == "AuthenticationError"
    assert not isinstance(last, ServerError)


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_records_are_values(event: Event) -> None:
    """Frozen, comparable, hashable."""
    assert event == attrs.evolve(event)
    assert event != attrs.evolve(event, at=99.0)
    assert hash(event) == hash(attrs.evolve(event))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.at = 5.0  # type: ignore[misc]  # frozen, which is the point


def test_every_kind_has_an_example_here() -> None:
    """So that the tests of this file cover a new one, too."""
    kinds = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)}
    assert {type(event) for event in ONE_OF_EACH} == kinds - {Event}
    assert {kind.__name__ for kind in kinds} <= set(events.__all__)


LEVELS: list[tuple[Event, int]] = [
    *zip(ONE_OF_EACH, [10, 10, 10, 30, 30, 20, 20, 30, 40], strict=True),
    (BreakerChanged(at=1.0, state="half-open"), 20),
    (BreakerChanged(at=1.0, state="closed"), 20),
    (LatchChanged(at=1.0, error=None), 20),
]


@pytest.mark.parametrize(("event", "level"), LEVELS)
def test_levels_of_the_log(event: Event, level: int, caplog: pytest.LogCaptureFixture) -> None:
    """What went wrong stands out, what happens all the time is for debugging."""
    caplog.set_level(logging.DEBUG)
    LoggingObserver()(event)
    (entry,) = caplog.records
    assert (entry.levelno, entry.name, entry.getMessage()) == (level, "bing_images_async", str(event))


@pytest.mark.anyio
@pytest.mark.parametrize("wants", [False, True])
async def test_queries_in_the_log(wants: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Only if asked for; and into the logger that was given."""
    caplog.set_level(logging.DEBUG)
    observer: Callable[[Event], None] = LoggingObserver(logging.getLogger("mine"), wants_queries=wants)
    async with session_with(Service(), observers=[observer]) as session:
        await session.search("secret plans")
    assert ("secret plans" in caplog.text) is wants
    assert {entry.name for entry in caplog.records if "CallStarted" in entry.getMessage()} == {"mine"}
