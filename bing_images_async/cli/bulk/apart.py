"""Files that are written must be other files than those that are read, or written as well."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import IO

import click

__all__ = ["check_apart"]


def check_apart(files: Iterable[tuple[str, Path | IO[str]]]) -> None:
    """Raises `click.UsageError` if two of the files, each with what to call it, are one, if only through links.

    Devices and pipes do not count: nothing in them is written over.
    """
    for (name, file), (other_name, other) in combinations(files, 2):
        if _are_same(file, other):
            raise click.UsageError(f"{name} and {other_name} are the same file.")


def _are_same(file: Path | IO[str], other: Path | IO[str]) -> bool:
    first, second = _status(file), _status(other)
    if first is not None and second is not None:
        return stat.S_ISREG(first.st_mode) and os.path.samestat(first, second)
    if isinstance(file, Path) and isinstance(other, Path):  # of those that are yet to be made, only names are known
        return _real_name(file) == _real_name(other)
    return False


def _status(file: Path | IO[str]) -> os.stat_result | None:
    try:
        return file.stat() if isinstance(file, Path) else os.fstat(file.fileno())
    except (OSError, ValueError, AttributeError):  # not there; a stream may also be closed, or None
        return None


def _real_name(file: Path) -> str:
    return os.path.normcase(os.path.realpath(file))
