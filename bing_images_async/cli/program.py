"""The group of commands, and how errors become one line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click
import cloup

from .._version import __version__
from ..errors import BingImagesError
from .bulk.bulk_command import bulk
from .details_command import details
from .doctor_command import doctor
from .exit_codes import Exit, exit_code
from .parameter_options import as_options
from .search_command import search
from .serve_command import serve
from .streams import discard_output, print_error
from .trending_command import trending

__all__ = ["Program", "program"]

_MIN_WIDTH = 20  # columns


class Program(cloup.Group):
    """A group whose commands return an `Exit`. No error ends in a traceback."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        """Run the command and exit."""
        settings["standalone_mode"] = False
        columns = os.environ.get("COLUMNS", "")
        if not columns.isdecimal() or int(columns) < _MIN_WIDTH:
            os.environ.pop("COLUMNS", None)  # the size of the terminal counts; rich would print nothing
        try:
            code = super().main(*arguments, **settings)
        except Exception as error:  # noqa: BLE001  # unforeseen errors are reported in one line, too
            code = _report(error)
        sys.exit(int(code or 0))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; handle what click would turn into exit codes of its own."""
        try:
            code = super().invoke(ctx)
            if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]  # closed: `>&-`
                sys.stdout.flush()
        except BrokenPipeError:  # `bing-images … | head -1`
            discard_output()
            return Exit.FOUND
        except KeyboardInterrupt:
            return Exit.INTERRUPTED
        except OSError as error:
            return _report(error)
        return code


def _report(error: Exception) -> int:
    """Print the error; return the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return Exit.USAGE
    if isinstance(error, click.ClickException):
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx is not None else ""
        print_error(f"Error: {error.format_message()}" + (f" (See {where} --help)" if where else ""))
        return error.exit_code
    if isinstance(error, BingImagesError):
        print_error(f"Error: {as_options(error)}")
        return exit_code(error)
    if isinstance(error, OSError):
        print_error(f"Error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        return Exit.SERVICE
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    print_error(f"Error: internal error, {type(error).__name__} at {place}: {error}. Please report it.")
    return Exit.FAULT


@cloup.group(
    cls=Program,
    name="bing-images",
    commands=(search, details, trending, bulk, serve, doctor),
    context_settings=cloup.Context.settings(
        help_option_names=["-h", "--help"], formatter_settings=cloup.HelpFormatter.settings(max_width=110)
    ),
)
@click.version_option(__version__, prog_name="bing-images")
def program() -> None:
    """Find images with the Image Search API v7.

    \b
    Try it, without a key and without a network:
      bing-images search cat
      bing-images search cat --html cats.html

    Without a key and a URL, the local catalogue is searched (OpenMoji: 4,495 drawings, names in 14 languages).
    To use another service, set these environment variables:

    \b
      BING_IMAGES_URL       its address, such as https://images.example.com/v7.0
      BING_IMAGES_KEY       the key; or, better,
      BING_IMAGES_KEY_FILE  a file with the key in it

    Keys are never taken from the command line, where other users of the machine could read them.
    `bing-images doctor` checks the settings.
    """
