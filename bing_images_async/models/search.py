"""Answer of `GET /images/search`."""

from __future__ import annotations

from attrs import field, frozen

from .answer import Answer
from .common import Image, Query, one_or_many

__all__ = ["ImageAnswer", "PivotSuggestions", "QueryContext"]


@frozen(kw_only=True)
class QueryContext:
    """The service's interpretation of the query: spelling, adult intent, location."""

    original_query: str | None = None
    altered_query: str | None = None
    """The corrected query that was searched for instead."""
    alteration_override_query: str | None = None
    """Query that forces the original spelling."""
    adult_intent: bool | None = None
    ask_user_for_location: bool | None = None
    alteration_display_query: str | None = None
    alteration_method: str | None = None
    alteration_type: str | None = None


@frozen(kw_only=True)
class PivotSuggestions:
    """Queries in which one word of the original query, the pivot, is replaced or left out."""

    pivot: str | None = None
    suggestions: tuple[Query, ...] = one_or_many()


@frozen(kw_only=True)
class ImageAnswer(Answer):
    """A page of search results (API reference: ImageAnswer; `_type` is `Images`)."""

    web_search_url_ping_suffix: str | None = None
    query_context: QueryContext | None = None
    total_estimated_matches: int | None = None
    """Estimated total; it changes from page to page."""
    current_offset: int | None = None
    next_offset: int | None = None
    """`offset` of the next page, corrected for duplicates; it may skip results, and at the end it may repeat."""
    value: tuple[Image, ...] = field(default=(), metadata={"essential": True})
    """Images in the order of the service."""
    query_expansions: tuple[Query, ...] = one_or_many()
    pivot_suggestions: tuple[PivotSuggestions, ...] = one_or_many()
    similar_terms: tuple[Query, ...] = one_or_many()
    related_searches: tuple[Query, ...] = one_or_many()
    is_family_friendly: bool | None = None
