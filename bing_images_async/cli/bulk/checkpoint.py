"""The file of results, which is also the checkpoint: a later run skips the queries that are in it.

Every result is one line of JSON with the index and the digest of its query. Lines are only appended. After a
SIGKILL the last line may be torn; after a power cut, blocks of the last seconds may read as zeros. The next run
cuts the file before such a line and runs the missing queries again, so every result is there exactly once.
"""

from __future__ import annotations

import os
import sys
from io import BufferedReader
from pathlib import Path
from shutil import copymode
from tempfile import TemporaryFile
from typing import IO, Self

import click
import msgspec

from ..exit_codes import UnavailableError
from .output_files import draft_of
from .tally import Entry, Tally, decode_entry

__all__ = ["Checkpoint"]


class Checkpoint:
    """Opens or creates the file `path` and locks it; `None` for a temporary file.

    `scan` or `clear` comes first. Nothing is changed before `clear`, `repair` or `append`.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.digests: dict[int, str] = {}
        """The digest of each query whose result was in the file when it was scanned, by index."""
        self._places: dict[str, int] = {}
        """Where the first result of each search begins, by digest."""
        self.tally = Tally()
        self._end = 0
        self._file: IO[bytes] = TemporaryFile(buffering=0) if path is None else _open_locked(path)  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def scan(self) -> None:
        """Read the results of earlier runs, up to a line that is torn or damaged by a power cut.

        Raises `click.UsageError` if the file contains anything else.
        """
        assert self._path is not None
        self.digests, self._places, self.tally, self._end = {}, {}, Tally(), 0
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n") or b"\0" in line:
                    break
                entry = self._decode(line, number)
                self.digests[entry.index] = entry.digest
                self._add(entry, len(line))

    def _decode(self, line: bytes, number: int) -> Entry:
        try:
            entry = decode_entry(line)
        except msgspec.DecodeError as error:
            raise click.UsageError(
                f"{self._path}, line {number}: not a result of this version of bing-images bulk ({error}), so the run "
                "cannot be resumed. --overwrite starts over."
            ) from None
        if entry.index in self.digests:
            raise click.UsageError(f"{self._path}, line {number}: a second result of query {entry.index + 1}.")
        return entry

    def repair(self, *, drop_failures: bool) -> None:
        """Cut off what `scan` did not accept; optionally remove the failures, so that their queries run again."""
        if drop_failures and self.tally.failed:
            self._rewrite()
            self.scan()
        else:
            self._truncate(self._end)

    def _rewrite(self) -> None:
        """Replace the file by one without failures, atomically."""
        assert self._path is not None
        draft, left = draft_of(self._path), self._end
        copy = _open_locked(draft)
        try:
            copy.truncate(0)
            with self._path.open("rb") as lines:
                while left and (line := lines.readline()):
                    left -= len(line)
                    if decode_entry(line).error is None:
                        self._write(copy, line)
            os.fsync(copy.fileno())
            copymode(self._path, draft)
            self._replace(draft)
            self._file, copy = copy, self._file
        finally:
            copy.close()

    def clear(self) -> None:
        """Remove the results of earlier runs."""
        self._truncate(0)

    def append(self, line: bytes) -> None:
        """Append a result. If the disk is full, that is an OSError, and the next run cuts off the torn line."""
        self._write(self._file, line)
        self._add(decode_entry(line), len(line))

    def _add(self, entry: Entry, size: int) -> None:
        self.tally.add(entry)
        self._places.setdefault(entry.digest, self._end)
        self._end += size

    def result_of(self, digest: str) -> bytes | None:
        """Return the line with the result of an equal search, if there is one."""
        place = self._places.get(digest)
        if place is None:
            return None
        reader = BufferedReader(self._file)  # type: ignore[type-var]
        reader.seek(place)
        line = reader.readline()
        reader.detach().seek(self._end)
        return line

    def sync(self) -> None:
        """Flush the file to the disk. May be called in a thread."""
        os.fsync(self._file.fileno())

    # What changes the disk; tests interrupt these.

    def _write(self, file: IO[bytes], data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]

    def _truncate(self, end: int) -> None:
        self._end = end
        self._file.truncate(end)
        self._file.seek(end)

    def _replace(self, draft: Path) -> None:
        assert self._path is not None
        draft.replace(self._path)


def _open_locked(path: Path) -> IO[bytes]:
    """Open a file for reading and writing, and lock it. Raises `UnavailableError` if another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    file = os.fdopen(descriptor, "r+b", buffering=0)
    try:
        _lock(file)
        is_current = os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, PermissionError, FileNotFoundError):
        is_current = False
    if not is_current:  # locked, or replaced by the process that had locked it
        file.close()
        raise UnavailableError(f"{path} is in use: another run writes to the same output.")
    return file


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(2**40)  # beyond the data: a locked region cannot be read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
