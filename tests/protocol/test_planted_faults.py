"""One fault in a body is reported at its place, and everything else of the body is there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import bodies
import pytest
from walk import compare

from bing_images_async._protocol.decoding import DecodingError, structure
from bing_images_async._protocol.response_reading import read_response
from bing_images_async.errors import MalformedResponseError
from bing_images_async.models import Answer, ImageAnswer, ImageInsights, TrendingImages

Body = Callable[[], dict[str, Any]]

SEARCH, DETAILS, TRENDING = (
    (bodies.search_2020, ImageAnswer),
    (bodies.details, ImageInsights),
    (
        bodies.trending,
        TrendingImages,
    ),
)
OFFER = "value[0].insightsMetadata.aggregateOffer"
REGION = "recognizedEntityGroups.value[0].recognizedEntityRegions[0]"
TIME, ENTITY = "value[1].hostPageDiscoveredDate", f"{REGION}.matchingEntities[0].matchConfidence"
RATED = f"{OFFER}.aggregateRating.ratingValue"
HUGE = f"expected a number, found the number 1{'0' * 59}…"
BAD_DATE = "expected a date (ISO 8601), found the text '2020-13-01'"
FAULTS: list[tuple[tuple[Body, type[Answer]], str, Any, str]] = [
    (SEARCH, "value[2].width", "800", "expected a whole number, found the text '800'"),
    (SEARCH, "value[0].height", 600.5, "expected a whole number, found the number 600.5"),
    (SEARCH, "value[1].width", True, "expected a whole number, found the value True"),
    (SEARCH, "value[0].name", 17, "expected a text, found the number 17"),
    (SEARCH, "value[0].isFamilyFriendly", 1, "expected true or false, found the number 1"),
    (SEARCH, "value[0].isFresh", "true", "expected true or false, found the text 'true'"),
    (SEARCH, "value[1].datePublished", "yesterday", "expected a date (ISO 8601), found the text 'yesterday'"),
    (SEARCH, TIME, 1_600_000_000, "expected a date (ISO 8601), found the number 1600000000"),
    (SEARCH, "value[1].thumbnail", "474x355", "expected an object, found the text '474x355'"),
    (SEARCH, "value[1].thumbnail.width", [474], "expected a whole number, found a list"),
    (SEARCH, "value[2].provider", "Example", "expected a list, found the text 'Example'"),
    (SEARCH, "value[2].provider[0].name", {}, "expected a text, found an object"),
    (SEARCH, "value[0].insightsMetadata.pagesIncludingCount", "12", "expected a whole number, found the text '12'"),
    (SEARCH, f"{OFFER}.offers[1].price", "9.0", "expected a number, found the text '9.0'"),
    (SEARCH, RATED, True, "expected a number, found the value True"),
    (SEARCH, f"{OFFER}.lowPrice", 10**400, HUGE),
    (SEARCH, "value[0].insightsMetadata.videoObject.creator.name", False, "expected a text, found the value False"),
    (SEARCH, "pivotSuggestions[0].suggestions[1].text", 5.5, "expected a text, found the number 5.5"),
    (SEARCH, "pivotSuggestions[0].suggestions", 3, "expected a list, found the number 3"),
    (SEARCH, "queryContext.adultIntent", "no", "expected true or false, found the text 'no'"),
    (SEARCH, "queryExpansions", "none", "expected a list, found the text 'none'"),
    (SEARCH, "similarTerms[0].thumbnail.url", [], "expected a text, found a list"),
    (SEARCH, "totalEstimatedMatches", "812", "expected a whole number, found the text '812'"),
    (SEARCH, "nextOffset", 38.5, "expected a whole number, found the number 38.5"),
    (SEARCH, "instrumentation", "none", "expected an object, found the text 'none'"),
    (DETAILS, "imageTags.value[1].name", ["paper"], "expected a text, found a list"),
    (DETAILS, "imageTags.value", "boat", "expected a list, found the text 'boat'"),
    (DETAILS, "pagesIncluding", [], "expected an object, found a list"),
    (DETAILS, f"{REGION}.region.left", "0", "expected a number, found the text '0'"),
    (DETAILS, ENTITY, "high", "expected a number, found the text 'high'"),
    (DETAILS, "shoppingSources.offers[1].lastUpdated", "2020-13-01", BAD_DATE),
    (DETAILS, "recipes.value[0].cookTime", 45, "expected a text, found the number 45"),
    (DETAILS, "detectedObjects", "boat", "expected an object, found the text 'boat'"),
    (TRENDING, "categories[0].tiles[1].image.thumbnail.height", "200", "expected a whole number, found the text '200'"),
    (TRENDING, "categories[1].title", False, "expected a text, found the value False"),
]  # fmt: skip

DROPPED: list[tuple[tuple[Body, type[Answer]], str, Any]] = [
    (SEARCH, "value[1]", None),
    (SEARCH, "value[0]", "an image"),
    (SEARCH, "pivotSuggestions[0]", [1]),
    (SEARCH, "pivotSuggestions[0].suggestions[0]", 7),
    (DETAILS, "visuallySimilarImages.value[1]", False),
    (DETAILS, "shoppingSources.offers[0]", "sold"),
    (TRENDING, "categories[1]", []),
    (TRENDING, "categories[0].tiles[0]", 1.5),
]


def parts(path: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in path.replace("[", ".").replace("]", "").split(".")]


def plant(body: Any, path: str, value: Any) -> None:
    """Put `value` in the place `path` of `body`."""
    *way, last = parts(path)
    for part in way:
        body = body[part]
    body[last] = value


def unplant(body: Any, path: str) -> None:
    """Take the place `path` out of `body`."""
    *way, last = parts(path)
    for part in way:
        body = body[part]
    del body[last]


@pytest.mark.parametrize(("source", "path", "value", "reason"), FAULTS, ids=[f[1] for f in FAULTS])
def test_a_bad_field_becomes_none_and_is_reported(source: Any, path: str, value: Any, reason: str) -> None:
    """Its path and what was expected stand in `problems`; the rest is what the body says."""
    make, kind = source
    body = make()
    plant(body, path, value)
    answer, problems = structure(body, kind)
    unplant(body, path)
    comparison = compare(body, answer)
    assert [(p.path, p.reason) for p in problems] == [(path, reason)]
    assert (comparison.differences, comparison.unknown) == ((), frozenset())


@pytest.mark.parametrize(("source", "path", "value"), DROPPED, ids=[f[1] for f in DROPPED])
def test_an_item_that_is_no_object_is_dropped(source: Any, path: str, value: Any) -> None:
    """Its neighbours stay, and `problems` counts places as the body does."""
    make, kind = source
    body = make()
    plant(body, path, value)
    answer, problems = structure(body, kind)
    unplant(body, path)
    assert [p.path for p in problems] == [path]
    assert compare(body, answer).differences == ()


def test_many_faults_are_all_reported_in_the_order_of_the_body() -> None:
    """One fault does not hide another, in the same item or elsewhere."""
    body = bodies.search_2020(4)
    places = ["value[0].width", "value[0].thumbnail.height", "value[1]", "value[3].name", "similarTerms[0].text"]
    for place in places:
        plant(body, place, 1.5)
    answer = read_response(bodies.reply(body), ImageAnswer)
    assert [p.path for p in answer.problems] == sorted(places, key=lambda p: (p.startswith("similar"), p))
    assert [image.image_id for image in answer.value] == [f"{n:040X}" for n in (1, 3, 4)]


@pytest.mark.parametrize("found", ["none", 5, {"0": {}}, True])
@pytest.mark.parametrize(("kind", "make", "key"), [(ImageAnswer, bodies.search_2020, "value"),
                                                   (TrendingImages, bodies.trending, "categories")])  # fmt: skip
def test_the_list_of_the_endpoint_must_be_a_list(kind: type[Answer], make: Body, key: str, found: Any) -> None:
    """Without it there is no page: `MalformedResponseError` names its place."""
    body = make() | {key: found}
    with pytest.raises(MalformedResponseError) as caught:
        read_response(bodies.reply(body, bingapis_traceid="T-1"), kind)
    assert (caught.value.path, caught.value.trace_id) == (key, "T-1")
    assert caught.value.excerpt == bodies.reply(body).body[:200].decode()


@pytest.mark.parametrize("key", ["value", "queryExpansions", "pivotSuggestions", "name", "queryContext", "nextOffset"])
def test_null_is_the_same_as_absent(key: str) -> None:
    """The service sends neither meaning; users see `None` or `()` for both."""
    absent, null = bodies.search_2020(), bodies.search_2020()
    absent.pop(key, None)
    null[key] = None
    assert read_response(bodies.reply(null), ImageAnswer) == read_response(bodies.reply(absent), ImageAnswer)


def test_an_empty_list_is_no_problem() -> None:
    """No results: the list is there and empty, or not there at all."""
    empty, absent = {"_type": "Images", "value": []}, {"_type": "Images"}
    pages = [read_response(bodies.reply(body), ImageAnswer) for body in (empty, absent)]
    assert [(page.value, page.problems, page.next_offset) for page in pages] == [((), (), None)] * 2


@pytest.mark.parametrize("key", ["queryExpansions", "pivotSuggestions", "similarTerms", "relatedSearches"])
def test_a_single_object_is_a_list_of_one(key: str) -> None:
    """The documentation shows objects where the wire has lists; both are read."""
    listed, single = bodies.search_2020(), bodies.search_2020()
    listed[key] = listed[key][:1]
    single[key] = listed[key][0]
    assert structure(single, ImageAnswer) == (structure(listed, ImageAnswer)[0], ())


def test_a_single_suggestion_is_a_list_of_one() -> None:
    """So it is inside a pivot and a caption; a fault in it has the place of an item."""
    body = bodies.search_2020()
    body["pivotSuggestions"] = {"pivot": "paper", "suggestions": {"text": 5, "displayText": "Wood"}}
    answer, problems = structure(body, ImageAnswer)
    assert answer.pivot_suggestions[0].suggestions[0].display_text == "Wood"
    assert [p.path for p in problems] == ["pivotSuggestions[0].suggestions[0].text"]


def test_the_own_list_is_no_place_for_a_single_object() -> None:
    """Only where the documentation shows a single object is one read."""
    answer, problems = structure({"image": {"provider": {"name": "Example"}}}, ImageInsights)
    assert answer.image is not None
    assert (answer.image.provider, [p.path for p in problems]) == ((), ["image.provider"])


def test_structure_int_for_a_float_becomes_a_float() -> None:
    """JSON has one kind of number; writers leave out `.0`."""
    insights, problems = structure(bodies.details(), ImageInsights)
    assert insights.shopping_sources is not None
    ratings = [offer.aggregate_rating for offer in insights.shopping_sources.offers]
    assert [(r.best_rating, type(r.best_rating)) for r in ratings if r is not None] == [(5.0, float)] * 2
    assert problems == ()


@pytest.mark.parametrize(
    ("sent", "read"), [(640.0, 640), (0.0, 0), (-0.0, 0), (-3.0, -3), (2.0**53, 2**53), (1e20, 10**20)]
)
@pytest.mark.parametrize("path", ["nextOffset", "value[0].width", "value[0].insightsMetadata.pagesIncludingCount"])
def test_structure_whole_float_for_an_int_becomes_an_int(path: str, sent: float, read: int) -> None:
    """Some JSON writers know floats only; a walk over pages must not end because of `"nextOffset": 35.0`."""
    expected, found = bodies.search_2020(), bodies.search_2020()
    plant(expected, path, read)
    plant(found, path, sent)
    answer = read_response(bodies.reply(found), ImageAnswer)
    assert (answer, repr(answer)) == ((wanted := read_response(bodies.reply(expected), ImageAnswer)), repr(wanted))


@pytest.mark.parametrize("depth", [10, 60])
def test_structure_a_fault_at_any_depth_costs_two_passes(depth: int) -> None:
    """Each object is structured at most twice, not once for each object around it."""
    image: dict[str, Any] = {"width": "wide"}
    for _ in range(depth):
        image = {"image": image}
    calls: list[str] = []
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        _, problems = structure({"image": image}, ImageInsights)
    finally:
        sys.setprofile(None)
    assert [p.path for p in problems] == ["image" + ".image" * depth + ".width"]
    assert calls.count("structure_class") == 2 * (depth + 2)


def test_faults_leave_nothing_behind() -> None:
    """An exception object that is kept would keep every frame it passed, and the bodies in them."""
    body = bodies.search_2020()
    plant(body, "value[1].width", "800")
    before = sys.getrefcount(body)
    structure(body, ImageAnswer)
    assert sys.getrefcount(body) == before


def test_structure_a_thousand_problems_are_listed() -> None:
    """All of them, and the items stay."""
    body = {"_type": "Images", "value": [{"width": "x", "height": "y"}] * 500}
    answer, problems = structure(body, ImageAnswer)
    assert (len(answer.value), len(problems)) == (500, 1_000)


TOO_MANY_PROBLEMS: dict[str, tuple[type[Answer], dict[str, Any]]] = {
    "fields of items": (ImageAnswer, {"value": [{"width": "x", "height": "y"}] * 500 + [{"name": 5}]}),
    "items": (ImageAnswer, {"value": [1] * 600, "queryExpansions": [1] * 401}),
    "lists in items": (ImageAnswer, {"value": [{"provider": [None] * 101}] * 10}),
    "fields of objects": (
        ImageInsights,
        {"imageTags": {"value": [{"name": 1}] * 600}, "recipes": {"value": [{"creator": {"name": 1}}] * 401}},
    ),
}


@pytest.mark.parametrize("case", TOO_MANY_PROBLEMS)
def test_structure_more_than_a_thousand_problems_is_malformed(case: str) -> None:
    """Each costs some KiB and 30 µs, and such a body is no answer with a few mistakes."""
    kind, body = TOO_MANY_PROBLEMS[case]
    body |= {"_type": {ImageAnswer: "Images", ImageInsights: "ImageInsights"}[kind]}
    with pytest.raises(MalformedResponseError, match="more than 1,000 values"):
        read_response(bodies.reply(body), kind)
    small, _ = structure({"value": [{"width": "x"}]}, ImageAnswer)  # and the next answer starts from zero
    assert len(small.value) == 1


def test_structure_with_little_stack_left_reports_no_false_problems() -> None:
    """Generated code collects a RecursionError like any other; it must not become a problem of the body."""
    image: dict[str, Any] = {"width": "wide"}
    for _ in range(60):
        image = {"image": image}
    body = {"image": image}
    _, expected = structure(body, ImageInsights)

    def after(frames: int) -> tuple[Any, ...]:
        return after(frames - 1) if frames else structure(body, ImageInsights)[1]

    outcomes: set[str] = set()
    for frames in range(0, sys.getrecursionlimit(), 7):
        try:
            problems = after(frames)
        except DecodingError as error:
            assert "nested too deep" in error.reason  # noqa: PT017  # one of two right outcomes
            outcomes.add("refused")
        except RecursionError:
            outcomes.add("outside of structure")
        else:
            assert problems == expected
            outcomes.add("decoded")
    assert {"refused", "decoded"} <= outcomes


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_only_an_object_can_be_read(body: Any) -> None:
    """There is no model in anything else, not even one with problems."""
    with pytest.raises(DecodingError, match="expected an object"):
        structure(body, ImageAnswer)
