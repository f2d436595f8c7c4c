"""What the tests of single links share: calls, replies, and a far end that does as a script says."""

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
    """A reply; underscores in names of headers are hyphens."""
    if body is None:
        body = EMPTY if status == 200 else b""
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def throttled(after: float | None = None, status: int = 429) -> Reply:
    """Too many requests; come back `after` seconds."""
    return reply(status) if after is None else reply(status, retry_after=f"{after:.0f}")


ABUSE = reply(200, b"")
QUOTA = reply(403, b'{"statusCode": 403, "message": "Out of call volume quota."}')


def refused() -> ConnectionFailedError:
    """No connection."""
    return ConnectionFailedError("refused")


def a_call(endpoint: str = "search", *, timeout: float | None = None, query: str = "boat", **options: Any) -> Call:
    """A call that starts now."""
    now = anyio.current_time()
    if timeout is not None:
        options["deadline"] = now + timeout
    state = CallState(options.pop("deadline", math.inf))
    return Call(endpoint, Request("GET", f"https://api.example/{endpoint}?q={query}"), now, state=state, **options)


Outcome = Reply | Exception


@define(eq=False)
class ScriptedService:
    """The end of a chain: answers each request with the next outcome of a script, the last one for ever.

    `latency`: seconds for an answer, `None` for one that never comes. `unsent`: requests, by their place from 0,
    that fail before they are sent.
    """

    script: Sequence[Outcome] | Callable[[Call], Outcome] = field(factory=lambda: [reply()])
    latency: float | None = 0.0
    in_flight: InFlight = field(factory=InFlight)
    unsent: Iterable[int] = ()
    key: Callable[[], Any] | None = None
    sent: list[tuple[float, Call]] = field(factory=list, init=False)
    asked: int = field(default=0, init=False)
    most: int = field(default=0, init=False)
    """The most requests that were on the wire at once."""

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
        """When requests were sent."""
        return [time for time, _ in self.sent]

    @property
    def calls(self) -> list[Call]:
        """Whose they were."""
        return [call for _, call in self.sent]

    def _outcome(self, call: Call) -> Outcome:
        if callable(self.script):
            return self.script(call)
        return self.script[min(len(self.sent), len(self.script)) - 1]


def chained(*steps: Any, to: Send) -> Send:
    """`links`, outermost first, and the far end."""
    return compose(steps, to)


async def restart_aborted(call: Call, send: Send) -> Reply:
    """A link that starts anew when the attempt was turned back, as the latch does."""
    while True:
        try:
            return await send(call)
        except AttemptAborted:
            continue


@define
class Record:
    """An observer that remembers."""

    events: list[Event] = field(factory=list)
    wants_queries: bool = False

    def __call__(self, event: Event, /) -> None:
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """What happened, of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


@define
class Ends:
    """How calls ended: a reply, an error, or cancelled (`None`)."""

    of: dict[int, Reply | BaseException | None] = field(factory=dict)

    async def collect(self, send: Send, call: Call) -> None:
        """Send `call` and remember its end; only a cancellation passes on."""
        self.of[call.number] = None
        try:
            self.of[call.number] = await send(call)
        except Exception as error:  # noqa: BLE001  # each is looked at by the test
            self.of[call.number] = error

    def __getitem__(self, call: Call) -> Reply | BaseException | None:
        return self.of[call.number]


def block(seconds: float) -> None:
    """Time passes and nobody can run, as when the event loop is busy."""
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
    """Until the clock shows `time`."""
    await anyio.sleep(max(0.0, time - anyio.current_time()))


def most_in_a_window(sent: Sequence[float], window: float, spread: float) -> int:
    """The most requests that a server can see within `window` seconds if their delays differ by up to `spread`."""
    times = sorted(sent)
    most = first = 0
    for last, time in enumerate(times):
        while time - times[first] - spread >= window:
            first += 1
        most = max(most, last - first + 1)
    return most
