"""`bing-images trending`."""

from __future__ import annotations

from typing import Any

import cloup

from ..models import Image, Query, TrendingImages, TrendingImagesTile
from ..params import TrendingParams
from .exit_codes import Exit
from .image_card import card_of
from .output_options import Findings, answer, output_options
from .parameter_options import params_options, selected
from .sanitize import visible
from .service_options import Service, service_options
from .table import topics_table

__all__ = ["trending"]


@cloup.command(short_help="Show popular searches of today.")
@output_options
@params_options(TrendingParams)
@service_options
def trending(**options: Any) -> Exit:
    """Show popular searches of today, by topic.

    \b
    Examples:
      bing-images trending
      bing-images trending --market en-GB --html today.html
      bing-images trending --jsonl | jq -r .query.text

    --jsonl and --csv list one search per line: topic, query and image. Exit codes: 0 found,
    1 nothing found, 2 wrong request, 3 key or quota, 4 network or service.
    """
    params = TrendingParams(**selected(TrendingParams, options))
    return answer(options, lambda session: session.trending(params), _findings)


def _findings(trends: TrendingImages, service: Service) -> Findings:
    topics = [
        (
            visible(category.title or ""),
            [card_of(tile.image or Image(), name=_query(tile).text) for tile in category.tiles],
        )
        for category in trends.categories
    ]
    return Findings(
        raw=trends.raw or {},
        labels=("title", "query"),
        images=[
            ({"title": category.title or "", "query": _query(tile)}, tile.image or Image())
            for category in trends.categories
            for tile in category.tiles
        ],
        tables=[topics_table(topics)] if any(cards for _, cards in topics) else [],
        title="Trending images",
        subtitle=f"Popular searches of today, from {service.name}",
        sections=topics,
    )


def _query(tile: TrendingImagesTile) -> Query:
    return tile.query or Query()
