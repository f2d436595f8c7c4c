"""One fault in a body is reported at its place, and everything else of the body is there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import bodies
import pytest
from walk import compare

from bing_images_async._protocol import decoding as convert, salvage
from bing_images_async._protocol.decoding import Flawed, structure
from bing_images_async._protocol.error_mapping import api_error
from bing_images_async._protocol.response_reading import decipher
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
    (SEARCH, "value[0].height", 600.0, "expected a whole number, found the number 600.0"),
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
    answer = decipher(bodies.reply(body), ImageAnswer)
    assert [p.path for p in answer.problems] == sorted(places, key=lambda p: (p.startswith("similar"), p))
    assert [image.image_id for image in answer.value] == [f"{n:040X}" for n in (1, 3, 4)]


@pytest.mark.parametrize("found", ["none", 5, {"0": {}}, True])
@pytest.mark.parametrize(("kind", "make", "key"), [(ImageAnswer, bodies.search_2020, "value"),
                                                   (TrendingImages, bodies.trending, "categories")])  # fmt: skip
def test_the_list_of_the_endpoint_must_be_a_list(kind: type[Answer], make: Body, key: str, found: Any) -> None:
    """Without it there is no page: `MalformedResponseError` names its place."""
    body = make() | {key: found}
    with pytest.raises(MalformedResponseError) as caught:
        decipher(bodies.reply(body, bingapis_traceid="T-1"), kind)
    assert (caught.value.path, caught.value.trace_id) == (key, "T-1")
    assert caught.value.excerpt == bodies.reply(body).body[:200].decode()


@pytest.mark.parametrize("key", ["value", "queryExpansions", "pivotSuggestions", "name", "queryContext", "nextOffset"])
def test_null_is_the_same_as_absent(key: str) -> None:
    """The service sends neither meaning; users see `None` or `()` for both."""
    absent, null = bodies.search_2020(), bodies.search_2020()
    absent.pop(key, None)
    null[key] = None
    assert decipher(bodies.reply(null), ImageAnswer) == decipher(bodies.reply(absent), ImageAnswer)


def test_an_empty_list_is_no_problem() -> None:
    """No results: the list is there and empty, or not there at all."""
    empty, absent = {"_type": "Images", "value": []}, {"_type": "Images"}
    pages = [decipher(bodies.reply(body), ImageAnswer) for body in (empty, absent)]
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


def test_an_int_is_a_float_where_a_float_is_asked() -> None:
    """The only thing that is ever converted."""
    insights, problems = structure(bodies.details(), ImageInsights)
    assert insights.shopping_sources is not None
    ratings = [offer.aggregate_rating for offer in insights.shopping_sources.offers]
    assert [(r.best_rating, type(r.best_rating)) for r in ratings if r is not None] == [(5.0, float)] * 2
    assert problems == ()


def test_a_fault_costs_the_same_at_any_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image has an image, without end; the thorough way reads each once, not 2ⁿ times."""
    calls = 0
    thorough = salvage.salvage

    def counted(body: Any, cls: type) -> Any:
        nonlocal calls
        calls += 1
        return thorough(body, cls)

    monkeypatch.setattr(salvage, "salvage", counted)
    monkeypatch.setattr(convert, "salvage", counted)
    image: dict[str, Any] = {"width": "wide"}
    for _ in range(100):
        image = {"image": image}
    _, problems = structure({"image": image}, ImageInsights)
    assert (calls, [p.path for p in problems]) == (102, ["image" + ".image" * 100 + ".width"])


def test_faults_leave_nothing_behind() -> None:
    """An exception object that is kept would keep every frame it passed, and the bodies in them."""
    body = bodies.search_2020()
    plant(body, "value[1].width", "800")
    before = sys.getrefcount(body)
    structure(body, ImageAnswer)
    assert sys.getrefcount(body) == before


def test_the_list_of_problems_is_bounded() -> None:
    """A body can hold millions of faults; the first thousand are told, and that there are more."""
    body = {"_type": "Images", "value": [{"width": "x", "height": "y"}] * 2_000}
    answer, problems = structure(body, ImageAnswer)
    assert (len(answer.value), len(problems)) == (2_000, 1_001)
    assert sorted({p.path for p in problems[:2]}) == ["value[0].height", "value[0].width"]
    assert (problems[999].path.partition(".")[0], problems[1000].path) == ("value[499]", "")
    assert "1,000" in problems[1000].reason
    with pytest.raises(Flawed) as caught:
        salvage.salvage(body, ImageAnswer)
    assert len(caught.value.problems) == 1_000  # so much is ever held, not only told


def test_nesting_beyond_the_recursion_limit_is_malformed() -> None:
    """However deep, no `RecursionError` comes out."""
    for depth in (5_000, 100_000):
        deep = b'{"image":' * depth + b"1" + b"}" * depth
        with pytest.raises(MalformedResponseError, match="nested too deep"):
            decipher(bodies.reply(b'{"_type":"Images","value":[' + deep + b"]}"), ImageAnswer)


def test_no_depth_of_nesting_is_a_recursion_error() -> None:
    """At the very edge, where parsing just works, a fault at the bottom is still a problem or a bad page."""
    edge = sys.getrecursionlimit()
    for depth in range(edge - 150, edge + 10):
        body = b'{"_type":"Images","value":[' + b'{"image":' * depth + b'{"width":[]}' + b"}" * depth + b"]}"
        try:
            problems = decipher(bodies.reply(body), ImageAnswer).problems
        except MalformedResponseError as error:
            assert "nested too deep" in str(error)  # noqa: PT017  # either way is right here
        else:
            assert [p.path.count(".image") for p in problems] == [depth]


def test_nesting_that_only_the_models_cannot_follow_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the parser could still read may be too deep for the reader of models."""

    def exhausted(body: Any, kind: Any) -> Any:
        raise RecursionError

    monkeypatch.setattr(convert, "converter", SimpleNamespace(structure=exhausted))
    with pytest.raises(MalformedResponseError, match="nested too deep"):
        decipher(bodies.reply(bodies.trending()), TrendingImages)
    assert api_error(bodies.reply(bodies.service_error(), 400)).message is None


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_only_an_object_can_be_read(body: Any) -> None:
    """There is no model in anything else, not even one with problems."""
    with pytest.raises(Flawed) as caught:
        structure(body, ImageAnswer)
    assert [problem.reason.startswith("expected an object") for problem in caught.value.problems] == [True]
