"""The command `bing-images` with its commands."""

from __future__ import annotations

import click

from .._version import __version__
from .bulk.bulk_command import bulk
from .details_command import details
from .doctor_command import doctor
from .program import Program
from .search_command import search
from .serve_command import serve
from .trending_command import trending

__all__ = ["program"]


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(cls=Program, name="bing-images", context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="bing-images")
def program() -> None:
    """Find images with the Image Search API v7.

    \b
    Try it, without a key and without a network:
      bing-images search cat
      bing-images search cat --html cats.html

    Without a key and a URL, a catalogue on this machine answers (OpenMoji: 4,495 drawings, searched in 14
    languages). To ask another service, set in the environment:

    \b
      BING_IMAGES_URL       its address, such as https://images.example.com/v7.0
      BING_IMAGES_KEY       the key; or, better,
      BING_IMAGES_KEY_FILE  a file with the key in it

    Keys are never taken from the command line, where other users of the machine could read them.
    `bing-images doctor` says whether all is well.
    """


for command in (search, details, trending, bulk, serve, doctor):
    program.add_command(command)
