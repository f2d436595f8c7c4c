"""What the answers of all three endpoints have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from .common import Instrumentation, wire
from .meta import Problem, ResponseMeta

__all__ = ["Answer"]


@frozen(kw_only=True)
class Answer:
    """What the answers of all three endpoints have."""

    type_: str | None = wire("_type")
    id: str | None = None
    read_link: str | None = None
    web_search_url: str | None = None
    instrumentation: Instrumentation | None = None

    meta: ResponseMeta = field(factory=ResponseMeta, eq=False, metadata={"wire": None})
    """What the response headers say, and what it took to get this answer."""
    problems: tuple[Problem, ...] = field(default=(), metadata={"wire": None})
    """Places of the body that could not be decoded; nothing else was lost."""
    raw: Mapping[str, Any] | None = field(default=None, eq=False, repr=False, metadata={"wire": None})
    """The parsed JSON, if the session was made with `keep_raw=True` or JSON-LD was asked for."""
