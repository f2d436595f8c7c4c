"""Room for mockers and instruments: whoever has patched httpx or httpcore still gets the session's requests.

The session's own connections are neither's, so nobody who patches those would see them. A test that believes
all requests caught would send them out, key included; an instrument would show nothing. So each request
looks whether somebody is there (respx patches either, by its mode; Sentry httpx's client), and if so takes
the way on which it is waited for.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import FunctionType
from typing import cast

import httpcore
import httpx
from attrs import evolve

from ._address import Address
from ._errors import FOREIGN, as_httpx
from .carrier import Borrowed, Incoming, Outgoing, headers_of

__all__ = ["Mocked", "Transport", "client_is_patched", "connection_is_patched", "no_cookies", "send_through_client"]

_CLIENT = ("send", "_send_single_request", "_transport_for_url")


def client_is_patched() -> bool:
    """Is a method that takes part in sending another function than httpx's?"""
    return not all(_is_from("httpx._client", vars(httpx.AsyncClient).get(name)) for name in _CLIENT)


def connection_is_patched() -> bool:
    """Is what sends requests on httpcore's connections another function than httpcore's?"""
    return not _is_from("httpcore._async.connection", httpcore.AsyncHTTPConnection.handle_async_request)


def _is_from(module: str, function: object) -> bool:
    # A wrapper may pass for what it wraps, but not in its type and its globals.
    return function is None or (type(function) is FunctionType and function.__globals__["__name__"] == module)


def no_cookies() -> CookieJar:
    """A jar that takes no cookie: they are barred beside a client id, and would tie users to each other."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


# --- httpx's client


Send = Callable[[Outgoing], Awaitable[Incoming]]


async def send_through_client(outgoing: Outgoing, send: Send) -> Incoming:
    """Send through a client of httpx's, which hands what nobody keeps on to `send`."""
    transport = Transport(send, outgoing.on_departure)
    client = httpx.AsyncClient(transport=transport, cookies=no_cookies(), trust_env=False, timeout=None)
    return await Borrowed(client).send(evolve(outgoing, on_departure=None))


class Transport(httpx.AsyncBaseTransport):
    """An httpx transport in front of `send`; the bodies of its responses are of httpx's kind."""

    def __init__(self, send: Send, on_departure: Callable[[], None] | None = None) -> None:
        self._send = send
        self._on_departure = on_departure

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raw = [(name, value) for name, value in request.headers.raw if name.lower() != b"content-length"]
        headers = [(name.decode("ascii"), value.decode("ascii")) for name, value in raw]
        body = await request.aread()
        incoming = await self._send(Outgoing(request.method, str(request.url), headers, body, self._on_departure))
        return httpx.Response(incoming.status, headers=incoming.headers, stream=_Body(incoming))


class _Body(httpx.AsyncByteStream):
    def __init__(self, incoming: Incoming) -> None:
        self.incoming = incoming

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._pieces = aiter(self.incoming)
        return self

    async def __anext__(self) -> bytes:
        return bytes(await anext(self._pieces))

    async def aclose(self) -> None:
        await self.incoming.aclose()


# --- httpcore's connections


class Mocked:
    """A response that came from a mocker, or, where it lets a request pass, from the network."""

    def __init__(self, connection: httpcore.AsyncHTTPConnection, response: httpcore.Response) -> None:
        self.status = response.status
        self.headers = headers_of(response.headers)
        self._connection = connection
        self._response = response
        self._pieces = aiter(cast("AsyncIterable[bytes]", response.stream))

    @classmethod
    async def ask(
        cls,
        method: str,
        address: Address,
        headers: list[tuple[str, str]],
        body: bytes,
        context: ssl.SSLContext | None,
        backend: httpcore.AsyncNetworkBackend,
    ) -> Mocked:
        """Send a request on a connection that is used for nothing else."""
        scheme, host, port = address.origin
        url = httpcore.URL(scheme=scheme, host=host, port=port, target=address.target)
        request = httpcore.Request(method, url, headers=headers, content=body)
        connection = httpcore.AsyncHTTPConnection(url.origin, ssl_context=context, network_backend=backend)
        try:
            return cls(connection, await connection.handle_async_request(request))
        except BaseException as error:
            await connection.aclose()
            if (named := as_httpx(error)) is not None:
                raise named from error
            raise

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except FOREIGN as error:
            named = as_httpx(error)
            assert named is not None
            raise named from error

    async def aclose(self) -> None:
        if isinstance(self._pieces, AsyncGenerator):  # nobody else would end it
            await cast("AsyncGenerator[bytes]", self._pieces).aclose()
        await self._response.aclose()
        await self._connection.aclose()
