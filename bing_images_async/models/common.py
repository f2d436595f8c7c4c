"""Models that occur in the answers of more than one endpoint.

Names follow the API: a class has its documented name, a field is the snake_case of its JSON name. Every field is
optional, because the service leaves out what it does not know: a missing text or number is `None`, a missing list is
`()`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from attrs import field, frozen

from .thumbnails import Crop, thumbnail_url

__all__ = [
    "AggregateOffer",
    "AggregateRating",
    "CreativeWork",
    "Image",
    "InsightsMetadata",
    "Instrumentation",
    "MediaSize",
    "Offer",
    "Organization",
    "Person",
    "Query",
    "Rating",
    "Thing",
    "Thumbnail",
    "VideoObject",
    "wire",
]


def wire(name: str) -> Any:
    """Define an optional text field whose JSON name is not the camelCase of its Python name."""
    return field(default=None, metadata={"wire": name})


def one_or_many() -> Any:
    """Define a tuple field for a list that the documentation shows as a single object; both are decoded."""
    return field(default=(), metadata={"one_or_many": True})


@frozen(kw_only=True)
class Instrumentation:
    """Tracking data of the service (not documented)."""

    type_: str | None = wire("_type")
    ping_url_base: str | None = None
    page_load_ping_url: str | None = None


@frozen(kw_only=True)
class MediaSize:
    """Width and height in pixels."""

    width: int | None = None
    height: int | None = None


@frozen(kw_only=True)
class Thumbnail:
    """A picture that illustrates a query.

    The documentation says `url`, search answers contain `thumbnailUrl`, the old schema an image. All three are decoded;
    `href` is the address that was sent.
    """

    url: str | None = None
    thumbnail_url: str | None = None
    content_url: str | None = None
    width: int | None = None
    height: int | None = None

    @property
    def href(self) -> str | None:
        """Address of the picture, from any of the three fields."""
        return self.thumbnail_url or self.url or self.content_url


@frozen(kw_only=True)
class Query:
    """A suggested query: its text, its label and its links."""

    text: str | None = None
    """The text to search for, as sent, including white space at its end."""
    display_text: str | None = None
    web_search_url: str | None = None
    search_link: str | None = None
    """Internal API link of the service. Its path is not public: search for `text` instead."""
    thumbnail: Thumbnail | None = None
    web_search_url_ping_suffix: str | None = None


@frozen(kw_only=True)
class Rating:
    """A rating; the documentation gives 1.0 to 5.0 as the range of both numbers."""

    rating_value: float | None = None
    best_rating: float | None = None
    text: str | None = None
    type_: str | None = wire("_type")


@frozen(kw_only=True)
class AggregateRating(Rating):
    """The mean of `review_count` ratings."""

    review_count: int | None = None


@frozen(kw_only=True)
class Thing:
    """Base class from schema.org: an object with a name, an address and a description."""

    type_: str | None = wire("_type")
    id: str | None = None
    read_link: str | None = None
    web_search_url: str | None = None
    name: str | None = None
    url: str | None = None
    image: Image | None = None
    description: str | None = None
    alternate_name: str | None = None
    bing_id: str | None = None


@frozen(kw_only=True)
class Organization(Thing):
    """A seller; `image.url` is its logo."""


@frozen(kw_only=True)
class Person(Thing):
    """A person in an image, or an author."""

    job_title: str | None = None
    twitter_profile: str | None = None


@frozen(kw_only=True)
class Offer(Thing):
    """The offer of a shop for a product."""

    seller: Organization | None = None
    price: float | None = None
    price_currency: str | None = None
    """ISO 4217 code, as sent."""
    availability: str | None = None
    """One of `ItemAvailability` (`InStock`, `OutOfStock`, …), or a value that the service added later."""
    aggregate_rating: AggregateRating | None = None
    last_updated: datetime | None = None
    """In UTC; a date without a zone is taken as UTC."""
    low_price: float | None = None
    offer_count: int | None = None


@frozen(kw_only=True)
class AggregateOffer(Offer):
    """Several offers for one product."""

    offers: tuple[Offer, ...] = ()


@frozen(kw_only=True)
class VideoObject:
    """The video from which an image was taken (not documented)."""

    name: str | None = None
    creator: Person | None = None
    duration: str | None = None
    """ISO 8601 duration, such as `PT3M20S`."""
    embed_html: str | None = None
    allow_https_embed: bool | None = None
    video_id: str | None = None
    allow_mobile_embed: bool | None = None


@frozen(kw_only=True)
class InsightsMetadata:
    """Summary of the insights that `details` has for an image: numbers of shops, recipes, pages and sizes."""

    shopping_sources_count: int | None = None
    recipe_sources_count: int | None = None
    pages_including_count: int | None = None
    available_sizes_count: int | None = None
    aggregate_offer: AggregateOffer | None = None
    """Offers for the product of the module SimilarProducts: lowest price, number of offers, rating."""
    best_representative_query: Query | None = None
    video_object: VideoObject | None = None


@frozen(kw_only=True)
class CreativeWork(Thing):
    """A Thing with an author or provider, such as an image or a recipe."""

    thumbnail_url: str | None = None
    provider: tuple[Thing, ...] = ()
    date_published: datetime | None = None
    """In UTC; a date without a zone is taken as UTC."""
    text: str | None = None


_BYTES = re.compile(r"(\d{1,18}) ?B", re.ASCII)


@frozen(kw_only=True)
class Image(CreativeWork):
    """An image in an answer.

    Search answers fill most fields. Images of trending and of `ImageInsights.image` have few: an address, a thumbnail,
    sometimes a size. Addresses are as sent: they may not work any more, may be plain HTTP, and may contain characters
    that are not allowed in a URL.
    """

    image_id: str | None = None
    """Id of the image, the same in all answers; use it to detect duplicates."""
    image_insights_token: str | None = None
    """Token for `details`. Not an id: the same image has different tokens in different answers."""
    insights_metadata: InsightsMetadata | None = None
    thumbnail: MediaSize | None = None
    """Width and height of the thumbnail at `thumbnail_url`, in pixels."""
    content_url: str | None = None
    """Address of the original file."""
    host_page_url: str | None = None
    host_page_display_url: str | None = None
    """A label, not an address."""
    host_page_domain_friendly_name: str | None = None
    host_page_fav_icon_url: str | None = None
    host_page_discovered_date: datetime | None = None
    """In UTC; a date without a zone is taken as UTC."""
    content_size: str | None = None
    """Size as sent, such as `"48213 B"`; `content_size_bytes` is the number."""
    encoding_format: str | None = None
    """`jpeg`, `png`, …, not a media type."""
    width: int | None = None
    """Pixels of the original."""
    height: int | None = None
    """Pixels of the original."""
    accent_color: str | None = None
    """Dominant colour as six hex digits without `#`."""
    creative_commons: str | None = None
    """Licence, such as `Attribution` or `PublicNoRightsReserved`."""
    is_family_friendly: bool | None = None
    is_transparent: bool | None = None
    is_fresh: bool | None = None
    cdn_content_url: str | None = wire("cDNContentUrl")
    proxy_content_url: str | None = None
    """Address of the original through the service's own host (since 2023, not documented)."""
    visual_words: str | None = None
    content_url_ping_suffix: str | None = None
    host_page_url_ping_suffix: str | None = None
    web_search_url_ping_suffix: str | None = None

    @property
    def content_size_bytes(self) -> int | None:
        """Size of the original in bytes; `None` if it is unknown or has another unit."""
        match = _BYTES.fullmatch(self.content_size or "")
        return int(match[1]) if match else None

    def thumbnail_at(
        self,
        *,
        width: int | None = None,
        height: int | None = None,
        crop: Crop | None = None,
        padding: bool = False,
    ) -> str | None:
        """Return the address of the thumbnail in another size (API page "Resize and crop thumbnail images").

        Args:
            width: pixels. With only one of `width` and `height` the aspect ratio is kept.
            height: pixels.
            crop: with both sizes: `"smart"` keeps the region of interest, `"blind"` cuts around the centre.
            padding: with both sizes: fill the rest with white.

        Returns:
            The address; `None` if the image has no thumbnail.

        Raises:
            InvalidRequestError: a size is below 1, or `crop` is given without both sizes.
        """
        if self.thumbnail_url is None:
            return None
        return thumbnail_url(self.thumbnail_url, width=width, height=height, crop=crop, padding=padding)
