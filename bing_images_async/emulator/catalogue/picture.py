"""What the catalogue holds and what it is asked: frozen values, no behaviour."""

from collections.abc import Mapping
from datetime import datetime

import attrs


@attrs.frozen
class Picture:
    """One picture of a catalogue and all that an answer says about it.

    Its original has exactly `width` x `height` pixels and `content_size` bytes in `encoding_format`:
    `Catalogue.content` returns those bytes.
    """

    image_id: str
    """40 upper-case hexadecimal digits, the same in every build of the same corpus."""
    names: Mapping[str, str]
    """Language code (`"en"`, `"de"`, `"ja"`, …) to display name; `"en"` is always there."""
    keywords: tuple[str, ...]
    """English words it is found by, beside its names."""
    category: str
    """One lower-case word or two, e.g. `"animals"`."""
    tags: tuple[str, ...]
    """What is to be seen in it, for the `Tags` module of details."""
    width: int
    height: int
    content_size: int
    encoding_format: str
    """`png`, `jpeg`, `gif`, … as the API spells it (no `image/`)."""
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
    """The API's word for the licence, e.g. AttributionShareAlike; empty where none is known."""
    is_family_friendly: bool
    date_published: datetime
    """When it was discovered (aware, UTC): what `freshness` goes by."""
    phash: int
    """64-bit perceptual hash, unsigned: few differing bits mean alike pictures."""
    attribution: str
    license_name: str
    license_url: str
    source_url: str
    slug: str
    """File name without extension, safe in a URL path."""


@attrs.frozen
class Filters:
    """The filters of `/images/search`; None is "off". Strings are the API's canonical spelling.

    `size`, `aspect` and `license` may also be `All`, which filters nothing.
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
    """One slice of what was found."""

    pictures: tuple[Picture, ...]
    total: int
    """How many match in all, not only in this slice."""
    altered_query: str | None
    """The respelled query that was searched in place of the one given."""
    matched_all: bool
    """False: nothing has all the words, so these have some of them."""
