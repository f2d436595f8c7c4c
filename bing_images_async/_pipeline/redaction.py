"""Redaction: keeps the key out of replies, error messages, causes of errors, and tracebacks."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Final, cast

from .._protocol.credentials import ApiKey

__all__ = ["Redaction", "bare_copy", "cut_tracebacks"]

_TRANSPORT: Final = (
    "httpx._transports.default",
    "httpx2._transports.default",
    "httpcore",
    "httpcore2",
    "h11",
    "h2",
    "bing_images_async._transport",
)
"""Packages whose stack frames hold requests as bytes or header lists, and so the key."""


class Redaction:
    """Replaces the key with `***` in what the service or a gateway sent, wherever it is a whole word."""

    __slots__ = ("_key",)

    def __init__(self, key: ApiKey | None) -> None:
        self._key = key

    def of_text(self, text: str) -> str:
        """Return `text` without the key."""
        if self._key is None or self._key.reveal() not in text:
            return text
        return re.sub(rf"(?<!\w){re.escape(self._key.reveal())}(?!\w)", "***", text)

    def of_headers(self, headers: dict[str, str]) -> dict[str, str]:
        """Return `headers` without the key in a value."""
        if self._key is None or not any(self._key.reveal() in value for value in headers.values()):
            return headers
        return {name: self.of_text(value) for name, value in headers.items()}

    def of_body(self, body: bytes) -> bytes:
        """Return `body` without the key."""
        if self._key is None or self._key.reveal().encode() not in body:
            return body
        return re.sub(rb"(?<!\w)" + re.escape(self._key.reveal().encode()) + rb"(?!\w)", b"***", body)


def bare_copy(fault: BaseException, message: str) -> BaseException:
    """Return an error of the same class with `message`, and without request, traceback and context."""
    try:
        return type(fault)(message)
    except Exception:  # noqa: BLE001  # a class of a user's transport may need other arguments
        return ConnectionError(f"{type(fault).__name__}: {message}")


def cut_tracebacks(fault: BaseException) -> None:
    """Remove the transport's frames from the tracebacks of an error, its causes, its contexts and its members."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [fault]
    while pending:
        error = pending.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        error.__traceback__ = _above_transport(error.__traceback__)
        pending += (error.__cause__, error.__context__)
        if isinstance(error, BaseExceptionGroup):
            pending += cast("tuple[BaseException, ...]", error.exceptions)


def _above_transport(trace: TracebackType | None) -> TracebackType | None:
    kept: list[TracebackType] = []
    while trace is not None and not str(trace.tb_frame.f_globals.get("__name__", "")).startswith(_TRANSPORT):
        kept.append(trace)
        trace = trace.tb_next
    following: TracebackType | None = None
    for entry in reversed(kept):  # a loop: a traceback may be deeper than the recursion limit
        following = TracebackType(following, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return following
