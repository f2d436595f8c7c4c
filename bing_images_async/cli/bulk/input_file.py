"""Where the rows come from: a file, which can be read twice, or stdin, which is read as it comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import IO, Any, Self

import anyio
import anyio.lowlevel
import click
from anyio.from_thread import BlockingPortal
from attrs import frozen

from .input_rows import Row, read_rows

__all__ = ["Feed", "Source", "input_form"]

_FORMS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_READ_AHEAD = 64  # rows


def input_form(path: Path) -> str:
    """By the extension; what has none that is known is text."""
    return _FORMS.get(path.suffix.lower(), "text")


@frozen(kw_only=True)
class Source:
    """The input."""

    path: Path
    """`-` for stdin."""
    form: str
    common: Mapping[str, Any]
    """Parameters for all rows."""

    @property
    def name(self) -> str:
        """What to call it."""
        return "stdin" if self.path == Path("-") else self.path.name

    @property
    def is_file(self) -> bool:
        """Can it be read more than once?"""
        return self.path.is_file()

    def rows(self) -> Generator[Row]:
        """All rows, one at a time. Raises `click.UsageError` for what cannot be read."""
        try:
            with self._open() as file:
                yield from read_rows(file, self.form, self.common)
        except UnicodeDecodeError as error:
            raise click.UsageError(f"{self.name} is not UTF-8 ({error.reason} at byte {error.start}).") from None
        except click.UsageError as error:
            raise click.UsageError(f"{self.name}, {error.message}") from None

    def _open(self) -> IO[str]:
        if self.path != Path("-"):
            return self.path.open(encoding="utf-8-sig", newline="")
        return os.fdopen(_stdin(), encoding="utf-8-sig", newline="")


def _stdin() -> int:
    """A descriptor of our own: whoever waits on `sys.stdin` in another thread holds up the end of the process."""
    try:
        return os.dup(sys.stdin.fileno())
    except (AttributeError, OSError):
        raise click.UsageError("the queries are -, but there is no stdin.") from None


class Feed:
    """The rows of a source for an event loop: an async iterator, to be entered first.

    A file is read where it is asked for. Stdin may make one wait, so a thread does; it is not waited for at the end.
    """

    def __init__(self, source: Source) -> None:
        self._rows: Iterator[Row] = source.rows()
        self._portal = None if source.is_file else BlockingPortal()
        self._send, self._receive = anyio.create_memory_object_stream[Row | Exception](_READ_AHEAD)

    async def __aenter__(self) -> Self:
        if self._portal is not None:
            await self._portal.__aenter__()
            Thread(target=self._read, args=(self._portal,), name="bulk input", daemon=True).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._receive.close()
        self._send.close()
        if self._portal is not None:
            await self._portal.stop(cancel_remaining=True)
            await self._portal.__aexit__(None, None, None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Row:
        if self._portal is None:
            row = next(self._rows, None)
            if row is None:
                raise StopAsyncIteration
            if row.index % 256 == 0:
                await anyio.lowlevel.checkpoint()  # rows that are done already take no time to wait for
            return row
        try:
            item = await self._receive.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None
        if isinstance(item, Exception):
            raise item
        return item

    def _read(self, portal: BlockingPortal) -> None:
        try:
            try:
                for row in self._rows:
                    portal.call(self._send.send, row)
            except (click.UsageError, OSError) as error:
                portal.call(self._send.send, error)
            portal.call(self._send.aclose)
        except (RuntimeError, CancelledError, anyio.ClosedResourceError, anyio.BrokenResourceError):
            return  # the run has ended, and with it the portal
