"""Faults, limits and journal without a socket, in virtual time: waiting costs nothing and is exact."""

from __future__ import annotations

import time
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import anyio
import httpx
import pytest
from faults_kit import SEARCH, emulated, impression
from service_kit import NOON, client, errors

from bing_images_async import ImageSearchSession
from bing_images_async._protocol.retry_after import retry_after, wait_in_message
from bing_images_async.emulator import FaultRule, Latency, Profile, synthetic
from bing_images_async.emulator.local import LocalService
from bing_images_async.testing import virtual_time

pytestmark = pytest.mark.anyio

KEY = {"Ocp-Apim-Subscription-Key": "a-key-that-nobody-may-see"}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


SHOWN = {
    "401": "401 ['error']",
    "403-disabled": "403 ErrorResponse",
    "403-expired": "403 ErrorResponse",
    "403-quota": "403 ErrorResponse",
    "403-replenished": "403 ['message', 'statusCode']",
    "410-retired": "410 ['error']",
    "410-https": "410 ErrorResponse",
    "429": "429 ErrorResponse",
    "429-message": "429 ['message', 'statusCode']",
    "200-empty": "200 empty",
    "200-html": "200 html",
    "500": "500 ErrorResponse",
    "500-not-implemented": "500 ErrorResponse",
    "500-empty": "500 empty",
    "500-html": "500 html",
    "502": "502 html",
    "503": "503 ['error']",
    "503-empty": "503 empty",
    "504": "504 html",
    "redirect": "302 empty",
    "gzip-truncated": "200 EOFError",
    "gzip-twice": "200 UnicodeDecodeError",
    "gzip-bomb": "200 Images",
    "gzip-not": "200 BadGzipFile",
    "encoding-unknown": "200 Images",
    "json-cut": "200 JSONDecodeError",
    "json-bom": "200 Images",
    "json-latin-1": "200 UnicodeDecodeError",
    "json-huge-integer": "200 ValueError",
    "json-deep": "200 RecursionError",
    "json-list": "200 list",
    "json-null": "200 NoneType",
    "refuse": "ConnectError",
    "reset": "ReadError",
    "reset-head": "ReadError",
    "reset-body": "ReadError",
    "close": "RemoteProtocolError",
    "close-head": "RemoteProtocolError",
    "close-body": "RemoteProtocolError",
    "half-close-body": "RemoteProtocolError",
    "drip": "200 Images",
    "delay": "200 Images",
    "length-above": "RemoteProtocolError",
    "length-below": "200 EOFError",
    "length-twice": "RemoteProtocolError",
    "chunks-broken": "RemoteProtocolError",
    "head-garbage": "RemoteProtocolError",
    "head-long": "RemoteProtocolError",
    "continues": "200 Images",
}


@pytest.mark.parametrize(("fault", "shown"), SHOWN.items())
async def test_fault_in_process_looks_as_on_a_socket(fault: str, shown: str) -> None:
    """The same expectations hold in test_faults_socket; the request after it is served as ever."""
    async with emulated(profile=Profile(faults=[FaultRule(fault, first=1, last=1)])) as (one, _):
        assert [await impression(one), await impression(one)] == [shown, "200 Images"]


async def test_hang_until_the_client_times_out_is_recorded_as_aborted() -> None:
    for fault in ("hang", "hang-head", "hang-body"):
        async with emulated(profile=Profile(faults=fault)) as (one, emulator):
            with anyio.move_on_after(30) as patience:
                await one.get(SEARCH)
            assert patience.cancelled_caught
            (record,) = emulator.journal.records
            assert (record.ending, record.elapsed, record.fault) == ("aborted", 30.0, fault)


async def test_drip_in_process_takes_time_per_byte() -> None:
    async with emulated(profile=Profile(faults="drip-body")) as (one, emulator):
        response = await one.get(SEARCH, headers={"Accept-Encoding": "identity"})
        assert emulator.journal.records[0].elapsed == pytest.approx(0.2 * len(response.content))


async def test_latency_in_virtual_time_passes_before_each_reply() -> None:
    started = time.monotonic()
    async with emulated(profile=Profile(latency=Latency(600.0))) as (one, emulator):
        await one.get(SEARCH)
        await one.get("/v7.0/images/search")
        await one.post("/v7.0/images/details?modules=Tags", files={"image": b"no picture"})
        assert [record.elapsed for record in emulator.journal.records] == [600.0] * 3
        assert [record.time for record in emulator.journal.records] == [0.0, 600.0, 1_200.0]
    assert time.monotonic() - started < 5


async def test_rate_limit_states_the_wait_and_slides() -> None:
    async with emulated(profile=Profile(qps=3, window=10.0)) as (one, emulator):
        statuses = []
        for _ in range(5):
            response = await one.get(SEARCH)
            statuses.append(response.status_code)
            await anyio.sleep(2)
        assert statuses == [200, 200, 200, 429, 429]
        assert response.headers["retry-after"] == "2"  # asked at 8 s; the first leaves the window at 10
        assert errors_of(response) == [("RateLimitExceeded", None)]
        assert (await one.get(SEARCH)).status_code == 200
        assert [record.fault for record in emulator.journal.records] == [None, None, None, "rate", "rate", None]


def errors_of(response: httpx.Response) -> list[tuple[str, str | None]]:
    return [(entry["code"], entry.get("subCode")) for entry in response.json()["errors"]]


async def test_retry_after_in_each_form_is_sent() -> None:
    """All of them by the emulator's own clock, whatever the time is outside."""
    found = {}
    for hint in ("seconds", "date", "message", "none"):
        async with emulated(profile=Profile(qps=1, window=7.0, retry_after=hint)) as (one, _):
            await one.get(SEARCH)
            response = await one.get(SEARCH)
            found[hint] = (retry_after(response.headers), wait_in_message(response.json().get("message")))
            assert parsedate_to_datetime(response.headers["date"]) == NOON
            if hint == "date":
                assert parsedate_to_datetime(response.headers["retry-after"]) == NOON + timedelta(seconds=7)
    assert found == {"seconds": (7, None), "date": (7, None), "message": (None, 7), "none": (None, None)}


async def test_quota_is_per_key_and_not_for_wrong_keys() -> None:
    async with emulated(profile=Profile(qps=1, window=60.0), keys=["a", "b"]) as (one, _):
        answers = [(await one.get(SEARCH, headers={"Ocp-Apim-Subscription-Key": key})).status_code for key in "abaxx"]
        assert answers == [200, 200, 429, 401, 401]


async def test_quota_at_the_end_of_the_period_is_reset() -> None:
    async with emulated(profile=Profile(quota=2, quota_by_gateway=True)) as (one, emulator):
        assert [(await one.get(SEARCH)).status_code for _ in range(2)] == [200, 200]
        await anyio.sleep(5.5 * 86_400)
        refused = await one.get(SEARCH)
        assert refused.status_code == 403
        assert "replenished in 24.12:00:00." in refused.json()["message"]
        await anyio.sleep(24.5 * 86_400)
        assert (await one.get(SEARCH)).status_code == 200
        assert [record.fault for record in emulator.journal.records] == [None, None, "quota", None]


async def test_outage_has_its_time_window_and_is_not_counted() -> None:
    profile = Profile(qps=1, window=3.0, faults="refuse; after=10; for=60")
    async with emulated(profile=profile) as (one, _):
        seen = []
        for _ in range(10):
            seen.append(await impression(one))
            await anyio.sleep(9)
        assert seen == ["200 Images"] * 2 + ["ConnectError"] * 6 + ["200 Images"] * 2


async def test_faults_with_the_same_seed_are_equal() -> None:
    async def fates(seed: int) -> list[tuple[str | None, float]]:
        profile = Profile.named("flaky+slow") | Profile(faults="hang; p=0.0, 500; p=0.3")
        async with emulated(profile=profile, seed=seed) as (one, emulator):
            for _ in range(60):
                await impression(one)
            return [(record.fault, round(record.elapsed or 0.0, 9)) for record in emulator.journal.records]

    assert await fates(1) == await fates(1) != await fates(2)


async def test_hostile_profile_applies_body_faults_in_turn() -> None:
    async with emulated(profile="hostile") as (one, emulator):
        rules = emulator.profile.faults
        for _ in rules:
            await impression(one)
        assert [record.fault for record in emulator.journal.records] == [rule.fault for rule in rules]


async def test_paging_faults_change_next_offset() -> None:
    expected: dict[str, Any] = {
        "next-missing": None,
        "next-repeats": 20,
        "next-behind": 15,
        "next-zero": 0,
        "next-huge": 2**31,
        "page-overlaps": 22,
        "page-empty": 25,
        "page-same": 25,
    }
    async with emulated() as (one, _):
        found = {}
        for fault in expected:
            page = (await one.get(SEARCH, headers={"X-Emulator-Fault": fault})).json()
            found[fault] = page.get("nextOffset")
            assert len(page["value"]) == (0 if fault == "page-empty" else 5)
        assert found == expected
        same = (await one.get(SEARCH, headers={"X-Emulator-Fault": "page-same"})).json()["value"]
        assert len({image["imageId"] for image in same}) == 1
        shrunk = (await one.get(SEARCH, headers={"X-Emulator-Fault": "estimate-shrinks"})).json()
        assert shrunk["totalEstimatedMatches"] == 11


async def test_fault_header_applies_to_local_requests_only() -> None:
    asks = {"X-Emulator-Fault": "503"}
    async with emulated() as (one, _):
        assert (await one.get(SEARCH, headers=asks)).status_code == 503
        assert (await one.get(SEARCH)).status_code == 200
        wrong = await one.get(SEARCH, headers={"X-Emulator-Fault": "earthquake"})
        assert wrong.status_code == 400
        assert "Unknown fault 'earthquake'" in wrong.json()["error"]
        assert (await one.get(SEARCH, headers={**asks, "X-Forwarded-For": "127.0.0.1"})).status_code == 200
    async with emulated(address=("192.0.2.1", 5)) as (far, _):
        assert (await far.get(SEARCH, headers=asks)).status_code == 200


async def test_wrong_types_depend_on_the_seed() -> None:
    async def body(seed: int) -> bytes:
        async with emulated(profile=Profile(faults="json-wrong-types"), seed=seed) as (one, _):
            return (await one.get(SEARCH)).content

    async with emulated(seed=1) as (one, _):
        assert await body(1) == await body(1) != (await one.get(SEARCH)).content


async def test_journal_has_requests_without_keys() -> None:
    async with emulated(profile=Profile(faults="503; requests=2")) as (one, emulator):
        await one.get("/v7.0/images/search?q=a%20b&q=c&subscription-key=hush", headers=KEY)
        await one.get("/v7.0/images/trending", headers=KEY)
        await one.get("/favicon.ico")
        first, second, third = emulator.journal.records
        assert first.query == (("q", "a b"), ("q", "c"), ("subscription-key", "***"))
        assert (first.method, first.path, first.status, first.ending) == ("GET", "/v7.0/images/search", 200, "answered")
        assert (second.status, second.fault, third.status, third.fault) == (503, "503", 200, None)
        assert first.key == second.key != third.key is None
        assert "nobody" not in repr(emulator.journal.records)
        assert "hush" not in repr(emulator.journal.records)
        emulator.journal.clear()
        assert emulator.journal.records == ()


async def test_journal_has_requests_in_flight() -> None:
    async with emulated(profile=Profile(latency=5.0)) as (one, emulator), anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(one.get, SEARCH)
        await anyio.sleep(1)
        assert emulator.journal.in_flight == 3
        await anyio.sleep(5)
        assert emulator.journal.in_flight == 0


async def test_profile_that_is_set_resets_counters() -> None:
    async with emulated(profile=Profile(qps=1, window=99.0)) as (one, emulator):
        assert [(await one.get(SEARCH)).status_code for _ in range(2)] == [200, 429]
        emulator.profile = Profile(qps=1, window=99.0, faults="500; requests=1")
        assert [(await one.get(SEARCH)).status_code for _ in range(2)] == [500, 429]


async def test_faults_do_not_apply_to_image_files() -> None:
    async with emulated(profile="retired") as (one, _):
        assert (await one.get("/favicon.ico")).status_code == 200
        assert (await one.get(SEARCH)).status_code == 410


async def test_body_faults_do_not_change_error_responses() -> None:
    async with client(profile=Profile(faults="json-list")) as one:
        assert errors(await one.get("images/search")) == [("ParameterMissing", "q", "")]


async def test_local_service_with_a_profile_applies_it() -> None:
    service = LocalService(catalogue=synthetic(40), profile="free")
    async with service, httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://h") as one:
        assert [(await one.get(SEARCH)).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert len(service.emulator.journal) == 4


async def test_session_with_faults_raises_their_errors() -> None:
    from bing_images_async.errors import ConnectionFailedError

    async with emulated(profile=Profile(faults="reset-body")) as (one, emulator):
        session = ImageSearchSession(base_url="http://local.bing-images/v7.0", client=one, allow_http=True)
        async with session:
            with pytest.raises(ConnectionFailedError, match="ReadError"):
                await session.search("boat")
        assert {record.ending for record in emulator.journal.records} == {"cut"}
