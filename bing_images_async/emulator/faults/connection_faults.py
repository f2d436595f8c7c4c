"""Connection faults, each as a sequence of steps of the server's end of a connection.

A step is bytes to write, seconds to wait, or the `End` of the connection. `connection_playback` runs the steps, on a
socket or in process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from enum import Enum

from .emulated_reply import EmulatedReply, FaultContext

__all__ = ["CONNECTION_FAULTS", "End", "NO_REPLY_FAULTS", "Step"]


class End(Enum):
    """The way a connection ends; always the last step."""

    REFUSED = "refused"
    RESET = "reset"
    CLOSED = "closed"
    HALF_CLOSED = "half-closed"
    """The server closes its sending side and continues to read."""


Step = bytes | float | End

_DRIP_INTERVAL = 0.2  # seconds between two bytes
_INTERIM_RESPONSES = 50_000


def _refuse(context: FaultContext) -> Iterator[Step]:
    yield End.REFUSED


def _reset(context: FaultContext) -> Iterator[Step]:
    yield End.RESET


def _close(context: FaultContext) -> Iterator[Step]:
    yield End.CLOSED


def _hang(context: FaultContext) -> Iterator[Step]:
    yield math.inf


def _after_head_part(end: Step) -> Callable[[EmulatedReply, FaultContext], Iterator[Step]]:
    """Return a fault that stops within status line and headers, after the share `amount` of them."""

    def steps(reply: EmulatedReply, context: FaultContext) -> Iterator[Step]:
        head = reply.head()
        yield head[: round(len(head) * context.amount_or(0.5))]
        yield end

    return steps


def _after_body_part(end: Step) -> Callable[[EmulatedReply, FaultContext], Iterator[Step]]:
    """Return a fault that stops within the body, after the share `amount` of it."""

    def steps(reply: EmulatedReply, context: FaultContext) -> Iterator[Step]:
        yield reply.head() + reply.body[: round(len(reply.body) * context.amount_or(0.5))]
        yield end

    return steps


def _drip(reply: EmulatedReply, context: FaultContext) -> Iterator[Step]:
    for byte in reply.head() + reply.body:
        yield context.amount_or(_DRIP_INTERVAL)
        yield bytes((byte,))
    yield End.CLOSED


def _drip_body(reply: EmulatedReply, context: FaultContext) -> Iterator[Step]:
    yield reply.head()
    for byte in reply.body:
        yield context.amount_or(_DRIP_INTERVAL)
        yield bytes((byte,))
    yield End.CLOSED


def _delay(reply: EmulatedReply, context: FaultContext) -> Iterator[Step]:
    yield context.amount_or(1.0)
    yield reply.head() + reply.body
    yield End.CLOSED


def _length_above(reply: EmulatedReply, context: FaultContext) -> Iterator[Step]:
    yield reply.head(length=len(reply.body) + round(context.amount_or(100))) + reply.body
    yield End.CLOSED


def _length_below(reply: EmulatedReply, context: FaultContext) -> Iterator[Step]:
    yield reply.head(length=max(0, len(reply.body) - round(context.amount_or(100)))) + reply.body
    yield End.CLOSED


def _two_lengths(reply: EmulatedReply, context: FaultContext) -> Iterator[Step]:
    yield reply.head(f"content-length: {len(reply.body) + 1}") + reply.body
    yield End.CLOSED


def _broken_chunks(reply: EmulatedReply, context: FaultContext) -> Iterator[Step]:
    yield reply.head("transfer-encoding: chunked", length=None) + b"40\r\n" + reply.body[:64] + b"\r\nxyz\r\n"
    yield End.CLOSED


def _garbage(reply: EmulatedReply, context: FaultContext) -> Iterator[Step]:
    yield b"\x16\x03\x01 no http\r\n\r\n"
    yield End.CLOSED


def _long_head(reply: EmulatedReply, context: FaultContext) -> Iterator[Step]:
    yield reply.head("x-long: " + "x" * round(context.amount_or(200 * 2**10))) + reply.body
    yield End.CLOSED


def _continues(reply: EmulatedReply, context: FaultContext) -> Iterator[Step]:
    for _ in range(round(context.amount_or(_INTERIM_RESPONSES))):
        yield b"HTTP/1.1 100 Continue\r\n\r\n"
    yield reply.head() + reply.body
    yield End.CLOSED


NO_REPLY_FAULTS: Mapping[str, Callable[[FaultContext], Iterator[Step]]] = {
    "refuse": _refuse,
    "reset": _reset,
    "close": _close,
    "hang": _hang,
}
"""Faults without a reply, by name. The service never receives the request, and no limit counts it."""

CONNECTION_FAULTS: Mapping[str, Callable[[EmulatedReply, FaultContext], Iterator[Step]]] = {
    "reset-head": _after_head_part(End.RESET),
    "reset-body": _after_body_part(End.RESET),
    "close-head": _after_head_part(End.CLOSED),
    "close-body": _after_body_part(End.CLOSED),
    "half-close-head": _after_head_part(End.HALF_CLOSED),
    "half-close-body": _after_body_part(End.HALF_CLOSED),
    "hang-head": _after_head_part(math.inf),
    "hang-body": _after_body_part(math.inf),
    "drip": _drip,
    "drip-body": _drip_body,
    "delay": _delay,
    "length-above": _length_above,
    "length-below": _length_below,
    "length-twice": _two_lengths,
    "chunks-broken": _broken_chunks,
    "head-garbage": _garbage,
    "head-long": _long_head,
    "continues": _continues,
}
"""Connection faults by name. `amount`: the share that is sent (…-head, …-body), seconds (drip, drip-body, delay),
bytes (length-…, head-long), number of interim responses (continues)."""
