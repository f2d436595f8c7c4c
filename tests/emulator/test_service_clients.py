"""Requests and answers as clients in other languages send and read them."""

from typing import Any

import pytest
from service_kit import BASE, client, ids, pictures

from bing_images_async.emulator.catalogue.sqlite_catalogue import SqliteCatalogue


@pytest.mark.anyio
@pytest.mark.parametrize("languages", ["*", "de", "en-US,en;q=0.9", ""])
async def test_search_with_set_lang_and_accept_language_is_answered(languages: str) -> None:
    """Browsers and Node's `fetch` send `Accept-Language` with every request."""
    async with client() as one:
        reply = await one.get("images/search?q=boat&setLang=de", headers={"Accept-Language": languages})
    assert reply.status_code == 200
    assert "&setlang=de" in reply.json()["webSearchUrl"]


@pytest.mark.anyio
@pytest.mark.parametrize(("country", "market"), [("DE", "de-DE"), ("us", "en-US"), ("SA", "en-US"), ("BE", "nl-BE")])
async def test_search_with_a_country_and_no_language_is_answered(country: str, market: str) -> None:
    """The official SDK sends `cc` alone."""
    async with client() as one:
        reply = await one.get("images/search", params={"q": "boat", "cc": country})
    assert (reply.status_code, reply.headers["bingapis-market"]) == (200, market)


@pytest.mark.anyio
async def test_search_with_country_and_set_lang_is_answered() -> None:
    """As the official SDK 2.0.1 with `country_code` and `set_lang`."""
    async with client() as one:
        reply = await one.get("images/search", params={"q": "boat", "cc": "DE", "setLang": "EN"})
    assert reply.status_code == 200


@pytest.mark.anyio
async def test_search_without_results_has_the_fields_of_real_answers() -> None:
    async with client() as one:
        answer = (await one.get("images/search", params={"q": "?!"})).json()
    assert list(answer) == ["_type", "instrumentation", "queryContext", "value"]
    assert (answer["value"], answer["queryContext"]["originalQuery"]) == ([], "?!")


@pytest.mark.anyio
async def test_search_beyond_the_end_has_the_fields_of_an_empty_answer() -> None:
    async with client() as one:
        answer = (await one.get("images/search?q=boat&offset=5000")).json()
    assert set(answer) == {"_type", "instrumentation", "queryContext", "value"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("total", "count"),
    [(total, count) for total in (1, 20, 120, 153, 400) for count in (1, 10, 35, 150) if total // count <= 40],
)
async def test_iterator_that_stops_at_the_estimate_gets_all_images(total: int, count: int) -> None:
    """npm's `cognitive-services` and many scripts: `while (offset < totalEstimatedMatches)`."""
    seen: set[str] = set()
    async with client(pictures(total)) as one:
        offset, estimate = 0, 1
        while offset < estimate:
            params = {"q": "boat", "count": count, "offset": offset, "safeSearch": "Off"}
            page = (await one.get("images/search", params=params)).json()
            if not page["value"]:
                break
            seen.update(ids(page))
            offset, estimate = page["nextOffset"], page["totalEstimatedMatches"]
    assert len(seen) == total


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("market", "query", "name"),
    [("ar-SA", "قطة", "قطة"), ("fa-IR", "گربه", "گربه"), ("id-ID", "kucing", "Kucing"), ("ar-EG", "lemon", "ليمون")],
)
async def test_titles_are_in_the_language_that_was_asked_for(
    catalogue: SqliteCatalogue, market: str, query: str, name: str
) -> None:
    """Arabic, Persian and Indonesian: the API has no market for them."""
    async with client(catalogue) as one:
        by_market = (await one.get("images/search", params={"q": query, "mkt": market})).json()
        by_header = (await one.get("images/search", params={"q": query}, headers={"Accept-Language": market})).json()
    assert [answer["value"][0]["name"] for answer in (by_market, by_header)] == [name, name]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "override"),
    [
        ("red bycicle", "+red +bycicle"),
        ('bycicle "red car"', '+bycicle "red car"'),
        ("bycicle -red", "+bycicle -red"),
        ("bycicle red OR blue", "+bycicle +red OR +blue"),
    ],
)
async def test_override_query_sent_back_is_not_altered(catalogue: SqliteCatalogue, query: str, override: str) -> None:
    async with client(catalogue) as one:
        altered = (await one.get("images/search", params={"q": query})).json()["queryContext"]
        assert (altered["alterationOverrideQuery"], "bicycle" in altered["alteredQuery"]) == (override, True)
        again = (await one.get("images/search", params={"q": override})).json()["queryContext"]
    assert again == {"originalQuery": override, "adultIntent": False, "askUserForLocation": False}


# --- the journal


async def records(settings: dict[str, Any], *requests: tuple[str, dict[str, str]]) -> Any:
    from faults_kit import emulated

    async with emulated(**settings) as (one, emulator):
        for url, headers in requests:
            await one.get(f"{BASE}{url}", headers=headers)
        return emulator.journal


LONG = "/v7.0/images/search?q=" + "x" * 3_000
KEY = "Ocp-Apim-Subscription-Key"


@pytest.mark.anyio
async def test_journal_of_refused_requests_has_no_query() -> None:
    """The key and the length are checked before anything of the query is kept."""
    journal = await records(
        {"keys": ["good"]},
        ("/v7.0/images/search?q=secret", {}),
        ("/v7.0/images/search?q=secret", {KEY: "wrong"}),
        ("/v7.0/images/search?q=secret", {KEY: "good", "Authorization": "Bearer good"}),
        (LONG, {KEY: "good"}),
        ("/web/images/search?q=" + "x" * 3_000, {}),
        ("/v7.0/images/search?q=boat", {KEY: "good"}),
    )
    assert [(record.status, record.query) for record in journal.records] == [
        (401, ()),
        (401, ()),
        (401, ()),
        (404, ()),
        (200, ()),
        (200, (("q", "boat"),)),
    ]


@pytest.mark.anyio
async def test_overlong_request_without_a_key_is_unauthorized_first() -> None:
    journal = await records({"keys": ["good"]}, (LONG, {}))
    assert [record.status for record in journal.records] == [401]


@pytest.mark.anyio
async def test_journal_of_a_long_path_keeps_its_beginning() -> None:
    journal = await records({}, ("/" + "x" * 9_000, {}))
    assert [len(record.path) for record in journal.records] == [2_048]
