"""What to tell people of an answer of `details`."""

from __future__ import annotations

from collections.abc import Iterable

from ..models import Image, ImageInsights, Offer
from .sanitize import visible

__all__ = ["facts_of", "images_of"]


def images_of(insights: ImageInsights) -> list[tuple[str, str, tuple[Image, ...]]]:
    """(the API's name of the module, heading, images) of those modules that found images."""
    modules = (
        ("SimilarImages", "Similar images", insights.visually_similar_images),
        ("SimilarProducts", "Similar products", insights.visually_similar_products),
        ("PagesIncluding", "Pages that show it", insights.pages_including),
    )
    return [(name, heading, module.value) for name, heading, module in modules if module is not None and module.value]


def facts_of(insights: ImageInsights) -> list[tuple[str, str]]:
    """Label and text of all that is no image; what is not known has no line."""
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
