"""What happens inside a session, as frozen records for observers.

    def observe(event: events.Event) -> None: ...
    ImageSearchSession(key, observers=[observe, events.LoggingObserver()])

An observer is any callable that takes an event. It is called on the event loop, so it must not
block; one that raises is logged and skipped. No event holds the key. Query texts are users'
business: only an observer whose attribute `wants_queries` is true is shown them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from attrs import evolve, field, frozen

__all__ = [
    "AttemptFinished",
    "BreakerChanged",
    "CallFinished",
    "CallStarted",
    "ConcurrencyChanged",
    "Dispatcher",
    "Event",
    "LatchChanged",
    "LoggingObserver",
    "Observer",
    "RateChanged",
    "RetryScheduled",
    "Throttled",
]

_logger = logging.getLogger("bing_images_async")


@frozen(kw_only=True)
class Event:
    """The root of all records."""

    at: float
    """Seconds on the clock of the event loop."""


@frozen(kw_only=True)
class CallStarted(Event):
    """A call passed its checks and entered the chain."""

    call: int
    """A number that the events of one call share."""
    endpoint: str
    priority: str
    query: str | None = None
    """Only for observers with `wants_queries`."""


@frozen(kw_only=True)
class CallFinished(Event):
    """A call ended: with an answer (`error` is `None`), an error, or by being cancelled (`Cancelled`)."""

    call: int
    endpoint: str
    elapsed: float
    attempts: int
    error: str | None = None
    """The name of the error's class."""


@frozen(kw_only=True)
class AttemptFinished(Event):
    """One attempt ended, with a status or the name of an error."""

    call: int
    number: int
    elapsed: float
    status: int | None
    error: str | None
    waited: Mapping[str, float] = field(factory=dict[str, float], hash=False)
    """Seconds it waited before it was sent, by what for."""


@frozen(kw_only=True)
class RetryScheduled(Event):
    """Another attempt follows in `wait` seconds."""

    call: int
    number: int
    wait: float
    error: str


@frozen(kw_only=True)
class Throttled(Event):
    """The service said that there are too many requests; nothing is sent for `pause` seconds."""

    call: int
    pause: float


@frozen(kw_only=True)
class RateChanged(Event):
    """The pace changed to `rate` requests per second."""

    rate: float
    previous: float | None


@frozen(kw_only=True)
class ConcurrencyChanged(Event):
    """The number of permits changed."""

    limit: int
    previous: int


@frozen(kw_only=True)
class BreakerChanged(Event):
    """The circuit breaker opened, let a probe through, or closed."""

    state: Literal["open", "half-open", "closed"]
    retry_after: float | None = None
    """Seconds until the next probe."""


@frozen(kw_only=True)
class LatchChanged(Event):
    """Calls fail locally with `error` from here on, or no longer (`None`)."""

    error: str | None
    retry_after: float | None = None
    """Seconds until any call may ask the service again."""
    next_probe: float | None = None
    """Seconds until a call with `on_outage="wait"` asks the service again; `None` if those calls fail as well."""


class Observer(Protocol):
    """Takes events as they happen."""

    def __call__(self, event: Event, /) -> None:
        """Look at `event`; must return quickly."""
        ...


class Dispatcher:
    """Hands events to observers. False if there are none, so that nobody makes records for nobody."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = tuple(observers)
        self._has_log = any(isinstance(observer, LoggingObserver) for observer in observers)

    def __bool__(self) -> bool:
        return bool(self._observers)

    def emit(self, event: Event) -> None:
        """Show `event` to every observer, whatever the others do. A retry is logged even without any."""
        if isinstance(event, RetryScheduled) and not self._has_log:
            _logger.info("%s", event)
        for observer in self._observers:
            shown = event
            if isinstance(event, CallStarted) and not getattr(observer, "wants_queries", False):
                shown = evolve(event, query=None)
            try:
                observer(shown)
            except Exception:
                _logger.exception("An observer failed on %s; it was skipped.", type(event).__name__)


class LoggingObserver:
    """Writes events to a logger: what went wrong as warnings, the rest for debugging.

    `wants_queries=True` lets query texts into the log.
    """

    def __init__(self, logger: logging.Logger | None = None, *, wants_queries: bool = False) -> None:
        self._logger = logger or _logger
        self.wants_queries = wants_queries

    def __call__(self, event: Event, /) -> None:
        """Log one event."""
        self._logger.log(self._level(event), "%s", event)

    @staticmethod
    def _level(event: Event) -> int:
        if isinstance(event, Throttled | RetryScheduled):
            return logging.WARNING
        if isinstance(event, BreakerChanged):
            return logging.WARNING if event.state == "open" else logging.INFO
        if isinstance(event, LatchChanged):
            return logging.ERROR if event.error is not None else logging.INFO
        if isinstance(event, RateChanged | ConcurrencyChanged):
            return logging.INFO
        return logging.DEBUG
