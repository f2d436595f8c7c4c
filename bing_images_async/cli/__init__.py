"""The command `bing-images`.

program                            the group of commands; how errors become exit codes
*_command                          one per command: search, details, trending, serve, doctor (and bulk/)
parameter_options, service_options, output_options
                                   options that several commands share, and what they select
formats, table, html_page           an answer as JSON or CSV, as tables, as an HTML page
image_card, thumbnail_download     one image as people see it; its preview
sanitize, streams, progress_bar    what may reach a terminal, and where it goes
exit_codes                         exit codes
"""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

__all__ = ["main"]

_EXTRA = ("click", "cloup", "jinja2", "rich")


def main() -> NoReturn:
    """Run the command line with the arguments of this process, and exit."""
    try:
        from .program import program
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        sys.stderr.write(f'The command line needs the package {package!r}: pip install "bing-images-async[cli]"\n')
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    gc.freeze()  # imported modules are permanent; scanning them takes longer than the gap between two requests
    program.main(prog_name="bing-images")
    raise AssertionError("program.main() exits")
