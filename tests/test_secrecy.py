"""The key is seen by the service and by nobody else, whatever happens."""

from __future__ import annotations

import asyncio
import copy
import gzip
import logging
import pickle
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import leaks
import pytest
from attrs import asdict, define, field
from session_kit import BODIES, HOST, Chunks, page, streaming
from support.raw_server import RawConnection, RawServer, answering

from bing_images_async import ApiKey, Bearer, Call, HeaderKey, ImageSearchSession, Reply, RetryPolicy, Send, events
from bing_images_async.errors import BingImagesError, InvalidRequestError, SessionStateError
from bing_images_async.testing import virtual_time

pytestmark = pytest.mark.anyio

CANARY = "c4n4ry5ec2e7d0n0t5h0wth15t0any0n"
"""The key of every session here. It is never a local variable: those of tests are looked at too."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


@define
class Evidence:
    """What a scenario leaves behind."""

    records: list[logging.LogRecord] = field(factory=list[logging.LogRecord])
    errors: list[BaseException] = field(factory=list[BaseException])
    values: list[object] = field(factory=list[object])
    keyed_hosts: set[str] = field(factory=set[str])
    """Hosts that were sent the key."""

    def leaks(self) -> list[str]:
        """Every place where the key can be seen."""
        found = [place for error in self.errors for place in leaks.in_error(CANARY, error)]
        found += [place for value in self.values for place in leaks.in_value(CANARY, value)]
        return found + [place for record in self.records for place in leaks.in_record(CANARY, record)]


class _Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__()
        self._evidence = evidence

    def emit(self, record: logging.LogRecord) -> None:
        self._evidence.records.append(record)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Evidence]:
    """Everything is logged, by whomever, down to DEBUG."""
    for name in ("", "httpx", "httpcore", "httpcore.http11", "httpcore.connection", "bing_images_async", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    evidence = Evidence()
    handler = _Records(evidence)
    logging.getLogger().addHandler(handler)
    yield evidence
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def evidence(logged: Evidence) -> Iterator[Evidence]:
    """What a test leaves behind must not show the key."""
    yield logged
    assert logged.leaks() == []


@asynccontextmanager
async def _session(evidence: Evidence, handler: Any = None, **options: Any) -> AsyncGenerator[ImageSearchSession]:
    """A session with the canary as its key, observed from all sides. Without a handler it uses sockets."""

    async def look(call: Call, send: Send) -> Reply:
        evidence.values.append(call)
        try:
            reply = await send(call)
        except BaseException as error:
            evidence.errors.append(error)
            raise
        evidence.values += [reply, asdict(reply)]
        return reply

    async def watched(request: httpx.Request) -> httpx.Response:
        if any(CANARY in value for value in request.headers.values()):
            evidence.keyed_hosts.add(request.url.host)
        assert CANARY not in str(request.url)
        response: httpx.Response = await handler(request)
        return response

    options = {"middleware": [look], "observers": [evidence.values.append, events.LoggingObserver()], **options}
    client = None if handler is None else httpx.AsyncClient(transport=httpx.MockTransport(watched))
    session = ImageSearchSession(CANARY, **{"client": client, **options})
    evidence.values += [session, session.with_options(market="en-US")]
    try:
        async with session:
            yield session
    finally:
        evidence.values.append(session.stats)
        if client is not None:
            await client.aclose()


async def _search(evidence: Evidence, session: ImageSearchSession) -> BaseException | None:
    """A search, of which the answer or the error is kept."""
    try:
        evidence.values.append(await session.search("boat"))
    except BingImagesError as error:
        evidence.errors.append(error)
        return error
    return None


def _answering(status: int, body: Any, **headers: str) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    content = body if isinstance(body, bytes) else httpx.Response(200, json=body).content

    async def handler(request: httpx.Request) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Response(status, headers=named, stream=Chunks(content))

    return handler


def _error_body(words: str) -> dict[str, Any]:
    return {"_type": "ErrorResponse", "errors": [{"code": "InvalidRequest", "message": words, "parameter": words}]}


# --- answers and errors of the service


@pytest.mark.parametrize("status", [200, 204, 301, 307, 400, 401, 403, 404, 408, 410, 418, 429, 500, 503])
@pytest.mark.parametrize("echo", [False, True], ids=["silent", "echo"])
async def test_answers_of_every_kind(status: int, echo: bool, evidence: Evidence) -> None:
    """Also where the service repeats the key in its body and headers: in words, in ids, in an address."""
    words = f"the key {CANARY} of header Bearer {CANARY}" if echo else "went wrong"
    body = {**page("boat", webSearchUrl=words), **({} if status < 400 else _error_body(words))}
    echoed = {"BingAPIs-TraceId": words, "Location": f"https://elsewhere.example/?k={words}", "X-Echo": words}
    async with _session(evidence, _answering(status, body, **echoed), keep_raw=True) as session:
        error = await _search(evidence, session)
    assert (error is None) == (status < 300)
    assert evidence.keyed_hosts == {"api.bing.microsoft.com"}


BROKEN: dict[str, tuple[Any, dict[str, str]]] = {
    "html": (f"<html>{CANARY}</html>".encode(), {}),
    "empty": (b"", {}),
    "no object": ([CANARY], {}),
    "no answer": ({"_type": CANARY}, {}),
    "a wrong type": (page(value=[{"width": CANARY, "name": 1}, CANARY]), {}),
    "a list that is none": ({"_type": "Images", "value": CANARY}, {}),
    "cut off": (gzip.compress(CANARY.encode())[:-4], {"content_encoding": "gzip"}),
    "broken later": (gzip.compress(CANARY.encode()) + CANARY.encode(), {"content_encoding": "gzip"}),
    "no gzip": (CANARY.encode(), {"content_encoding": "gzip"}),
    "unknown encoding": (CANARY.encode(), {"content_encoding": CANARY}),
    "a bomb": (gzip.compress(CANARY.encode() * 2**20), {"content_encoding": "gzip"}),
    "too long": (CANARY.encode() * 2**18, {}),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_answers_that_are_broken(kind: str, evidence: Evidence) -> None:
    """With the key in them."""
    body, headers = BROKEN[kind]
    async with _session(evidence, _answering(200, body, **headers)) as session:
        error = await _search(evidence, session)
    assert (error is None) == (kind == "a wrong type")


@pytest.mark.parametrize("auth", [Bearer(), HeaderKey("x-apikey")])
async def test_other_ways_to_show_the_key(auth: Any, evidence: Evidence) -> None:
    """They keep it as well."""
    handler = _answering(401, _error_body(f"{CANARY} is unknown"))
    async with _session(evidence, handler, auth=auth) as session:
        assert await _search(evidence, session) is not None
    assert evidence.keyed_hosts == {"api.bing.microsoft.com"}


async def test_all_endpoints_and_fetch(evidence: Evidence) -> None:
    """An upload, too; and what is fetched is asked for without the key."""

    async def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=BODIES.get(request.url.path.rpartition("/")[2], {}))

    async with _session(evidence, handler) as session:
        evidence.values += [await session.details(image=b"picture"), await session.trending()]
        evidence.keyed_hosts.clear()
        await session.fetch(f"{HOST}/th?id=1")
        assert evidence.keyed_hosts == set()
        with pytest.raises(InvalidRequestError) as caught:
            await session.fetch("https://elsewhere.example/th?id=1")
    evidence.errors.append(caught.value)


# --- faults of transports


def _faults() -> list[Exception]:
    kinds = [kind for kind in vars(httpx).values() if isinstance(kind, type) and issubclass(kind, httpx.TransportError)]
    words = f"cannot send {CANARY}"
    faults: list[Exception] = [kind(words) for kind in sorted(kinds, key=lambda kind: kind.__name__)]
    return [*faults, httpx.InvalidURL(words), OSError(5, words), TimeoutError(words), httpx.DecodingError(words)]


@pytest.mark.parametrize("number", range(len(_faults())), ids=[type(fault).__name__ for fault in _faults()])
async def test_faults_that_quote_the_key(number: int, evidence: Evidence) -> None:
    """With the request attached and another fault behind them."""

    async def handler(request: httpx.Request) -> httpx.Response:
        fault = _faults()[number]
        if isinstance(fault, httpx.RequestError):
            fault.request = request
        raise fault from ValueError(CANARY)

    async with _session(evidence, handler) as session:
        assert await _search(evidence, session) is not None


async def test_exceptions_that_are_nobodys(evidence: Evidence) -> None:
    """What a user's transport or middleware raises passes, without the frames that hold the request."""

    async def handler(request: httpx.Request) -> httpx.Response:
        raise LookupError("mine")

    async with _session(evidence, handler) as session:
        with pytest.raises(LookupError) as caught:
            await session.search("boat")
    evidence.errors.append(caught.value)


@pytest.mark.parametrize("explicit", [True, False])
async def test_exceptions_that_hide_a_fault_of_httpx(explicit: bool, evidence: Evidence) -> None:
    """A user's transport that translates faults keeps the request on their causes and contexts."""

    async def fail(request: httpx.Request) -> None:
        raise httpx.ReadError("no answer", request=request)

    async def handler(request: httpx.Request) -> httpx.Response:
        try:
            await fail(request)
        except httpx.ReadError as fault:
            raise LookupError("mine") from (fault if explicit else None)
        raise AssertionError

    async with _session(evidence, handler) as session:
        with pytest.raises(LookupError, match="mine") as caught:
            await session.search("boat")
    assert isinstance(caught.value.__cause__, httpx.ReadError) == explicit
    evidence.errors.append(caught.value)


async def test_a_body_that_breaks_off_in_nobodys_way(evidence: Evidence) -> None:
    """What had come of it, the key among it, is not kept in frames either."""

    class Breaking(Chunks):
        async def __anext__(self) -> bytes:
            if self.given == 1:
                raise LookupError("mine")
            return await super().__anext__()

    async with _session(evidence, streaming(Breaking(CANARY.encode(), b""))) as session:
        with pytest.raises(LookupError) as caught:
            await session.search("boat")
    evidence.errors.append(caught.value)


# --- time and cancellation


async def _endless(request: httpx.Request) -> httpx.Response:
    await anyio.sleep_forever()
    raise AssertionError


@pytest.mark.parametrize(
    "handler", [_endless, streaming(Chunks(*[b" "] * 9_000, seconds=0.3))], ids=["no answer", "dripping body"]
)
@pytest.mark.parametrize("timeout", [5, 60, None])
async def test_time_runs_out(handler: Any, timeout: float | None, evidence: Evidence) -> None:
    """Of the call, or of its attempts."""
    async with _session(evidence, handler, timeout=timeout) as session:
        assert await _search(evidence, session) is not None


@pytest.mark.parametrize("seconds", [0, 0.5, 3])
async def test_cancelled_by_a_scope(seconds: float, evidence: Evidence) -> None:
    """The cancellation itself is looked at, on its way through a middleware."""
    async with _session(evidence, streaming(Chunks(*[b" "] * 99, seconds=1)), timeout=None) as session:
        with anyio.move_on_after(seconds) as scope:
            await session.search("boat")
    assert scope.cancelled_caught


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("handler", [_endless, streaming(Chunks(*[b" "] * 99, seconds=1))])
async def test_cancelled_as_a_task(handler: Any, evidence: Evidence) -> None:
    """asyncio's own way."""
    async with _session(evidence, handler, timeout=None) as session:
        task = asyncio.create_task(session.search("boat"))
        await anyio.sleep(2)
        task.cancel(f"no more of {len(CANARY)} letters")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    evidence.errors.append(caught.value)
    assert len(evidence.errors) == 2  # the middleware saw it too


# --- settings and life-cycle


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": -1},
        {"market": "nowhere at all"},
        {"headers": {"a b": "c"}},
        {"headers": {"Ocp-Apim-Subscription-Key": "other"}},
        {"params": {"": ""}},
        {"base_url": "ftp://gateway.example"},
        {"base_url": "http://gateway.example"},
        {"keep_raw": 1},
        {"allow_http": 1},
        {"max_concurrency": 0},
    ],
    ids=lambda options: next(iter(options)),
)
def test_bad_settings(options: dict[str, Any], evidence: Evidence) -> None:
    """The frames of the constructor have forgotten the key by then."""
    evidence.errors.append(_refused(lambda: ImageSearchSession(CANARY, **options)))


def _refused(make: Callable[[], object]) -> BaseException:
    try:
        make()
    except InvalidRequestError as error:
        return error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
    pytest.fail("it was accepted")


@pytest.mark.parametrize("spoil", ["{}\nmore", "{}é", "{}\0"])
def test_bad_keys(spoil: str, evidence: Evidence) -> None:
    """A key that cannot be is as secret as one that can."""
    for make in (ApiKey, ImageSearchSession):
        evidence.errors.append(_refused(lambda make=make: make(spoil.format(CANARY))))  # type: ignore[misc]


@pytest.mark.parametrize("spoil", ["{}\nmore", "{}é"])
async def test_a_key_function_that_returns_a_bad_key(spoil: str, evidence: Evidence) -> None:
    """Plain or async."""

    async def later() -> str:
        return spoil.format(CANARY)

    for function in (lambda: spoil.format(CANARY), later):
        async with ImageSearchSession(function) as session:
            with pytest.raises(InvalidRequestError) as caught:
                await session.search("boat")
        evidence.errors.append(caught.value)
        evidence.values.append(session)


def test_bad_environments(evidence: Evidence, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Two keys, and files that hold more than a key."""
    file = tmp_path / "key"
    monkeypatch.setenv("BING_IMAGES_KEY_FILE", str(file))
    monkeypatch.setenv("BING_IMAGES_KEY", CANARY)
    evidence.errors.append(_refused(ImageSearchSession.from_env))
    monkeypatch.delenv("BING_IMAGES_KEY")
    for content in (CANARY.encode() + b"\nmore", b"\xff" + CANARY.encode()):
        file.write_bytes(content)
        evidence.errors.append(_refused(ImageSearchSession.from_env))


async def test_a_session_that_cannot_be_used(evidence: Evidence) -> None:
    """Not entered, closed, pickled."""
    session = ImageSearchSession(CANARY)
    for _ in range(2):
        with pytest.raises(SessionStateError) as caught:
            await session.search("boat")
        evidence.errors.append(caught.value)
        await session.aclose()
    for copier in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError) as refused:
            copier(session)  # type: ignore[operator]
        evidence.errors.append(refused.value)


def test_the_key_itself(evidence: Evidence) -> None:
    """Shown by `reveal` alone."""
    evidence.values += [ApiKey(CANARY), {"key": ApiKey(CANARY)}, f"{ApiKey(CANARY)!r} {ApiKey(CANARY)!s}"]
    assert ApiKey(CANARY).reveal() == CANARY
    assert copy.deepcopy(ApiKey(CANARY)) == ApiKey(CANARY)
    with pytest.raises(TypeError) as caught:
        pickle.dumps(ApiKey(CANARY))
    evidence.errors.append(caught.value)


# --- over real sockets, and with httpcore's own log


class TestSockets:
    """What peers, httpcore and its log see."""

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    async def _ask(self, evidence: Evidence, base_url: str, **options: Any) -> BaseException | None:
        once = RetryPolicy(attempts=1, attempt_timeout=2)
        async with _session(evidence, base_url=base_url, retry=once, **options) as session:
            return await _search(evidence, session)

    @pytest.mark.parametrize(
        "response",
        [
            b'HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n{"_type":"Images","value":[]}',
            b"HTTP/1.1 401 Denied\r\nContent-Length: 32\r\n\r\n" + CANARY.encode(),
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + CANARY.encode(),
            b"HTTP/1.1 200 " + CANARY.encode(),
            b"HTTP/1.1 200 %s\r\nX-Echo: %s\r\nContent-Length: 0\r\n\r\n" % (CANARY.encode(), CANARY.encode()),
            CANARY.encode() + b"\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
            b"",
        ],
        ids=["good", "echo", "cut off", "half a head", "echo in the head", "no HTTP", "redirect", "closed"],
    )
    @pytest.mark.parametrize("borrowed", [False, True], ids=["own", "borrowed"])
    async def test_peers_of_every_kind(self, response: bytes, borrowed: bool, evidence: Evidence) -> None:
        """They are sent the key once, and show it to nobody."""
        async with RawServer(answering(response)) as server, httpx.AsyncClient(trust_env=False) as client:
            await self._ask(evidence, server.url, client=client if borrowed else None)
            assert [CANARY.encode() in request for request in server.requests] == [True]
        assert ("httpcore.http11" in {record.name for record in evidence.records}) is borrowed
        if borrowed:  # what its own libraries log of a reply is the lender's business
            evidence.records[:] = [record for record in evidence.records if not record.name.startswith("http")]

    @pytest.mark.parametrize("borrowed", [False, True], ids=["own", "borrowed"])
    async def test_a_way_to_show_the_key_that_is_not_ascii(self, borrowed: bool, evidence: Evidence) -> None:
        """An error of ours, where Python's would hold the header."""

        class Accented:
            def header(self, key: str) -> tuple[str, str]:
                return "X-Key", f"{key}é"

        async with RawServer(answering()) as server, httpx.AsyncClient(trust_env=False) as client:
            given = {"auth": Accented(), "client": client if borrowed else None}
            error = await self._ask(evidence, server.url, **given)
            assert isinstance(error, InvalidRequestError)
            assert "not ASCII" in str(error)
            assert server.requests == []

    async def test_tls_that_fails(self, evidence: Evidence) -> None:
        """The key is not sent before the peer has shown who it is."""

        async def play(connection: RawConnection) -> None:
            await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await connection.until_closed()

        async with RawServer(play) as server:
            assert await self._ask(evidence, server.url.replace("http://", "https://")) is not None
            assert server.requests == []

    async def test_nobody_listens(self, evidence: Evidence) -> None:
        """A refused connection."""
        async with RawServer(answering()) as server:
            url = server.url
        assert await self._ask(evidence, url) is not None


# --- the detector itself


class TestDetector:
    """What it is meant to find, it finds."""

    async def test_a_bare_call_leaks(self) -> None:
        """httpx keeps headers in its frames and the request on its errors."""

        async def refuse(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused", request=request)

        async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
            with pytest.raises(httpx.ConnectError) as caught:
                await client.get(HOST, headers={"Ocp-Apim-Subscription-Key": CANARY})
        found = leaks.in_error(CANARY, caught.value)
        assert "ConnectError._request: headers" in found
        assert any("headers: repr" in place for place in found)
        assert "traceback with locals" in found

    def test_texts_causes_contexts_and_groups(self) -> None:
        """Wherever an exception can hide."""
        hidden = ValueError(CANARY)
        caused, met = RuntimeError(), RuntimeError()
        caused.__cause__, met.__context__ = hidden, hidden
        for error in (hidden, caused, met, ExceptionGroup("several", [LookupError(), hidden])):
            assert any(place.startswith("ValueError") for place in leaks.in_error(CANARY, error))
        assert leaks.in_error(CANARY, ValueError("nothing")) == []

    def test_variables(self) -> None:
        """Of any frame."""

        def holding() -> None:
            held = [CANARY.lower()]
            raise ValueError(len(held))

        with pytest.raises(ValueError, match="1") as caught:
            holding()
        assert any("holding()" in place for place in leaks.in_error(CANARY, caught.value))

    def test_values_and_pickles(self) -> None:
        """What does not show itself may still be pickled."""

        assert leaks.in_value(CANARY, _Quiet()) == ["value: pickle"]
        assert leaks.in_value(CANARY, {"key": CANARY}) != []

    def test_records(self, logged: Evidence) -> None:
        """Formatted, in attributes, and in exceptions that were logged."""
        logger = logging.getLogger("test")
        logger.warning("a %s", CANARY)
        logger.warning("quiet", extra={"more": CANARY})
        logger.error("went wrong", exc_info=ValueError(CANARY))
        logger.warning("nothing")
        assert [bool(leaks.in_record(CANARY, record)) for record in logged.records] == [True, True, True, False]
        assert len(logged.leaks()) >= 3


class _Quiet:
    def __init__(self) -> None:
        self.key = CANARY

    def __repr__(self) -> str:
        return "_Quiet()"
