"""The server's rules for parameters and markets, without a server."""

import pytest

from bing_images_async.emulator.api.error_bodies import ServiceError
from bing_images_async.emulator.api.markets import MARKETS, accepted_languages, best_fit, in_country
from bing_images_async.emulator.api.parameters import (
    MODULES,
    ParameterReader,
    Region,
    read_details,
    read_language,
    read_market,
    read_search,
    read_ui_language,
)


def reader(**values: str) -> ParameterReader:
    return ParameterReader.of(values.items())


def faults(one: ParameterReader) -> list[tuple[str, str | None, str | None]]:
    return [(fault.sub_code, fault.parameter, fault.value) for fault in one.errors]


def refused_search(market: str = "en-US", **values: str) -> list[tuple[str, str | None, str | None]]:
    one = reader(**values)
    with pytest.raises(ServiceError) as caught:
        read_search(one, market)
    assert caught.value.status == 400
    assert caught.value.entries == tuple(one.errors)
    return faults(one)


def test_parameters_ignore_case() -> None:
    """And come out in the API's spelling."""
    question = read_search(reader(Q="cat", ASPECT="sQuare", imagetype="animatedgif", SAFESEARCH="off"), "en-US")
    assert question.filters.aspect == "Square"
    assert question.filters.image_type == "AnimatedGif"
    assert question.filters.family_friendly_only is False


def test_parameters_without_values_have_defaults() -> None:
    question = read_search(reader(q=" cat "), "en-US")
    assert (question.text, question.count, question.offset, question.first_id) == ("cat", 35, 0, None)
    assert question.filters.family_friendly_only


def test_parameters_with_unknown_names_are_ignored() -> None:
    """Typos are silent, as with the API."""
    assert read_search(reader(q="cat", min_height="x"), "en-US") == read_search(reader(q="cat"), "en-US")


def test_parameters_of_file_sizes_are_capped() -> None:
    assert read_search(reader(q="cat", maxFileSize="2000000"), "en-US").filters.max_file_size == 520_192


@pytest.mark.parametrize("q", ["", "  "])
def test_parameter_q_that_is_empty_is_missing(q: str) -> None:
    assert refused_search(q=q) == [("ParameterMissing", "q", "")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", "0"), ("count", "151"), ("count", "-1"), ("count", "ten"), ("count", "٣"), ("count", "1.0"),
        ("offset", "-1"), ("offset", "65536"), ("width", "65536"), ("minHeight", "1e3"), ("maxFileSize", "big"),
        ("aspect", "Round"), ("color", "Red,Blue"), ("freshness", "Year"), ("imageContent", "Cat"),
        ("imageType", "Painting"), ("license", "CC0"), ("size", "Huge"), ("safeSearch", "On"), ("id", "12AB"),
    ],
)  # fmt: skip
def test_parameters_with_invalid_values_are_named(name: str, value: str) -> None:
    assert refused_search(q="cat", **{name: value}) == [("ParameterInvalidValue", name, value)]


def test_parameters_with_several_errors_report_all() -> None:
    found = refused_search(count="0", color="Mauve")
    assert sorted(found) == [
        ("ParameterInvalidValue", "color", "Mauve"),
        ("ParameterInvalidValue", "count", "0"),
        ("ParameterMissing", "q", ""),
    ]


@pytest.mark.parametrize(
    ("name", "other"),
    [("width", "minWidth"), ("width", "maxWidth"), ("height", "minHeight"), ("height", "maxHeight")],
)
def test_parameters_of_exact_and_range_exclude_each_other(name: str, other: str) -> None:
    assert refused_search(q="cat", **{name: "10", other: "20"}) == [("ParameterInvalidValue", other, "20")]


def test_parameter_shopping_is_for_one_market() -> None:
    assert read_search(reader(q="cat", imageType="Shopping"), "en-US").filters.image_type == "Shopping"
    assert refused_search("de-DE", q="cat", imageType="Shopping") == [
        ("ParameterInvalidValue", "imageType", "Shopping")
    ]


@pytest.mark.parametrize(
    ("values", "languages", "market"),
    [
        ({}, None, "en-US"),
        ({"mkt": "DE-de"}, None, "de-DE"),
        ({"mkt": "de-LU"}, None, "de-AT"),
        ({"mkt": "xx-JP"}, None, "ja-JP"),
        ({"mkt": "xx-XX"}, None, "en-US"),
        ({"cc": "ch"}, "it;q=0.3, fr;q=0.9", "fr-CH"),
        ({"cc": "CH"}, "it", "fr-CH"),
        ({"cc": "PT"}, "pt", "pt-BR"),
        ({"cc": "DE"}, None, "de-DE"),
        ({"cc": "be"}, None, "nl-BE"),
        ({"cc": "SA"}, None, "en-US"),
        ({"cc": "CA"}, "", "en-CA"),
        ({}, "ja,en;q=0.5", "ja-JP"),
    ],
)
def test_read_market_prefers_mkt_then_cc_then_languages(
    values: dict[str, str], languages: str | None, market: str
) -> None:
    """`mkt` decides, else `cc` with the wanted languages, else those alone."""
    one = reader(**values)
    assert (read_market(one, languages), one.errors) == (market, [])


@pytest.mark.parametrize(
    ("values", "languages", "fault"),
    [
        ({"cc": "XY"}, "de", ("ParameterInvalidValue", "cc", "XY")),
        ({"mkt": "german"}, None, ("ParameterInvalidValue", "mkt", "german")),
        ({"mkt": "de-DE", "cc": "DE"}, "de", ("ParameterInvalidValue", "cc", "DE")),
    ],
)
def test_read_market_with_invalid_values_reports_them(
    values: dict[str, str], languages: str | None, fault: tuple[str, str, str]
) -> None:
    one = reader(**values)
    assert read_market(one, languages) in MARKETS
    assert faults(one) == [fault]


def test_read_ui_language_maps_the_values_of_the_api() -> None:
    """Japanese is `jp` to the API, and plain `zh` is English."""
    assert [read_ui_language(reader(setLang=tag)) for tag in ("de", "jp", "zh", "fr-CA", "?")] == [
        "de", "ja", "en", "fr-ca", "en",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "languages", "language"),
    [
        ({"mkt": "de-DE"}, "fr", "de"),
        ({"mkt": "ar-SA"}, None, "ar"),
        ({"mkt": "fa-IR"}, None, "fa"),
        ({"mkt": "id-ID"}, None, "id"),
        ({"mkt": "xx-JP"}, None, "ja"),
        ({}, "ar-EG,en;q=0.5", "ar"),
        ({}, "sw,ar;q=0.5", "en"),
        ({"cc": "DE"}, "ar", "de"),
        ({}, None, "en"),
    ],
)
def test_read_language_of_a_request_is_that_of_the_market_asked_for(
    values: dict[str, str], languages: str | None, language: str
) -> None:
    """Names are shown in Arabic, Persian and Indonesian, though the API has no such market."""
    one = reader(**values)
    assert read_language(one, languages, read_market(one, languages)) == language


def test_accepted_languages_are_sorted_by_quality() -> None:
    assert accepted_languages("en;q=0.2, de-AT, fr;q=0, *;q=x, it;q=0.9") == ["de-AT", "it", "en"]


def test_best_fit_of_any_tag_is_a_market() -> None:
    assert {best_fit(tag) for tag in ("", "-", "zz", "de", "fr-BE", "zh-SG")} <= set(MARKETS)
    assert in_country("SA", ["ar"]) == "en-US"


def test_parameter_modules_defaults_to_all() -> None:
    assert read_details(reader(insightsToken="t"), uploaded=False).modules == frozenset(MODULES)
    chosen = read_details(reader(insightsToken="t", modules="tags, BRQ,"), uploaded=False).modules
    assert chosen == {"Tags", "BRQ"}


def test_parameter_modules_drops_recognized_entities_in_combination() -> None:
    alone = read_details(reader(insightsToken="t", modules="recognizedentities"), uploaded=False)
    assert alone.modules == {"RecognizedEntities"}
    for company in ("All", "Tags"):
        both = read_details(reader(insightsToken="t", modules=f"RecognizedEntities,{company}"), uploaded=False)
        assert "RecognizedEntities" not in both.modules


def test_parameter_region_may_be_partial() -> None:
    assert read_details(reader(id="1", cal="0.25"), uploaded=False).region == Region(0.25, 0.0, 1.0, 1.0)
    assert read_details(reader(id="1", ct="Rectangular"), uploaded=False).region is None


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({}, ("ParameterMissing", "insightsToken", "")),
        ({"insightsToken": "t", "imgUrl": "u"}, ("ParameterInvalidValue", "imgUrl", "u")),
        ({"id": "1", "modules": "Tags,Tag"}, ("ParameterInvalidValue", "modules", "Tag")),
        ({"id": "1", "cal": "1.5"}, ("ParameterInvalidValue", "cal", "1.5")),
        ({"id": "1", "cat": "nan"}, ("ParameterInvalidValue", "cat", "nan")),
        ({"id": "1", "cal": "0.5", "car": "0.5"}, ("ParameterInvalidValue", "car", "0.5")),
        ({"id": "1", "cat": "0.5", "cab": "0.1"}, ("ParameterInvalidValue", "cab", "0.1")),
        ({"id": "1", "ct": "round"}, ("ParameterInvalidValue", "ct", "round")),
    ],
)
def test_parameters_of_details_with_errors_report_them(values: dict[str, str], fault: tuple[str, str, str]) -> None:
    one = reader(**values)
    with pytest.raises(ServiceError):
        read_details(one, uploaded=False)
    assert faults(one) == [fault]
