"""The rules behind the filters."""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from bing_images_async.emulator.catalogue.filters import accepts, aspect
from bing_images_async.emulator.catalogue.picture import Filters, Picture
from bing_images_async.emulator.catalogue.synthetic import synthetic

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def picture(**changes: Any) -> Picture:
    """A plain picture with some fields changed."""
    made = synthetic(1, today=NOW).search("any", language="en", filters=Filters(), offset=0, limit=1, now=NOW)
    plain = {"width": 300, "height": 300, "content_size": 20_000, "color": "Red", "is_monochrome": False}
    return attrs.evolve(made.pictures[0], **plain | changes)


@pytest.mark.parametrize(
    ("size", "sides", "expected"),
    [
        ("Small", (199, 199), True),
        ("Small", (199, 200), False),
        ("Medium", (100, 200), True),
        ("Medium", (501, 600), False),
        ("Large", (100, 500), True),
        ("Large", (499, 499), False),
        ("Wallpaper", (1600, 900), True),
        ("Wallpaper", (1599, 900), False),
        ("All", (1, 1), True),
    ],
)
def test_filter_size_of_sides_matches_the_reference(size: str, sides: tuple[int, int], expected: bool) -> None:
    """Small below 200 x 200, Medium a side of 200 to 500, Large one of 500 or more."""
    assert accepts(picture(width=sides[0], height=sides[1]), Filters(size=size), NOW) is expected


@pytest.mark.parametrize(
    ("sides", "name"), [((100, 100), "Square"), ((105, 100), "Square"), ((106, 100), "Wide"), ((100, 106), "Tall")]
)
def test_filter_aspect_of_sides_is_named(sides: tuple[int, int], name: str) -> None:
    """Nearly equal sides are a square."""
    assert aspect(*sides) == name


@pytest.mark.parametrize(
    ("filters", "changes", "expected"),
    [
        (Filters(color="Red"), {}, True),
        (Filters(color="Blue"), {}, False),
        (Filters(color="ColorOnly"), {}, True),
        (Filters(color="Monochrome"), {"is_monochrome": True}, True),
        (Filters(color="Monochrome"), {}, False),
        (Filters(image_type="Photo"), {"image_type": "Photo"}, True),
        (Filters(image_type="Line"), {"image_type": "Clipart"}, False),
        (Filters(image_type="AnimatedGifHttps"), {"image_type": "AnimatedGif"}, True),
        (Filters(image_type="Transparent"), {"is_transparent": True}, True),
        (Filters(image_type="Transparent"), {"is_transparent": False}, False),
        (Filters(image_type="Shopping"), {}, False),
        (Filters(image_content="Face"), {"image_content": "Face"}, True),
        (Filters(image_content="Face"), {"image_content": None}, False),
        (Filters(license="ModifyCommercially"), {"creative_commons": "AttributionShareAlike"}, True),
        (Filters(license="Public"), {"creative_commons": "AttributionShareAlike"}, False),
        (Filters(license="Public"), {"creative_commons": "PublicNoRightsReserved"}, True),
        (Filters(license="ShareCommercially"), {"creative_commons": "AttributionNonCommercial"}, False),
        (Filters(license="Any"), {"creative_commons": ""}, False),
        (Filters(license="All"), {"creative_commons": ""}, True),
        (Filters(width=300, height=300), {}, True),
        (Filters(width=301), {}, False),
        (Filters(min_width=300, max_width=300), {}, True),
        (Filters(min_height=301), {}, False),
        (Filters(max_height=299), {}, False),
        (Filters(min_file_size=20_000, max_file_size=20_000), {}, True),
        (Filters(max_file_size=19_999), {}, False),
        (Filters(family_friendly_only=True), {"is_family_friendly": False}, False),
        (Filters(), {"is_family_friendly": False}, True),
    ],
)
def test_filter_of_each_kind_accepts_what_matches(filters: Filters, changes: dict[str, Any], expected: bool) -> None:
    """Each filter lets through what its description says."""
    assert accepts(picture(**changes), filters, NOW) is expected


@pytest.mark.parametrize(("freshness", "hours"), [("Day", 24), ("Week", 168), ("Month", 720)])
def test_filter_freshness_at_its_end_is_exact(freshness: str, hours: int) -> None:
    """24 hours, 7 days, 30 days back from now."""
    edge = NOW - timedelta(hours=hours)
    ages = [picture(date_published=edge), picture(date_published=edge - timedelta(seconds=1))]
    assert [accepts(each, Filters(freshness=freshness), NOW) for each in ages] == [True, False]
