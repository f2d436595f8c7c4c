"""The filters of `/images/search` as a predicate.

Sizes are those of the API's reference since April 2024: Small is below 200 x 200 pixels, Medium has a side of
200 to 500, Large a side of 500 or more. Wallpaper ("extra large") is undefined there; here it has a side of 1600 or
more.
"""

from datetime import datetime, timedelta

from .picture import Filters, Picture

COLORS = (
    "Black", "Blue", "Brown", "Gray", "Green", "Orange", "Pink", "Purple", "Red", "Teal", "White", "Yellow",
)  # fmt: skip
_AGES = {"Day": timedelta(hours=24), "Week": timedelta(days=7), "Month": timedelta(days=30)}
# Values of `creative_commons`, each with the values of the `license` filter that include it.
_PERMITS = {
    "Attribution": {"Any", "Share", "ShareCommercially", "Modify", "ModifyCommercially"},
    "AttributionShareAlike": {"Any", "Share", "ShareCommercially", "Modify", "ModifyCommercially"},
    "AttributionNoDerivs": {"Any", "Share", "ShareCommercially"},
    "AttributionNonCommercial": {"Any", "Share", "Modify"},
    "AttributionNonCommercialShareAlike": {"Any", "Share", "Modify"},
    "AttributionNonCommercialNoDerivs": {"Any", "Share"},
    "PublicNoRightsReserved": {"Any", "Public", "Share", "ShareCommercially", "Modify", "ModifyCommercially"},
}
LICENSES = tuple(_PERMITS)
# Largest ratio of the sides of a square picture.
_SQUARE = 1.05


def accepts(picture: Picture, filters: Filters, now: datetime) -> bool:
    """Return whether the picture passes all filters; `now` (aware) is the end of the `freshness` interval."""
    return (
        _accepts_shape(picture, filters)
        and _accepts_kind(picture, filters)
        and _within(picture.width, filters.width, filters.min_width, filters.max_width)
        and _within(picture.height, filters.height, filters.min_height, filters.max_height)
        and _within(picture.content_size, None, filters.min_file_size, filters.max_file_size)
        and (filters.freshness is None or now - picture.date_published <= _AGES[filters.freshness])
        and (picture.is_family_friendly or not filters.family_friendly_only)
    )


def _accepts_shape(picture: Picture, filters: Filters) -> bool:
    return (filters.size in {None, "All"} or filters.size in _sizes(picture.width, picture.height)) and (
        filters.aspect in {None, "All", aspect(picture.width, picture.height)}
    )


def _accepts_kind(picture: Picture, filters: Filters) -> bool:
    kind, color = filters.image_type, filters.color
    return (
        (
            kind is None
            or picture.image_type == kind.removesuffix("Https")
            or (kind == "Transparent" and picture.is_transparent)
        )
        and (filters.image_content is None or picture.image_content == filters.image_content)
        and (filters.license in {None, "All"} or filters.license in _PERMITS.get(picture.creative_commons, ()))
        and (color is None or _has_color(picture, color))
    )


def _has_color(picture: Picture, color: str) -> bool:
    if color in {"ColorOnly", "Monochrome"}:
        return picture.is_monochrome == (color == "Monochrome")
    return picture.color == color


def _sizes(width: int, height: int) -> set[str]:
    sizes: set[str] = set()
    if width < 200 and height < 200:
        sizes.add("Small")
    if 200 <= width <= 500 or 200 <= height <= 500:
        sizes.add("Medium")
    if max(width, height) >= 500:
        sizes.add("Large")
    if max(width, height) >= 1600:
        sizes.add("Wallpaper")
    return sizes


def aspect(width: int, height: int) -> str:
    """Return Square, Wide or Tall."""
    if max(width, height) <= min(width, height) * _SQUARE:
        return "Square"
    return "Wide" if width > height else "Tall"


def _within(value: int, exact: int | None, least: int | None, most: int | None) -> bool:
    return (exact is None or value == exact) and (least is None or value >= least) and (most is None or value <= most)
