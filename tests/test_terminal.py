"""The end of the chain: every fault of a transport becomes one of our errors, with a cause that refers to nothing."""

from __future__ import annotations

import ssl
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import httpx
import pytest
from session_kit import HOST, KEY, Chunks, Service, page, session_with, streaming
from support.raw_server import RawConnection, RawServer, answer, answering

from bing_images_async import ImageSearchSession, RetryPolicy, errors
from bing_images_async.testing import virtual_time

pytestmark = pytest.mark.anyio

ONCE = RetryPolicy(attempts=1)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


def _raising(fault: BaseException) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
    async def handler(request: httpx.Request) -> httpx.Response:
        raise fault

    return handler


async def _error_of(handler: Any, **options: Any) -> errors.BingImagesError:
    async with session_with(handler, retry=ONCE, **options) as session:
        with pytest.raises(errors.BingImagesError) as caught:
            await session.search("boat")
    return caught.value


# --- faults of httpx


def _made(kind: type[Exception]) -> Exception:
    """An exception of httpx for a search, as httpx makes it."""
    url = f"{HOST}/v7.0/images/search?q=boat"
    request = httpx.Request("GET", url, headers={"Ocp-Apim-Subscription-Key": KEY})
    if issubclass(kind, httpx.HTTPStatusError):
        return kind("went wrong", request=request, response=httpx.Response(500, request=request))
    if issubclass(kind, httpx.RequestError):
        return kind("went wrong", request=request)
    if kind in {httpx.StreamConsumed, httpx.StreamClosed, httpx.ResponseNotRead, httpx.RequestNotRead}:
        return kind()
    return kind("went wrong")


# CookieConflict comes from reading cookies by name, which sending never does.
FAULTS = sorted(
    {
        kind
        for kind in vars(httpx).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and kind is not httpx.CookieConflict
    },
    key=lambda kind: kind.__name__,
)
EXPECTED = {
    httpx.TimeoutException: errors.AttemptTimeoutError,
    httpx.UnsupportedProtocol: errors.InvalidRequestError,
    httpx.InvalidURL: errors.InvalidRequestError,
    httpx.HTTPStatusError: errors.ServerError,  # of a hook that raises for statuses: the reply counts
    httpx.HTTPError: errors.ConnectionFailedError,
    httpx.StreamError: errors.ConnectionFailedError,
}


def test_all_exceptions_of_httpx_are_covered() -> None:
    """The list is not empty by mistake."""
    assert {httpx.PoolTimeout, httpx.TooManyRedirects, httpx.DecodingError, httpx.ReadError} <= set(FAULTS)
    assert len(FAULTS) > 25


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
async def test_every_exception_of_httpx_becomes_ours(kind: type[Exception]) -> None:
    """By its class; the cause is a bare copy: no request, no response, no traceback, nothing behind it."""
    error = await _error_of(_raising(_made(kind)))
    expected = next(ours for theirs, ours in EXPECTED.items() if issubclass(kind, theirs))
    assert type(error) is expected
    assert error.__context__ is None
    cause = error.__cause__
    if expected is errors.ServerError:
        assert cause is None
        return
    assert cause is not None
    assert type(cause) in {kind, ConnectionError}
    assert kind.__name__ in str(error)
    assert (cause.__traceback__, cause.__cause__, cause.__context__) == (None, None, None)
    assert getattr(cause, "_request", None) is None
    assert not hasattr(cause, "response")


@pytest.mark.parametrize(
    ("fault", "kind", "retryable"),
    [
        (ConnectionResetError(104, "reset"), errors.ConnectionFailedError, True),
        (OSError("no route"), errors.ConnectionFailedError, True),
        (ssl.SSLError(1, "bad record"), errors.ConnectionFailedError, True),
        (ssl.SSLCertVerificationError(1, "expired"), errors.ConnectionFailedError, False),
        (httpx.LocalProtocolError("bad header"), errors.ConnectionFailedError, False),
        (TimeoutError("slow"), errors.AttemptTimeoutError, None),
    ],
)
async def test_faults_of_the_operating_system(fault: Exception, kind: type[Exception], retryable: bool | None) -> None:
    """They are ours too, and it is known whether another try could help."""
    error = await _error_of(_raising(fault))
    assert type(error) is kind
    assert getattr(error, "retryable", None) is retryable
    assert error.__cause__ is not fault
    assert str(fault) in str(error)


async def test_a_bad_certificate_is_found_behind_what_hides_it() -> None:
    """httpx raises a `ConnectError` whose cause is the fault; the text says what to do."""

    async def handler(request: httpx.Request) -> httpx.Response:
        try:
            raise ssl.SSLCertVerificationError(1, "self-signed certificate")
        except ssl.SSLError as fault:
            raise httpx.ConnectError("TLS failed") from fault

    error = await _error_of(handler)
    assert isinstance(error, errors.ConnectionFailedError)
    assert not error.retryable
    assert "certificate" in str(error)
    assert error.__cause__ is not None
    assert error.__cause__.__cause__ is None


async def test_an_exception_with_arguments_of_its_own() -> None:
    """A cause that cannot be copied is replaced by one that says the same."""

    class Odd(httpx.TransportError):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} and {two}")

    error = await _error_of(_raising(Odd(1, 2)))
    assert repr(error.__cause__) == "ConnectionError('Odd: 1 and 2')"


# --- faults of users' transports


class _OwnError(Exception):
    pass


async def test_unknown_exceptions_pass() -> None:
    """The very object, with all frames down to those of the transport, which hold the request."""
    fault = _OwnError("mine")

    async def my_transport(request: httpx.Request) -> httpx.Response:
        raise fault from LookupError("first")

    async with session_with(my_transport) as session:
        with pytest.raises(_OwnError) as caught:
            await session.search("boat")
    assert caught.value is fault
    assert isinstance(fault.__cause__, LookupError)
    frames = traceback.extract_tb(fault.__traceback__)
    assert "my_transport" in {frame.name for frame in frames}
    assert not [frame for frame in frames if "/_transport/" in frame.filename or "/httpcore/" in frame.filename]


async def test_cancelling_passes() -> None:
    """A scope of the caller's ends the call, and the response is closed."""
    body = Chunks(*[b" "] * 100, seconds=1)
    async with session_with(streaming(body), timeout=None) as session:
        with anyio.move_on_after(5.5) as scope:
            await session.search("boat")
    assert scope.cancelled_caught
    assert body.closed
    assert body.given == 5


async def test_an_attempt_has_a_time_limit() -> None:
    """`RetryPolicy.attempt_timeout` bounds head and body together."""
    body = Chunks(*[b" "] * 100, seconds=1)
    error = await _error_of(streaming(body))
    assert isinstance(error, errors.AttemptTimeoutError)
    assert "10 s" in str(error)
    assert error.attempts[0].elapsed == pytest.approx(10)
    assert body.closed


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_responses_are_closed(status: int) -> None:
    """Whatever they say."""
    body = Chunks(httpx.Response(200, json=page()).content)
    async with session_with(streaming(body, status), retry=ONCE) as session:
        with suppress(errors.ApiError):
            await session.search("boat")
    assert body.given == 1
    assert body.closed


# --- redirects


@pytest.mark.parametrize(
    "location",
    ["https://elsewhere.example/", "/v7.0/images/search", "", "https://[bad", "mailto:somebody", "x" * 70_000, "\x00"],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int, location: str) -> None:
    """To wherever they point, even to what is no address; one request was sent."""
    service = Service(b"", status=status, headers={"Location": location})
    error = await _error_of(service)
    assert isinstance(error, errors.UnexpectedRedirectError)
    assert len(service.requests) == 1


async def test_other_statuses_between_200_and_400() -> None:
    """300 and 304 are no answers, with or without an address."""
    for status in (300, 304):
        assert isinstance(await _error_of(Service(b"", status=status)), errors.UnexpectedRedirectError)


# --- over real sockets


class TestSockets:
    """The same faults as a real peer makes them."""

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    async def _error(self, base_url: str) -> errors.BingImagesError:
        async with ImageSearchSession(KEY, base_url=base_url, retry=ONCE) as session:
            with pytest.raises(errors.BingImagesError) as caught:
                await session.search("boat")
        return caught.value

    async def test_nobody_listens(self) -> None:
        """A refused connection."""
        async with RawServer(answering()) as server:
            url = server.url
        error = await self._error(url)
        assert isinstance(error, errors.ConnectionFailedError)
        assert isinstance(error.__cause__, httpx.ConnectError)

    @pytest.mark.parametrize(
        "response",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nConte",
            b"garbage\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
            b"\x16\x03\x01\x02",
        ],
    )
    async def test_a_peer_that_speaks_something_else(self, response: bytes) -> None:
        """Closed at once, half a head, no HTTP at all."""
        async with RawServer(answering(response)) as server:
            assert isinstance(await self._error(server.url), errors.ConnectionFailedError)

    async def test_tls_with_a_peer_that_has_none(self) -> None:
        """No certificate is to blame, so another try could help."""

        async def play(connection: RawConnection) -> None:
            await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await connection.until_closed()

        async with RawServer(play) as server:
            error = await self._error(server.url.replace("http://", "https://"))
        assert isinstance(error, errors.ConnectionFailedError)
        assert error.retryable

    async def test_a_redirect_to_another_server(self) -> None:
        """The other one is not even connected to."""
        async with RawServer(answering(answer())) as other:
            location = b"Location: " + other.url.encode()
            async with RawServer(answering(answer(b"", location, status=b"302 Found"))) as server:
                error = await self._error(server.url)
            assert isinstance(error, errors.UnexpectedRedirectError)
            assert error.location == other.url
            assert other.accepted == []
