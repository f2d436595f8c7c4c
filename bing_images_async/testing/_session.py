"""A session whose requests are answered by a function."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from .._config import KeyLike
from .._session import ImageSearchSession

__all__ = ["Handler", "session_for"]

Handler = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def session_for(handler: Handler, api_key: KeyLike | None = "test-key", **session_options: Any) -> ImageSearchSession:
    """Return a session whose requests are answered by `handler`.

        def handler(request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json={"_type": "Images", "value": []})

        async with session_for(handler) as session:
            answer = await session.search("paper boat")

    Requests, retries, limits and decoding are those of any session; only the connection is replaced.

    Args:
        handler: a plain or an async function. If it raises an error of httpx, this counts as a failure of the network.
        api_key: as for `ImageSearchSession`.
        **session_options: options of `ImageSearchSession`, except `client`. By default there is no rate limit.

    Raises:
        InvalidRequestError: an option has a wrong value.
        TypeError: `client` is given.
    """
    if "client" in session_options:
        raise TypeError("session_for() creates the client itself: leave out client=, or use ImageSearchSession.")
    session_options.setdefault("rate_limit", None)
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return ImageSearchSession(api_key, client=client, **session_options)
