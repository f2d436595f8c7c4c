"""Helpers for the tests of single steps: calls, replies, and a scripted service at the end of a chain."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import anyio
from attrs import define, field

from bing_images_async._pipeline.call import AttemptAborted, Call, CallState, InFlight, Send, compose
from bing_images_async._protocol.messages import Reply, Request
from bing_images_async.errors import AttemptTimeoutError, ConnectionFailedError
from bing_images_async.events import Dispatcher, Event

E = TypeVar("E", bound=Event)

EMPTY = b'{"_type": "Images", "value": []}'
NOBODY = Dispatcher()


def reply(status: int = 200, body: bytes | None = None, **headers: str) -> Reply:
    """Return a reply; underscores in names of headers become hyphens."""
    if body is None:
        body = EMPTY if status == 200 else b""
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def throttled(after: float | None = None, status: int = 429) -> Reply:
    """Return a reply for too many requests, with `Retry-After` if `after` is given."""
    return reply(status) if after is None else reply(status, retry_after=f"{after:.0f}")


ABUSE = reply(200, b"")
QUOTA = reply(403, b'{"statusCode": 403, "message": "Out of call volume quota."}')


def refused() -> ConnectionFailedError:
    """Return the error of a refused connection."""
    return ConnectionFailedError("refused")


def a_call(endpoint: str = "search", *, timeout: float | None = None, query: str = "boat", **options: Any) -> Call:
    """Return a call that starts now."""
    now = anyio.current_time()
    if timeout is not None:
        options["deadline"] = now + timeout
    state = CallState(options.pop("deadline", math.inf))
    return Call(endpoint, Request("GET", f"https://api.example/{endpoint}?q={query}"), now, state=state, **options)


Outcome = Reply | Exception


@define(eq=False)
class ScriptedService:
    """Last step of a chain: each request gets the next outcome of a script, and the last one again and again.

    `latency`: seconds until the reply, `None` for never. `unsent`: numbers of requests (from 0) that fail before they
    are sent.
    """

    script: Sequence[Outcome] | Callable[[Call], Outcome] = field(factory=lambda: [reply()])
    latency: float | None = 0.0
    in_flight: InFlight = field(factory=InFlight)
    unsent: Iterable[int] = ()
    key: Callable[[], Any] | None = None
    sent: list[tuple[float, Call]] = field(factory=list, init=False)
    asked: int = field(default=0, init=False)
    most: int = field(default=0, init=False)
    """Most requests in flight at the same time."""

    async def __call__(self, call: Call) -> Reply:
        place, self.asked = self.asked, self.asked + 1
        if place in self.unsent:
            raise ValueError("not sent")
        if self.key is not None:
            call.state.key_id = hash(self.key())
        call.state.sent = anyio.current_time()
        self.sent.append((call.state.sent, call))
        self.in_flight.requests += 1
        self.most = max(self.most, self.in_flight.requests)
        try:
            outcome = self._outcome(call)
            with anyio.move_on_after(call.state.attempt_timeout):
                await (anyio.sleep_forever() if self.latency is None else anyio.sleep(self.latency))
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome
            raise AttemptTimeoutError("no answer")
        finally:
            self.in_flight.requests -= 1

    @property
    def times(self) -> list[float]:
        """Times at which requests were sent."""
        return [time for time, _ in self.sent]

    @property
    def calls(self) -> list[Call]:
        """Calls of the sent requests."""
        return [call for _, call in self.sent]

    def _outcome(self, call: Call) -> Outcome:
        if callable(self.script):
            return self.script(call)
        return self.script[min(len(self.sent), len(self.script)) - 1]


def chained(*steps: Any, to: Send) -> Send:
    """Join `steps`, outermost first, and a last one."""
    return compose(steps, to)


async def restart_aborted(call: Call, send: Send) -> Reply:
    """Start an aborted attempt again, as the error cache does."""
    while True:
        try:
            return await send(call)
        except AttemptAborted:
            continue


@define
class Record:
    """Observer that records events."""

    events: list[Event] = field(factory=list)
    wants_queries: bool = False

    def __call__(self, event: Event, /) -> None:
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one class."""
        return [event for event in self.events if isinstance(event, kind)]


@define
class Ends:
    """Results of calls by number: a reply, an error, or `None` if cancelled."""

    of: dict[int, Reply | BaseException | None] = field(factory=dict)

    async def collect(self, send: Send, call: Call) -> None:
        """Send `call` and record its result; only a cancellation is raised."""
        self.of[call.number] = None
        try:
            self.of[call.number] = await send(call)
        except Exception as error:  # noqa: BLE001  # each is looked at by the test
            self.of[call.number] = error

    def __getitem__(self, call: Call) -> Reply | BaseException | None:
        return self.of[call.number]


def block(seconds: float) -> None:
    """Let time pass while no task can run, as a busy event loop does."""
    if "asyncio" in sys.modules:
        import asyncio

        try:
            loop: Any = asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            loop.jump(seconds)
            return
    import trio

    clock: Any = trio.lowlevel.current_clock()
    clock.jump(seconds)


async def sleep_until(time: float) -> None:
    """Sleep until the clock shows `time`."""
    await anyio.sleep(max(0.0, time - anyio.current_time()))


def most_in_a_window(sent: Sequence[float], window: float, spread: float) -> int:
    """Return the most requests that a server can see in `window` seconds if delays differ by up to `spread`."""
    times = sorted(sent)
    most = first = 0
    for last, time in enumerate(times):
        while time - times[first] - spread >= window:
            first += 1
        most = max(most, last - first + 1)
    return most
