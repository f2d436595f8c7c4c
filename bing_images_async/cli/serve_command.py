"""`bing-images serve`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from .exit_codes import Exit
from .parameter_options import Command, Option
from .progress_bar import Bar
from .service_options import emulator_needed
from .streams import notice, write

__all__ = ["serve"]

F = TypeVar("F", bound=Callable[..., Any])


def _option(name: str, section: str, **settings: Any) -> Callable[[F], F]:
    return click.option(name, cls=Option, section=section, **settings)


@click.command(cls=Command, short_help="Run an image search service on this machine.")
@_option("--host", "Address", default="127.0.0.1", show_default=True, help="Where to listen; 0.0.0.0 for everywhere.")
@_option("--port", "Address", default=8787, show_default=True, type=click.IntRange(0, 65_535), metavar="N",
         help="0 takes a free one.")  # fmt: skip
@_option("--folder", "Pictures", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
         help="Serve the pictures in this folder.  [default: OpenMoji]")  # fmt: skip
@_option("--invent-modules", "Pictures", is_flag=True,
         help="Make up shops, recipes and people, so that details has all of its modules.")  # fmt: skip
@_option("--seed", "Pictures", default=0, type=int, metavar="N", help="Decides the habits: overlaps, gaps, estimates.")
@_option("--keys-file", "Keys", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
         help="The keys that are let in, one per line.  [default: any key, or none]")  # fmt: skip
@_option("--key-header", "Keys", metavar="NAME", help="One more header that may carry the key.")
@_option("--history", "Searches", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
         help="Remember here what was searched for, for trending.")  # fmt: skip
@_option(
    "--profile",
    "Behaviour",
    metavar="NAMES",
    help='Limits and faults, as "free+slow"; docs/emulator.md lists them.  [default: none]',
)
@_option("--admin", "Behaviour", is_flag=True, help="Answer /__admin to callers on this machine.")  # fmt: skip
def serve(host: str, port: int, folder: Path | None, keys_file: Path | None, **settings: Any) -> Exit:
    """Run an Image Search API v7 service on this machine, over OpenMoji or a folder of pictures.

    \b
    Examples:
      bing-images serve
      bing-images serve --folder ~/Pictures --port 0
      bing-images serve --keys-file keys.txt

    It prints one line to stdout, which points clients to it, and runs until Ctrl-C:

    \b
      export BING_IMAGES_URL=http://127.0.0.1:8787
    """
    with emulator_needed():
        from ..emulator import create_app, open_folder, open_openmoji, serve as run
    keys = None if keys_file is None else _read_keys(keys_file)
    with Bar("Reading the pictures, this once") as bar:
        catalogue = open_openmoji(progress=bar.report) if folder is None else open_folder(folder, progress=bar.report)
    try:
        app = create_app(catalogue, keys=keys, **settings)
        run(app, host, port, bound=_announce)
    except ValueError as error:
        raise click.UsageError(f"--profile: {error}") from None
    except OSError as error:
        raise _CannotListenError(
            f"cannot listen on {host}:{port}: {error.strerror or error}. --port 0 takes a free port."
        ) from None
    finally:
        catalogue.close()
    return Exit.FOUND


class _CannotListenError(click.ClickException):
    exit_code = Exit.SERVICE


def _announce(url: str) -> None:
    command = "set" if sys.platform == "win32" else "export"
    write(f"{command} BING_IMAGES_URL={url}\n")
    notice(f"Image Search v7 on {url}/v7.0, and for a browser on {url}. Ctrl-C stops it.")
    notice("Give the line above to another shell, and bing-images and ImageSearchSession.from_env() ask here.")


def _read_keys(file: Path) -> list[str]:
    """The keys in a file; blank lines and what begins with # do not count."""
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as fault:
        raise click.UsageError(f"--keys-file {file} cannot be read ({type(fault).__name__}).") from None
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise click.UsageError(f"--keys-file {file} holds no key, so nobody would be let in.")
    return keys
