"""Where output goes: data to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

import click

from .sanitize import visible

__all__ = ["abandon_output", "interactive", "notice", "read_stdin", "say", "say_indented", "write"]


def write(data: str, *, encoding: str = "utf-8") -> None:
    """Write data to stdout. UTF-8 whatever the locale, for programs expect JSON in nothing else."""
    click.echo(data.encode(encoding, "replace"), nl=False)


def read_stdin(parameter: str, limit: int) -> bytes:
    """What is on stdin, up to `limit` bytes. Raises `click.UsageError` if it is closed (`<&-`)."""
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]  # it can be, without a console
        raise click.UsageError(f"{parameter} is -, but there is no stdin.")
    return sys.stdin.buffer.read(limit)


def say(message: str) -> None:
    """One line on stderr."""
    click.echo(visible(message), err=True)


def say_indented(line: str) -> None:
    """One line on stderr, with the blanks it begins with."""
    indent = len(line) - len(line.lstrip())
    click.echo(" " * indent, nl=False, err=True)
    say(line)


def notice(message: str) -> None:
    """One line on stderr that only helps somebody who is watching."""
    if interactive(sys.stderr):
        say(message)


def interactive(stream: TextIO | None) -> bool:
    """Is somebody looking at this stream? A stream may be missing: `bing-images … >&-`."""
    return stream is not None and stream.isatty()


def abandon_output() -> None:
    """Nobody reads on: what is still buffered goes nowhere, so that leaving does not fail over it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            os.dup2(nowhere, descriptor)
    os.close(nowhere)
