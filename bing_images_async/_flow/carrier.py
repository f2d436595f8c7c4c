"""What carries requests to the network: transports of the session's own, or the user's `httpx.AsyncClient`.

A request takes 20 µs to pass a transport and 60 µs to pass a client, which looks for redirects, credentials,
cookies and hooks. The session's own connections have none of these, so requests go to the transport
itself. A client that was lent is used through its front door, with all that its owner put there.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import anyio
import httpx

from ..errors import SessionStateError, UnexpectedRedirectError

__all__ = ["Borrowed", "Carrier", "Own"]

_CLOSING = 1.0  # seconds


class Carrier(Protocol):
    """Sends requests, and takes back responses that were read."""

    def check(self) -> None:
        """Raises `SessionStateError` if nothing can be sent any more."""
        ...

    def send(self, request: httpx.Request) -> Awaitable[httpx.Response]:
        """The response, its body unread. Raises what httpx's transports raise."""
        ...

    async def release(self, response: httpx.Response) -> None:
        """Close `response`, come what may."""
        ...


class Own:
    """A transport that nobody else uses, and that lets go of a connection by itself when it is cancelled."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    def check(self) -> None:
        """The transport says so itself."""

    def send(self, request: httpx.Request) -> Awaitable[httpx.Response]:
        return self._transport.handle_async_request(request)

    async def release(self, response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        await response.stream.aclose()


class Borrowed:
    """A client of the user's, with whatever transport and hooks it has."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    def check(self) -> None:
        if self._client.is_closed:
            raise SessionStateError("The httpx.AsyncClient of this session is closed.")

    async def send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._client.send(request, stream=True, auth=None, follow_redirects=False)
        except (httpx.InvalidURL, httpx.RemoteProtocolError) as fault:
            # httpx reads the address of a redirect even if it is not to follow it, and trips over a bad one.
            if isinstance(fault, httpx.InvalidURL) or "location header" in str(fault):
                raise UnexpectedRedirectError(
                    "The service redirected to what is no address. Redirects are not followed; check base_url."
                ) from None
            raise

    async def release(self, response: httpx.Response) -> None:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _CLOSING):
            await response.aclose()
