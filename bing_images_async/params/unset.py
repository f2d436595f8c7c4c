"""`UNSET`: the default of parameters for which `None` has a meaning."""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["UNSET", "Unset"]


class Unset(Enum):
    """Type of `UNSET`: the parameter is not given, and the session's default applies."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
