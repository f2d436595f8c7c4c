"""A session whose requests never leave the test."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from .._config import KeyLike
from .._session import ImageSearchSession

__all__ = ["Handler", "session_for"]

Handler = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def session_for(handler: Handler, api_key: KeyLike | None = "test-key", **session_options: Any) -> ImageSearchSession:
    """A session whose every request is answered by `handler`, a plain or an async function.

        def handler(request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json={"_type": "Images", "value": []})

        async with session_for(handler) as session:
            answer = await session.search("paper boat")

    Everything but the connection is real: requests, retries, limits and decoding. What the handler raises from
    httpx's errors counts as the network's own failure. `session_options` are those of `ImageSearchSession`;
    nothing is paced unless they have a `rate_limit`. Raises `InvalidRequestError` for a setting that cannot be, and
    TypeError for `client`, which is made here.
    """
    if "client" in session_options:
        raise TypeError("session_for() makes the client itself: leave client= out, or use ImageSearchSession.")
    session_options.setdefault("rate_limit", None)
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return ImageSearchSession(api_key, client=client, **session_options)
