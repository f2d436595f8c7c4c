"""Tools for httpx see every request of a session, each attempt once, whoever made the client.

A journey (`support.sessions`) has a plain call, one that is retried, one whose kept connection turns out to be closed,
and one of two pages. What a tool saw is compared with what the service received, request by request.
"""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpcore
import httpx
import httpx2
import leaks
import pytest
import respx
import sentry_sdk
import vcr
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from pytest_httpx import HTTPXMock
from sentry_sdk.integrations.httpx import HttpxIntegration
from sentry_sdk.transport import Transport as SentryTransport
from support.certificates import server_context, trusting
from support.proxies import Proxy
from support.raw_server import answer
from support.service import Received, V7Service, json_answer, keyed
from support.sessions import (
    JOURNEY,
    KEY,
    KINDS,
    Kind,
    connect,
    faults_of_the_journey,
    journey,
    resolve_test_names,
    usual_certificates,
)

from bing_images_async import ImageSearchSession, RateLimit, RetryPolicy
from bing_images_async.errors import (
    AttemptTimeoutError,
    AuthenticationError,
    BingImagesError,
    ConnectionFailedError,
    InvalidRequestError,
)

pytestmark = pytest.mark.anyio

MODES = ("httpcore", "httpx")
"""What respx patches: httpcore by default, httpx on request."""

KEY_HEADER = "ocp-apim-subscription-key"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """The client of the session: its own, or a lent one on its default transport."""
    found: Kind = request.param
    return found


def boats(*names: str) -> dict[str, Any]:
    """The JSON of a page with these images."""
    images = [{"name": name, "imageId": name, "contentUrl": f"http://pictures.test/{name}"} for name in names]
    return {"_type": "Images", "totalEstimatedMatches": 4, "nextOffset": 2, "value": images}


def named(answer: Any) -> list[str | None]:
    return [image.name for image in answer.value]


# --- respx ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
async def test_respx_with_every_route_mocked_sends_nothing_to_the_server(mode: str, kind: Kind) -> None:
    async with V7Service() as service, connect(service.url, kind) as session:
        with respx.mock(using=mode) as mocker:
            route = mocker.get(url__startswith=service.url)
            route.side_effect = [
                httpx.Response(200, json=boats("first")),
                httpx.Response(503),
                httpx.ReadError("reset"),
                httpx.Response(200, json=boats("second")),
                httpx.Response(200, json=boats("third", "fourth")),
                httpx.Response(200, json=boats("fifth", "sixth")),
            ]
            assert named(await session.search("boat")) == ["first"]
            assert named(await session.search("boat")) == ["second"]
            paged = [image.name async for image in session.iter_images("boat", limit=4, page_size=2)]
            assert paged == ["third", "fourth", "fifth", "sixth"]
            assert route.call_count == session.stats.attempts == 6
        assert service.connections == 0


@pytest.mark.parametrize("mode", MODES)
async def test_respx_records_url_headers_and_form_as_they_are_sent(mode: str, kind: Kind) -> None:
    async with V7Service() as service, connect(service.url, kind) as session:
        keys: list[str] = []

        def respond(request: httpx.Request) -> httpx.Response:
            keys.append(request.headers[KEY_HEADER])
            return httpx.Response(200, json={"_type": "ImageInsights"})

        with respx.mock(using=mode) as mocker:
            route = mocker.post(url__startswith=service.url).mock(side_effect=respond)
            await session.details(image=b"\x89PNG picture", market="de-DE")
        sent = route.calls.last.request
        assert keys == [KEY]
        assert str(sent.url).startswith(f"{service.url}/v7.0/images/details?")
        assert sent.url.params["mkt"] == "de-DE"
        assert b"\x89PNG picture" in sent.content
        assert int(sent.headers["content-length"]) == len(sent.content)
        assert service.connections == 0


@pytest.mark.parametrize("mode", MODES)
async def test_respx_routes_by_the_header_of_the_key(mode: str, kind: Kind) -> None:
    """The way to check the key in a test: the requests that a mocker keeps hold it no longer."""
    async with V7Service() as service, connect(service.url, kind) as session:
        with respx.mock(using=mode) as mocker:
            mocker.get(url__startswith=service.url, headers={KEY_HEADER: KEY}).respond(json=boats("mocked"))
            assert named(await session.search("boat")) == ["mocked"]


@pytest.mark.parametrize("mode", MODES)
async def test_respx_between_real_calls_leaves_the_kept_connection_usable(mode: str, kind: Kind) -> None:
    async with V7Service() as service, connect(service.url, kind) as session:
        await session.search("before")
        with respx.mock(using=mode) as mocker:
            mocker.get(url__startswith=service.url).respond(json=boats("mocked"))
            assert named(await session.search("boat")) == ["mocked"]
        await session.search("after")
        assert [received.query["q"] for received in service.requests] == ["before", "after"]
        assert service.connections == 1


@pytest.mark.parametrize("mode", MODES)
async def test_respx_pass_through_sends_each_request_once(mode: str, kind: Kind) -> None:
    async with V7Service(faults_of_the_journey()) as service, connect(service.url, kind) as session:
        with respx.mock(using=mode) as mocker:
            mocker.route().pass_through()
            await journey(session)
        assert len(service.requests) == JOURNEY
    await service.server.until_open(0)


@pytest.mark.parametrize("mode", MODES)
async def test_respx_pass_through_of_an_upload_sends_the_whole_form(mode: str, kind: Kind) -> None:
    picture = bytes(range(256)) * 2_000
    async with V7Service() as service, connect(service.url, kind) as session:
        with respx.mock(using=mode) as mocker:
            mocker.route().pass_through()
            await session.details(image=picture)
        assert [picture in received.body for received in service.requests] == [True]


@pytest.mark.parametrize("mode", MODES)
async def test_respx_without_a_route_raises_its_own_error(mode: str, kind: Kind) -> None:
    """An `AssertionError` of a test tool must not be taken for a fault of the network and retried."""
    async with V7Service() as service, connect(service.url, kind) as session:
        with respx.mock(using=mode), pytest.raises(AssertionError, match="not mocked"):
            await session.search("boat")
        assert session.stats.attempts == 1
        assert service.connections == 0


@pytest.mark.parametrize("mode", MODES)
async def test_respx_faults_become_errors_of_the_library(mode: str, kind: Kind) -> None:
    async with connect("http://127.0.0.1:9", kind, retry=RetryPolicy(attempts=1)) as session:
        with respx.mock(using=mode) as mocker:
            for fault, expected in (
                (httpx.ConnectError, ConnectionFailedError),
                (httpx.RemoteProtocolError, ConnectionFailedError),
                (httpx.ReadTimeout, AttemptTimeoutError),
                (httpx.PoolTimeout, AttemptTimeoutError),
            ):
                mocker.get(url__startswith="http://127.0.0.1:9").mock(side_effect=fault("mocked"))
                with pytest.raises(expected, match="mocked"):
                    await session.search("boat")
            mocker.get(url__startswith="http://127.0.0.1:9").respond(401, json={"error": {"code": "401"}})
            with pytest.raises(AuthenticationError):
                await session.search("boat")


@pytest.mark.parametrize("mode", MODES)
async def test_respx_of_a_session_behind_a_proxy_sends_nothing_to_the_proxy(mode: str) -> None:
    async with (
        V7Service() as service,
        Proxy(service.port) as proxy,
        connect("http://api.test", proxy=proxy.url) as session,
    ):
        with respx.mock(using=mode) as mocker:
            route = mocker.get(url__startswith="http://api.test").respond(json=boats("mocked"))
            assert named(await session.search("boat")) == ["mocked"]
            assert route.call_count == 1
        assert (proxy.connections, service.connections) == (0, 0)


async def test_respx_pass_through_of_a_session_behind_a_proxy_goes_through_the_proxy() -> None:
    async with (
        V7Service(tls=server_context("api.test")) as service,
        Proxy(service.port, credentials="user:password") as proxy,
        connect("https://api.test", proxy=proxy.url_with("user:password"), verify=trusting()) as session,
    ):
        with respx.mock(using="httpx") as mocker:
            mocker.route().pass_through()
            assert named(await session.search("boat", count=1)) == ["boat 0"]
        assert proxy.methods == ["CONNECT"]
        assert len(service.requests) == 1


async def test_respx_pass_through_by_default_never_goes_past_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """respx 0.23 cannot read requests to a proxy in this mode, and fails, as it does with httpx alone."""
    resolve_test_names(monkeypatch)
    async with (
        V7Service() as service,
        Proxy(service.port) as proxy,
        connect(f"http://api.test:{service.port}", proxy=proxy.url) as session,
    ):
        with respx.mock(using="httpcore") as mocker, suppress(BingImagesError):
            mocker.route().pass_through()
            await session.search("boat")
        assert len(service.requests) == len(proxy.log)


# --- pytest-httpx -----------------------------------------------------------------------------------------------------


async def test_pytest_httpx_answers_every_attempt_and_the_server_gets_no_byte(
    httpx_mock: HTTPXMock, kind: Kind
) -> None:
    keys: list[str] = []

    def first(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers[KEY_HEADER])
        return httpx.Response(503)

    async with V7Service() as service, connect(service.url, kind) as session:
        httpx_mock.add_callback(first, url=re.compile(re.escape(service.url)))
        httpx_mock.add_exception(httpx.ReadError("reset"))
        httpx_mock.add_response(json=boats("mocked"))
        httpx_mock.add_response(json=boats("third", "fourth"))
        httpx_mock.add_response(json=boats("fifth", "sixth"))
        assert named(await session.search("boat")) == ["mocked"]
        paged = [image.name async for image in session.iter_images("boat", limit=4, page_size=2)]
        assert paged == ["third", "fourth", "fifth", "sixth"]
        assert len(httpx_mock.get_requests()) == session.stats.attempts == 5
        assert service.connections == 0
    assert keys == [KEY]


async def test_pytest_httpx_matches_the_header_of_the_key(httpx_mock: HTTPXMock, kind: Kind) -> None:
    async with V7Service() as service, connect(service.url, kind) as session:
        httpx_mock.add_response(match_headers={"Ocp-Apim-Subscription-Key": KEY}, json=boats("mocked"))
        assert named(await session.search("boat")) == ["mocked"]
        (request,) = httpx_mock.get_requests()
        assert KEY not in repr(request.headers.raw)


@pytest.mark.httpx_mock(assert_all_responses_were_requested=False, assert_all_requests_were_expected=False)
async def test_pytest_httpx_that_describes_an_unexpected_request_does_not_show_the_key(
    httpx_mock: HTTPXMock, kind: Kind
) -> None:
    async with V7Service() as service, connect(service.url, kind, retry=RetryPolicy(attempts=1)) as session:
        httpx_mock.add_response(match_headers={"Ocp-Apim-Subscription-Key": "another"}, json=boats("mocked"))
        with pytest.raises(AttemptTimeoutError, match="No response can be found") as caught:
            await session.search("boat")
        assert service.connections == 0
    assert leaks.in_error(KEY, caught.value) == []


async def test_pytest_httpx_matches_the_form_of_an_upload(httpx_mock: HTTPXMock, kind: Kind) -> None:
    async with V7Service() as service, connect(service.url, kind) as session:
        httpx_mock.add_response(method="POST", json={"_type": "ImageInsights"})
        await session.details(image=b"picture")
        (request,) = httpx_mock.get_requests()
        assert b"picture" in request.content
        assert service.connections == 0


@pytest.mark.httpx_mock(should_mock=lambda request: False)
async def test_pytest_httpx_that_mocks_nothing_lets_every_request_pass(httpx_mock: HTTPXMock, kind: Kind) -> None:
    async with V7Service(faults_of_the_journey()) as service, connect(service.url, kind) as session:
        await journey(session)
        assert len(service.requests) == JOURNEY
    assert httpx_mock.get_requests() == []


async def test_pytest_httpx_sees_the_proxy_and_nothing_reaches_it(httpx_mock: HTTPXMock) -> None:
    async with (
        V7Service() as service,
        Proxy(service.port) as proxy,
        connect("http://api.test", proxy=proxy.url) as session,
    ):
        httpx_mock.add_response(url=re.compile("http://api.test"), json=boats("mocked"))
        assert named(await session.search("boat")) == ["mocked"]
        assert (proxy.connections, service.connections) == (0, 0)


# --- vcrpy ------------------------------------------------------------------------------------------------------------


async def test_vcrpy_replays_what_it_recorded_with_the_server_gone(tmp_path: Path, kind: Kind) -> None:
    recorder = vcr.VCR(cassette_library_dir=str(tmp_path), filter_headers=[KEY_HEADER])
    async with V7Service(faults_of_the_journey()) as service:
        with recorder.use_cassette("journey.yaml") as cassette:
            async with connect(service.url, kind) as session:
                await journey(session)
        assert len(service.requests) == JOURNEY
        assert len(keyed(service.requests, KEY)) == JOURNEY
        answered = JOURNEY - 1  # the connection that was closed gave no answer
        assert len(cassette) == answered
    assert KEY not in (tmp_path / "journey.yaml").read_text()
    with recorder.use_cassette("journey.yaml", record_mode="none") as cassette:
        async with connect(service.url, kind) as session:
            assert named(await session.search("boat", count=2)) == ["boat 0", "boat 1"]
            assert named(await session.search("busy", count=1)) == ["busy 0"]
            assert named(await session.search("stale", count=1)) == ["stale 0"]
            assert len([image async for image in session.iter_images("many", limit=4, page_size=2)]) == 4
            assert session.stats.attempts == answered
        assert cassette.all_played
    assert service.connections == len({received.connection for received in service.requests})


async def test_vcrpy_replay_of_an_unknown_request_raises_its_own_error(tmp_path: Path, kind: Kind) -> None:
    async with V7Service() as service, connect(service.url, kind) as session:
        with (
            vcr.use_cassette(str(tmp_path / "empty.yaml"), record_mode="none"),
            pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException),
        ):
            await session.search("boat")
        assert session.stats.attempts == 1
        assert service.connections == 0


async def test_vcrpy_records_an_upload(tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "upload.yaml"
    async with V7Service() as service, connect(service.url, kind) as session:
        with vcr.use_cassette(str(path), filter_headers=[KEY_HEADER]) as cassette:
            await session.details(image=b"picture")
        assert [b"picture" in received.body for received in service.requests] == [True]
        assert b"picture" in cassette.requests[0].body


async def test_vcrpy_replays_a_compressed_answer(tmp_path: Path, kind: Kind) -> None:
    def script(received: Received) -> bytes:
        return answer(gzip.compress(json.dumps(boats("boat")).encode()), b"Content-Encoding: gzip")

    recorder = vcr.VCR(cassette_library_dir=str(tmp_path), filter_headers=[KEY_HEADER])
    async with V7Service(script) as service, connect(service.url, kind) as session:
        for _ in range(2):
            with recorder.use_cassette("compressed.yaml"):
                assert named(await session.search("boat")) == ["boat"]
        assert len(service.requests) == 1


# --- OpenTelemetry ----------------------------------------------------------------------------------------------------


class Tracing:
    """A tracer provider that keeps its spans."""

    def __init__(self) -> None:
        self.provider = TracerProvider()
        self._exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def matches(self, service: V7Service) -> bool:
        """One CLIENT span for each request, by URL and by the `traceparent` that came over the wire."""
        sent = sorted(
            (f"{service.url}{received.target}", received.headers["traceparent"]) for received in service.requests
        )
        traced = []
        for span in self.spans:
            assert span.kind is SpanKind.CLIENT
            assert span.context is not None
            assert span.attributes is not None
            parent = f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"
            traced.append((str(span.attributes["http.url"]), parent))
        return sent == sorted(traced)


@pytest.fixture
def tracing() -> Iterator[Tracing]:
    tracing = Tracing()
    yield tracing
    tracing.provider.shutdown()


@pytest.fixture
def instrumented(tracing: Tracing) -> Iterator[Tracing]:
    """The instrumentor of all clients is on."""
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=tracing.provider)
    yield tracing
    instrumentor.uninstrument()


async def test_opentelemetry_for_all_clients_has_one_client_span_per_attempt(instrumented: Tracing, kind: Kind) -> None:
    async with V7Service(faults_of_the_journey()) as service, connect(service.url, kind) as session:
        await journey(session)
        assert len(instrumented.spans) == JOURNEY
        assert instrumented.matches(service)


async def test_opentelemetry_for_one_client_has_one_client_span_per_attempt(tracing: Tracing, kind: Kind) -> None:
    async with V7Service(faults_of_the_journey()) as service, connect(service.url, kind) as session:
        HTTPXClientInstrumentor.instrument_client(session.client, tracer_provider=tracing.provider)
        await journey(session)
        assert len(tracing.spans) == JOURNEY
        assert tracing.matches(service)
        HTTPXClientInstrumentor.uninstrument_client(session.client)
        await session.search("after")
        assert len(tracing.spans) == JOURNEY
        assert "traceparent" not in service.requests[-1].headers


async def test_opentelemetry_with_many_calls_at_once_has_one_span_for_each(instrumented: Tracing, kind: Kind) -> None:
    async with V7Service() as service, connect(service.url, kind) as session, anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(session.search, f"boat {number}")
    assert len(instrumented.spans) == 30
    assert instrumented.matches(service)


async def test_opentelemetry_hooks_that_keep_what_they_are_shown_keep_no_key(tracing: Tracing, kind: Kind) -> None:
    """The instrumentation shows its hooks the headers that it then replaces by a copy with `traceparent`."""
    kept: list[Any] = []

    async def keep(_: Any, request: Any, *response: Any) -> None:
        kept.append(request.headers)

    async with V7Service() as service, connect(service.url, kind) as session:
        HTTPXClientInstrumentor.instrument_client(
            session.client, tracer_provider=tracing.provider, request_hook=keep, response_hook=keep
        )
        await session.search("boat")
        assert len(keyed(service.requests, KEY)) == 1
    assert len(kept) == 2
    assert [headers for headers in kept if KEY in repr(headers.raw)] == []


async def test_opentelemetry_spans_never_hold_the_key(instrumented: Tracing, kind: Kind) -> None:
    async with V7Service(faults_of_the_journey()) as service, connect(service.url, kind) as session:
        await journey(session)
    assert [span.name for span in instrumented.spans if KEY in span.to_json()] == []


@pytest.mark.parametrize("scope", ["all clients", "one client"])
async def test_opentelemetry_response_hook_that_raises_does_not_leak_the_connection(
    tracing: Tracing, kind: Kind, scope: str
) -> None:
    """The instrumentation drops the response without closing it; its socket must not stay open for that."""

    async def hook(*_: Any) -> None:
        raise ZeroDivisionError("of the hook")

    instrumentor = HTTPXClientInstrumentor()
    async with V7Service() as service, connect(service.url, kind) as session:
        if scope == "all clients":
            instrumentor.instrument(tracer_provider=tracing.provider, async_response_hook=hook)
        else:
            instrumentor.instrument_client(session.client, tracer_provider=tracing.provider, response_hook=hook)
        try:
            for _ in range(3):
                with pytest.raises(ZeroDivisionError, match="of the hook"):
                    await session.search("boat")
        finally:
            if scope == "all clients":
                instrumentor.uninstrument()
            else:
                instrumentor.uninstrument_client(session.client)
        assert len(service.requests) == 3
        stats = session.stats
        assert (stats.permits_in_use, stats.in_flight) == (0, 0)
        if kind == "own":  # a client of somebody else's pool keeps such connections until it is closed
            assert stats.open_connections == stats.idle_connections
            await service.server.until_open(stats.open_connections or 0)
        assert named(await session.search("boat", count=1)) == ["boat 0"]


# --- Sentry -----------------------------------------------------------------------------------------------------------


class Envelopes(SentryTransport):
    """A transport that keeps what would be sent to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Any) -> None:
        for item in envelope.items:
            event = item.get_event() or item.get_transaction_event()
            if event is not None:
                self.events.append(event)


@pytest.fixture(scope="module")
def sentry_patch() -> Iterator[None]:
    """Patch `httpx.AsyncClient.send` as Sentry does once per process, with its first client; undo it afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in (httpx.AsyncClient, httpx.Client):
            patch.setattr(kind, "send", kind.send)  # restored at the end
        sentry_sdk.Client(
            integrations=[HttpxIntegration()], default_integrations=False, auto_enabling_integrations=False
        )
        yield


@pytest.fixture
def sentry(sentry_patch: None) -> Iterator[Envelopes]:
    """Sentry is on, and keeps what it would send."""
    envelopes = Envelopes()
    client = sentry_sdk.Client(
        dsn="http://public@127.0.0.1:9/1",
        transport=envelopes,
        traces_sample_rate=1.0,
        integrations=[HttpxIntegration()],
        default_integrations=False,
        auto_enabling_integrations=False,
        trace_propagation_targets=[".*"],
    )
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(client)
        yield envelopes
    client.close()


async def test_sentry_has_one_span_and_one_breadcrumb_per_attempt(sentry: Envelopes, kind: Kind) -> None:
    async with V7Service(faults_of_the_journey()) as service, connect(service.url, kind) as session:
        with sentry_sdk.start_transaction(name="journey"):
            await journey(session)
            sentry_sdk.capture_message("end of the journey")
        assert len(service.requests) == JOURNEY
        assert all("sentry-trace" in received.headers for received in service.requests)
    message, transaction = sentry.events
    spans = [span for span in transaction["spans"] if span["op"] == "http.client"]
    traced = [f"{span['data']['url']}?{span['data']['http.query']}" for span in spans]
    assert traced == [f"{service.url}{target}" for target in service.targets]
    answered = JOURNEY - 1  # a breadcrumb is made of an answer
    assert len([crumb for crumb in message["breadcrumbs"]["values"] if crumb["category"] == "httplib"]) == answered
    assert KEY not in json.dumps(sentry.events, default=repr)


# --- httpx itself -----------------------------------------------------------------------------------------------------


async def test_event_hooks_see_each_request_and_each_response_once(kind: Kind) -> None:
    asked: list[str] = []
    answered: list[tuple[int, str]] = []

    async def on_request(request: httpx.Request) -> None:
        asked.append(request.url.raw_path.decode())

    async def on_response(response: httpx.Response) -> None:
        answered.append((response.status_code, response.request.url.raw_path.decode()))

    async with V7Service(faults_of_the_journey()) as service, connect(service.url, kind) as session:
        session.client.event_hooks = {"request": [on_request], "response": [on_response]}
        await journey(session)
        assert asked == service.targets
        assert len(answered) == JOURNEY - 1
        assert [status for status, _ in answered] == [200, 503, 200, 200, 200, 200]
        assert set(answered) <= {(status, target) for status in (200, 503) for target in service.targets}


async def test_event_hooks_added_to_a_client_in_use_are_called(kind: Kind) -> None:
    seen: list[str] = []

    async def on_request(request: httpx.Request) -> None:
        seen.append(request.url.params["q"])

    async with V7Service() as service, connect(service.url, kind) as session:
        await session.search("before")
        session.client.event_hooks["request"].append(on_request)
        await session.search("with")
        session.client.event_hooks["request"].remove(on_request)
        await session.search("after")
    assert seen == ["with"]


async def test_event_hooks_may_read_the_body(kind: Kind) -> None:
    """httpx documents `await response.aread()` in a response hook; the call gets its answer all the same."""
    bodies: list[bytes] = []

    async def on_response(response: httpx.Response) -> None:
        bodies.append(await response.aread())

    async with V7Service() as service, connect(service.url, kind) as session:
        session.client.event_hooks = {"response": [on_response]}
        assert named(await session.search("boat", count=1)) == ["boat 0"]
        assert named(await session.search("boat", count=1)) == ["boat 0"]
    assert [json.loads(body)["_type"] for body in bodies] == ["Images", "Images"]


async def test_event_hooks_may_read_a_compressed_body(kind: Kind) -> None:
    """httpx has decoded it then, and it is not to be decoded once more."""
    bodies: list[bytes] = []

    async def on_response(response: httpx.Response) -> None:
        bodies.append(await response.aread())

    def script(received: Received) -> bytes:
        return answer(gzip.compress(json.dumps(boats("boat")).encode()), b"Content-Encoding: gzip")

    async with V7Service(script) as service, connect(service.url, kind) as session:
        session.client.event_hooks = {"response": [on_response]}
        assert named(await session.search("boat")) == ["boat"]
    assert [json.loads(body) for body in bodies] == [boats("boat")]


async def test_event_hook_that_never_ends_is_ended_with_the_attempt(kind: Kind) -> None:
    async def on_request(request: httpx.Request) -> None:
        await anyio.sleep_forever()

    policy = RetryPolicy(attempts=1, attempt_timeout=0.1)
    async with V7Service() as service, connect(service.url, kind, retry=policy) as session:
        session.client.event_hooks = {"request": [on_request]}
        with anyio.fail_after(10), pytest.raises(AttemptTimeoutError):
            await session.search("boat")
        assert service.requests == []


async def test_event_hook_may_use_the_client_itself(kind: Kind) -> None:
    """As one does that gets a token first; nothing of the session is held meanwhile that it would have to wait for."""

    async def on_request(request: httpx.Request) -> None:
        if request.url.path != "/token":
            request.headers["x-token"] = (await session.client.get(f"{service.url}/token")).headers["content-type"]

    options = {"max_concurrency": 1, "rate_limit": RateLimit(50)}
    async with V7Service() as service, connect(service.url, kind, **options) as session:
        session.client.event_hooks = {"request": [on_request]}
        with anyio.fail_after(10):
            await session.search("boat")
        assert [received.path for received in service.requests] == ["/token", "/v7.0/images/search"]
        assert service.requests[-1].headers["x-token"] == "application/json"
        assert keyed(service.requests, KEY) == service.requests[1:]


async def test_event_hooks_that_add_a_header_change_the_request(kind: Kind) -> None:
    async def on_request(request: httpx.Request) -> None:
        request.headers["x-request-id"] = "17"

    async with V7Service() as service, connect(service.url, kind) as session:
        session.client.event_hooks = {"request": [on_request]}
        await session.search("boat")
        await session.details(image=b"picture")
        assert [received.headers["x-request-id"] for received in service.requests] == ["17", "17"]


async def test_the_log_of_httpx_has_one_line_per_answer(caplog: pytest.LogCaptureFixture, kind: Kind) -> None:
    async with V7Service(faults_of_the_journey()) as service, connect(service.url, kind) as session:
        with caplog.at_level(logging.INFO, logger="httpx"):
            await journey(session)
        lines = [record.getMessage() for record in caplog.records if record.name == "httpx"]
        pattern = re.compile(rf'HTTP Request: GET {re.escape(service.url)}(\S+) "HTTP/1.1 (\d+)')
        logged = [found.groups() for line in lines if (found := pattern.match(line))]
        assert len(logged) == len(lines) == JOURNEY - 1
        assert [status for _, status in logged] == ["200", "503", "200", "200", "200", "200"]
        assert {target for target, _ in logged} == set(service.targets)
        assert KEY not in caplog.text


async def test_a_wrapper_of_async_client_send_sees_each_attempt(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    """As instruments do that nobody here knows."""
    seen: list[str] = []
    send = httpx.AsyncClient.send

    async def watched(self: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        seen.append(request.url.raw_path.decode())
        return await send(self, request, **options)

    async with V7Service(faults_of_the_journey()) as service, connect(service.url, kind) as session:
        monkeypatch.setattr(httpx.AsyncClient, "send", watched)
        await journey(session)
        assert seen == service.targets


async def test_a_replacement_of_the_httpcore_pool_sees_each_attempt(
    monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    """As vcrpy before 8.2 did, and respx by default."""
    seen: list[str] = []
    handle = httpcore.AsyncConnectionPool.handle_async_request

    async def watched(self: httpcore.AsyncConnectionPool, request: httpcore.Request) -> httpcore.Response:
        seen.append(request.url.target.decode())
        return await handle(self, request)

    async with V7Service(faults_of_the_journey()) as service, connect(service.url, kind) as session:
        monkeypatch.setattr(httpcore.AsyncConnectionPool, "handle_async_request", watched)
        await journey(session)
        assert seen == service.targets
    await service.server.until_open(0)


async def test_a_replacement_of_the_httpx_transport_sees_each_attempt(
    monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    seen: list[str] = []
    handle = httpx.AsyncHTTPTransport.handle_async_request

    async def watched(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.decode())
        return await handle(self, request)

    async with V7Service(faults_of_the_journey()) as service, connect(service.url, kind) as session:
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", watched)
        await journey(session)
        assert seen == service.targets


# --- other clients ----------------------------------------------------------------------------------------------------


def in_process(seen: list[str]) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    """A handler with the faults of the journey that writes down each request."""
    script = faults_of_the_journey()

    async def handle(request: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        seen.append(request.url.raw_path.decode())
        status, _, body = _scripted(script, request.url.raw_path.decode())
        if not status:
            raise httpx.ReadError("closed")
        return httpx.Response(status, content=body)

    return handle


def _scripted(script: Any, target: str) -> tuple[int, bytes, bytes]:
    """Status, head and body of what `script` answers to a GET of `target`; the status is 0 for no answer."""
    response = script(Received(0, "GET", target, {}, b"", b""))
    if response is None:
        return 0, b"", b""
    head, _, body = response.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head, body


async def test_mock_transport_sees_each_attempt_once() -> None:
    seen: list[str] = []
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(in_process(seen))) as client,
        ImageSearchSession(KEY, client=client, rate_limit=None, retry=RetryPolicy(attempts=3, base=0.0)) as session,
    ):
        assert session.client is client
        await journey(session)
    assert len(seen) == JOURNEY


async def test_asgi_transport_sees_each_attempt_once() -> None:
    seen: list[str] = []
    script = faults_of_the_journey()

    async def app(
        scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        target = f"{scope['path']}?{scope['query_string'].decode()}"
        seen.append(target)
        status, _, body = _scripted(script, target)
        if not status:
            raise httpx.ReadError("closed")
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client,
        ImageSearchSession(KEY, client=client, rate_limit=None, retry=RetryPolicy(attempts=3, base=0.0)) as session,
    ):
        await journey(session)
    assert len(seen) == JOURNEY


async def test_a_lent_client_with_one_connection_answers_calls_at_once() -> None:
    """A call waits for its slot on a connection that others wait for."""
    limits = httpx.Limits(max_connections=1)
    async with (
        V7Service() as service,
        httpx.AsyncClient(trust_env=False, limits=limits, verify=usual_certificates()) as client,
        ImageSearchSession(KEY, base_url=service.url, client=client, rate_limit=RateLimit(50)) as session,
    ):
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(session.search, f"boat {number}")
        assert len(service.requests) == 20
        assert service.connections == 1


class Multiplexed(httpx.AsyncBaseTransport):
    """A transport that numbers streams as httpcore does with HTTP/2: before its trace event, and in use after it.

    The connection stands when `CALLS // 2` requests have come.
    """

    CALLS = 8

    def __init__(self) -> None:
        self.sent: list[float] = []
        self._stands = anyio.Event()
        self._waiting = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        trace = request.extensions["trace"]
        if self._waiting == 0:
            await trace("connection.connect_tcp.started", {})
        self._waiting += 1
        if self._waiting == self.CALLS // 2:
            self._stands.set()
        await self._stands.wait()
        number = len(self.sent)
        await trace("http2.send_request_headers.started", {"request": None, "stream_id": number})
        assert number == len(self.sent), "two streams have the same number"
        self.sent.append(anyio.current_time())
        return httpx.Response(200, json={"_type": "Images", "value": [{"name": request.url.params["q"]}]})


async def test_a_lent_client_with_http2_waits_for_no_slot_once_a_stream_has_its_number() -> None:
    names: list[str | None] = []
    transport = Multiplexed()

    async def search(session: ImageSearchSession, query: str) -> None:
        names.append((await session.search(query)).value[0].name)

    async with (
        httpx.AsyncClient(transport=transport) as client,
        ImageSearchSession(KEY, client=client, rate_limit=RateLimit(10, per=0.4)) as session,
    ):
        async with anyio.create_task_group() as tasks:
            for number in range(transport.CALLS):
                tasks.start_soon(search, session, f"boat {number}")
        assert session.stats.attempts == transport.CALLS
        assert (session.stats.permits_in_use, session.stats.in_flight) == (0, 0)
    assert sorted(name or "" for name in names) == [f"boat {number}" for number in range(transport.CALLS)]
    gaps = [after - before for before, after in itertools.pairwise(transport.sent)]
    assert min(gaps) > 0.01  # one spacing apart is 0.043 s, though all could be sent when the connection stood


async def test_a_lent_client_with_mounts_uses_its_mounts() -> None:
    """httpx finds the transport by URL; so it must be httpx that looks."""
    seen: list[str] = []
    mounted = httpx.MockTransport(in_process(seen))

    async def refuse(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request)

    async with (
        httpx.AsyncClient(
            transport=httpx.MockTransport(refuse), mounts={"https://api.bing.microsoft.com": mounted}
        ) as client,
        ImageSearchSession(KEY, client=client) as session,
    ):
        await session.search("boat")
    assert len(seen) == 1


# --- httpx2 -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def lent_httpx2(url: str, client: httpx2.AsyncClient, **options: Any) -> AsyncGenerator[ImageSearchSession]:
    options = {"rate_limit": None, "retry": RetryPolicy(attempts=3, base=0.0), **options}
    async with client, ImageSearchSession(KEY, base_url=url, client=client, **options) as session:
        yield session


async def test_httpx2_client_over_sockets_sends_each_attempt_once() -> None:
    asked: list[str] = []

    async def on_request(request: httpx2.Request) -> None:
        asked.append(request.url.raw_path.decode())

    client = httpx2.AsyncClient(trust_env=False, event_hooks={"request": [on_request]})
    async with V7Service(faults_of_the_journey()) as service, lent_httpx2(service.url, client) as session:
        assert session.client is client
        await journey(session)
        assert asked == service.targets
        assert len(keyed(service.requests, KEY)) == JOURNEY
        await session.details(image=b"\x89PNG picture")
        assert b"\x89PNG picture" in service.requests[-1].body
        assert not client.is_closed
    assert client.is_closed


async def test_httpx2_mock_transport_sees_each_attempt_once() -> None:
    seen: list[str] = []
    script = faults_of_the_journey()

    async def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.url.raw_path.decode())
        status, _, body = _scripted(script, request.url.raw_path.decode())
        if not status:
            raise httpx2.ReadError("closed")
        return httpx2.Response(status, content=body)

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))
    async with lent_httpx2("https://api.test", client) as session:
        await journey(session)
    assert len(seen) == JOURNEY


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (httpx2.ConnectError("refused"), ConnectionFailedError),
        (httpx2.ReadError("reset"), ConnectionFailedError),
        (httpx2.RemoteProtocolError("garbage"), ConnectionFailedError),
        (httpx2.ProxyError("407"), ConnectionFailedError),
        (httpx2.ReadTimeout("slow"), AttemptTimeoutError),
        (httpx2.PoolTimeout("busy"), AttemptTimeoutError),
        (httpx2.UnsupportedProtocol("gopher"), InvalidRequestError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_httpx2_errors_are_translated_like_those_of_httpx(
    fault: Exception, expected: type[BingImagesError]
) -> None:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        raise fault

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))
    async with lent_httpx2("https://api.test", client, retry=RetryPolicy(attempts=1)) as session:
        with pytest.raises(BingImagesError, match=str(fault)) as caught:
            await session.search("boat")
    assert type(caught.value) is expected


async def test_httpx2_default_transport_on_a_closed_port_is_a_connection_error() -> None:
    client = httpx2.AsyncClient(trust_env=False)
    async with lent_httpx2("http://127.0.0.1:9", client, retry=RetryPolicy(attempts=1)) as session:
        with pytest.raises(ConnectionFailedError):
            await session.search("boat")


async def test_httpx2_client_keeps_no_cookie_and_follows_no_redirect() -> None:
    def script(received: Any) -> bytes:
        if received.query["q"] == "moved":
            return b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
        return json_answer(boats("boat"), b"Set-Cookie: a=b")

    client = httpx2.AsyncClient(trust_env=False, follow_redirects=True)
    async with V7Service(script) as service, lent_httpx2(service.url, client) as session:
        await session.search("boat")
        await session.search("boat")
        with pytest.raises(BingImagesError, match="302"):
            await session.search("moved")
        assert ["cookie" in received.headers for received in service.requests] == [False, False, False]


@pytest.mark.parametrize("other", [httpx.Client, httpx2.Client, object])
def test_a_client_of_another_kind_is_refused_before_anything_is_sent(other: Callable[[], object]) -> None:
    client: Any = other()
    with pytest.raises(InvalidRequestError, match="client"):
        ImageSearchSession(KEY, client=client)
    if hasattr(client, "close"):
        client.close()


def test_importing_the_library_imports_no_tool_and_no_httpx2() -> None:
    code = (
        "import sys, bing_images_async; "
        "print([name for name in ('httpx2', 'httpcore2', 'respx', 'vcr', 'opentelemetry', 'sentry_sdk') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- the client of the session ----------------------------------------------------------------------------------------


async def test_the_client_of_a_session_is_a_real_httpx_client() -> None:
    async with ImageSearchSession(KEY) as session:
        assert isinstance(session.client, httpx.AsyncClient)
        assert session.client is session.with_options(market="de-DE").client
        assert not session.client.is_closed
    assert session.client.is_closed


async def test_a_lent_client_is_left_open_and_as_it_was() -> None:
    async with V7Service() as service, httpx.AsyncClient(trust_env=False, headers={"x-mine": "1"}) as client:
        before = dict(client.headers), client.timeout, client.follow_redirects
        async with ImageSearchSession(KEY, base_url=service.url, client=client) as session:
            assert session.client is client
            await session.search("boat")
        assert not client.is_closed
        assert (dict(client.headers), client.timeout, client.follow_redirects) == before
        assert client.event_hooks == {"request": [], "response": []}
