"""The default catalogue, all of it: what is found, how it is ranked, and that the pictures are what they say."""

import io
import itertools
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st
from PIL import Image

from bing_images_async.emulator.catalogue.factories import SqliteCatalogue
from bing_images_async.emulator.catalogue.filters import COLORS, accepts
from bing_images_async.emulator.catalogue.perceptual_hash import hash_distance, is_same_picture
from bing_images_async.emulator.catalogue.picture import Filters, Hits, Picture

TODAY = datetime(2026, 3, 1, tzinfo=UTC)
NOW = TODAY + timedelta(hours=6)


def find(catalogue: SqliteCatalogue, text: str, language: str = "en", **given: Any) -> Hits:
    """Search with the usual arguments."""
    wanted = {"filters": Filters(), "offset": 0, "limit": 10, "now": NOW} | given
    return catalogue.search(text, language=language, **wanted)


def everything(catalogue: SqliteCatalogue) -> tuple[Picture, ...]:
    """All pictures there are."""
    return find(catalogue, "site:any", limit=10_000).pictures


def names(hits: Hits, language: str = "en") -> list[str]:
    """What the hits are called."""
    return [picture.names.get(language, picture.names["en"]) for picture in hits.pictures]


@pytest.mark.parametrize(
    ("text", "language", "first"),
    [
        ("cat", "en", "Cat"),
        ("cats", "en", "Cat"),
        ("red flower", "en", "Rose"),
        ("key", "en", "Key"),
        ("ship", "en", "Ship"),
        ("black cat", "en", "Black cat"),
        ("🐈", "en", "Cat"),
        ("1F408", "en", "Cat"),
        ("Katze", "de", "Katze"),
        ("Hund", "de", "Hund"),
        ("perro", "es", "Perro"),
        ("corazon azul", "es", "Corazón azul"),
        ("ねこ", "ja", "ネコ"),
        ("船", "ja", "船"),
        ("猫", "zh", "猫"),
        ("고양이", "ko", "고양이"),
        ("кошка", "ru", "Кошка"),
        ("chat", "fr", "Chat"),
    ],
)
def test_search_for_a_name_in_its_language_finds_it_first(
    catalogue: SqliteCatalogue, text: str, language: str, first: str
) -> None:
    """In the market's language, whatever its script."""
    assert names(find(catalogue, text, language), language)[0] == first


def test_search_for_bird_finds_more_than_twenty(catalogue: SqliteCatalogue) -> None:
    """Enough for a contact sheet, every one another picture."""
    hits = find(catalogue, "bird", limit=100)
    assert hits.total > 20
    assert len({picture.image_id for picture in hits.pictures}) == hits.total


def test_search_in_another_market_finds_english_names(catalogue: SqliteCatalogue) -> None:
    """Beside the market's own language."""
    assert names(find(catalogue, "lemon", "de"), "de")[0] == "Zitrone"


def test_search_without_results_uses_other_languages(catalogue: SqliteCatalogue) -> None:
    """A Spanish word in a German market."""
    assert names(find(catalogue, "mariposa", "de"), "de")[0] == "Schmetterling"


def test_search_for_a_part_of_a_compound_finds_it(catalogue: SqliteCatalogue) -> None:
    """German writes words together."""
    assert "Katzengesicht" in names(find(catalogue, "Katze", "de", limit=50), "de")


def test_search_in_an_unknown_language_uses_english(catalogue: SqliteCatalogue) -> None:
    """Markets whose names nobody has."""
    assert names(find(catalogue, "cat", "fi"))[0] == "Cat"


def test_search_for_a_misspelt_word_is_corrected(catalogue: SqliteCatalogue) -> None:
    """The hits are those of the right word, and it is said."""
    hits = find(catalogue, "red bycicle")
    assert (hits.altered_query, hits.pictures) == ("red bicycle", find(catalogue, "red bicycle").pictures)


def test_search_for_known_words_is_not_corrected(catalogue: SqliteCatalogue) -> None:
    """Nothing to alter, nothing said."""
    assert find(catalogue, "cat dog").altered_query is None


def test_search_without_a_match_of_all_words_finds_some(catalogue: SqliteCatalogue) -> None:
    """The fallback says that it is one, and puts those with more of the words first."""
    hits = find(catalogue, "cat dog mouse piano", limit=500)
    assert hits.matched_all is False
    assert {"Cat", "Dog", "Mouse", "Musical keyboard"} <= set(names(hits))


def test_search_with_minus_excludes_the_word(catalogue: SqliteCatalogue) -> None:
    """`cat -face` leaves the cat's face out."""
    found = names(find(catalogue, "cat -face", limit=100))
    assert "Cat" in found
    assert not [name for name in found if "face" in name.casefold()]


def test_search_with_or_finds_the_union(catalogue: SqliteCatalogue) -> None:
    """As many as each alone, counted once."""
    both, cats, dogs = (
        {picture.image_id for picture in find(catalogue, text, limit=500).pictures}
        for text in ("cat OR dog", "cat", "dog")
    )
    assert both == cats | dogs


def test_search_for_a_phrase_keeps_its_order(catalogue: SqliteCatalogue) -> None:
    """ "face cat" in quotes is nowhere."""
    assert (find(catalogue, '"cat face"').total > 0, find(catalogue, '"face cat"').total) == (True, 0)


def test_search_for_nonsense_finds_nothing(catalogue: SqliteCatalogue) -> None:
    """Empty is an answer."""
    assert [find(catalogue, text).total for text in ("qwzxqwzx", "", "   ", "-cat", "?!")] == [0] * 5


def test_search_with_skin_tones_ranks_them_last(catalogue: SqliteCatalogue) -> None:
    """Hundreds of variants do not hide the rest."""
    found = names(find(catalogue, "person", limit=5_000))
    toned = ["skin tone" in name for name in found]
    assert toned == sorted(toned)
    assert 10 < sum(toned) < len(toned)


def test_search_with_offsets_returns_slices_of_one_order(catalogue: SqliteCatalogue) -> None:
    """Walking by seven gives what one large page gives."""
    whole = find(catalogue, "music", limit=100)
    pages = [find(catalogue, "music", offset=at, limit=7).pictures for at in range(0, whole.total, 7)]
    assert tuple(itertools.chain(*pages)) == whole.pictures


def test_first_id_puts_a_picture_first(catalogue: SqliteCatalogue) -> None:
    """Others keep their order."""
    plain = find(catalogue, "bird", limit=100).pictures
    moved = find(catalogue, "bird", limit=100, first_id=plain[5].image_id.lower()).pictures
    assert moved == (plain[5], *plain[:5], *plain[6:])


def test_search_with_an_unknown_first_id_is_unchanged(catalogue: SqliteCatalogue) -> None:
    """Ids may be made up."""
    assert find(catalogue, "bird", first_id="\ud800nope") == find(catalogue, "bird")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["en", "de", "ja", "xx", ""]))
@example('"', "en")
@example('" OR NOT AND NEAR( ) {x}: ^*', "en")
@example("cat\0dog -", "de")
@example("\ud800 \udfff", "ja")
@example("'; DROP TABLE pictures; --", "en")
@example("ー゛゜\u0301\u0e31", "ja")
@example("NEAR OR AND NOT", "en")
def test_search_for_any_text_does_not_fail(catalogue: SqliteCatalogue, text: str, language: str) -> None:
    """Never an error, whatever the text; and no more hits than pictures."""
    hits = find(catalogue, text, language)
    assert len(hits.pictures) <= min(10, hits.total) <= len(catalogue)


@pytest.mark.parametrize(
    "filters",
    [
        *(Filters(size=value) for value in ("Small", "Medium", "Large", "Wallpaper")),
        *(Filters(aspect=value) for value in ("Square", "Wide", "Tall")),
        *(Filters(color=value) for value in (*COLORS, "ColorOnly", "Monochrome")),
        *(Filters(freshness=value) for value in ("Day", "Week", "Month")),
        *(Filters(image_content=value) for value in ("Face", "Portrait")),
        *(Filters(image_type=value) for value in ("AnimatedGif", "Clipart", "Line", "Transparent")),
        *(Filters(license=value) for value in ("Any", "Share", "ModifyCommercially")),
        Filters(min_file_size=5_000, max_file_size=10_000),
        Filters(min_width=300, max_width=400),
        Filters(family_friendly_only=True),
    ],
    ids=lambda filters: repr(filters)[8:60],
)
def test_search_with_each_filter_has_results(catalogue: SqliteCatalogue, filters: Filters) -> None:
    """Some pass and some do not, and those that pass are those that should."""
    total = len(catalogue)
    hits = find(catalogue, "site:any", filters=filters, limit=total)
    assert hits.total >= 10
    assert all(accepts(picture, filters, NOW) for picture in hits.pictures)
    assert hits.total < total or filters.license is not None


def test_openmoji_pictures_have_their_true_licence(catalogue: SqliteCatalogue) -> None:
    """The artwork is CC BY-SA 4.0, all of it, and says by whom."""
    found = {(p.creative_commons, p.license_name, "OpenMoji" in p.attribution) for p in everything(catalogue)}
    assert found == {("AttributionShareAlike", "CC BY-SA 4.0", True)}


def test_openmoji_ids_and_slugs_are_unique(catalogue: SqliteCatalogue) -> None:
    """One picture, one id, one URL."""
    pictures = everything(catalogue)
    assert len({p.image_id for p in pictures}) == len({p.slug for p in pictures}) == len(pictures) == len(catalogue)


def test_openmoji_pictures_have_english_name_and_category(catalogue: SqliteCatalogue) -> None:
    """Also those that no list of names knows."""
    assert all(p.names["en"] and p.category for p in everything(catalogue))


def test_openmoji_dates_are_within_half_a_year(catalogue: SqliteCatalogue) -> None:
    """Never in the future, and some of them today's."""
    ages = [TODAY - p.date_published for p in everything(catalogue)]
    assert timedelta(0) < min(ages) < timedelta(days=1) < max(ages) < timedelta(days=180)


def test_originals_are_what_was_promised(catalogue: SqliteCatalogue) -> None:
    """Format, width, height, transparency, animation and, to the byte, the size."""
    pictures = everything(catalogue)
    chosen = [*pictures[::150], *(p for p in pictures[:900] if p.encoding_format == "gif")][:60]
    for picture in chosen:
        data = catalogue.content(picture)
        image = Image.open(io.BytesIO(data))
        seen = (len(data), image.width, image.height, str(image.format).lower())
        assert seen == (picture.content_size, picture.width, picture.height, picture.encoding_format)
        alpha = image.convert("RGBA").getchannel("A").getextrema()
        assert (alpha == (255, 255)) is not picture.is_transparent
        assert (getattr(image, "n_frames", 1) > 1) == (picture.image_type == "AnimatedGif")


def test_content_of_openmoji_has_the_attribution(catalogue: SqliteCatalogue) -> None:
    """Whoever saves an original keeps the licence with it."""
    formats = {p.encoding_format: p for p in everything(catalogue)[:600]}
    assert [b"License: CC BY-SA 4.0" in catalogue.content(p) for p in formats.values()] == [True] * 3


def test_similar_to_an_uploaded_original_is_the_original(catalogue: SqliteCatalogue) -> None:
    """Of twenty originals, most are the nearest picture to themselves, and recognised."""
    chosen = find(catalogue, "animals", limit=20).pictures
    hashes = [catalogue.fingerprint(catalogue.content(picture)) for picture in chosen]
    nearest = [next(iter(catalogue.similar(value, limit=1)), None) for value in hashes]
    right = [
        found == wanted and is_same_picture(value, wanted.phash)
        for value, found, wanted in zip(hashes, nearest, chosen, strict=True)
    ]
    assert sum(right) >= 17


def test_similar_pictures_are_sorted_and_exclude_one(catalogue: SqliteCatalogue) -> None:
    """The picture itself is the nearest; excluded, it is missing."""
    lemon = find(catalogue, "lemon").pictures[0]
    found = catalogue.similar(lemon.phash, limit=30)
    distances = [hash_distance(p.phash, lemon.phash) for p in found]
    assert (found[0], distances) == (lemon, sorted(distances))
    assert lemon not in catalogue.similar(lemon.phash, limit=30, exclude=lemon.image_id)


def test_thumbnail_of_a_lemon_is_yellow(catalogue: SqliteCatalogue) -> None:
    """A lemon is mostly yellow at any size."""
    lemon = find(catalogue, "lemon").pictures[0]
    data = catalogue.thumbnail(lemon, width=90, height=90, crop=7, padding=True)
    image = Image.open(io.BytesIO(data)).convert("RGB")
    yellow = sum(
        red > 200 and green > 180 and blue < 130
        for red, green, blue in zip(*(channel.tobytes() for channel in image.split()), strict=True)
    )
    assert (image.size, yellow > 90 * 90 * 0.2) == ((90, 90), True)


def test_related_queries_have_results(catalogue: SqliteCatalogue) -> None:
    """And are not the query itself."""
    for text, language in (("cat", "en"), ("Katze", "de"), ("猫", "zh")):
        related = catalogue.related(text, language=language, limit=8)
        assert len(related) == 8
        assert text.casefold() not in {query.casefold() for query in related}
        assert all(find(catalogue, query, language).total for query in related)


@pytest.mark.parametrize("language", ["en", "de", "ja", "xx"])
def test_topics_have_results(catalogue: SqliteCatalogue, language: str) -> None:
    """Every query of every category; this is what a fresh service calls trending."""
    topics = catalogue.topics(language)
    assert {"Animals", "Food", "Flags"} <= set(topics)
    assert all(find(catalogue, query, language).total for queries in topics.values() for query in queries)


def test_get_by_id_ignores_case(catalogue: SqliteCatalogue) -> None:
    """And None for what is no id."""
    lemon = find(catalogue, "lemon").pictures[0]
    got = [catalogue.get(each) for each in (lemon.image_id, lemon.image_id.lower(), "", "\ud800")]
    assert got == [lemon, lemon, None, None]


def test_search_in_threads_is_consistent(catalogue: SqliteCatalogue) -> None:
    """Eight threads, each with other words, get what one thread gets."""
    words = ["apple", "bell", "cloud", "drum", "egg", "fox", "ghost", "hat"]
    found: Counter[tuple[str, int]] = Counter()

    def work(start: int) -> None:
        for at in range(40):
            word = words[(start + at) % len(words)]
            hits = find(catalogue, f"{word} {'-' * (at % 3)}", filters=Filters(color="ColorOnly"))
            found[word, hits.total] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {(word, find(catalogue, word, filters=Filters(color="ColorOnly")).total) for word in words}
    assert (set(found), found.total()) == (expected, 320)
