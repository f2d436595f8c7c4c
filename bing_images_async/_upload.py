"""Reads an image for an upload to `details`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio.to_thread

from ._protocol.messages import Upload
from ._validation import refuse
from .errors import InvalidRequestError
from .params import ImageSource

__all__ = ["LARGEST_UPLOAD", "read_upload"]

LARGEST_UPLOAD = 2**20
"""Bytes. The API allows "1 MB" (API page "Image insights"), taken as 1 MiB."""


async def read_upload(source: ImageSource) -> Upload:
    """Return the image in `source`. Files are read in a worker thread, up to the limit.

    Raises:
        InvalidRequestError: the image cannot be read, is empty, or is too large.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return _checked("image", bytes(source))
    if isinstance(source, os.PathLike):
        path = Path(source)
        return _checked(path.name, await anyio.to_thread.run_sync(_read_file, path))
    return _checked(_name_of(source), await anyio.to_thread.run_sync(_read_open, source))


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_UPLOAD + 1)
    except (OSError, ValueError) as fault:  # ValueError: a NUL in the path
        raise _unreadable(str(path), fault) from None


def _read_open(file: Any) -> bytes:
    """Read from the current position to the end; raw files and pipes may return less than requested."""
    content = b""
    while len(content) <= LARGEST_UPLOAD:
        try:
            part = file.read(LARGEST_UPLOAD + 1 - len(content))
        except (OSError, ValueError) as fault:  # ValueError: the file is closed
            raise _unreadable(_name_of(file), fault) from None
        if not isinstance(part, bytes):
            raise refuse("image", file, "it must be a file opened for reading bytes (mode 'rb')")
        if not part:
            break
        content += part
    return content


def _unreadable(name: str, fault: Exception) -> InvalidRequestError:
    reason = getattr(fault, "strerror", None) or fault
    return InvalidRequestError(f"image={name!r} cannot be read: {reason}.", parameter="image")


def _name_of(file: Any) -> str:
    name = getattr(file, "name", None)
    return Path(name).name if isinstance(name, str) and name else "image"


def _checked(filename: str, content: bytes) -> Upload:
    if not content:
        raise InvalidRequestError("image is empty: pass the bytes or the file of an image.", parameter="image")
    if len(content) > LARGEST_UPLOAD:
        raise InvalidRequestError(
            f"image {filename!r} is too large: at most {LARGEST_UPLOAD:,} bytes can be uploaded. "
            "Reduce its size, or pass its address as image_url=.",
            parameter="image",
        )
    # Bytes of a file name that are not UTF-8 are lone surrogates in the str, which cannot be sent.
    return Upload(filename.encode("utf-8", "replace").decode(), content)
