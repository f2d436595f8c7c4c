"""The command `bing-images`. Where to find what:

app, program                       the commands together; how any of them ends
search, details, trending          one per endpoint;  serve, doctor: the service of our own, and what is amiss
bulk                               many queries from a file
options, service                   what all of them take, and the session that this makes
thumbnails                         the pictures for a contact sheet
card, table, formats, sheet        an answer for people, for programs, and to look at
text, streams, progress            what may reach a terminal, and where it goes
exit_codes                         what a script is told
"""

from __future__ import annotations

import gc
import sys
from typing import NoReturn

__all__ = ["main"]

_EXTRA = ("click", "rich")


def main() -> NoReturn:
    """Run the command line with the arguments of this process, and end it with an exit code."""
    try:
        from .app import program
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        sys.stderr.write(f'The command line needs the package {package!r}: pip install "bing-images-async[cli]"\n')
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    gc.freeze()  # what was imported stays; to look through it again takes longer than the gap between two requests
    program.main(prog_name="bing-images")
    raise AssertionError("program.main() ends the process")
