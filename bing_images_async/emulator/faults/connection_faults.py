"""Faults of the connection, each as the steps that the server's end takes, byte by byte.

Bytes are written, numbers are seconds that pass, and an `End` is what becomes of the connection. Who takes the
steps is `line`'s affair: they are the same on a socket and in process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from enum import Enum

from .emulated_reply import Case, Reply

__all__ = ["End", "Step", "UNREACHED", "WIRES"]


class End(Enum):
    """How a connection ends; nothing follows."""

    REFUSED = "refused"
    RESET = "reset"
    CLOSED = "closed"
    HALF_CLOSED = "half-closed"
    """The server will say no more and goes on listening."""


Step = bytes | float | End

_DRIP = 0.2  # seconds between two bytes
_SEVERAL = 50_000


def _refuse(case: Case) -> Iterator[Step]:
    yield End.REFUSED


def _reset(case: Case) -> Iterator[Step]:
    yield End.RESET


def _close(case: Case) -> Iterator[Step]:
    yield End.CLOSED


def _hang(case: Case) -> Iterator[Step]:
    yield math.inf


def _after_head_part(end: Step) -> Callable[[Reply, Case], Iterator[Step]]:
    """Within the status line and headers, after the share `amount` of them."""

    def steps(reply: Reply, case: Case) -> Iterator[Step]:
        head = reply.head()
        yield head[: round(len(head) * case.amount_or(0.5))]
        yield end

    return steps


def _after_body_part(end: Step) -> Callable[[Reply, Case], Iterator[Step]]:
    """Within the body, after the share `amount` of it."""

    def steps(reply: Reply, case: Case) -> Iterator[Step]:
        yield reply.head() + reply.body[: round(len(reply.body) * case.amount_or(0.5))]
        yield end

    return steps


def _drip(reply: Reply, case: Case) -> Iterator[Step]:
    for byte in reply.head() + reply.body:
        yield case.amount_or(_DRIP)
        yield bytes((byte,))
    yield End.CLOSED


def _drip_body(reply: Reply, case: Case) -> Iterator[Step]:
    yield reply.head()
    for byte in reply.body:
        yield case.amount_or(_DRIP)
        yield bytes((byte,))
    yield End.CLOSED


def _delay(reply: Reply, case: Case) -> Iterator[Step]:
    yield case.amount_or(1.0)
    yield reply.head() + reply.body
    yield End.CLOSED


def _length_above(reply: Reply, case: Case) -> Iterator[Step]:
    yield reply.head(length=len(reply.body) + round(case.amount_or(100))) + reply.body
    yield End.CLOSED


def _length_below(reply: Reply, case: Case) -> Iterator[Step]:
    yield reply.head(length=max(0, len(reply.body) - round(case.amount_or(100)))) + reply.body
    yield End.CLOSED


def _two_lengths(reply: Reply, case: Case) -> Iterator[Step]:
    yield reply.head(f"content-length: {len(reply.body) + 1}") + reply.body
    yield End.CLOSED


def _broken_chunks(reply: Reply, case: Case) -> Iterator[Step]:
    yield reply.head("transfer-encoding: chunked", length=None) + b"40\r\n" + reply.body[:64] + b"\r\nxyz\r\n"
    yield End.CLOSED


def _garbage(reply: Reply, case: Case) -> Iterator[Step]:
    yield b"\x16\x03\x01 what is this\r\n\r\n"
    yield End.CLOSED


def _long_head(reply: Reply, case: Case) -> Iterator[Step]:
    yield reply.head("x-long: " + "x" * round(case.amount_or(200 * 2**10))) + reply.body
    yield End.CLOSED


def _continues(reply: Reply, case: Case) -> Iterator[Step]:
    for _ in range(round(case.amount_or(_SEVERAL))):
        yield b"HTTP/1.1 100 Continue\r\n\r\n"
    yield reply.head() + reply.body
    yield End.CLOSED


UNREACHED: Mapping[str, Callable[[Case], Iterator[Step]]] = {
    "refuse": _refuse,
    "reset": _reset,
    "close": _close,
    "hang": _hang,
}
"""By name. The service never sees the request, and no limit counts it."""

WIRES: Mapping[str, Callable[[Reply, Case], Iterator[Step]]] = {
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
"""By name. `amount`: the share that is sent (…-head, …-body), seconds (drip, drip-body, delay), bytes (length-…,
head-long), how many (continues)."""
