"""JSON objects that all answers share: images, queries and the envelope, in the form of the API's later answers.

Values come from the catalogue. Which optional fields an image lacks is drawn from its id: real answers lack some, and
clients must handle that.
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
class AnswerContext:
    """The context of an answer: links, language, seed and settings."""

    links: Links
    language: str
    seed: int
    documented_only: bool
    """The client requests documented fields only (`X-BingApis-SDK`)."""
    invent_modules: bool
    """Invent what no catalogue knows: shops, recipes, people."""
    today: datetime
    """Midnight of the current day, UTC."""

    def name(self, picture: Picture) -> str:
        return picture.names.get(self.language) or picture.names["en"]


def timestamp(moment: datetime) -> str:
    """Format a timestamp as the API does: seven decimal digits, and Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.0000000Z")


def query_object(context: AnswerContext, text: str, *, shown: str | None = None, form: str = "IRPATC") -> Json:
    """Return a Query without thumbnail. `shown` is its label if that differs from the query."""
    return {"text": text, "displayText": shown or text, "webSearchUrl": context.links.web_search(text, form)}


def query_tile(context: AnswerContext, text: str, *, shown: str | None = None, key: str = "thumbnailUrl") -> Json:
    """Return a Query with API link and thumbnail. Real answers use two names for the thumbnail's URL: `key`."""
    tile = query_object(context, text, shown=shown)
    tile["searchLink"] = context.links.api_search(text)
    tile["thumbnail"] = {key: context.links.query_thumbnail(text)}
    return tile


def thin_image(context: AnswerContext, picture: Picture) -> Json:
    """Return the short Image of trending."""
    width, height = default_size(picture)
    return {
        "thumbnailUrl": context.links.thumbnail(picture, "OET"),
        "contentUrl": context.links.content(picture),
        "thumbnail": {"width": width, "height": height},
        "imageId": picture.image_id,
    }


def image(context: AnswerContext, picture: Picture, query: str, token: str) -> Json:
    """Return the Image of search, for the query that found it and with its insights token."""
    links = context.links
    width, height = default_size(picture)
    page = links.page(picture)
    gaps = draw(context.seed, picture.image_id, "gaps")
    body: Json = {
        "webSearchUrl": links.web_image(query, picture),
        "name": context.name(picture),
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
    if not context.documented_only:
        body |= _undocumented(context, picture, gaps)
    if gaps & 0b11111 << 5:
        body["insightsMetadata"] = insights_metadata(context, picture, gaps)
    return body


def insights_metadata(context: AnswerContext, picture: Picture, gaps: int) -> Json:
    """Return the counts of an image; they agree with the lists in the answer of details."""
    body: Json = {"pagesIncludingCount": 1 + len(subjects_of(picture)), "availableSizesCount": 1}
    if context.invent_modules:
        body["shoppingSourcesCount"] = offers_of(context.seed, picture)
        body["recipeSourcesCount"] = recipes_of(context.seed, picture)
    if gaps & 0b11 << 10:
        body["bestRepresentativeQuery"] = query_object(context, context.name(picture), form="IDBQDM")
    return body


def _undocumented(context: AnswerContext, picture: Picture, gaps: int) -> Json:
    """Return fields that are undocumented and occur in many answers."""
    body: Json = {}
    if gaps & 1 << 12:
        body["hostPageFavIconUrl"] = context.links.favicon(picture)
    if gaps & 1 << 13:
        body["hostPageDiscoveredDate"] = timestamp(picture.date_published)
    if gaps & 0b11 << 14 == 0:
        body["cDNContentUrl"] = context.links.content(picture, "cdn")
    if gaps & 0b11 << 16:
        body["isTransparent"] = picture.is_transparent
    if gaps & 1 << 18:
        body["isFresh"] = context.today - picture.date_published < timedelta(days=7)
    return body


def pages_of(links: Links, picture: Picture) -> tuple[str, ...]:
    """Return the pages of this service that show a picture: its own, and the galleries of its category and tags."""
    return (links.page(picture), *(links.collection(subject, picture) for subject in subjects_of(picture)))


def subjects_of(picture: Picture) -> tuple[str, ...]:
    """Return the subjects that have a gallery: the category and the first tags."""
    return tuple(subject for subject in dict.fromkeys((picture.category, *picture.tags[:4])) if subject)


def offers_of(seed: int, picture: Picture) -> int:
    """Return the number of invented shops that sell a picture."""
    return draw(seed, picture.image_id, "offers") % 5


def recipes_of(seed: int, picture: Picture) -> int:
    """Return the number of invented recipes of a picture."""
    return draw(seed, picture.image_id, "recipes") % 4


def site_name(picture: Picture) -> str:
    """Return the name of the source site: the domain of the picture's source."""
    domain = picture.source_url.partition("://")[2].partition("/")[0].removeprefix("www.")
    return domain or "Local pictures"


def display_url(url: str) -> str:
    """Return the label of a URL: without scheme and query, at most 70 characters."""
    label = url.partition("://")[2].partition("?")[0]
    return label if len(label) <= 70 else f"{label[:67]}..."


def envelope(context: AnswerContext, kind: str, fields: Mapping[str, Any]) -> Json:
    """Return an answer: its type, the undocumented fields, then `fields` without those that are None."""
    body: Json = {"_type": kind}
    if not context.documented_only:
        body["instrumentation"] = {"_type": "ResponseInstrumentation"}
    body.update((name, value) for name, value in fields.items() if value is not None)
    return body
