"""The answer of `/images/details`: one object per module that was asked for and had something to say."""

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
    """A region of an image: fractions (0 to 1) of its width and height, from the top left corner.

    In answers it is the region of a recognised entity, in coordinates of the whole image even if a
    crop was asked for. As `crop=` of `details` it is the region to look at.
    """

    left: float | None = None
    top: float | None = None
    right: float | None = None
    bottom: float | None = None
    type_: str | None = wire("_type")


@frozen(kw_only=True)
class Recipe(CreativeWork):
    """A recipe for the dish in the image. The times are ISO 8601 durations such as `PT45M`."""

    creator: Person | None = None
    cook_time: str | None = None
    prep_time: str | None = None
    total_time: str | None = None
    aggregate_rating: AggregateRating | None = None


@frozen(kw_only=True)
class ImageGallery(CreativeWork):
    """A collection that holds the image."""

    creator: Person | None = None
    source: str | None = None
    images_count: int | None = None
    followers_count: int | None = None


@frozen(kw_only=True)
class InsightsTag:
    """A word for what the image shows."""

    name: str | None = None


@frozen(kw_only=True)
class RecognizedEntity:
    """Somebody or something that was recognised, with a confidence from 0 to 1."""

    entity: Person | None = None
    match_confidence: float | None = None
    type_: str | None = wire("_type")
    id: str | None = None
    read_link: str | None = None
    web_search_url: str | None = None


@frozen(kw_only=True)
class RecognizedEntityRegion:
    """A region and what was recognised in it, best match first."""

    region: NormalizedRectangle | None = None
    matching_entities: tuple[RecognizedEntity, ...] = ()
    type_: str | None = wire("_type")
    id: str | None = None
    read_link: str | None = None
    web_search_url: str | None = None


@frozen(kw_only=True)
class RecognizedEntityGroup:
    """The regions that one recogniser found, as `CelebrityAnnotations`."""

    name: str | None = None
    recognized_entity_regions: tuple[RecognizedEntityRegion, ...] = ()


@frozen(kw_only=True)
class ImagesModule:
    """A list of images. One address may come twice in `pages_including`, and rightly so."""

    value: tuple[Image, ...] = ()


@frozen(kw_only=True)
class RelatedCollectionsModule:
    """A list of collections."""

    value: tuple[ImageGallery, ...] = ()


@frozen(kw_only=True)
class RelatedSearchesModule:
    """A list of queries. (In search answers and captions the same list comes without this wrapper.)"""

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
    """A sentence about the image, and the page it comes from."""

    caption: str | None = None
    data_source_url: str | None = None
    related_searches: tuple[Query, ...] = one_or_many()


@frozen(kw_only=True)
class ImageInsights(Answer):
    """What the service knows of one image. A module without data is `None`."""

    image_insights_token: str | None = None
    """For further calls; often not the one that was sent."""
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
    """The image itself, thin (seen on the wire, not documented)."""
    image_based_related_searches: RelatedSearchesModule | None = None
    """Seen on the wire, not documented."""
    detected_objects: Mapping[str, Any] | None = field(default=None, hash=False)
    """Seen on the wire; its shape is not known, so it stays as parsed."""
