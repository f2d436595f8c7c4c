"""What a script is told when the command ends."""

from __future__ import annotations

from enum import IntEnum

from ..errors import (
    AccessDeniedError,
    AuthenticationError,
    BadRequestError,
    BingImagesError,
    InvalidRequestError,
    QuotaExhaustedError,
)

__all__ = ["Exit", "exit_code"]


class Exit(IntEnum):
    """The exit codes; none of them says two things."""

    FOUND = 0
    NOTHING = 1
    USAGE = 2
    """The question is wrong, whoever noticed: the command line, the library, or the service (400)."""
    KEY = 3
    """The key is missing, unknown, not allowed to, or used up."""
    SERVICE = 4
    """The network or the service failed; the same command may work later."""
    FAULT = 70
    """A mistake in this program (`EX_SOFTWARE` of sysexits.h)."""
    INTERRUPTED = 130
    """Ctrl-C: 128 + SIGINT, as shells count."""


def exit_code(error: BingImagesError) -> Exit:
    """The code for an error of the library."""
    if isinstance(error, InvalidRequestError | BadRequestError):
        return Exit.USAGE
    if isinstance(error, AuthenticationError | AccessDeniedError | QuotaExhaustedError):
        return Exit.KEY
    return Exit.SERVICE
