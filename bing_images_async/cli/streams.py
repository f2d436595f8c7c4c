"""Output streams: data to stdout, messages to stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from textwrap import fill
from typing import TextIO

import click
from rich.console import Console

from .sanitize import visible

__all__ = ["discard_output", "is_terminal", "print_error", "print_hint", "read_stdin", "write"]


def write(data: str, *, encoding: str = "utf-8") -> None:
    """Write data to stdout; as UTF-8 whatever the locale, because programs expect JSON in nothing else."""
    click.echo(data.encode(encoding, "replace"), nl=False)


def read_stdin(parameter: str, limit: int) -> bytes:
    """Read up to `limit` bytes from stdin. Raises `click.UsageError` if it is closed (`<&-`)."""
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  # it can be, without a console
        raise click.UsageError(f"{parameter} is -, but there is no stdin.")
    return sys.stdin.buffer.read(limit)


def print_error(message: str) -> None:
    """Print one line to stderr; its indentation is kept. A terminal gets as many lines as it needs, of whole words."""
    indent = " " * (len(message) - len(message.lstrip(" ")))
    line = indent + visible(message)
    if is_terminal(sys.stderr):
        width = Console(stderr=True).width
        line = fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    click.echo(line, err=True)


def print_hint(message: str) -> None:
    """Print one line to stderr if that is a terminal."""
    if is_terminal(sys.stderr):
        print_error(message)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether the stream is a terminal. It may be missing: `bing-images … >&-`."""
    return stream is not None and stream.isatty()


def discard_output() -> None:
    """Redirect stdout and stderr to the null device, so that flushing their buffers at exit does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            os.dup2(nowhere, descriptor)
    os.close(nowhere)
