"""Answer of `/images/details`: one object for each requested module that has data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from .answer import Answer
from .common import AggregateOffer, AggregateRating, CreativeWork, Image, Person, Query, one_or_many, wire

__all__ = [
    "ImageGallery",
    "ImageInsights",
    "ImageInsightsImageCaption",
    "ImageTagsModule",
    "ImagesModule",
    "InsightsTag",
    "NormalizedRectangle",
    "Recipe",
    "RecipesModule",
    "RecognizedEntitiesModule",
    "RecognizedEntity",
    "RecognizedEntityGroup",
    "RecognizedEntityRegion",
    "RelatedCollectionsModule",
    "RelatedSearchesModule",
]


@frozen(kw_only=True)
class NormalizedRectangle:
    """A region of an image, as fractions (0 to 1) of its width and height from the top left corner.

    In answers it is the region of a recognised entity, always in coordinates of the whole image. As `crop=` of
    `details` it is the region to analyse.
    """

    left: float | None = None
    top: float | None = None
    right: float | None = None
    bottom: float | None = None
    type_: str | None = wire("_type")


@frozen(kw_only=True)
class Recipe(CreativeWork):
    """A recipe for the dish in the image. Times are ISO 8601 durations such as `PT45M`."""

    creator: Person | None = None
    cook_time: str | None = None
    prep_time: str | None = None
    total_time: str | None = None
    aggregate_rating: AggregateRating | None = None


@frozen(kw_only=True)
class ImageGallery(CreativeWork):
    """A collection that contains the image."""

    creator: Person | None = None
    source: str | None = None
    images_count: int | None = None
    followers_count: int | None = None


@frozen(kw_only=True)
class InsightsTag:
    """A tag: a word that describes the image."""

    name: str | None = None


@frozen(kw_only=True)
class RecognizedEntity:
    """A recognised person or object, with a confidence from 0 to 1."""

    entity: Person | None = None
    match_confidence: float | None = None
    type_: str | None = wire("_type")
    id: str | None = None
    read_link: str | None = None
    web_search_url: str | None = None


@frozen(kw_only=True)
class RecognizedEntityRegion:
    """A region and the entities that were recognised in it, best match first."""

    region: NormalizedRectangle | None = None
    matching_entities: tuple[RecognizedEntity, ...] = ()
    type_: str | None = wire("_type")
    id: str | None = None
    read_link: str | None = None
    web_search_url: str | None = None


@frozen(kw_only=True)
class RecognizedEntityGroup:
    """The regions found by one recogniser, such as `CelebrityAnnotations`."""

    name: str | None = None
    recognized_entity_regions: tuple[RecognizedEntityRegion, ...] = ()


@frozen(kw_only=True)
class ImagesModule:
    """A list of images. In `pages_including` one address may occur several times, once for each page."""

    value: tuple[Image, ...] = ()


@frozen(kw_only=True)
class RelatedCollectionsModule:
    """A list of collections."""

    value: tuple[ImageGallery, ...] = ()


@frozen(kw_only=True)
class RelatedSearchesModule:
    """A list of queries. (Search answers and captions contain such lists without this wrapper.)"""

    value: tuple[Query, ...] = ()


@frozen(kw_only=True)
class RecipesModule:
    """A list of recipes."""

    value: tuple[Recipe, ...] = ()


@frozen(kw_only=True)
class RecognizedEntitiesModule:
    """A list of groups of recognised entities."""

    value: tuple[RecognizedEntityGroup, ...] = ()


@frozen(kw_only=True)
class ImageTagsModule:
    """A list of tags."""

    value: tuple[InsightsTag, ...] = ()


@frozen(kw_only=True)
class ImageInsightsImageCaption:
    """A sentence about the image, and its source page."""

    caption: str | None = None
    data_source_url: str | None = None
    related_searches: tuple[Query, ...] = one_or_many()


@frozen(kw_only=True)
class ImageInsights(Answer):
    """Insights about one image: the answer of `details`. A module without data is `None`."""

    image_insights_token: str | None = None
    """Token for further calls; often not the one that was sent."""
    best_representative_query: Query | None = None
    image_caption: ImageInsightsImageCaption | None = None
    related_collections: RelatedCollectionsModule | None = None
    pages_including: ImagesModule | None = None
    shopping_sources: AggregateOffer | None = None
    related_searches: RelatedSearchesModule | None = None
    recipes: RecipesModule | None = None
    visually_similar_images: ImagesModule | None = None
    visually_similar_products: ImagesModule | None = None
    recognized_entity_groups: RecognizedEntitiesModule | None = None
    image_tags: ImageTagsModule | None = None
    image: Image | None = None
    """The image itself, with few fields (not documented)."""
    image_based_related_searches: RelatedSearchesModule | None = None
    """Not documented."""
    detected_objects: Mapping[str, Any] | None = field(default=None, hash=False)
    """Not documented; its structure is unknown, so it is the parsed JSON."""
