"""Room for a mocker: whoever has patched httpcore's connections (respx does) gets the request instead of the network.

The pool makes connections of its own, which no mocker knows. Without this, a test that believes all requests
caught would send them out.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, AsyncIterator
from typing import cast

import httpcore

from ._address import Address
from .carrier import headers_of

__all__ = ["Mocked", "is_mocked"]


def is_mocked() -> bool:
    """Is what sends requests on httpcore's connections another function than httpcore's?"""
    return httpcore.AsyncHTTPConnection.handle_async_request.__module__ != "httpcore._async.connection"


class Mocked:
    """A response that came from a mocker, or, where it lets a request pass, from the network."""

    def __init__(self, connection: httpcore.AsyncHTTPConnection, response: httpcore.Response) -> None:
        self.status = response.status
        self.headers = headers_of(response.headers)
        self._connection = connection
        self._response = response

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
        except BaseException:
            await connection.aclose()
            raise

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(cast("AsyncIterable[bytes]", self._response.stream))

    async def aclose(self) -> None:
        await self._response.aclose()
        await self._connection.aclose()
