"""The key with a client in between: no middleware reads it, no other origin gets it, nothing keeps it afterwards."""

from __future__ import annotations

import gc
import logging
import socket
import traceback
import types
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import httpcore
import httpx
import leaks
import pytest
from attrs import evolve
from support.certificates import server_context, trusting
from support.proxies import Proxy
from support.raw_server import answer
from support.service import Last, Received, V7Service, json_answer, keyed, paged
from support.sessions import KEY, KINDS, Kind, connect, resolve_test_names, usual_certificates

from bing_images_async import ApiKey, Bearer, Call, HeaderKey, ImageSearchSession, Reply, RetryPolicy, Send
from bing_images_async.errors import (
    AuthenticationError,
    BingImagesError,
    ConnectionFailedError,
    UnexpectedRedirectError,
)

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts=1)
UNAVAILABLE = json_answer({"error": {"code": "503"}}, status=b"503 Service Unavailable")
DENIED = json_answer({"error": {"code": "401", "message": "Access denied"}}, status=b"401 Unauthorized")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_test_names(monkeypatch)


# --- what a middleware can read ---------------------------------------------------------------------------------------


def reachable(value: object) -> list[object]:
    """Everything that `value` refers to, by attributes and items, but for code, modules and classes."""
    seen: dict[int, object] = {}
    waiting = [value]
    opaque = (type, types.ModuleType, types.CodeType, types.FunctionType, types.BuiltinFunctionType, types.FrameType)
    while waiting:
        reached = waiting.pop()
        if id(reached) in seen or isinstance(reached, opaque):
            continue
        seen[id(reached)] = reached
        if isinstance(reached, str | bytes | int | float):
            continue
        if isinstance(reached, dict):
            waiting += [*reached.keys(), *reached.values()]
        elif isinstance(reached, list | tuple | set | frozenset):
            waiting += reached
        elif type(reached).__module__.startswith("bing_images_async") or isinstance(reached, types.MethodType):
            waiting += gc.get_referents(reached)
    return list(seen.values())


def holds_key(value: object) -> list[str]:
    """What in `value` shows the key or hands it out."""
    found = [f"{type(part).__name__}: {part!r}"[:80] for part in reachable(value) if KEY in _text(part)]
    return found + [f"{part!r}" for part in reachable(value) if isinstance(part, ApiKey)]


def _text(value: object) -> str:
    return (
        value.decode("latin-1") if isinstance(value, bytes) else str(value) if isinstance(value, str) else repr(value)
    )


@pytest.mark.parametrize("source", ["text", "ApiKey", "function", "async function"])
async def test_middleware_finds_no_key_in_a_call_before_after_and_on_a_retry(source: str, kind: Kind) -> None:
    found: list[list[str]] = []
    seen: list[tuple[str, bool]] = []

    async def look(call: Call, send: Send) -> Reply:
        found.append(holds_key(call))
        seen.append(("before", hasattr(call, "key")))
        try:
            reply = await send(call)
        finally:
            found.append(holds_key(call))
            seen.append(("after", hasattr(call, "key")))
        found.append(holds_key(reply))
        return reply

    answers = iter([UNAVAILABLE, None, None])

    def script(received: Received) -> bytes | None:
        return next(answers, paged(received))

    async def ask() -> str:
        await anyio.lowlevel.checkpoint()
        return KEY

    keys: dict[str, Any] = {"text": KEY, "ApiKey": ApiKey(KEY), "function": lambda: KEY, "async function": ask}
    async with V7Service(script) as service, _keyed(service.url, kind, keys[source], middleware=[look]) as session:
        await session.search("boat")
        assert len(keyed(service.requests, KEY)) == len(service.requests) >= 3
    del keys
    assert [places for places in found if places] == []
    assert {has_key for _, has_key in seen} == {False}


@asynccontextmanager
async def _keyed(url: str, kind: Kind, key: Any, **options: Any) -> AsyncGenerator[ImageSearchSession]:
    """A session whose key is given as the test says."""
    options = {"rate_limit": None, "retry": RetryPolicy(attempts=4, base=0.0), "base_url": url, **options}
    if kind == "own":
        async with ImageSearchSession(key, **options) as session:
            yield session
    else:
        async with (
            httpx.AsyncClient(trust_env=False) as client,
            ImageSearchSession(key, client=client, **options) as session,
        ):
            yield session


async def test_middleware_has_no_headers_with_the_key_in_the_request_of_a_call(kind: Kind) -> None:
    names: list[str] = []

    async def look(call: Call, send: Send) -> Reply:
        reply = await send(call)
        names.extend(name.lower() for name, _ in call.request.headers)
        return reply

    async with V7Service() as service, connect(service.url, kind, middleware=[look]) as session:
        await session.search("boat")
        assert "ocp-apim-subscription-key" in service.requests[0].headers
    assert "ocp-apim-subscription-key" not in names


# --- other origins ----------------------------------------------------------------------------------------------------


def rewriting(url: str) -> Any:
    """A middleware that sends every call to `url`."""

    async def elsewhere(call: Call, send: Send) -> Reply:
        return await send(call.with_request(evolve(call.request, url=url)))

    return elsewhere


@pytest.mark.parametrize("auth", [None, Bearer(), HeaderKey("x-apikey")], ids=["default", "bearer", "header"])
@pytest.mark.parametrize("place", ["port", "host", "name", "scheme", "user"])
async def test_middleware_that_rewrites_the_origin_does_not_take_the_key_along(
    place: str, auth: Any, kind: Kind
) -> None:
    async with V7Service() as service, V7Service() as other:
        urls = {
            "port": f"http://127.0.0.1:{other.port}/images/search?q=x",
            "host": f"http://127.0.0.2:{service.port}/images/search?q=x",
            "name": f"http://other.test:{service.port}/images/search?q=x",
            "scheme": f"https://127.0.0.1:{service.port}/images/search?q=x",
            "user": f"http://127.0.0.1:{service.port}@other.test:{other.port}/images/search?q=x",
        }
        middleware = [rewriting(urls[place])]
        async with connect(service.url, kind, middleware=middleware, auth=auth, retry=ONCE) as session:
            await _outcome(session)
        assert keyed([*service.requests, *other.requests], KEY) == []


async def test_middleware_that_rewrites_https_to_http_does_not_send_the_key_in_the_clear() -> None:
    async with V7Service(tls=server_context()) as service, V7Service() as other:
        middleware = [rewriting(f"http://127.0.0.1:{other.port}/images/search?q=x")]
        async with connect(service.url, verify=trusting(), middleware=middleware, retry=ONCE) as session:
            await _outcome(session)
        assert keyed(other.requests, KEY) == []


async def test_middleware_that_rewrites_http_to_another_https_origin_does_not_take_the_key_along() -> None:
    async with V7Service() as service, V7Service(tls=server_context()) as other:
        middleware = [rewriting(f"{other.url}/images/search?q=x")]
        async with connect(service.url, verify=trusting(), middleware=middleware, retry=ONCE) as session:
            await _outcome(session)
        assert keyed(other.requests, KEY) == []


async def test_middleware_that_rewrites_the_path_keeps_the_key(kind: Kind) -> None:
    """The origin is what counts: a gateway may have another path, and the letters of a host have no case."""
    async with V7Service() as service:
        middleware = [rewriting(f"HTTP://127.0.0.1:{service.port}/gateway/images/search?q=x")]
        async with connect(service.url, kind, middleware=middleware) as session:
            await session.search("boat")
        assert [received.path for received in keyed(service.requests, KEY)] == ["/gateway/images/search"]


async def test_middleware_that_names_the_default_port_keeps_the_key() -> None:
    async with V7Service(tls=server_context("api.test")) as service, Proxy(service.port) as proxy:
        middleware = [rewriting("https://API.test:443/images/search?q=x")]
        options = {"proxy": proxy.url, "verify": trusting(), "middleware": middleware}
        async with connect("https://api.test", **options) as session:
            await session.search("boat")
        assert len(keyed(service.requests, KEY)) == 1
        assert keyed(proxy.log, KEY) == []


async def test_middleware_that_sets_the_host_header_sends_it_to_the_configured_origin(kind: Kind) -> None:
    async def virtual(call: Call, send: Send) -> Reply:
        return await send(call.with_request(call.request.with_header("Host", "other.test")))

    async with V7Service() as service, connect(service.url, kind, middleware=[virtual]) as session:
        await session.search("boat")
        assert [received.headers["host"] for received in service.requests] == ["other.test"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_to_another_origin_sends_it_nothing(status: int, kind: Kind) -> None:
    async with V7Service() as other:

        def script(received: Received) -> bytes:
            return answer(b"", b"Location: " + other.url.encode() + b"/x", status=b"%d Moved" % status)

        async with V7Service(script) as service, connect(service.url, kind) as session:
            session.client.follow_redirects = True
            await _outcome(session)
        assert other.connections == 0


async def _outcome(session: ImageSearchSession) -> Any:
    """The answer of a search, or its error if that is one of the library's; it must not hang."""
    with anyio.fail_after(10):
        try:
            return await session.search("boat")
        except BingImagesError as error:
            return error


# --- after the attempt ------------------------------------------------------------------------------------------------


def _hanging_up(received: Received) -> None:
    return None


ENDINGS: dict[str, Callable[[Received], bytes | None]] = {
    "answered": paged,
    "denied": lambda received: DENIED,
    "failed": lambda received: UNAVAILABLE,
    "moved": lambda received: answer(b"", b"Location: http://other.test/", status=b"302 Found"),
    "too large": lambda received: b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    "cut short": lambda received: Last(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"),
    "garbage": lambda received: Last(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "hung up": _hanging_up,
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_requests_that_are_kept_hold_no_key_after_the_attempt(
    ending: str, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hooks necessarily see it while the attempt is under way."""
    kept: list[httpx.Request] = []
    lower: list[httpcore.Request] = []
    at_the_hook: list[bool] = []
    made = httpcore.Request.__init__

    def keep(self: httpcore.Request, *arguments: Any, **options: Any) -> None:
        made(self, *arguments, **options)
        lower.append(self)

    async def on_request(request: httpx.Request) -> None:
        at_the_hook.append(KEY in request.headers.get("ocp-apim-subscription-key", ""))
        kept.append(request)

    async def on_response(response: httpx.Response) -> None:
        kept.append(response.request)

    monkeypatch.setattr(httpcore.Request, "__init__", keep)
    async with V7Service(ENDINGS[ending]) as service, connect(service.url, kind, retry=ONCE) as session:
        session.client.event_hooks = {"request": [on_request], "response": [on_response]}
        outcome = await _outcome(session)
        upload = await _upload_outcome(session)
        assert len(keyed(service.requests, KEY)) == len(service.requests) == len(lower)
        assert at_the_hook == [True] * len(service.requests)
    assert [request for request in kept if KEY in repr(request.headers.raw)] == []
    assert [request for request in lower if KEY.encode() in b"".join(b"".join(pair) for pair in request.headers)] == []
    for value in (outcome, upload):
        assert leaks.in_value(KEY, value) == []
        if isinstance(value, BingImagesError):
            assert leaks.in_error(KEY, value) == []


async def _upload_outcome(session: ImageSearchSession) -> Any:
    with anyio.fail_after(10):
        try:
            return await session.details(image=b"picture")
        except BingImagesError as error:
            return error


async def test_requests_of_a_cancelled_attempt_hold_no_key(kind: Kind) -> None:
    kept: list[httpx.Request] = []

    async def on_request(request: httpx.Request) -> None:
        kept.append(request)

    reached = anyio.Event()

    def script(received: Received) -> bytes:
        reached.set()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

    async with V7Service(script) as service, connect(service.url, kind) as session:
        session.client.event_hooks["request"].append(on_request)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.search, "boat")
            await reached.wait()
            tasks.cancel_scope.cancel()
        assert len(keyed(service.requests, KEY)) == 1
    assert [request for request in kept if KEY in repr(request.headers.raw)] == []


class _Silent(httpcore.AsyncNetworkBackend):
    """A network on which no connection is ever made."""

    def __init__(self) -> None:
        self.is_asked = anyio.Event()

    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        self.is_asked.set()
        await anyio.sleep_forever()
        raise AssertionError("unreachable")


async def _cancellation(session: ImageSearchSession, reached: anyio.Event) -> BaseException:
    """What a search raises that is cancelled once `reached` is set."""
    caught: list[BaseException] = []

    async def search() -> None:
        try:
            await session.search("boat")
        except BaseException as error:
            caught.append(error)
            raise

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(search)
        await reached.wait()
        tasks.cancel_scope.cancel()
    return caught[0]


async def test_cancellation_while_a_lent_client_connects_shows_no_key() -> None:
    """httpcore calls no hook before it has a connection, so the request it was given still has its headers."""
    network = _Silent()
    transport = httpx.AsyncHTTPTransport(verify=usual_certificates())
    transport._pool = httpcore.AsyncConnectionPool(network_backend=network)
    async with (
        httpx.AsyncClient(transport=transport) as client,
        ImageSearchSession(KEY, client=client) as session,
    ):
        assert leaks.in_error(KEY, await _cancellation(session, network.is_asked)) == []


async def test_cancellation_of_a_lent_client_behind_a_proxy_shows_no_key() -> None:
    """httpcore sends a copy of the request that it was given to a proxy for http."""
    reached = anyio.Event()

    def script(received: Received) -> bytes:
        reached.set()
        return b"HTTP/1.1 200 OK\r\n"

    async with (
        V7Service(script) as proxy,
        httpx.AsyncClient(proxy=proxy.url, trust_env=False) as client,
        ImageSearchSession(KEY, base_url="http://api.test", allow_http=True, client=client) as session,
    ):
        assert leaks.in_error(KEY, await _cancellation(session, reached)) == []
        assert len(keyed(proxy.requests, KEY)) == 1


async def test_requests_of_an_attempt_that_timed_out_hold_no_key(kind: Kind) -> None:
    kept: list[httpx.Request] = []

    async def on_request(request: httpx.Request) -> None:
        kept.append(request)

    def script(received: Received) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

    policy = RetryPolicy(attempts=1, attempt_timeout=0.1)
    async with V7Service(script) as service, connect(service.url, kind, retry=policy) as session:
        session.client.event_hooks["request"].append(on_request)
        error = await _outcome(session)
    assert type(error).__name__ == "AttemptTimeoutError"
    assert leaks.in_error(KEY, error) == []
    assert [request for request in kept if KEY in repr(request.headers.raw)] == []


async def test_headers_that_a_hook_has_replaced_hold_no_key_either(kind: Kind) -> None:
    """OpenTelemetry puts a new `Headers` object into the request, and its hooks are shown the old one."""
    kept: list[httpx.Headers] = []
    requests: list[httpx.Request] = []

    async def on_request(request: httpx.Request) -> None:
        kept.append(request.headers)
        request.headers = httpx.Headers(request.headers)
        kept.append(request.headers)
        requests.append(request)

    async with V7Service() as service, connect(service.url, kind) as session:
        session.client.event_hooks["request"].append(on_request)
        await session.search("boat")
        assert len(keyed(service.requests, KEY)) == 1
    assert [request for request in requests if KEY in repr(request.headers.raw)] == []
    assert [headers for headers in kept if KEY in repr(headers.raw)] == []


@pytest.mark.parametrize("location", [b"/elsewhere", b"http://other.test/elsewhere"])
async def test_request_of_a_redirect_that_a_hook_keeps_holds_no_key(location: bytes, kind: Kind) -> None:
    """`Response.next_request` is a copy of the request with its headers, also for another origin."""
    kept: list[httpx.Response] = []

    async def on_response(response: httpx.Response) -> None:
        kept.append(response)

    def script(received: Received) -> bytes:
        return answer(b"", b"Location: " + location, status=b"302 Found")

    async with V7Service(script) as service, connect(service.url, kind, retry=ONCE) as session:
        session.client.event_hooks["response"].append(on_response)
        assert type(await _outcome(session)) is UnexpectedRedirectError
        assert len(keyed(service.requests, KEY)) == 1
    (following,) = [response.next_request for response in kept]
    assert following is not None
    assert KEY not in repr(following.headers.raw)


# --- what is not ours -------------------------------------------------------------------------------------------------


class OfTheHookError(Exception):
    """What a user's own code raises."""


async def _raise_in_a_hook(*_: Any) -> None:
    raise OfTheHookError("mine")


@pytest.mark.parametrize("event", ["request", "response"])
async def test_error_of_a_hook_keeps_its_type_and_its_traceback(event: str, kind: Kind) -> None:
    async with V7Service() as service, connect(service.url, kind) as session:
        session.client.event_hooks = {event: [_raise_in_a_hook]}
        with pytest.raises(OfTheHookError, match="mine") as caught:
            await session.search("boat")
        assert "_raise_in_a_hook" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert leaks.in_error(KEY, caught.value) == []
        assert session.stats.attempts == 1
        assert (session.stats.permits_in_use, session.stats.in_flight) == (0, 0)
        session.client.event_hooks = {}
        await session.search("boat")
        if kind == "own":
            assert session.stats.open_connections == session.stats.idle_connections == 1


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "No such file", "token.txt"), KeyError("x"), StopAsyncIteration()]
)
async def test_error_of_a_hook_is_no_fault_of_the_network_whatever_its_type(error: Exception, kind: Kind) -> None:
    async def fail(_: Any) -> None:
        raise error

    async with V7Service() as service, connect(service.url, kind) as session:
        session.client.event_hooks = {"response": [fail]}
        with pytest.raises((type(error), RuntimeError)) as caught:  # PEP 479 turns StopAsyncIteration into RuntimeError
            await session.search("boat")
        assert error in {caught.value, caught.value.__cause__}
        assert len(service.requests) == session.stats.attempts == 1


async def test_error_of_a_hook_keeps_its_cause_and_context(kind: Kind) -> None:
    async def chained(_: Any) -> None:
        try:
            {}["first"]
        except KeyError as first:
            raise OfTheHookError("second") from first

    async with V7Service() as service, connect(service.url, kind) as session:
        session.client.event_hooks = {"request": [chained]}
        with pytest.raises(OfTheHookError, match="second") as caught:
            await session.search("boat")
    assert type(caught.value.__cause__) is KeyError
    assert leaks.in_error(KEY, caught.value) == []


async def test_error_of_a_lent_transport_keeps_its_type_and_its_traceback() -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        await _raise_in_a_hook()
        raise AssertionError("unreachable")

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client,
        ImageSearchSession(KEY, client=client) as session,
    ):
        with pytest.raises(OfTheHookError) as caught:
            await session.search("boat")
        assert session.stats.attempts == 1
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-2:] == ["handler", "_raise_in_a_hook"]
    assert leaks.in_error(KEY, caught.value) == []


def _recurse() -> None:
    _recurse()


async def test_error_of_a_hook_with_a_traceback_deeper_than_the_recursion_limit_is_unchanged(kind: Kind) -> None:
    """That of a thread, whose stack begins anew."""

    async def deep(_: Any) -> None:
        await anyio.to_thread.run_sync(_recurse)

    async with V7Service() as service, connect(service.url, kind) as session:
        session.client.event_hooks = {"request": [deep]}
        with pytest.raises(RecursionError) as caught:
            await session.search("boat")
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "_recurse"
    assert leaks.in_error(KEY, caught.value) == []


async def test_group_of_errors_of_a_lent_transport_shows_no_key() -> None:
    """Such as a transport that sends a request twice at once and takes the first answer."""

    class Hedged(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(super().handle_async_request, request)
            raise AssertionError("unreachable")

    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    async with (
        httpx.AsyncClient(transport=Hedged(verify=usual_certificates())) as client,
        ImageSearchSession(KEY, base_url=url, client=client) as session,
    ):
        with pytest.raises(ExceptionGroup) as caught:
            await session.search("boat")
    assert leaks.in_error(KEY, caught.value) == []


async def test_error_of_a_lent_clients_auth_keeps_its_type() -> None:
    """The client's credentials play no part in calls, so its `auth` is not even run."""

    def auth(request: httpx.Request) -> httpx.Request:
        raise OfTheHookError("of the auth")

    async with (
        V7Service() as service,
        httpx.AsyncClient(trust_env=False, auth=auth) as client,
        ImageSearchSession(KEY, base_url=service.url, client=client) as session,
    ):
        await session.search("boat")
        assert len(service.requests) == 1


@pytest.mark.parametrize("status", [302, 401, 429, 503])
@pytest.mark.parametrize("event", ["request", "response"])
async def test_status_error_of_a_hooks_own_request_is_not_taken_for_the_services_reply(
    event: str, status: int, kind: Kind
) -> None:
    """Such as that of a hook that fetches a token."""
    tokens = httpx.MockTransport(lambda request: httpx.Response(status, headers={"Retry-After": "7"}))

    async def fetch_token(_: Any) -> None:
        async with httpx.AsyncClient(transport=tokens) as client:
            (await client.get("https://tokens.test/")).raise_for_status()

    async with V7Service() as service, connect(service.url, kind) as session:
        session.client.event_hooks = {event: [fetch_token]}
        with pytest.raises(httpx.HTTPStatusError) as caught:
            await session.search("boat")
        assert leaks.in_error(KEY, caught.value) == []
        assert (session.stats.attempts, session.stats.throttled) == (1, 0)
        session.client.event_hooks = {}
        await session.search("boat")


async def test_error_in_a_hook_that_is_an_httpx_error_is_translated_without_the_key(kind: Kind) -> None:
    async def broken(request: httpx.Request) -> None:
        raise httpx.ReadError(f"reset while sending {request.headers['ocp-apim-subscription-key']}", request=request)

    async with V7Service() as service, connect(service.url, kind, retry=ONCE) as session:
        session.client.event_hooks = {"request": [broken]}
        error = await _outcome(session)
    assert type(error) is ConnectionFailedError
    assert leaks.in_error(KEY, error) == []


# --- logs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [b"200", b"401", b"503"])
async def test_reason_phrase_that_echoes_the_key_is_not_logged(status: bytes, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("", "httpx", "httpcore", "httpcore.http11", "httpcore.connection", "bing_images_async"):
        caplog.set_level(logging.DEBUG, logger=name)

    def script(received: Received) -> bytes:
        return json_answer({"_type": "Images", "value": []}, status=status + b" " + KEY.encode())

    async with V7Service(script) as service, connect(service.url, retry=ONCE) as session:
        outcome = await _outcome(session)
    assert [record for record in caplog.records if record.name == "httpx"] != []
    assert [place for record in caplog.records for place in leaks.in_record(KEY, record)] == []
    assert leaks.in_value(KEY, outcome) == []


async def test_reply_that_echoes_the_key_is_cleaned_for_middleware_and_errors(kind: Kind) -> None:
    replies: list[Reply] = []

    async def look(call: Call, send: Send) -> Reply:
        replies.append(await send(call))
        return replies[-1]

    def script(received: Received) -> bytes:
        return json_answer(
            {"error": {"code": "401", "message": f"Unknown key {KEY}"}},
            b"X-Echo: " + KEY.encode(),
            status=b"401 Unauthorized",
        )

    async with V7Service(script) as service, connect(service.url, kind, middleware=[look]) as session:
        error = await _outcome(session)
    assert type(error) is AuthenticationError
    assert leaks.in_error(KEY, error) == []
    assert [reply for reply in replies if KEY in str(dict(reply.headers)) or KEY.encode() in reply.body] == []
