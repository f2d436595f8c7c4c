"""The session's own `httpx.AsyncClient`: a real client over a real `httpx.AsyncHTTPTransport` over our pool."""

from __future__ import annotations

import ssl
from typing import Any, cast

import httpcore
import httpx

from .pool import ConnectionPool

__all__ = ["make_client"]


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's transport with `pool` in place of httpcore's pool.

    `_pool` is the only private name of another library in this project. Libraries that patch or wrap httpx's transport
    (pytest-httpx, vcrpy, OpenTelemetry) do so in `handle_async_request`, so this class must not override that method.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        super().__init__(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))  # unused: the pool has its own context
        if not isinstance(getattr(self, "_pool", None), httpcore.AsyncConnectionPool):
            raise TypeError(
                f"httpx {httpx.__version__} keeps no httpcore pool in AsyncHTTPTransport._pool: this version of httpx "
                "is not supported. Install httpx>=0.28.1,<0.29."
            )
        self._pool = cast("httpcore.AsyncConnectionPool", pool)


class _NoCookies(httpx.Cookies):
    """A cookie jar that stays empty, because cookies would link the users that share a session."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Store nothing. (Parsing the headers for cookies is slow.)"""

    def set_cookie_header(self, request: httpx.Request) -> None:
        """Add nothing."""


class _Client(httpx.AsyncClient):
    """An `httpx.AsyncClient` that keeps no cookies."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._no_cookies = _NoCookies()

    @property
    def cookies(self) -> httpx.Cookies:
        """An empty jar that stays empty."""
        return self._no_cookies

    @cookies.setter
    def cookies(self, cookies: Any) -> None:
        raise AttributeError("The client of a session stores no cookies. Pass your own with client= if you need them.")


def make_client(pool: ConnectionPool) -> httpx.AsyncClient:
    """Return a client that sends through `pool`, follows no redirects, and ignores the environment."""
    return _Client(transport=_Transport(pool), trust_env=False)
