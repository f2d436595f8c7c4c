"""Access to the regular files in a folder: no devices, FIFOs or sockets, and no links that lead out of it."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

__all__ = ["open_regular", "read_text", "regular_file"]

# Opening a FIFO would wait for a writer without it. Windows has neither.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))


def regular_file(root: Path, file: Path) -> os.stat_result:
    """Return the status of a file, links followed. `root` must be resolved.

    Raises:
        OSError: There is no such file, it is not a regular file, or it is outside `root`.
    """
    status = _resolved(root, file).lstat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is not a regular file")
    return status


def open_regular(root: Path, file: Path) -> BinaryIO:
    """Open a regular file in `root` for reading; never waits for a writer.

    Raises:
        OSError: As `regular_file`.
    """
    descriptor = os.open(_resolved(root, file), _FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is not a regular file")
    return open(descriptor, "rb")  # noqa: PTH123  # the caller closes it


def read_text(root: Path, file: Path, limit: int) -> str:
    """Return the first `limit` bytes of a text file. Raises OSError as `regular_file`."""
    with open_regular(root, file) as source:
        return source.read(limit).decode("utf-8-sig", "replace")


def _resolved(root: Path, file: Path) -> Path:
    try:
        path = file.resolve(strict=True)
    except RuntimeError as error:  # a loop of links, before Python 3.13
        raise OSError("the link leads to itself") from error
    if not path.is_relative_to(root):
        raise OSError("the link leads out of the folder")
    return path
