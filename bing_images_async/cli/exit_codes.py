"""Exit codes of the command."""

from __future__ import annotations

from enum import IntEnum

import click

from .. import errors
from ..errors import BingImagesError

__all__ = ["Exit", "UnavailableError", "exit_code"]


class Exit(IntEnum):
    """Exit codes; each has one meaning."""

    FOUND = 0
    NOTHING = 1
    USAGE = 2
    """The request is wrong: refused by the command line, the library, or the service (400)."""
    KEY = 3
    """The key is missing, unknown, not authorised, or its quota is used up."""
    SERVICE = 4
    """The network or the service failed; the same command may work later."""
    FAULT = 70
    """An internal error of this program (`EX_SOFTWARE` of sysexits.h)."""
    INTERRUPTED = 130
    """Ctrl-C: 128 + SIGINT."""


def exit_code(error: BingImagesError) -> Exit:
    """Return the exit code for an error of the library."""
    if isinstance(error, errors.InvalidRequestError | errors.BadRequestError):
        return Exit.USAGE
    if isinstance(error, errors.AuthenticationError | errors.AccessDeniedError | errors.QuotaExhaustedError):
        return Exit.KEY
    return Exit.SERVICE


class UnavailableError(click.ClickException):
    """A resource of this machine is in use; the same command may work later."""

    exit_code = Exit.SERVICE
