"""The values of catalogues: pictures, filters and search results."""

from collections.abc import Mapping
from datetime import datetime

import attrs


@attrs.frozen
class Picture:
    """A picture of a catalogue, with all data for answers.

    Its original has exactly `width` x `height` pixels and `content_size` bytes in `encoding_format`:
    `Catalogue.content` returns those bytes.
    """

    image_id: str
    """40 upper-case hexadecimal digits, equal in every build of the same corpus."""
    names: Mapping[str, str]
    """Language code (`"en"`, `"de"`, `"ja"`, …) to display name; `"en"` is always present."""
    keywords: tuple[str, ...]
    """English search terms besides its names."""
    category: str
    """One or two lower-case words, e.g. `"animals"`."""
    tags: tuple[str, ...]
    """Its content in keywords, for the `Tags` module of details."""
    width: int
    height: int
    content_size: int
    encoding_format: str
    """`png`, `jpeg`, `gif`, … without `image/`, as in the API."""
    color: str
    """Dominant colour: Black, Blue, Brown, Gray, Green, Orange, Pink, Purple, Red, Teal, White or Yellow."""
    is_monochrome: bool
    accent_color: str
    """Six upper-case hexadecimal digits, RRGGBB."""
    is_transparent: bool
    image_type: str
    """Clipart, Line, Photo or AnimatedGif. (The API's Transparent is `is_transparent`.)"""
    image_content: str | None
    """Face (head only), Portrait (head and shoulders) or None."""
    creative_commons: str
    """Licence as a value of the API, e.g. AttributionShareAlike; empty if unknown."""
    is_family_friendly: bool
    date_published: datetime
    """Time of discovery (aware, UTC), for the filter `freshness`."""
    phash: int
    """Perceptual hash, unsigned: few differing bits mean similar pictures."""
    attribution: str
    license_name: str
    license_url: str
    source_url: str
    slug: str
    """File name without extension, safe in a URL path."""


@attrs.frozen
class Filters:
    """The filters of `/images/search`; None: no filter. Strings are the API's canonical spelling.

    `size`, `aspect` and `license` may also be `All`, which equals None.
    """

    size: str | None = None
    aspect: str | None = None
    color: str | None = None
    freshness: str | None = None
    image_content: str | None = None
    image_type: str | None = None
    license: str | None = None
    width: int | None = None
    height: int | None = None
    min_width: int | None = None
    max_width: int | None = None
    min_height: int | None = None
    max_height: int | None = None
    min_file_size: int | None = None
    max_file_size: int | None = None
    family_friendly_only: bool = False


@attrs.frozen
class Hits:
    """A range of search results."""

    pictures: tuple[Picture, ...]
    total: int
    """Number of all matches, not only of this range."""
    altered_query: str | None
    """The corrected query that was searched instead of the given one."""
    matched_all: bool
    """False: no picture has all terms, and these have some of them."""
