"""Every fault of the emulator, over a real socket, through a whole session: the promised error.

Afterwards the same session gets an answer, unless the error is one that the error cache returns to later calls.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest
from fault_kit import KEY, assert_secret

from bing_images_async import ImageSearchSession, RetryPolicy
from bing_images_async.emulator import FAULTS, Emulator, FaultRule, Profile, create_app, running_server, synthetic
from bing_images_async.errors import BingImagesError

pytestmark = pytest.mark.anyio

ENDINGS: dict[str, set[str]] = {
    "an answer": {
        *("json-bom", "json-surrogate", "json-huge-integer", "delay"),  # surrogate and integer are in repeated keys
        *("next-missing", "next-repeats", "next-behind", "next-zero", "next-huge"),
        *("page-overlaps", "page-empty", "page-same", "estimate-shrinks", "estimate-zero"),
    },
    "an answer with problems": {"json-latin-1"},
    "ConnectionFailedError": {
        *("refuse", "reset", "close", "reset-head", "reset-body", "close-head", "close-body"),
        *("half-close-head", "half-close-body", "length-above", "length-twice", "chunks-broken", "head-garbage"),
        *("gzip-truncated", "length-below"),  # a truncated gzip stream
    },
    "AttemptTimeoutError": {"hang", "hang-head", "hang-body", "drip", "drip-body"},
    "ResponseTooLargeError": {"gzip-bomb", "head-long", "continues"},
    "MalformedResponseError": {
        *("gzip-twice", "gzip-not", "encoding-unknown", "200-html", "json-cut", "json-nan"),
        *("json-deep", "json-list", "json-null"),
    },
    "UnexpectedRedirectError": {"redirect", "redirect-garbage", "redirect-loop"},
    "ServerError": {
        *("500", "500-empty", "500-html", "500-not-implemented", "500-resource", "502", "502-empty"),
        *("503", "503-empty", "503-html", "503-retry-after", "504", "504-empty"),
    },
    "RateLimitedError": {"429", "429-date", "429-message", "429-silent"},
    "AuthenticationError": {"401"},
    "AccessDeniedError": {"403-disabled", "403-expired"},
    "QuotaExhaustedError": {"403-quota", "403-replenished"},
    "ServiceRetiredError": {"410-retired"},
    "HttpsRequiredError": {"410-https"},
    "SuspectedAbuseError": {"200-empty"},
}
CHANCE = {"json-wrong-types"}
"""Where it depends on what was hit: an answer, with problems or without, or `MalformedResponseError`."""

EXPECTED = {fault: ending for ending, faults in ENDINGS.items() for fault in faults}
ONCE = RetryPolicy(attempts=1)
IMPATIENT = RetryPolicy(attempts=1, attempt_timeout=0.2)


@pytest.fixture(scope="module")
def server() -> Generator[tuple[str, Emulator]]:
    app = create_app(synthetic(40))
    with running_server(app) as url:
        yield url, app.state.emulator


async def ending(session: ImageSearchSession) -> str:
    """Return the result of a call in the form of `ENDINGS`."""
    try:
        answered = await session.search("boat")
    except BingImagesError as error:
        assert_secret(error)
        return type(error).__name__
    return "an answer with problems" if answered.problems else "an answer"


@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_each_fault_gives_the_promised_error(server: tuple[str, Emulator], fault: str) -> None:
    """Over a socket, through a whole session."""
    url, emulator = server
    policy = IMPATIENT if EXPECTED.get(fault) == "AttemptTimeoutError" else ONCE
    async with ImageSearchSession(KEY, base_url=url, rate_limit=None, retry=policy) as session:
        emulator.profile = Profile(faults=[FaultRule(fault, amount=0.01 if fault == "delay" else None)])
        ended = await ending(session)
        emulator.profile = Profile()
        if fault in CHANCE:
            assert ended in {"an answer", "an answer with problems", "MalformedResponseError"}
        else:
            assert ended == EXPECTED[fault]
        stats = session.stats
        assert stats.attempts == 1
        if stats.latched is None and not stats.throttled:
            assert await ending(session.with_options(retry=ONCE)) == "an answer"
        stats = session.stats
        assert (stats.permits_in_use, stats.waiting, stats.in_flight) == (0, 0, 0)
        assert stats.open_connections == stats.idle_connections


def test_endings_list_every_fault() -> None:
    """A new fault needs an entry."""
    assert sorted([*EXPECTED, *CHANCE]) == sorted(FAULTS)
