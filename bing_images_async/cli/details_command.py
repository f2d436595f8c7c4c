"""`bing-images details`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import cloup

from .._upload import LARGEST_UPLOAD
from ..models import Image, ImageInsights, Offer
from ..params import DetailsParams
from .exit_codes import Exit
from .image_card import card_of
from .output_options import Findings, answer, output_options
from .parameter_options import params_options, selected
from .sanitize import visible
from .service_options import Service, service_options
from .streams import read_stdin
from .table import facts_table, images_table

__all__ = ["details"]

_SOURCES = ("insights_token", "image_url", "image")


@cloup.command(short_help="Get insights about one image.")
@output_options
@params_options(DetailsParams)
@service_options
def details(**options: Any) -> Exit:
    """Get insights about one image: captions, tags, similar images, pages that show it, and more.

    Select the image with --insights-token, --image-url or --image.

    \b
    Examples:
      bing-images details --image cat.jpg
      bing-images details --image-url "$(bing-images search cat --jsonl | jq -r .contentUrl | head -1)"
      bing-images details --image cat.jpg --modules Tags,SimilarImages
      bing-images details --image cat.jpg --crop 0,0,0.5,1 --html similar.html
      bing-images details --image - --json < cat.jpg

    --jsonl and --csv list the images of all modules, each with the name of its module. Exit codes: 0 found,
    1 nothing known, 2 wrong request, 3 key or quota, 4 network or service.
    """
    if sum(options[source] is not None for source in _SOURCES) != 1:
        raise click.UsageError("give exactly one of --insights-token, --image-url and --image.")
    if options["image"] == Path("-"):
        # One byte above the limit is enough for the refusal.
        options["image"] = read_stdin("--image", LARGEST_UPLOAD + 1)
    params = DetailsParams(**selected(DetailsParams, options))
    return answer(options, lambda session: session.details(params), _findings)


def _findings(insights: ImageInsights, service: Service) -> Findings:
    facts, modules = _facts_of(insights), _images_of(insights)
    cards = [(heading, [card_of(image) for image in images]) for _, heading, images in modules]
    title = insights.image.name if insights.image is not None else None
    return Findings(
        raw=insights.raw or {},
        labels=("module",),
        images=[({"module": module}, image) for module, _, images in modules for image in images],
        tables=[
            *([facts_table(facts)] if facts else []),
            *(images_table(section, heading) for heading, section in cards),
        ],
        title=title or "Image details",
        subtitle=dict(facts).get("Caption") or f"Insights from {service.name}",
        sections=cards,
    )


def _images_of(insights: ImageInsights) -> list[tuple[str, str, tuple[Image, ...]]]:
    """Return module name of the API, heading and images of each module that has images."""
    modules = (
        ("SimilarImages", "Similar images", insights.visually_similar_images),
        ("SimilarProducts", "Similar products", insights.visually_similar_products),
        ("PagesIncluding", "Pages that show it", insights.pages_including),
    )
    return [(name, heading, module.value) for name, heading, module in modules if module is not None and module.value]


def _facts_of(insights: ImageInsights) -> list[tuple[str, str]]:
    """Return label and text of everything known apart from images."""
    caption, query = insights.image_caption, insights.best_representative_query
    facts: tuple[tuple[str, Iterable[str | None]], ...] = (
        ("Caption", [caption.caption] if caption is not None else []),
        ("Best query", [query.text] if query is not None else []),
        ("Tags", [tag.name for tag in insights.image_tags.value] if insights.image_tags is not None else []),
        ("Related", _related(insights)),
        ("Collections", [g.name for g in insights.related_collections.value] if insights.related_collections else []),
        ("Recipes", [recipe.name for recipe in insights.recipes.value] if insights.recipes is not None else []),
        ("Offers", [_offer(offer) for offer in insights.shopping_sources.offers] if insights.shopping_sources else []),
        ("Recognised", _recognized(insights)),
    )
    joined = ((label, ", ".join(dict.fromkeys(visible(text) for text in texts if text))) for label, texts in facts)
    return [(label, text) for label, text in joined if text]


def _related(insights: ImageInsights) -> list[str | None]:
    modules = (insights.related_searches, insights.image_based_related_searches)
    return [query.text for module in modules if module is not None for query in module.value]


def _offer(offer: Offer) -> str:
    seller = offer.seller.name if offer.seller is not None else None
    price = f"{offer.price:g} {offer.price_currency or ''}".strip() if offer.price is not None else ""
    return " ".join(filter(None, (seller or offer.name, price)))


def _recognized(insights: ImageInsights) -> list[str | None]:
    groups = insights.recognized_entity_groups
    return [
        match.entity.name
        for group in (groups.value if groups is not None else ())
        for region in group.recognized_entity_regions
        for match in region.matching_entities
        if match.entity is not None
    ]
