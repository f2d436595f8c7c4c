"""The group of commands, and how any of them ends: with an exit code and at most one line of complaint."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

import click

from ..errors import BingImagesError
from .exit_codes import Exit, exit_code
from .parameter_options import in_options
from .streams import abandon_output, say

__all__ = ["Program"]


class Program(click.Group):
    """A group whose commands return an `Exit`. No fault ends in a traceback."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        """Run, then end the process with the exit code."""
        settings["standalone_mode"] = False
        try:
            code = super().main(*arguments, **settings)
        except Exception as error:  # noqa: BLE001  # what nobody foresaw is one line, too
            code = _complain(error)
        sys.exit(int(code or 0))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what click would otherwise end in its own way is caught here."""
        try:
            code = super().invoke(ctx)
            if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]  # closed: `>&-`
                sys.stdout.flush()
        except BrokenPipeError:
            # `bing-images … | head -1`: the reader has enough.
            abandon_output()
            return Exit.FOUND
        except KeyboardInterrupt:
            return Exit.INTERRUPTED
        except OSError as error:
            return _complain(error)  # before click sees it
        return code


def _complain(error: Exception) -> int:
    """Say what went wrong; gives the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return Exit.USAGE
    if isinstance(error, click.ClickException):
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx is not None else ""
        say(f"Error: {error.format_message()}" + (f" (See {where} --help)" if where else ""))
        return error.exit_code
    if isinstance(error, BingImagesError):
        say(f"Error: {in_options(error)}")
        return exit_code(error)
    if isinstance(error, OSError):
        say(f"Error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        return Exit.SERVICE
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    say(f"Error: a fault in bing-images itself, {type(error).__name__} at {place}: {error}. Please report it.")
    return Exit.FAULT
