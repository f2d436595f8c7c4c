"""The output and its journal, which agree whenever the process is killed.

A result is appended to the output first and noted in the journal second, with the byte it ends at. So what the
journal knows is in the output, and what stands behind that is cut off by the next run and asked again: at most one
result per query under way. Killing a process takes nothing from the operating system's buffers. A power cut may, so
every few seconds the output is flushed to the disk and then so marked; behind the mark, checksums decide.

Failures wait in the journal and are appended last, behind everything the journal counts. The next run cuts them off
again, whether it retries them or not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol
from zlib import crc32

import click

from ..streams import write
from .tally import Done, Entry, Journal

__all__ = ["File", "Log", "Stdout", "Store"]


class Log(Protocol):
    """Bytes that are only ever added to."""

    end: int
    """How many there are."""

    def append(self, data: bytes) -> None:
        """Add `data` at the end."""
        ...

    def read(self, start: int, end: int) -> bytes:
        """What stands there; less, if the log ends before."""
        ...

    def cut(self, end: int) -> None:
        """Drop what stands behind `end`."""
        ...

    def sync(self) -> None:
        """Return when all of it is on the disk. May be called in a thread."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class File:
    """A log in a file. Nothing is held back in buffers of this process."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file = path.open("r+b", buffering=0)
        self.end = self._file.seek(0, os.SEEK_END)

    def append(self, data: bytes) -> None:
        """Add `data`; a disk that is full is an OSError, and leaves a torn record behind the last good one."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self.end += len(data)

    def read(self, start: int, end: int) -> bytes:
        """What stands there."""
        self._file.seek(start)
        found = self._file.read(end - start)
        self._file.seek(self.end)
        return found

    def cut(self, end: int) -> None:
        """Drop what stands behind `end`."""
        self._file.truncate(end)
        self.end = self._file.seek(end)

    def sync(self) -> None:
        """Flush to the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


class Stdout:
    """A log that somebody else reads; nothing can be taken back."""

    def __init__(self) -> None:
        self.end = 0

    def append(self, data: bytes) -> None:
        """Write `data`."""
        write(data.decode())
        self.end += len(data)

    def read(self, start: int, end: int) -> bytes:
        """Nothing: it was read by somebody else."""
        del start, end
        return b""

    def cut(self, end: int) -> None:
        """Nothing was written that would have to go."""
        del end

    def sync(self) -> None:
        """It is the reader's."""

    def close(self) -> None:
        """It is not ours to close."""


class Store:
    """Results on their way to the output: each query's exactly once.

    `header` is what an output begins with. `repair` comes first, `seal` last.
    """

    def __init__(self, log: Log, journal: Journal, header: bytes = b"") -> None:
        self.journal = journal
        self._log = log
        self._header = header
        self._is_sealed = False

    def repair(self) -> None:
        """Make the output end where the last result ends that both it and the journal have.

        Raises `click.UsageError` if output and journal cannot belong together.
        """
        journal, log, header = self.journal, self._log, self._header
        synced: int = journal.fact("synced") or 0
        if log.end < synced:
            raise click.UsageError("the output is shorter than its journal says, so somebody changed it. "
                                   "--overwrite begins anew.")  # fmt: skip
        good = journal.last_end(synced) or len(header)
        for end, checksum in journal.ends(good):
            record = log.read(good, end)
            if len(record) != end - good or crc32(record) != checksum:
                break
            good = end
        journal.forget(good)
        if journal.last_end(good) == 0:
            log.cut(0)
            log.append(header)
        else:
            log.cut(good)

    def done(self, index: int, digest: bytes) -> Done | None:
        """What is known of this query. Raises `click.UsageError` if another stood in its place."""
        done = self.journal.done(index)
        if done is not None and done.digest != digest:
            raise click.UsageError(
                f"query {index + 1} of the input is not the one that was asked before, or other options are given. "
                "A run goes on with the same input, to which queries may be added at the end; "
                "--overwrite begins anew."
            )
        return done

    def put(self, entry: Entry, record: bytes) -> None:
        """Keep a result: the answer to a query, or its failure."""
        if entry.kind is not None:
            self.journal.add_failure(entry, record)
            return
        self._log.append(record)
        self.journal.add(entry, self._log.end, crc32(record))

    @property
    def end(self) -> int:
        """Up to where the output is good; for `mark`."""
        return self._log.end

    def sync(self) -> None:
        """Flush the output to the disk; in a thread."""
        self._log.sync()

    def mark(self, end: int) -> None:
        """Note that the output is on the disk up to this byte."""
        self.journal.note(synced=end)

    def seal(self) -> None:
        """Append the failures, unless that is done. Nothing can be put after that."""
        if self._is_sealed:
            return
        self._is_sealed = True
        end = self._log.end
        for record in self.journal.failures():
            self._log.append(record)
        self._log.sync()
        self.mark(end)

    def close(self) -> None:
        """Let go of both files."""
        self._log.close()
        self.journal.close()
