"""`bing-images trending`."""

from __future__ import annotations

from typing import Any

import anyio
import click

from .._protocol.decoding import unstructure
from ..models import Image, Query, TrendingImages, TrendingImagesTile
from ..params import TrendingParams
from .contact_sheet import Sheet
from .exit_codes import Exit
from .formats import IMAGE_COLUMNS, image_row
from .image_card import Card, card_of
from .output_options import Findings, Output, output_options
from .parameter_options import Command, given, params_options
from .sanitize import visible
from .service_options import OPENMOJI, Service, open_session, service_options
from .table import topics_table

__all__ = ["trending"]


@click.command(cls=Command, short_help="Show what people search for today.")
@output_options
@params_options(TrendingParams)
@service_options
def trending(**options: Any) -> Exit:
    """Show what people search for today, by topic.

    \b
    Examples:
      bing-images trending
      bing-images trending --market en-GB --html today.html
      bing-images trending --jsonl | jq -r .query.text

    --jsonl and --csv list one search per line: its topic, its query, and its image. Exit codes: 0 found,
    1 nothing found, 2 wrong question, 3 key or quota, 4 network or service.
    """
    params = TrendingParams(**given(TrendingParams, options))
    service = Service(folder=options["folder"], timeout=options["timeout"])
    return anyio.run(_trending, params, service, Output.of(options))


async def _trending(params: TrendingParams, service: Service, output: Output) -> Exit:
    async with open_session(service) as session:
        answer = await session.trending(params)
        return await output.put(_findings(answer, service), session)


def _findings(answer: TrendingImages, service: Service) -> Findings:
    tiles = [(category.title or "", tile) for category in answer.categories for tile in category.tiles]
    topics = [(visible(c.title or ""), [_card(tile) for tile in c.tiles]) for c in answer.categories]
    return Findings(
        found=bool(tiles),
        raw=answer.raw or {},
        items=[_item(title, tile) for title, tile in tiles],
        columns=("title", "query", *IMAGE_COLUMNS),
        rows=[_row(title, tile) for title, tile in tiles],
        tables=[topics_table(topics)],
        sheet=Sheet(
            title="Trending images",
            subtitle=f"What people search for today, as {service.name} sees it",
            sections=topics,
            credits=OPENMOJI if service.is_catalogue else "",
        ),
        hint="To look at them: --html sheet.html",
    )


def _card(tile: TrendingImagesTile) -> Card:
    return card_of(tile.image or Image(), name=tile.query.text if tile.query is not None else None)


def _item(title: str, tile: TrendingImagesTile) -> dict[str, Any]:
    return {"title": title, "query": unstructure(tile.query or Query()), **unstructure(tile.image or Image())}


def _row(title: str, tile: TrendingImagesTile) -> dict[str, object]:
    row = image_row(tile.image or Image())
    return {"title": title, "query": tile.query.text if tile.query is not None else None, **row}
