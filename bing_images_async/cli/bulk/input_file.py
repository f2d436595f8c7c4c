"""The input: a file, which is read twice, or stdin, which is read as it arrives."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import IO, Any

import anyio
import click
from anyio import from_thread
from anyio.lowlevel import EventLoopToken, checkpoint, current_token
from anyio.streams.memory import MemoryObjectSendStream
from attrs import frozen

from ..._protocol.request_building import Service as Address, build
from ...params import SearchParams
from ..output_options import count_of
from ..streams import print_error
from .input_rows import Row, read_rows

__all__ = ["INPUT_FORMATS", "Source", "validate_input"]

INPUT_FORMATS = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
}  # fmt: skip
"""By extension; any other file is text."""
_READ_AHEAD = 64  # rows
_MAX_SHOWN = 10  # invalid rows


@frozen(kw_only=True)
class Source:
    """The input."""

    path: Path
    """`-` for stdin."""
    form: str
    common: Mapping[str, Any]
    """Parameters for all rows."""
    address: Address
    """Of the service, which limits the length of URLs."""
    limits: Sequence[object] = ()
    """Other options that change the result of a row."""

    @property
    def name(self) -> str:
        """Its name in messages."""
        return "stdin" if self.path == Path("-") else self.path.name

    @property
    def is_file(self) -> bool:
        """Whether it can be read more than once."""
        return self.path.is_file()

    def rows(self) -> Generator[Row]:
        """Yield all rows. Raises `click.UsageError` if the input cannot be read."""
        try:
            with self._open() as file:
                yield from read_rows(file, self.form, self.common, self.limits, self._build)
        except click.UsageError as error:
            raise click.UsageError(f"{self.name}, {error.message}") from None

    def _build(self, params: SearchParams) -> None:
        build(self.address, "search", params)

    def _open(self) -> IO[str]:
        if self.path != Path("-"):
            return self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
        try:
            # A duplicate: a thread that waits for `sys.stdin` would delay the end of the process.
            return os.fdopen(os.dup(sys.stdin.fileno()), encoding="utf-8-sig", errors="surrogateescape", newline="")
        except (AttributeError, OSError):
            raise click.UsageError("the queries are -, but there is no stdin.") from None

    @asynccontextmanager
    async def stream(self) -> AsyncGenerator[AsyncIterable[Row | Exception]]:
        """Open the input for an event loop, which it never blocks; an error is the last item.

        A file is read directly. Stdin may block, so a daemon thread reads it; the thread is not awaited at the end.
        """
        if self.is_file:
            yield self._file_rows()
            return
        send, receive = anyio.create_memory_object_stream[Row | Exception](_READ_AHEAD)
        Thread(target=self._read, args=(send, current_token()), name="bulk input", daemon=True).start()
        with send, receive:
            yield receive

    async def _file_rows(self) -> AsyncGenerator[Row]:
        for row in self.rows():
            if row.index % 256 == 0:
                await checkpoint()  # rows that are already done need no other await
            yield row

    def _read(self, send: MemoryObjectSendStream[Row | Exception], token: EventLoopToken) -> None:
        try:
            try:
                for row in self.rows():
                    from_thread.run(send.send, row, token=token)
            except (click.UsageError, OSError) as error:
                from_thread.run(send.send, error, token=token)
            from_thread.run_sync(send.close, token=token)
        except (anyio.RunFinishedError, anyio.ClosedResourceError, anyio.BrokenResourceError, CancelledError):
            return  # the run has ended


def validate_input(source: Source, known: Mapping[int, str]) -> int | None:
    """Read the whole input once and return the number of queries; `None` for an input that cannot be read twice.

    `known` are the digests of the run that is resumed. Raises `click.UsageError` if rows are not valid, if there
    is none, or if it is not the input of that run.
    """
    if not source.is_file:
        return None
    count = invalid = 0
    for row in source.rows():
        count += 1
        check_same(row, known)
        if row.params is None:
            invalid += 1
            if invalid <= _MAX_SHOWN:
                print_error(f"  line {row.line}: {row.fault}")
    if invalid:
        more = "" if invalid <= _MAX_SHOWN else f" (the first {_MAX_SHOWN} are above)"
        raise click.UsageError(
            f"{invalid:,} of {count_of(count, 'query', 'queries')} not valid{more}; nothing was sent."
        )
    if not count:
        raise click.UsageError(f"{source.name} contains no query.")
    if max(known, default=-1) >= count:
        raise click.UsageError(f"{source.name} contains fewer queries than before; --overwrite starts over.")
    return count


def check_same(row: Row, known: Mapping[int, str]) -> bool:
    """Return whether the result of the row is known. Raises `click.UsageError` if that of another row is."""
    digest = known.get(row.index)
    if digest not in {None, row.digest}:
        raise click.UsageError(
            f"query {row.index + 1} of the input is not the one of the earlier run, or it was run with other options "
            "(--limit, --pages or search options). Resume with the same input, to which queries may be appended; "
            "--overwrite starts over."
        )
    return digest is not None
