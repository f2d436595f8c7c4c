"""Bodies of both generations are read whole: no problem, no field lost, no value changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import attrs
import bodies
import pytest
from walk import compare

from bing_images_async import models
from bing_images_async._protocol.decoding import structure, unstructure, wire_names
from bing_images_async._protocol.response_reading import read_response
from bing_images_async.models import Answer, ImageAnswer, ImageInsights, TrendingImages

RECORDINGS = os.environ.get("BING_IMAGES_RECORDINGS")
KINDS: dict[str, type[Answer]] = {"search": ImageAnswer, "details": ImageInsights, "trending": TrendingImages}
OURS: dict[str, tuple[dict[str, Any], type[Answer]]] = {
    "search of 2017": (bodies.search_2017(), ImageAnswer),
    "search of 2020": (bodies.search_2020(), ImageAnswer),
    "details": (bodies.details(), ImageInsights),
    "trending": (bodies.trending(), TrendingImages),
}

THING = "_type id readLink webSearchUrl name url image description alternateName bingId"
CREATIVE_WORK = f"{THING} thumbnailUrl provider datePublished text"
OFFER = f"{THING} seller price priceCurrency availability aggregateRating lastUpdated lowPrice offerCount"
RATING = "_type text ratingValue bestRating"
IDENTIFIED = "_type id readLink webSearchUrl"
ANSWER = f"{IDENTIFIED} instrumentation"
API_REFERENCE: dict[str, str] = {
    "AggregateOffer": f"{OFFER} offers",
    "AggregateRating": f"{RATING} reviewCount",
    "CreativeWork": CREATIVE_WORK,
    "Error": "_type code subCode message moreDetails parameter value",
    "ErrorResponse": f"{ANSWER} errors",
    "Image": f"{CREATIVE_WORK} imageId imageInsightsToken insightsMetadata thumbnail contentUrl hostPageUrl "
    "hostPageDisplayUrl hostPageDomainFriendlyName hostPageFavIconUrl hostPageDiscoveredDate contentSize "
    "encodingFormat width height accentColor creativeCommons isFamilyFriendly isTransparent isFresh cDNContentUrl "
    "proxyContentUrl visualWords contentUrlPingSuffix hostPageUrlPingSuffix webSearchUrlPingSuffix",
    "ImageAnswer": f"{ANSWER} webSearchUrlPingSuffix queryContext totalEstimatedMatches currentOffset nextOffset "
    "value queryExpansions pivotSuggestions similarTerms relatedSearches isFamilyFriendly",
    "ImageGallery": f"{CREATIVE_WORK} creator source imagesCount followersCount",
    "ImageInsights": f"{ANSWER} imageInsightsToken bestRepresentativeQuery imageCaption relatedCollections "
    "pagesIncluding shoppingSources relatedSearches recipes visuallySimilarImages visuallySimilarProducts "
    "recognizedEntityGroups imageTags image imageBasedRelatedSearches detectedObjects",
    "ImageInsightsImageCaption": "caption dataSourceUrl relatedSearches",
    "ImageTagsModule": "value",
    "ImagesModule": "value",
    "InsightsMetadata": "shoppingSourcesCount recipeSourcesCount pagesIncludingCount availableSizesCount "
    "aggregateOffer bestRepresentativeQuery videoObject",
    "InsightsTag": "name",
    "Instrumentation": "_type pingUrlBase pageLoadPingUrl",
    "MediaSize": "width height",
    "NormalizedRectangle": "left top right bottom",
    "Offer": OFFER,
    "Organization": THING,
    "Person": f"{THING} jobTitle twitterProfile",
    "PivotSuggestions": "pivot suggestions",
    "Query": "text displayText webSearchUrl searchLink thumbnail webSearchUrlPingSuffix",
    "QueryContext": "originalQuery alteredQuery alterationOverrideQuery adultIntent askUserForLocation "
    "alterationDisplayQuery alterationMethod alterationType",
    "Rating": RATING,
    "Recipe": f"{CREATIVE_WORK} creator cookTime prepTime totalTime aggregateRating",
    "RecipesModule": "value",
    "RecognizedEntitiesModule": "value",
    "RecognizedEntity": f"{IDENTIFIED} entity matchConfidence",
    "RecognizedEntityGroup": "name recognizedEntityRegions",
    "RecognizedEntityRegion": f"{IDENTIFIED} region matchingEntities",
    "RelatedCollectionsModule": "value",
    "RelatedSearchesModule": "value",
    "Thing": THING,
    "Thumbnail": "url thumbnailUrl",
    "TrendingImages": f"{ANSWER} categories",
    "TrendingImagesCategory": "title tiles",
    "TrendingImagesTile": "query image",
    "VideoObject": "creator duration embedHtml allowHttpsEmbed videoId allowMobileEmbed",
}
"""Every field that the API reference, the schema or a recorded body names, by the class that has it."""

ESSENCE = {
    "Image": "imageId imageInsightsToken contentUrl thumbnailUrl cDNContentUrl proxyContentUrl creativeCommons "
    "visualWords isFresh",
    "ImageAnswer": API_REFERENCE["ImageAnswer"],
    "ImageInsights": API_REFERENCE["ImageInsights"],
    "InsightsMetadata": API_REFERENCE["InsightsMetadata"],
    "Offer": "seller price priceCurrency availability aggregateRating lastUpdated",
    "AggregateOffer": "lowPrice offerCount offers",
    "Query": API_REFERENCE["Query"],
    "QueryContext": API_REFERENCE["QueryContext"],
    "Thumbnail": API_REFERENCE["Thumbnail"],
    "TrendingImages": "_type instrumentation categories",
}
"""Fields that our own bodies must hold at least, or the walk over them would prove little."""


@pytest.mark.parametrize("name", API_REFERENCE)
def test_every_field_of_the_api_is_on_its_model(name: str) -> None:
    """A model has all fields that the API reference gives its class."""
    missing = set(API_REFERENCE[name].split()) - set(wire_names(getattr(models, name)).values())
    assert missing == set()


def test_every_model_is_in_the_table() -> None:
    """No model class escapes the check above."""
    own = {"Answer", "Attempt", "Problem", "ResponseMeta"}
    classes = {name for name in models.__all__ if attrs.has(getattr(models, name))}
    assert classes - own == set(API_REFERENCE)


@pytest.mark.parametrize("name", OURS)
def test_bodies_are_read_whole(name: str) -> None:
    """Whatever a body says is on the model, with the same value, and there is nothing to complain of."""
    body, kind = OURS[name]
    answer = read_response(bodies.reply(body), kind)
    comparison = compare(body, answer)
    assert (answer.problems, comparison.differences, comparison.unknown) == ((), (), frozenset())


def test_our_bodies_hold_what_matters() -> None:
    """The bodies of these tests have the fields that the walk is to prove."""
    seen = {key for body, kind in OURS.values() for key in compare(body, structure(body, kind)[0]).known}
    assert {f"{cls}.{key}" for cls, keys in ESSENCE.items() for key in keys.split()} - seen == set()


@pytest.mark.parametrize("name", OURS)
def test_models_become_json_again(name: str) -> None:
    """Unstructuring gives the API's names back, and what comes out is read as the same model."""
    body, kind = OURS[name]
    model, _ = structure(body, kind)
    again = json.loads(json.dumps(unstructure(model)))
    assert structure(again, kind) == (model, ())


def test_unknown_keys_are_ignored_and_listed() -> None:
    """A key that no model knows changes nothing; the walk names it with its class."""
    body = bodies.search_2017(1)
    model, _ = structure(body, ImageAnswer)
    body["value"][0]["holographic"] = True
    body["weather"] = {"wind": 3}
    changed, problems = structure(body, ImageAnswer)
    assert (changed, problems) == (model, ())
    assert compare(body, changed).unknown == {"Image.holographic", "ImageAnswer.weather"}


@pytest.mark.parametrize(
    ("key", "value", "seen"),
    [
        ("width", 801, ["value[0].width"]),
        ("width", 800.5, ["value[0].width"]),
        ("name", "other", ["value[0].name"]),
        ("datePublished", "2016-11-02T12:00:01.0000000Z", ["value[0].datePublished"]),
        ("datePublished", "2016-11-03T12:00:00.0000000", ["value[0].datePublished"]),
        ("thumbnail", {"width": 1, "height": 225}, ["value[0].thumbnail.width"]),
        ("thumbnail", 5, ["value[0].thumbnail"]),
        ("provider", [{}], ["value[0].provider"]),
    ],
)
def test_the_walk_sees_a_difference(key: str, value: object, seen: list[str]) -> None:
    """A walk that cannot fail would prove nothing."""
    body = bodies.search_2017(1)
    model, _ = structure(body, ImageAnswer)
    body["value"][0][key] = value
    assert [line.partition(": ")[0] for line in compare(body, model).differences] == seen


def test_the_walk_sees_what_is_only_on_the_model() -> None:
    """A field that is not in the JSON but has a value on the model is a difference."""
    body = bodies.trending()
    model, _ = structure(body, TrendingImages)
    del body["categories"][0]["title"]
    assert len(compare(body, model).differences) == 1


@pytest.mark.skipif(RECORDINGS is None, reason="BING_IMAGES_RECORDINGS names no folder of recorded bodies")
def test_recorded_bodies_are_read_whole() -> None:
    """So are the bodies in the folder BING_IMAGES_RECORDINGS: files whose names start with the endpoint's."""
    paths = sorted(Path(str(RECORDINGS)).glob("*.json"))
    for path in paths:
        check_recording(path)
    assert paths != []


def check_recording(path: Path) -> None:
    kind = KINDS[path.name.partition("_")[0].removesuffix(".json")]
    raw = path.read_bytes()
    answer = read_response(bodies.reply(raw), kind)
    comparison = compare(json.loads(raw), answer)
    print(f"{path.name}: {len(comparison.known)} fields found; unknown keys: {sorted(comparison.unknown)}")
    named = {f"{cls}.{key}" for cls, keys in API_REFERENCE.items() for key in keys.split()}
    assert (answer.problems, comparison.differences) == ((), ())
    assert comparison.unknown & named == set()
    assert comparison.known & named != set()
