"""The three endpoints from the call to the answer: what is sent, and what comes of it."""

from __future__ import annotations

import pickle
from datetime import timedelta
from typing import Any

import httpx
import pytest
from session_kit import HOST, KEY, Service, page, session_with

from bing_images_async import (
    DetailsParams,
    ImageSearchSession,
    ImageSize,
    Location,
    NormalizedRectangle,
    SafeSearch,
    SearchParams,
    TrendingParams,
)
from bing_images_async.errors import InvalidRequestError
from bing_images_async.models import ImageAnswer, ImageInsights, TrendingImages
from bing_images_async.testing import virtual_time

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


async def test_a_search_is_sent_as_documented() -> None:
    """Exactly this URL and these headers reach the service, and nothing else."""
    service = Service()
    async with session_with(service) as session:
        await session.search("paper boat", count=20, size="large", market="en-US")
    assert service.last.method == "GET"
    assert str(service.last.url) == f"{HOST}/v7.0/images/search?q=paper%20boat&count=20&size=Large&mkt=en-US"
    assert {name.lower() for name in service.last.headers} == {
        "host",
        "accept",
        "accept-encoding",
        "user-agent",
        "ocp-apim-subscription-key",
    }
    assert service.last.headers["accept"] == "application/json"
    assert service.last.headers["accept-encoding"] == "gzip"
    assert service.last.headers["user-agent"].startswith("bing-images-async/")
    assert service.last.headers["ocp-apim-subscription-key"] == KEY


async def test_a_search_gives_an_answer() -> None:
    """The body becomes the model, and the headers its `meta`."""
    headers = {"BingAPIs-TraceId": "T1", "BingAPIs-Market": "en-US", "X-MSEdge-ClientID": "C1"}
    async with session_with(Service(headers=headers)) as session:
        answer = await session.search("boat")
    assert isinstance(answer, ImageAnswer)
    assert [image.name for image in answer.value] == ["boat"]
    assert (answer.next_offset, answer.current_offset, answer.total_estimated_matches) == (35, 0, 1)
    assert (answer.meta.status, answer.meta.trace_id, answer.meta.market) == (200, "T1", "en-US")
    assert answer.meta.client_id == "C1"
    assert answer.problems == ()
    assert answer.raw is None


async def test_details_asks_for_everything_unless_told() -> None:
    """`details()` sends `modules=All`; named modules go in one comma list, crop as four fractions."""
    service = Service()
    async with session_with(service) as session:
        insights = await session.details(insights_token="a*b\\c/d+e")
        assert service.query == {"insightsToken": "a*b\\c/d+e", "modules": "All"}
        assert str(service.last.url).startswith(f"{HOST}/v7.0/images/details?insightsToken=a%2Ab%5Cc%2Fd%2Be&")
        await session.details(
            image_url="https://pictures.example/a b.png",
            modules=["tags", "SimilarImages"],
            query="boat",
            crop=NormalizedRectangle(left=0.25, top=0, right=1, bottom=0.5),
        )
    assert isinstance(insights, ImageInsights)
    assert insights.image_tags is not None
    assert [tag.name for tag in insights.image_tags.value] == ["boat"]
    assert service.query == {
        "imgUrl": "https://pictures.example/a b.png",
        "modules": "Tags,SimilarImages",
        "q": "boat",
        "cal": "0.25",
        "cat": "0",
        "car": "1",
        "cab": "0.5",
    }


async def test_trending_needs_no_parameter() -> None:
    """Without parameters the URL has no query at all."""
    service = Service()
    async with session_with(service) as session:
        today = await session.trending()
        assert str(service.last.url) == f"{HOST}/v7.0/images/trending"
        await session.trending(TrendingParams(market="en-GB"), safe_search="off")
    assert isinstance(today, TrendingImages)
    assert [category.title for category in today.categories] == ["Boats"]
    assert service.query == {"mkt": "en-GB", "safeSearch": "Off"}


async def test_parameters_as_an_object_and_changed_by_name() -> None:
    """`SearchParams` can be reused; keyword arguments change what they name, for one call."""
    params = SearchParams("boat", count=10, size=ImageSize.SMALL)
    service = Service()
    async with session_with(service) as session:
        await session.search(params)
        assert service.query == {"q": "boat", "count": "10", "size": "Small"}
        await session.search(params, count=None, offset=10)
        assert service.query == {"q": "boat", "offset": "10", "size": "Small"}
        await session.details(DetailsParams(image_url="https://a.example/"), modules="Caption")
        assert service.query == {"imgUrl": "https://a.example/", "modules": "Caption"}
    assert params.count == 10


async def test_a_bad_parameter_is_refused_before_anything_is_sent() -> None:
    """The error is a `ValueError` that names the parameter; the service hears nothing."""
    service = Service()
    async with session_with(service) as session:
        with pytest.raises(InvalidRequestError, match="count=151") as caught:
            await session.search("boat", count=151)
        with pytest.raises(ValueError, match="query"):
            await session.search("  ")
        with pytest.raises(InvalidRequestError, match="exactly one"):
            await session.details(insights_token="t", image_url="https://a.example/")
        with pytest.raises(InvalidRequestError, match="2,048"):
            await session.search("b" * 2_048)
    assert caught.value.parameter == "count"
    assert service.requests == []


@pytest.mark.parametrize("endpoint", ["search", "details", "trending"])
async def test_an_unknown_name_is_refused(endpoint: str) -> None:
    """The service would ignore a misspelt parameter silently; the session does not."""
    question: dict[str, Any] = {"search": {"query": "boat"}, "details": {"insights_token": "t"}, "trending": {}}
    service = Service()
    async with session_with(service) as session:
        with pytest.raises(InvalidRequestError, match="marked") as caught:
            await getattr(session, endpoint)(**question[endpoint], marked="en-US")
    assert caught.value.parameter == "marked"
    assert service.requests == []


async def test_an_unknown_name_beside_an_object_is_refused() -> None:
    """Also where the parameters came as an object."""
    async with session_with(Service()) as session:
        for call in (
            session.search(SearchParams("boat"), marked="en-US"),  # type: ignore[call-arg]  # wrong on purpose
            session.trending(TrendingParams(), marked="en-US"),  # type: ignore[call-arg]  # wrong on purpose
        ):
            with pytest.raises(InvalidRequestError, match="marked"):
                await call


async def test_defaults_of_the_session() -> None:
    """They go with every call; a call may change each of them, or switch it off with `None`."""
    service = Service()
    place = Location(47.6, -122.3, 100)
    async with session_with(
        service,
        market="de-DE",
        safe_search="strict",
        user_agent="Browser/1",
        client_id="C1",
        client_ip="192.0.2.1",
        location=place,
    ) as session:
        await session.search("boot")
        assert service.query == {"q": "boot", "mkt": "de-DE", "safeSearch": "Strict"}
        sent = service.last.headers
        assert sent["user-agent"] == "Browser/1"
        assert sent["x-msedge-clientid"] == "C1"
        assert sent["x-msedge-clientip"] == "192.0.2.1"
        assert sent["x-search-location"] == "lat:47.6;long:-122.3;re:100"

        await session.trending(market="en-US", safe_search=SafeSearch.OFF, client_id="C2", location=None)
        assert service.query == {"mkt": "en-US", "safeSearch": "Off"}
        assert service.last.headers["x-msedge-clientid"] == "C2"
        assert "x-search-location" not in service.last.headers

        await session.search("boot", market=None, safe_search=None, user_agent=None)
        assert service.query == {"q": "boot"}
        assert service.last.headers["user-agent"].startswith("bing-images-async/")


async def test_exclusive_parameters_across_defaults() -> None:
    """A call's country code or languages push the session's market or label language aside."""
    service = Service()
    async with session_with(service, market="de-DE", set_lang="de") as session:
        await session.search("boot", country_code="CH", accept_language="de, fr")
        assert service.query == {"q": "boot", "cc": "CH"}
        assert service.last.headers["accept-language"] == "de, fr"
        with pytest.raises(InvalidRequestError, match="accept_language"):
            await session.search("boot", country_code="CH")
        with pytest.raises(InvalidRequestError, match="exclude each other"):
            await session.search("boot", country_code="CH", market="de-CH")
    with pytest.raises(InvalidRequestError, match="exclude each other"):
        ImageSearchSession(KEY, market="de-DE", country_code="DE")


async def test_siblings() -> None:
    """`with_options` changes the sibling only; what it does not name stays."""
    service = Service()
    async with session_with(service, market="de-DE", params={"a": "1"}, headers={"x-one": "1"}) as session:
        sibling = session.with_options(market="en-GB", keep_raw=True, timeout=timedelta(seconds=5))
        answer = await sibling.search("boat")
        assert service.query == {"q": "boat", "mkt": "en-GB", "a": "1"}
        assert service.last.headers["x-one"] == "1"
        assert service.last.headers["ocp-apim-subscription-key"] == KEY
        assert answer.raw is not None

        bare = sibling.with_options(params=None, headers={"x-two": "2"}, market=None)
        await bare.search("boat")
        assert service.query == {"q": "boat"}
        assert "x-one" not in service.last.headers
        assert service.last.headers["x-two"] == "2"

        assert (await session.search("boot")).raw is None
        assert service.query == {"q": "boot", "mkt": "de-DE", "a": "1"}


async def test_siblings_refuse_what_belongs_to_the_session() -> None:
    """The key and the service are the session's; the error names the argument."""
    async with session_with(Service()) as session:
        with pytest.raises(InvalidRequestError, match="api_key") as caught:
            session.with_options(api_key="another")  # type: ignore[call-arg]  # wrong on purpose
        with pytest.raises(InvalidRequestError, match="timeout"):
            session.with_options(timeout=0)
        with pytest.raises(InvalidRequestError, match="keep_raw"):
            session.with_options(keep_raw="yes")  # type: ignore[typeddict-item]  # wrong on purpose
    assert caught.value.parameter == "api_key"


async def test_keep_raw() -> None:
    """The parsed JSON stays on the answer, unknown fields included."""
    body = page("boat", novelty=[1, 2])
    async with session_with(Service(body), keep_raw=True) as session:
        assert (await session.search("boat")).raw == body


async def test_json_ld_is_passed_on_whole() -> None:
    """Its shape is not documented, so it is an opaque object."""
    service = Service({"@context": "https://schema.org", "@graph": []}, headers={"BingAPIs-TraceId": "T"})
    async with session_with(service) as session:
        answer = await session.search("boat", accept="application/ld+json")
    assert service.last.headers["accept"] == "application/ld+json"
    assert answer.raw == {"@context": "https://schema.org", "@graph": []}
    assert answer.value == ()
    assert answer.meta.trace_id == "T"


async def test_flags_become_headers() -> None:
    """`no_cache` and `bing_apis_sdk` are headers with fixed values."""
    service = Service()
    async with session_with(service) as session:
        await session.search("boat", no_cache=True, bing_apis_sdk=True)
    assert service.last.headers["pragma"] == "no-cache"
    assert service.last.headers["x-bingapis-sdk"] == "true"


async def test_custom_search() -> None:
    """Custom Search is another path, and a parameter with every call."""
    service = Service()
    base = f"{HOST}/v7.0/custom/images/search"
    async with session_with(service, base_url=base, params={"customConfig": "c-1"}) as session:
        await session.search("boat", count=3)
    assert service.last.url.path == "/v7.0/custom/images/search"
    assert service.query == {"q": "boat", "count": "3", "customConfig": "c-1"}


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://gateway.example", "https://gateway.example/v7.0/images/search"),
        ("gateway.example:8443/bing/", "https://gateway.example:8443/bing/images/search"),
        ("https://eu.api.cognitive.microsoft.com", "https://eu.api.cognitive.microsoft.com/bing/v7.0/images/search"),
        ("http://127.0.0.1:8765/v7.0/images/trending", "http://127.0.0.1:8765/v7.0/images/search"),
    ],
)
async def test_who_answers_is_a_setting(base_url: str, url: str) -> None:
    """Host, host with path, or the URL of an endpoint."""
    service = Service()
    async with session_with(service, base_url=base_url) as session:
        await session.search("boat")
    assert str(service.last.url) == f"{url}?q=boat"


async def test_cookies_are_neither_kept_nor_sent() -> None:
    """A `Set-Cookie` does not come back with the next request."""
    service = Service(headers={"Set-Cookie": "MUID=1; Path=/"})
    async with session_with(service) as session:
        await session.search("boat")
        await session.search("boat")
    assert len(service.requests) == 2
    assert "cookie" not in service.last.headers


async def test_a_borrowed_client_lends_its_transport_only() -> None:
    """Its headers, cookies, parameters, auth, base URL, redirects and timeouts play no part, and it stays open."""
    service = Service()
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(service),
        headers={"X-Own": "1", "User-Agent": "own"},
        cookies={"own": "1"},
        params={"own": "1"},
        auth=("user", "password"),
        base_url="https://own.example/",
        follow_redirects=True,
    ) as client:
        async with ImageSearchSession(KEY, client=client) as session:
            await session.search("boat")
        assert not client.is_closed
        assert str(service.last.url) == f"{HOST}/v7.0/images/search?q=boat"
        assert not {"x-own", "cookie", "authorization"} & set(service.last.headers)
        assert service.last.headers["user-agent"].startswith("bing-images-async/")
        assert (client.headers["x-own"], client.cookies["own"]) == ("1", "1")
        await client.get("/images/search")
    assert service.last.headers["x-own"] == "1"


async def test_repr_names_the_service_only() -> None:
    """Who answers, and nothing of the key."""
    session = ImageSearchSession(KEY, market="en-US")
    assert repr(session) == "<ImageSearchSession on https://api.bing.microsoft.com/v7.0>"


async def test_a_session_cannot_be_pickled() -> None:
    """It holds connections and a key; the error says what to do instead."""
    with pytest.raises(TypeError, match="make one in each process"):
        pickle.dumps(ImageSearchSession(KEY))
