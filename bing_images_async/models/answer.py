"""Base class of the answers of all three endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from .common import Instrumentation, wire
from .meta import Problem, ResponseMeta

__all__ = ["Answer"]


@frozen(kw_only=True)
class Answer:
    """Fields that the answers of all three endpoints have."""

    type_: str | None = wire("_type")
    id: str | None = None
    read_link: str | None = None
    web_search_url: str | None = None
    instrumentation: Instrumentation | None = None

    meta: ResponseMeta = field(factory=ResponseMeta, eq=False, metadata={"wire": None})
    """Response headers, attempts and duration of the call."""
    problems: tuple[Problem, ...] = field(default=(), metadata={"wire": None})
    """Values that could not be decoded; the answer has everything else."""
    raw: Mapping[str, Any] | None = field(default=None, eq=False, repr=False, metadata={"wire": None})
    """The parsed JSON, with `keep_raw=True` or for JSON-LD."""
