"""Events of a session as lines on stderr, for `--verbose`."""

from __future__ import annotations

from .. import events
from .streams import print_error

__all__ = ["print_event"]


def print_event(event: events.Event) -> None:
    """Print what a call waits for, retries, throttled requests, and changes of the limits."""
    text = _described(event)
    if text:
        print_error(text)


def _described(event: events.Event) -> str:
    match event:
        case events.AttemptFinished():
            waits = [f"{seconds:.1f} s for {what.replace('_', ' ')}" for what, seconds in event.waited.items()]
            waited = f"; waited {', '.join(waits)}" if waits else ""
            result = f"{event.status or event.error}, {event.elapsed:.1f} s"
            return f"Call {event.call}, attempt {event.number}: {result}{waited}."
        case events.RetryScheduled():
            return f"Call {event.call}: attempt {event.number} follows in {event.wait:.1f} s, after {event.error}."
        case events.Throttled():
            return f"Call {event.call}: throttled by the service; no request for {event.pause:.1f} s."
        case events.RateChanged():
            return f"Rate limit: {event.rate:.1f} requests/s."
        case events.ConcurrencyChanged():
            return f"Concurrency limit: {event.limit}."
        case events.BreakerChanged():
            return f"Circuit breaker: {event.state}{_until(event.retry_after)}."
        case events.LatchChanged():
            state = "requests are sent again" if event.error is None else f"no requests because of {event.error}"
            return f"Service: {state}{_until(event.retry_after)}."
        case _:
            return ""


def _until(seconds: float | None) -> str:
    return "" if seconds is None else f", next request in {seconds:.1f} s"
