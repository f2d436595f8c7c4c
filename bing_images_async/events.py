"""Events of a session, as frozen records for observers, and their dispatcher.

    def observe(event: events.Event) -> None: ...
    ImageSearchSession(key, observers=[observe, events.LoggingObserver()])

An observer is any callable that takes an event. It is called on the event loop, so it must not block. If it raises, the
error is logged and other observers still get the event. No event contains the key. Query texts are private: only
observers with a true attribute `wants_queries` get them.
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
    """Base class of all events."""

    at: float
    """Time in seconds, by the event loop's clock."""


@frozen(kw_only=True)
class CallStarted(Event):
    """A call with valid parameters has started."""

    call: int
    """Number of the call, the same in all its events."""
    endpoint: str
    """`search`, `details` or `trending`."""
    priority: str
    query: str | None = None
    """Query text, only for observers with `wants_queries`."""


@frozen(kw_only=True)
class CallFinished(Event):
    """A call has ended."""

    call: int
    endpoint: str
    elapsed: float
    """Seconds since the start of the call."""
    attempts: int
    """Number of requests that were sent."""
    error: str | None = None
    """Class name of the error, `Cancelled`, or `None` for success."""


@frozen(kw_only=True)
class AttemptFinished(Event):
    """One attempt has ended, with a status or an error."""

    call: int
    number: int
    """Number of the attempt, from 1."""
    elapsed: float
    """Seconds since the start of the attempt, waits included."""
    status: int | None
    error: str | None
    """Class name of the error; `None` if there was a response."""
    waited: Mapping[str, float] = field(factory=dict[str, float], hash=False)
    """Seconds that the attempt waited before it was sent, by reason."""


@frozen(kw_only=True)
class RetryScheduled(Event):
    """Another attempt follows in `wait` seconds."""

    call: int
    number: int
    """Number of the next attempt."""
    wait: float
    error: str
    """Class name of the error of the last attempt."""


@frozen(kw_only=True)
class Throttled(Event):
    """The service rejected a request because there were too many; nothing is sent for `pause` seconds."""

    call: int
    pause: float


@frozen(kw_only=True)
class RateChanged(Event):
    """The rate limit changed to `rate` requests per second."""

    rate: float
    previous: float | None
    """Requests per second before; `None` if there was no limit."""


@frozen(kw_only=True)
class ConcurrencyChanged(Event):
    """The number of concurrent attempts that are allowed changed."""

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
    """The error cache changed: calls fail with `error` without being sent, or are sent again (`None`)."""

    error: str | None
    """Class name of the cached error."""
    retry_after: float | None = None
    """Seconds until any call may be sent as a probe."""
    next_probe: float | None = None
    """Seconds until a waiting call (`on_outage="wait"`) probes the service; `None` if those calls fail too."""


class Observer(Protocol):
    """A callable that gets every event."""

    def __call__(self, event: Event, /) -> None:
        """Handle `event`; must return quickly."""
        ...


class Dispatcher:
    """Passes events to observers. False if there are none: then no events need to be created."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = tuple(observers)
        self._has_log = any(isinstance(observer, LoggingObserver) for observer in observers)

    def __bool__(self) -> bool:
        return bool(self._observers)

    def emit(self, event: Event) -> None:
        """Pass `event` to every observer, and log the errors they raise. Retries are logged even without observers."""
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
    """Observer that writes events to a logger. Levels: errors and warnings for failures, else info or debug.

    Args:
        logger: the logger; by default `bing_images_async`.
        wants_queries: write query texts to the log.
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
