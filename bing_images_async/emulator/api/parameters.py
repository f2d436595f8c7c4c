"""Query parameters of the API: reading and validation.

Names and enum values are case-insensitive, unknown names are ignored, and a name with an empty value counts as absent.
All errors are collected for one 400.
"""

import re
from collections.abc import Iterable

import attrs

from ..catalogue.emoji_names import LANGUAGES
from ..catalogue.picture import Filters
from .error_bodies import ErrorEntry, ServiceError, invalid, missing
from .markets import COUNTRIES, accepted_languages, best_fit, in_country, language_of

DEFAULT_COUNT, MAX_COUNT = 35, 150
MAX_SHORT = 65_535
"""Largest `offset` and pixel size: unsigned shorts in the API's documentation."""
MAX_FILE_SIZE = 520_192
"""Larger values of `minFileSize` and `maxFileSize` are reduced to this."""

SAFE_SEARCH = ("Off", "Moderate", "Strict")
ASPECTS = ("All", "Square", "Wide", "Tall")
COLORS = (
    "ColorOnly", "Monochrome", "Black", "Blue", "Brown", "Gray", "Green", "Orange", "Pink", "Purple",
    "Red", "Teal", "White", "Yellow",
)  # fmt: skip
FRESHNESS = ("Day", "Week", "Month")
CONTENTS = ("Face", "Portrait")
TYPES = ("AnimatedGif", "AnimatedGifHttps", "Clipart", "Line", "Photo", "Shopping", "Transparent")
LICENSES = ("All", "Any", "Public", "Share", "ShareCommercially", "Modify", "ModifyCommercially")
SIZES = ("All", "Small", "Medium", "Large", "Wallpaper")
MODULES = (
    "BRQ", "Caption", "Collections", "PagesIncluding", "Recipes", "RelatedSearches", "ShoppingSources",
    "SimilarImages", "SimilarProducts", "Tags",
)  # fmt: skip
"""The modules of `All`: all but RecognizedEntities."""

_MARKET = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]+)?-[A-Za-z]{2}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{2,4})?")
_IMAGE_ID = re.compile(r"[0-9A-Fa-f]{40}")


@attrs.define
class ParameterReader:
    """Reads the parameters of one request and collects their errors."""

    values: dict[str, str]
    errors: list[ErrorEntry] = attrs.field(factory=list[ErrorEntry])

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "ParameterReader":
        """Create a reader. The last value of a repeated name is used."""
        return cls({name.lower(): value for name, value in pairs if value.strip()})

    def text(self, name: str) -> str | None:
        return self.values.get(name.lower())

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """Return the value in the API's spelling."""
        given = self.text(name)
        if given is None:
            return None
        for word in allowed:
            if word.lower() == given.lower():
                return word
        self.errors.append(invalid(name, given, f"Allowed values: {', '.join(allowed)}."))
        return None

    def whole(self, name: str, lowest: int, highest: int) -> int | None:
        given = self.text(name)
        if given is None:
            return None
        # isdecimal alone accepts digits of other scripts.
        if given.isascii() and given.isdecimal() and len(given) < 16 and lowest <= int(given) <= highest:
            return int(given)
        self.errors.append(invalid(name, given, f"A whole number from {lowest} to {highest} is expected."))
        return None

    def share(self, name: str) -> float | None:
        """Return a fraction of a width or height, 0.0 to 1.0."""
        given = self.text(name)
        if given is None:
            return None
        try:
            value = float(given)
        except ValueError:
            value = -1.0
        if 0.0 <= value <= 1.0:
            return value
        self.errors.append(invalid(name, given, "A number from 0.0 to 1.0 is expected."))
        return None

    def exclude(self, name: str, *others: str) -> None:
        """Collect an error if `name` is combined with one of `others`."""
        for other in others:
            clashing = self.text(other)
            if clashing is not None and self.text(name) is not None:
                self.errors.append(invalid(other, clashing, f"{other} and {name} are mutually exclusive."))

    def finish(self) -> None:
        """Raise ServiceError (400) if there are errors."""
        if self.errors:
            raise ServiceError(400, *self.errors)


def read_market(reader: ParameterReader, accept_language: str | None) -> str:
    """Return the market of the answer: `mkt`, else that of `cc` and `Accept-Language`, else en-US."""
    reader.exclude("mkt", "cc")
    tags = accepted_languages(accept_language or "")
    market, country = reader.text("mkt"), reader.text("cc")
    if market is not None:
        if not _MARKET.fullmatch(market):
            reader.errors.append(invalid("mkt", market, "A market looks like en-US: language, dash, country."))
        return best_fit(market)
    if country is not None:
        if country.upper() not in COUNTRIES:
            reader.errors.append(invalid("cc", country, "A country code of the API's list is expected."))
        else:  # the documentation requires Accept-Language as well; the official SDK does not send it
            return in_country(country.upper(), tags)
    return best_fit(tags[0]) if tags else best_fit("en-US")


def read_language(reader: ParameterReader, accept_language: str | None, market: str) -> str:
    """Return the language of names: that of the requested market, also if the API has no such market."""
    tags = [reader.text("mkt") or "", *accepted_languages(accept_language or "")]
    wanted = next(filter(None, tags), market) if reader.text("cc") is None else market
    language = language_of(wanted)
    return language if language in LANGUAGES else language_of(market)


def read_ui_language(reader: ParameterReader) -> str:
    """Return the language of links and pages, as in HTML's `lang`; unknown ones become English.

    The documentation excludes `setLang` with `Accept-Language`; but browsers send that header with every request.
    """
    given = reader.text("setLang")
    if given is None:
        return "en"
    if not _LANGUAGE.fullmatch(given) or given.lower() == "zh":
        return "en"
    return "ja" if given.lower() == "jp" else given.lower()  # the API writes Japanese `jp`


def read_family_friendly_only(reader: ParameterReader) -> bool:
    return reader.choice("safeSearch", SAFE_SEARCH) != "Off"


@attrs.frozen
class SearchParameters:
    """Parameters of search."""

    text: str
    count: int
    offset: int
    first_id: str | None
    filters: Filters


def read_search(reader: ParameterReader, market: str) -> SearchParameters:
    """Read the parameters of search. Raises ServiceError (400) with all errors."""
    text, first_id = reader.text("q"), reader.text("id")
    if text is None:
        reader.errors.append(missing("q"))
    if first_id is not None and not _IMAGE_ID.fullmatch(first_id):
        reader.errors.append(invalid("id", first_id, "An imageId has 40 hexadecimal digits."))
    count = reader.whole("count", 1, MAX_COUNT)
    offset = reader.whole("offset", 0, MAX_SHORT)
    filters = _read_filters(reader, market)
    reader.finish()
    return SearchParameters(
        text=(text or "").strip(),
        count=DEFAULT_COUNT if count is None else count,
        offset=0 if offset is None else offset,
        first_id=None if first_id is None else first_id.upper(),
        filters=filters,
    )


def _read_filters(reader: ParameterReader, market: str) -> Filters:
    reader.exclude("width", "minWidth", "maxWidth")
    reader.exclude("height", "minHeight", "maxHeight")
    kind = reader.choice("imageType", TYPES)
    if kind == "Shopping" and market != "en-US":
        reader.errors.append(invalid("imageType", kind, "Shopping is for the market en-US only."))
    return Filters(
        size=reader.choice("size", SIZES),
        aspect=reader.choice("aspect", ASPECTS),
        color=reader.choice("color", COLORS),
        freshness=reader.choice("freshness", FRESHNESS),
        image_content=reader.choice("imageContent", CONTENTS),
        image_type=kind,
        license=reader.choice("license", LICENSES),
        width=reader.whole("width", 0, MAX_SHORT),
        height=reader.whole("height", 0, MAX_SHORT),
        min_width=reader.whole("minWidth", 0, MAX_SHORT),
        max_width=reader.whole("maxWidth", 0, MAX_SHORT),
        min_height=reader.whole("minHeight", 0, MAX_SHORT),
        max_height=reader.whole("maxHeight", 0, MAX_SHORT),
        min_file_size=_read_file_size(reader, "minFileSize"),
        max_file_size=_read_file_size(reader, "maxFileSize"),
        family_friendly_only=read_family_friendly_only(reader),
    )


def _read_file_size(reader: ParameterReader, name: str) -> int | None:
    size = reader.whole(name, 0, 2**32)
    return None if size is None else min(size, MAX_FILE_SIZE)


@attrs.frozen
class Region:
    """A region of a picture, as fractions of its width and height from the top left."""

    left: float
    top: float
    right: float
    bottom: float


@attrs.frozen
class DetailsParameters:
    """Parameters of details. Token, URL and id are None if the picture is uploaded."""

    token: str | None
    image_url: str | None
    image_id: str | None
    text: str | None
    modules: frozenset[str]
    region: Region | None
    family_friendly_only: bool


DETAILS_REFERENCES = ("insightsToken", "imgUrl", "id")
"""The parameters that name an image."""


def read_details(reader: ParameterReader, *, uploaded: bool) -> DetailsParameters:
    """Read the parameters of details. Raises ServiceError (400) with all errors."""
    reader.exclude("insightsToken", "imgUrl")
    if not uploaded and all(reader.text(name) is None for name in DETAILS_REFERENCES):
        reader.errors.append(missing("insightsToken", "Send insightsToken, imgUrl or a picture in the body of a POST."))
    parameters = DetailsParameters(
        token=reader.text("insightsToken"),
        image_url=reader.text("imgUrl"),
        image_id=reader.text("id"),
        text=reader.text("q"),
        modules=_read_modules(reader),
        region=_read_region(reader),
        family_friendly_only=read_family_friendly_only(reader),
    )
    reader.finish()
    return parameters


def _read_modules(reader: ParameterReader) -> frozenset[str]:
    given = reader.text("modules")
    if given is None:
        return frozenset(MODULES)
    known = {word.lower(): word for word in ("All", *MODULES, "RecognizedEntities")}
    chosen: set[str] = set()
    for word in filter(None, (item.strip() for item in given.split(","))):
        if word.lower() in known:
            chosen.add(known[word.lower()])
        else:
            reader.errors.append(invalid("modules", word, f"Allowed values: {', '.join(known.values())}."))
    if len(chosen) > 1:
        chosen.discard("RecognizedEntities")  # the API ignores it in combination with other modules
    return frozenset(MODULES) if "All" in chosen else frozenset(chosen)


def _read_region(reader: ParameterReader) -> Region | None:
    shape = reader.text("ct")
    if shape is not None and shape.lower() not in {"0", "rectangular"}:
        reader.errors.append(invalid("ct", shape, "0 (rectangular) is the only crop type."))
    names, whole = ("cal", "cat", "car", "cab"), (0.0, 0.0, 1.0, 1.0)
    given = [reader.share(name) for name in names]
    if given == [None] * 4:
        return None
    region = Region(*(edge if share is None else share for share, edge in zip(given, whole, strict=True)))
    if region.left >= region.right:
        reader.errors.append(invalid("car", str(region.right), "car has to be greater than cal."))
    if region.top >= region.bottom:
        reader.errors.append(invalid("cab", str(region.bottom), "cab has to be greater than cat."))
    return region
