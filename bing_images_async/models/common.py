"""The objects that answers of more than one endpoint are made of.

Names follow the API: a class has its documented name, a field is the snake_case of its JSON name.
Every field is optional, for the service leaves out what it does not know. A missing text or number
is `None`, a missing list is `()`.
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
    """An optional text field whose JSON name is not the camelCase of its Python name."""
    return field(default=None, metadata={"wire": name})


def one_or_many() -> Any:
    """A list for which the documentation shows a single object: both are read, into a tuple."""
    return field(default=(), metadata={"one_or_many": True})


@frozen(kw_only=True)
class Instrumentation:
    """Tracking data of the service (seen on the wire, not documented)."""

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

    The documentation says `url`; search answers carry `thumbnailUrl`; the old schema has a whole
    image here. All three are read; `href` is whichever address came.
    """

    url: str | None = None
    thumbnail_url: str | None = None
    content_url: str | None = None
    width: int | None = None
    height: int | None = None

    @property
    def href(self) -> str | None:
        """The address of the picture, under whichever name it came."""
        return self.thumbnail_url or self.url or self.content_url


@frozen(kw_only=True)
class Query:
    """A query that can be searched for (`text`), with how to show it."""

    text: str | None = None
    """What to search for; kept as sent, even with blanks at its end."""
    display_text: str | None = None
    web_search_url: str | None = None
    search_link: str | None = None
    """An API link of the service. Do not call it: its path is not a public one. Search for `text`."""
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
    """What schema.org calls a Thing: something with a name, an address and a description."""

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
    """A person who was recognised in an image, or the author of something."""

    job_title: str | None = None
    twitter_profile: str | None = None


@frozen(kw_only=True)
class Offer(Thing):
    """What a shop asks for a product."""

    seller: Organization | None = None
    price: float | None = None
    price_currency: str | None = None
    """ISO 4217, as the service spells it."""
    availability: str | None = None
    """One of `ItemAvailability` (`InStock`, `OutOfStock`, …), or a word the service added later."""
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
    """The video an image was taken from (seen on the wire, not documented)."""

    name: str | None = None
    creator: Person | None = None
    duration: str | None = None
    """ISO 8601, as in `PT3M20S`."""
    embed_html: str | None = None
    allow_https_embed: bool | None = None
    video_id: str | None = None
    allow_mobile_embed: bool | None = None


@frozen(kw_only=True)
class InsightsMetadata:
    """What `details` could tell of an image: how many shops, recipes, pages and sizes there are."""

    shopping_sources_count: int | None = None
    recipe_sources_count: int | None = None
    pages_including_count: int | None = None
    available_sizes_count: int | None = None
    aggregate_offer: AggregateOffer | None = None
    """Of a product found by the module SimilarProducts: lowest price, number of offers, rating."""
    best_representative_query: Query | None = None
    video_object: VideoObject | None = None


@frozen(kw_only=True)
class CreativeWork(Thing):
    """A Thing that somebody made."""

    thumbnail_url: str | None = None
    provider: tuple[Thing, ...] = ()
    date_published: datetime | None = None
    """In UTC; a date without a zone is taken as UTC."""
    text: str | None = None


_BYTES = re.compile(r"(\d{1,18}) ?B", re.ASCII)


@frozen(kw_only=True)
class Image(CreativeWork):
    """An image that was found.

    Search answers fill most fields. Images of trending and of `ImageInsights.image` are thin: an
    address, a thumbnail, sometimes a size. Addresses are kept as sent; they may be dead, plain
    HTTP, or hold characters that are not allowed in a URL.
    """

    image_id: str | None = None
    """Names the image from call to call; use it to tell duplicates."""
    image_insights_token: str | None = None
    """For `details`. Not an identity: the same image has another token in another answer."""
    insights_metadata: InsightsMetadata | None = None
    thumbnail: MediaSize | None = None
    """Width and height of what `thumbnail_url` shows, in pixels."""
    content_url: str | None = None
    """The original file."""
    host_page_url: str | None = None
    host_page_display_url: str | None = None
    """A label, not an address."""
    host_page_domain_friendly_name: str | None = None
    host_page_fav_icon_url: str | None = None
    host_page_discovered_date: datetime | None = None
    """In UTC; a date without a zone is taken as UTC."""
    content_size: str | None = None
    """As sent, `"48213 B"`; `content_size_bytes` is the number."""
    encoding_format: str | None = None
    """`jpeg`, `png`, …; not a media type."""
    width: int | None = None
    """Pixels of the original."""
    height: int | None = None
    """Pixels of the original."""
    accent_color: str | None = None
    """Six hex digits, without `#`."""
    creative_commons: str | None = None
    """The licence, as `Attribution` or `PublicNoRightsReserved`."""
    is_family_friendly: bool | None = None
    is_transparent: bool | None = None
    is_fresh: bool | None = None
    cdn_content_url: str | None = wire("cDNContentUrl")
    proxy_content_url: str | None = None
    """The original through the service's own host (in answers since 2023, not documented)."""
    visual_words: str | None = None
    content_url_ping_suffix: str | None = None
    host_page_url_ping_suffix: str | None = None
    web_search_url_ping_suffix: str | None = None

    @property
    def content_size_bytes(self) -> int | None:
        """The size of the original in bytes, or `None` if it is not known or has another unit."""
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
        """The address of the thumbnail in another size; `None` if the image has no thumbnail.

        `width` and `height` are in pixels; with one of them the aspect ratio is kept. With both,
        `crop="smart"` keeps the region of interest, `crop="blind"` cuts by ratio alone, and
        `padding=True` fills up with white.

        Raises `InvalidRequestError` for sizes below 1, and for a crop without both sizes.
        Source: API page "Resize and crop thumbnail images".
        """
        if self.thumbnail_url is None:
            return None
        return thumbnail_url(self.thumbnail_url, width=width, height=height, crop=crop, padding=padding)
