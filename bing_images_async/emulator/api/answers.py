"""The objects that all answers are made of: images and queries, as JSON the way later bodies of the API look.

What can be computed comes from the catalogue. Which of the optional fields an image goes without is drawn
from its id: real answers have gaps, and a client that was never shown one will trip over the first.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs

from ..catalogue.picture import Picture
from ..catalogue.thumbnail_renderer import default_size
from ..deterministic_random import draw
from .links import Links

Json = dict[str, Any]


@attrs.frozen
class Style:
    """What shapes an answer beside its content: for whom it is written and with which habits."""

    links: Links
    language: str
    seed: int
    plain: bool
    """The caller asked (`X-BingApis-SDK`) for documented fields only."""
    invented: bool
    """Make up what a catalogue of pictures cannot know: shops, recipes, people."""
    today: datetime
    """Midnight of the day of the answer, UTC."""

    def name(self, picture: Picture) -> str:
        return picture.names.get(self.language) or picture.names["en"]


def timestamp(moment: datetime) -> str:
    """The API's form: seven digits of a fraction, and Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.0000000Z")


def query_object(style: Style, text: str, *, shown: str | None = None, form: str = "IRPATC") -> Json:
    """A Query without a thumbnail. `shown` is its label where that is not the query itself."""
    return {"text": text, "displayText": shown or text, "webSearchUrl": style.links.web_search(text, form)}


def query_tile(style: Style, text: str, *, shown: str | None = None, key: str = "thumbnailUrl") -> Json:
    """A Query with API link and thumbnail. Real answers name the thumbnail's URL in two ways: see `key`."""
    tile = query_object(style, text, shown=shown)
    tile["searchLink"] = style.links.api_search(text)
    tile["thumbnail"] = {key: style.links.query_thumbnail(text)}
    return tile


def thin_image(style: Style, picture: Picture) -> Json:
    """What trending shows of an image."""
    width, height = default_size(picture)
    return {
        "thumbnailUrl": style.links.thumbnail(picture, "OET"),
        "contentUrl": style.links.content(picture),
        "thumbnail": {"width": width, "height": height},
        "imageId": picture.image_id,
    }


def image(style: Style, picture: Picture, query: str, token: str) -> Json:
    """An Image as search lists it. `query` is what found it, `token` its insights token here."""
    links = style.links
    width, height = default_size(picture)
    page = links.page(picture)
    gaps = draw(style.seed, picture.image_id, "gaps")
    body: Json = {
        "webSearchUrl": links.web_image(query, picture),
        "name": style.name(picture),
        "thumbnailUrl": links.thumbnail(picture),
        "datePublished": timestamp(picture.date_published),
        "isFamilyFriendly": picture.is_family_friendly,
        "contentUrl": links.content(picture),
        "hostPageUrl": page,
        "contentSize": f"{picture.content_size} B",
        "encodingFormat": picture.encoding_format,
        "hostPageDisplayUrl": display_url(page),
        "width": picture.width,
        "height": picture.height,
        "thumbnail": {"width": width, "height": height},
        "imageInsightsToken": token,
        "imageId": picture.image_id,
        "accentColor": picture.accent_color,
    }
    if picture.creative_commons:
        body["creativeCommons"] = picture.creative_commons
    if gaps & 0b11100:
        body["hostPageDomainFriendlyName"] = site_name(picture)
    if not style.plain:
        body |= _undocumented(style, picture, gaps)
    if gaps & 0b11111 << 5:
        body["insightsMetadata"] = insights_metadata(style, picture, gaps)
    return body


def insights_metadata(style: Style, picture: Picture, gaps: int) -> Json:
    """The counts on an image; each agrees with what details would list."""
    body: Json = {"pagesIncludingCount": 1 + len(subjects_of(picture)), "availableSizesCount": 1}
    if style.invented:
        body["shoppingSourcesCount"] = offers_of(style.seed, picture)
        body["recipeSourcesCount"] = recipes_of(style.seed, picture)
    if gaps & 0b11 << 10:
        body["bestRepresentativeQuery"] = query_object(style, style.name(picture), form="IDBQDM")
    return body


def _undocumented(style: Style, picture: Picture, gaps: int) -> Json:
    """Fields that are in no documentation and in many answers."""
    body: Json = {}
    if gaps & 1 << 12:
        body["hostPageFavIconUrl"] = style.links.favicon(picture)
    if gaps & 1 << 13:
        body["hostPageDiscoveredDate"] = timestamp(picture.date_published)
    if gaps & 0b11 << 14 == 0:
        body["cDNContentUrl"] = style.links.content(picture, "cdn")
    if gaps & 0b11 << 16:
        body["isTransparent"] = picture.is_transparent
    if gaps & 1 << 18:
        body["isFresh"] = style.today - picture.date_published < timedelta(days=7)
    return body


def pages_of(links: Links, picture: Picture) -> tuple[str, ...]:
    """The pages of this service that show a picture: its own, and the galleries of its category and tags."""
    return (links.page(picture), *(links.collection(subject, picture) for subject in subjects_of(picture)))


def subjects_of(picture: Picture) -> tuple[str, ...]:
    """What there are galleries of: the category and the first tags."""
    return tuple(subject for subject in dict.fromkeys((picture.category, *picture.tags[:4])) if subject)


def offers_of(seed: int, picture: Picture) -> int:
    """How many invented shops sell a picture."""
    return draw(seed, picture.image_id, "offers") % 5


def recipes_of(seed: int, picture: Picture) -> int:
    """How many invented recipes go with a picture."""
    return draw(seed, picture.image_id, "recipes") % 4


def site_name(picture: Picture) -> str:
    """Where a picture is from, for people: the domain of its source."""
    domain = picture.source_url.partition("://")[2].partition("/")[0].removeprefix("www.")
    return domain or "Local pictures"


def display_url(url: str) -> str:
    """A label, not a URL: no scheme, no query, cut where it gets long."""
    label = url.partition("://")[2].partition("?")[0]
    return label if len(label) <= 70 else f"{label[:67]}..."


def envelope(style: Style, kind: str, fields: Mapping[str, Any]) -> Json:
    """A whole answer: its type first, then the extras of the wire, then its fields; absent ones left out."""
    body: Json = {"_type": kind}
    if not style.plain:
        body["instrumentation"] = {"_type": "ResponseInstrumentation"}
    body.update((name, value) for name, value in fields.items() if value is not None)
    return body
