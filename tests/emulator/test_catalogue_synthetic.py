"""The synthetic catalogue: deep, quick, and the same for the same seed."""

import io
import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from bing_images_async.emulator.catalogue.filters import accepts
from bing_images_async.emulator.catalogue.picture import Filters, Hits
from bing_images_async.emulator.catalogue.synthetic import SyntheticCatalogue, synthetic

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def find(catalogue: SyntheticCatalogue, text: str, **given: Any) -> Hits:
    """Search with the usual arguments."""
    wanted = {"language": "en", "filters": Filters(), "offset": 0, "limit": 35, "now": NOW} | given
    return catalogue.search(text, **wanted)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 400), st.text("abc ", min_size=1).filter(str.strip))
def test_synthetic_search_finds_each_picture_once(total: int, text: str) -> None:
    """Page by page, to the end."""
    catalogue = synthetic(total, today=NOW)
    pages = (find(catalogue, text, offset=at).pictures for at in range(0, total + 35, 35))
    ids = [picture.image_id for picture in itertools.chain(*pages)]
    assert len(ids) == len(set(ids)) == find(catalogue, text).total == total


def test_synthetic_with_the_same_seed_is_equal() -> None:
    """And another seed others."""
    same, again, other = (find(synthetic(100, seed, today=NOW), "boat") for seed in (1, 1, 2))
    assert (same == again, same == other) == (True, False)


def test_synthetic_search_for_another_text_has_another_order() -> None:
    """Of the same pictures."""
    catalogue = synthetic(200, today=NOW)
    boats, trees = (find(catalogue, text, limit=200).pictures for text in ("boat", "tree"))
    assert (boats == trees, {p.image_id for p in boats} == {p.image_id for p in trees}) == (False, True)


def test_synthetic_search_ignores_case_and_blanks() -> None:
    """As people type."""
    catalogue = synthetic(50, today=NOW)
    assert find(catalogue, "Red  Boat ") == find(catalogue, "red boat")


@pytest.mark.parametrize("text", ["", " ", "?", "-boat"])
def test_synthetic_search_without_words_finds_nothing(text: str) -> None:
    """There must be something to look for."""
    assert find(synthetic(10), text) == Hits((), 0, None, matched_all=True)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(color="Red"),
        Filters(size="Large", image_type="Photo"),
        Filters(freshness="Week"),
        Filters(license="Public"),
    ],
)
def test_synthetic_search_applies_filters(filters: Filters) -> None:
    """All that pass are found, in the order they had."""
    catalogue = synthetic(600, today=NOW)
    everything = find(catalogue, "boat", limit=600).pictures
    hits = find(catalogue, "boat", filters=filters, limit=600)
    assert hits.pictures == tuple(p for p in everything if accepts(p, filters, NOW))
    assert 0 < hits.total == len(hits.pictures) < 600


def test_first_id_puts_a_picture_first() -> None:
    """Also one from the far end."""
    catalogue = synthetic(100, today=NOW)
    last = find(catalogue, "boat", offset=99).pictures[0]
    hits = find(catalogue, "boat", first_id=last.image_id)
    assert (hits.pictures[0], hits.total) == (last, 100)


def test_synthetic_get_by_id_returns_the_picture() -> None:
    """Or not at all."""
    catalogue = synthetic(10, today=NOW)
    picture = find(catalogue, "boat").pictures[3]
    assert (catalogue.get(picture.image_id.lower()), catalogue.get("nope")) == (picture, None)


def test_synthetic_content_matches_and_is_recognised() -> None:
    """Bytes, sides, format; and an upload of one finds it."""
    catalogue = synthetic(60, today=NOW)
    for picture in find(catalogue, "boat", limit=60).pictures:
        data = catalogue.content(picture)
        image = Image.open(io.BytesIO(data))
        seen = (len(data), *image.size, str(image.format).lower())
        assert seen == (picture.content_size, picture.width, picture.height, picture.encoding_format)
        assert catalogue.fingerprint(data) == picture.phash


def test_synthetic_thumbnail_follows_the_rules() -> None:
    """As everywhere."""
    catalogue = synthetic(20, today=NOW)
    for picture in find(catalogue, "boat", limit=20).pictures:
        data = catalogue.thumbnail(picture, width=60, height=40, crop=4, padding=True)
        assert Image.open(io.BytesIO(data)).size == (60, 40)


def test_synthetic_similar_pictures_are_sorted() -> None:
    """Without the one excluded."""
    catalogue = synthetic(100, today=NOW)
    picture = find(catalogue, "boat").pictures[0]
    found = catalogue.similar(picture.phash, limit=10, exclude=picture.image_id)
    distances = [(p.phash ^ picture.phash).bit_count() for p in found]
    assert (len(found), picture in found, distances) == (10, False, sorted(distances))


def test_fingerprint_of_no_picture_raises() -> None:
    """Uploads may be anything."""
    with pytest.raises(ValueError, match=r"no picture|too many pixels|damaged"):
        synthetic(1).fingerprint(b"nothing")


def test_synthetic_of_zero_pictures_finds_nothing() -> None:
    """And a negative one is refused."""
    assert find(synthetic(0), "boat").total == 0
    with pytest.raises(ValueError, match="negative"):
        synthetic(-1)


def test_synthetic_topics_and_related_have_results() -> None:
    """Every one finds everything."""
    catalogue = synthetic(5, today=NOW)
    queries = [*itertools.chain(*catalogue.topics("de").values()), *catalogue.related("boat", language="en", limit=4)]
    assert len(queries) == 28
    assert {find(catalogue, query).total for query in queries} == {5}
