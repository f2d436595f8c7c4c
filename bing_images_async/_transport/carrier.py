"""What carries requests to the network: the session's own connections, or an `httpx.AsyncClient` that was lent.

A client takes 60 µs per request to look for redirects, credentials, cookies and hooks, and to make objects that
say in httpx's words what is known already. The session's own connections (`pool`) do without. A client that was
lent is used through its front door, with all that its owner put there.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol, cast

import anyio
import httpx
from attrs import define, field

from ..errors import SessionStateError, UnexpectedRedirectError

__all__ = ["Borrowed", "Carrier", "Incoming", "Outgoing", "headers_of"]

_CLOSING = 1.0  # seconds


@define(eq=False)
class Outgoing:
    """A request as it leaves, the key included."""

    method: str
    url: str
    headers: list[tuple[str, str]] = field(repr=False)
    """All but `Content-Length` and, unless it is to be another, `Host`: they follow from the rest."""
    body: bytes = field(default=b"", repr=False)
    on_departure: Callable[[], None] | None = None
    """Told when there is a connection, and the head is about to be written to it."""


class Incoming(Protocol):
    """A response: its head, and an iterator over the pieces of its body, which ends once."""

    status: int

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes | bytearray]: ...

    async def aclose(self) -> None:
        """Let go of it, come what may. To be called once it is no longer read, also after it was read."""
        ...


def headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields as texts, names in lower case; those of one name in one, with commas (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = raw_name.decode("latin-1").lower()
        try:
            value = raw_value.decode("utf-8")
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class Carrier(Protocol):
    """Sends requests. Raises what httpx's transports raise."""

    def check(self) -> None:
        """Raises `SessionStateError` if nothing can be sent any more."""
        ...

    async def send(self, outgoing: Outgoing) -> Incoming:
        """The response, its body unread."""
        ...


class Borrowed:
    """A client of the user's, with whatever transport and hooks it has."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    def check(self) -> None:
        if self._client.is_closed:
            raise SessionStateError("The httpx.AsyncClient of this session is closed.")

    async def send(self, outgoing: Outgoing) -> Incoming:
        request = httpx.Request(outgoing.method, outgoing.url, headers=outgoing.headers, content=outgoing.body or None)
        if outgoing.on_departure is not None:
            request.extensions = {**request.extensions, "trace": _telling(outgoing.on_departure)}
        try:
            response = await self._client.send(request, stream=True, auth=None, follow_redirects=False)
        except (httpx.InvalidURL, httpx.RemoteProtocolError) as fault:
            # httpx reads the address of a redirect even if it is not to follow it, and trips over a bad one.
            if isinstance(fault, httpx.InvalidURL) or "location header" in str(fault):
                raise UnexpectedRedirectError(
                    "The service redirected to what is no address. Redirects are not followed; check base_url."
                ) from None
            raise
        return _Response(response)


class _Response:
    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self._response = response

    @property
    def headers(self) -> dict[str, str]:
        return dict(self._response.headers.items())

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(cast("AsyncIterable[bytes]", self._response.stream))

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _CLOSING):
            await self._response.aclose()


def _telling(on_departure: Callable[[], None]) -> Callable[[str, Mapping[str, Any]], Awaitable[None]]:
    """A trace (httpcore's request extension) that has an ear for one event: the head is about to be written."""

    async def trace(event: str, _: Mapping[str, Any]) -> None:
        if event.endswith(".send_request_headers.started"):
            on_departure()

    return trace
