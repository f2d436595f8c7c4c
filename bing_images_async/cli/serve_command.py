"""`bing-images serve`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import cloup
from cloup import option, option_group

from .._config import decoded
from .exit_codes import Exit, UnavailableError
from .progress_bar import ProgressBar
from .service_options import emulator_required
from .streams import print_error, print_hint, write

__all__ = ["serve"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@cloup.command(short_help="Run an image search service on this machine.")
@option_group(
    "Address",
    option("--host", default="127.0.0.1", show_default=True, help="Address to bind; 0.0.0.0 for all interfaces."),
    option("--port", default=8787, show_default=True, type=click.IntRange(0, 65_535), metavar="N",
           help="Port; 0 for any free one."),
    option("--allowed-host", "allowed_hosts", multiple=True, metavar="NAME",
           help="Another name or address by which clients reach the service; * for all. May be repeated."),
)  # fmt: skip
@option_group(
    "Pictures",
    option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
           help="Serve the pictures in this folder.  [default: OpenMoji]"),
    option("--invent-modules", is_flag=True, help="Generate shops, recipes and people, so that every module of "
           "details has content."),
    option("--seed", default=0, type=int, metavar="N", help="Seed of overlaps, gaps and estimates."),
)  # fmt: skip
@option_group(
    "Keys",
    option("--keys-file", type=_FILE, metavar="FILE", help="Accepted keys, one per line.  [default: any key, or none]"),
    option("--key-header", metavar="NAME", help="Another header that may carry the key."),
)
@option_group(
    "Behaviour",
    option("--history", type=_FILE, metavar="FILE", help="Keep the searches here, for trending."),
    option("--profile", metavar="NAMES", help='Limits and faults, such as "free+slow"; see docs/emulator.md.  '
           "[default: none]"),
    option("--admin", is_flag=True, help="Serve /__admin to clients on this machine."),
)  # fmt: skip
def serve(
    host: str, port: int, allowed_hosts: tuple[str, ...], folder: Path | None, keys_file: Path | None, **settings: Any
) -> Exit:
    """Run an Image Search API v7 service on this machine, over OpenMoji or a folder of pictures.

    \b
    Examples:
      bing-images serve
      bing-images serve --folder ~/Pictures --port 0
      bing-images serve --keys-file keys.txt

    It prints one line to stdout, which configures clients, and runs until Ctrl-C:

    \b
      export BING_IMAGES_URL=http://127.0.0.1:8787
    """
    with emulator_required():
        from ..emulator import create_app, open_folder, open_openmoji, serve as run
    keys = None if keys_file is None else _read_keys(keys_file)
    with ProgressBar("Indexing the pictures (only once)") as bar:
        catalogue = open_openmoji(progress=bar.report) if folder is None else open_folder(folder, progress=bar.report)
    # An address for all interfaces is no host name: clients use the address of one interface.
    hosts = [*allowed_hosts, *({host} - {"0.0.0.0", "::"})]  # noqa: S104
    try:
        for line in catalogue.report():
            print_error(line)
        app = create_app(catalogue, keys=keys, allowed_hosts=hosts, **settings)
        run(app, host, port, bound=_print_address)
    except ValueError as error:
        raise click.UsageError(f"--profile or --allowed-host: {error}") from None
    except OSError as error:
        raise UnavailableError(
            f"cannot listen on {host}:{port}: {error.strerror or error}. --port 0 uses any free port."
        ) from None
    finally:
        catalogue.close()
    return Exit.FOUND


def _print_address(url: str) -> None:
    command = "set" if sys.platform == "win32" else "export"
    write(f"{command} BING_IMAGES_URL={url}\n")
    print_hint(f"Image Search v7 at {url}/v7.0; page for browsers at {url}. Stop with Ctrl-C.")
    print_hint("Run the line above in another shell: bing-images and ImageSearchSession.from_env() then use it.")


def _read_keys(file: Path) -> list[str]:
    """Return the keys in a file; blank lines and comments (#) are skipped."""
    try:
        lines = [line.strip("\ufeff \t") for line in decoded(file.read_bytes()).splitlines()]
    except OSError as error:
        raise click.UsageError(f"--keys-file {file} cannot be read ({type(error).__name__}).") from None
    if any("\ufffd" in line for line in lines):
        raise click.UsageError(f"--keys-file {file} is not UTF-8.")
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise click.UsageError(f"--keys-file {file} contains no key, so every request would be refused.")
    return keys
