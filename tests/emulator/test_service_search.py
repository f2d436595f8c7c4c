"""`/images/search` over the app: answers, habits, headers, refusals."""

import gzip

import pytest
from service_kit import NOON, client, errors, ids, pictures, walk

from bing_images_async.emulator import Filters, Hits, Picture
from bing_images_async.emulator.api.search_endpoint import query_context

pytestmark = pytest.mark.anyio


def found(text: str) -> tuple[Picture, ...]:
    """All that the catalogue has for a query."""
    return pictures().search(text, language="en", filters=Filters(), offset=0, limit=1000, now=NOON).pictures


async def test_search_answer_has_the_form_of_the_api() -> None:
    """Type, offsets, query context, and images with all that is always there."""
    async with client() as one:
        page = (await one.get("images/search", params={"q": "red circle"})).json()
    assert page["_type"] == "Images"
    assert page["readLink"] == "images/search?q=red circle"
    assert page["queryContext"]["originalQuery"] == "red circle"
    assert page["currentOffset"] == 0
    image = page["value"][0]
    assert image["contentSize"].endswith(" B")
    assert image["datePublished"].endswith(".0000000Z")
    assert image["imageInsightsToken"].startswith("ccid_")
    assert len(image["imageId"]) == 40


@pytest.mark.parametrize("prefix", ["", "/v7.0", "/bing/v7.0", "/api/v7"])
async def test_search_below_each_prefix_is_answered(prefix: str) -> None:
    async with client() as one:
        response = await one.get(f"http://local.bing-images{prefix}/images/search?q=circle")
    assert response.json()["_type"] == "Images"


@pytest.mark.parametrize("count", [1, 7, 35, 150])
async def test_search_along_next_offset_reaches_every_picture(count: int) -> None:
    """With safeSearch off: all of the catalogue, whatever the page size."""
    async with client() as one:
        pages = await walk(one, q="circle", count=count, safeSearch="Off")
    assert {image_id for page in pages for image_id in ids(page)} == {picture.image_id for picture in found("circle")}


async def test_search_again_has_the_same_answer() -> None:
    """From another app with the same seed, to the byte; with another seed it differs."""
    bodies: list[bytes] = []
    for seed in (1, 1, 2):
        async with client(seed=seed) as one:
            bodies.append((await one.get("images/search", params={"q": "circle"})).content)
    assert bodies[0] == bodies[1]
    assert bodies[0] != bodies[2]


async def test_search_images_lack_some_optional_fields() -> None:
    async with client() as one:
        images = [image for page in await walk(one, q="circle", count=150) for image in page["value"]]
    for field in ("insightsMetadata", "hostPageFavIconUrl", "cDNContentUrl", "isTransparent"):
        assert 0 < sum(field in image for image in images) < len(images), field


async def test_search_images_have_a_licence() -> None:
    """Artwork that is shown under a licence says so, always."""
    async with client() as one:
        images = [image for page in await walk(one, q="circle", count=150) for image in page["value"]]
    assert all(image["creativeCommons"] for image in images)


async def test_search_with_an_id_has_it_first_once() -> None:
    async with client() as one:
        plain = (await one.get("images/search", params={"q": "circle"})).json()
        wanted = ids(plain)[-1]
        pages = await walk(one, q="circle", id=wanted.lower(), count=10)
    assert ids(pages[0])[0] == wanted
    assert [wanted in ids(page) for page in pages[3:]] == [False] * len(pages[3:])


async def test_search_suggests_queries_on_the_first_page_only() -> None:
    """The lists are arrays of Query objects; pivots have suggestions."""
    async with client() as one:
        pages = await walk(one, q="circle")
    assert pages[0]["relatedSearches"][0]["searchLink"].startswith("http://local.bing-images/api/v7/images/search?q=")
    assert pages[0]["pivotSuggestions"][0]["pivot"] == "circle"
    assert all("relatedSearches" not in page for page in pages[1:])


async def test_search_names_are_in_the_markets_language() -> None:
    """And the header says which market it was, also when it was guessed from the languages."""
    async with client() as one:
        english = await one.get("images/search", params={"q": "circle", "mkt": "en-US"})
        german = await one.get("images/search", params={"q": "circle", "cc": "AT"}, headers={"Accept-Language": "de"})
    assert german.headers["BingAPIs-Market"] == "de-AT"
    name = german.json()["value"][0]
    picture = pictures().get(name["imageId"])
    assert picture is not None
    assert name["name"] == picture.names.get("de", picture.names["en"])
    assert english.headers["BingAPIs-Market"] == "en-US"


async def test_search_with_safe_search_hides_unsafe_images() -> None:
    """Unless it is off: then those pictures are shown and say what they are."""
    unfit = {picture.image_id for picture in found("circle") if not picture.is_family_friendly}
    assert unfit
    async with client() as one:
        moderate = {i for page in await walk(one, q="circle") for i in ids(page)}
        off = [image for page in await walk(one, q="circle", safeSearch="off") for image in page["value"]]
    assert not moderate & unfit
    assert {image["imageId"] for image in off if not image["isFamilyFriendly"]} == unfit


async def test_search_with_filters_passes_them_to_the_catalogue() -> None:
    async with client() as one:
        images = [i for page in await walk(one, q="circle", aspect="wide", minWidth=300) for i in page["value"]]
    assert images
    assert all(image["width"] > image["height"] and image["width"] >= 300 for image in images)


async def test_search_beyond_the_end_is_empty() -> None:
    """200, an empty `value`, and no offset to go on from."""
    async with client() as one:
        response = await one.get("images/search", params={"q": "circle", "offset": 60_000})
    assert (response.status_code, response.json()["value"]) == (200, [])
    assert "nextOffset" not in response.json()


async def test_search_with_the_sdk_header_has_documented_fields_only() -> None:
    async with client() as one:
        page = (await one.get("images/search?q=circle", headers={"X-BingApis-SDK": "true"})).json()
    assert "instrumentation" not in page
    assert all("hostPageFavIconUrl" not in image for image in page["value"])


def test_query_context_distinguishes_correction_and_fallback() -> None:
    """A respelled query is named; a query of which some words matched is shown as alternatives."""
    respelled = query_context("papper boat", Hits((), 0, "paper boat", matched_all=True))
    assert (respelled["alteredQuery"], respelled["alterationOverrideQuery"]) == ("paper boat", "+papper +boat")
    fallback = query_context("paper xylem", Hits((), 0, None, matched_all=False))
    assert fallback["alteredQuery"] == "paper OR xylem"
    assert "alteredQuery" not in query_context("paper boat", Hits((), 0, None, matched_all=True))


async def test_answer_has_the_headers_of_the_api() -> None:
    """Trace and session are new each time; a client id is kept, or given."""
    async with client() as one:
        first = await one.get("images/search?q=circle", headers={"X-MSEdge-ClientID": "ABC"})
        second = await one.get("images/search?q=circle")
    assert first.headers["Content-Type"] == "application/json; charset=utf-8"
    assert (first.headers["Cache-Control"], first.headers["Expires"]) == ("no-cache, no-store, must-revalidate", "-1")
    assert first.headers["X-MSEdge-ClientID"] == "ABC"
    assert len(second.headers["X-MSEdge-ClientID"]) == 32
    assert first.headers["BingAPIs-TraceId"] != second.headers["BingAPIs-TraceId"]
    assert "BingAPIs-SessionId" in first.headers


async def test_answer_is_compressed_if_accepted() -> None:
    """Same body either way."""
    async with client() as one:
        plain = await one.get("images/search?q=circle", headers={"Accept-Encoding": "identity"})
        async with one.stream("GET", "images/search?q=circle") as packed:
            raw = b"".join([chunk async for chunk in packed.aiter_raw()])
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content


async def test_error_of_the_service_is_an_error_response() -> None:
    async with client() as one:
        response = await one.get("images/search", params={"count": 500, "mkt": "de-DE"})
    assert response.status_code == 400
    assert sorted(errors(response)) == [("ParameterInvalidValue", "count", "500"), ("ParameterMissing", "q", "")]
    assert response.headers["BingAPIs-Market"] == "de-DE"
    assert response.json()["errors"][0]["code"] == "InvalidRequest"


@pytest.mark.parametrize(
    "headers",
    [{"Ocp-Apim-Subscription-Key": "good"}, {"Authorization": "Bearer good"}, {"X-RapidAPI-Key": "good"}],
)
async def test_key_in_each_header_is_accepted(headers: dict[str, str]) -> None:
    async with client(keys=["good"], key_header="X-RapidAPI-Key") as one:
        assert (await one.get("images/search?q=circle", headers=headers)).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Ocp-Apim-Subscription-Key": "bad"}, {"X-RapidAPI-Key": "good"}])
async def test_key_that_is_wrong_or_missing_is_401(headers: dict[str, str]) -> None:
    """In the gateway's shape, without the service's headers."""
    async with client(keys=["good"]) as one:
        response = await one.get("images/search?q=circle", headers=headers)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "401"
    assert "BingAPIs-TraceId" not in response.headers
    assert "apim-request-id" in response.headers


async def test_keys_in_two_headers_are_401() -> None:
    headers = {"Ocp-Apim-Subscription-Key": "good", "Authorization": "Bearer good"}
    async with client() as one:
        response = await one.get("images/search?q=circle", headers=headers)
    assert response.status_code == 401
    assert errors(response) == [("AuthorizationRedundancy", None, None)]


@pytest.mark.parametrize("path", ["", "images", "images/search/details", f"images/search?q={'a' * 2048}"])
async def test_url_that_is_unknown_or_too_long_is_404(path: str) -> None:
    async with client() as one:
        response = await one.get(path)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "404")


async def test_url_of_the_longest_length_is_answered() -> None:
    start = "http://local.bing-images/v7.0/images/search?q="
    async with client() as one:
        assert (await one.get(start + "a" * (2048 - len(start)))).status_code == 200
        assert (await one.get(start + "a" * (2049 - len(start)))).status_code == 404


async def test_method_that_is_not_allowed_is_405() -> None:
    async with client() as one:
        response = await one.post("images/search?q=circle")
    assert (response.status_code, response.json()["error"]["code"]) == (405, "405")
    assert "GET" in response.headers["Allow"]


async def test_exception_in_the_service_is_a_500() -> None:
    """The body is the API's; the exception still reaches whoever runs the app."""

    class Broken:
        blocking = False

        def search(self, *_: object, **__: object) -> Hits:
            raise RuntimeError("broken")

    async with client(Broken()) as one:  # type: ignore[arg-type]  # has what is called
        one._transport.raise_app_exceptions = False  # type: ignore[attr-defined]  # of ASGITransport
        response = await one.get("images/search?q=circle")
    assert response.status_code == 500
    assert response.json()["errors"][0]["subCode"] == "UnexpectedError"
