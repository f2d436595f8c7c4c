"""The files that a run writes, and the checks that it destroys no other file."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import IO

import click
from attrs import frozen

__all__ = ["OUTPUT_FORMATS", "OutputFiles", "draft_of"]

OUTPUT_FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}


def draft_of(file: Path) -> Path:
    """Return where a file is written until it is complete."""
    return file.with_name(f"{file.name}.draft")


@frozen(kw_only=True)
class OutputFiles:
    """The output, and what lies beside it."""

    output: Path | None
    """`None` for stdout."""
    form: str
    report: Path | None

    @classmethod
    def at(cls, output: Path | None, form: str, report: Path | None) -> OutputFiles:
        """Return the files of an output; a symbolic link stands for its target.

        Raises `click.UsageError` if one of the files that are replaced is not a regular file.
        """
        is_regular = output is None or not output.exists() or output.is_file()
        target = Path(os.path.realpath(output)) if output is not None and output.is_symlink() else output
        files = cls(output=target, form=form, report=report)
        for file in files.written:
            if not is_regular or (os.path.lexists(file) and not stat.S_ISREG(file.lstat().st_mode)):
                text = f"{file if is_regular else output} is not a regular file, so results cannot be kept there. "
                raise click.UsageError(f"{text}For a pipe or a device, redirect stdout (--output -).")
            if not file.parent.is_dir():
                raise click.UsageError(f"{file}: there is no folder {file.parent}.")
        return files

    @property
    def written(self) -> list[Path]:
        """All files that are written for the output."""
        if self.output is None or self.lines is None:
            return []
        return list(dict.fromkeys((self.output, self.lines, draft_of(self.lines), draft_of(self.output))))

    @property
    def lines(self) -> Path | None:
        """The JSON lines: the output itself, or the file from which CSV or Parquet is exported."""
        if self.output is None or self.form == "jsonl":
            return self.output
        return self.output.with_name(f"{self.output.name}.jsonl")

    def check_existing(self, *, resume: bool, overwrite: bool) -> bool:
        """Return whether there is a run to resume.

        Raises `click.UsageError` if files exist that would be lost, or from which no run can be resumed.
        """
        if self.output is None or self.lines is None:
            return False
        journal = self.output.with_name(f"{self.output.name}.journal")
        if journal.exists():
            raise click.UsageError(
                f"{journal} is the journal of an earlier version, whose runs cannot be resumed. Delete it, or choose "
                "another --output."
            )
        existing = next((file for file in (self.output, self.lines) if file.exists() and file.stat().st_size), None)
        if existing is None or overwrite:
            return False
        if not resume:
            raise click.UsageError(f"{existing} exists: --resume continues that run, --overwrite starts over.")
        if not self.lines.exists():
            raise click.UsageError(
                f"{self.output} has no {self.lines.name} beside it, so the run cannot be resumed; --overwrite starts "
                "over."
            )
        return True

    def check_distinct(self, source: Path) -> None:
        """Raises `click.UsageError` if two of the files are the same one, if only through links.

        Devices and pipes do not count: nothing in them is overwritten.
        """
        for (name, file), (other_name, other) in combinations(self._files(source), 2):
            if _are_same(file, other):
                raise click.UsageError(f"{name} and {other_name} are the same file.")

    def _files(self, source: Path) -> Iterator[tuple[str, Path | IO[str]]]:
        """Yield all files that are read and written, with their names in messages."""
        yield "the input", source if source != Path("-") else sys.stdin
        yield "--output", self.output or sys.stdout
        if self.report is not None:
            yield "--report", self.report
        for file in self.written[1:]:
            yield f"{file.name}, which --output needs as well,", file


def _are_same(file: Path | IO[str], other: Path | IO[str]) -> bool:
    first, second = _status(file), _status(other)
    if first is not None and second is not None:
        return stat.S_ISREG(first.st_mode) and os.path.samestat(first, second)
    if isinstance(file, Path) and isinstance(other, Path):  # at least one does not exist yet: compare names
        return _real_name(file) == _real_name(other)
    return False


def _status(file: Path | IO[str]) -> os.stat_result | None:
    try:
        return file.stat() if isinstance(file, Path) else os.fstat(file.fileno())
    except (OSError, ValueError, AttributeError):  # it does not exist; a stream may also be closed, or None
        return None


def _real_name(file: Path) -> str:
    return os.path.normcase(os.path.realpath(file))
