"""The session's own `httpx.AsyncClient`: a real client over a real `httpx.AsyncHTTPTransport` over our pool."""

from __future__ import annotations

import ssl
from typing import Any, cast

import httpcore
import httpx

from .pool import ConnectionPool

__all__ = ["make_client"]


class _Transport(httpx.AsyncHTTPTransport):
    """httpx's transport, with `pool` in the place of httpcore's.

    `_pool` is the one private name of another library that is used here. What patches or wraps httpx's transport
    (pytest-httpx, vcrpy, OpenTelemetry) does so in `handle_async_request`, so that method has to stay httpx's own.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        super().__init__(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))  # any context: the pool has its own
        if not isinstance(getattr(self, "_pool", None), httpcore.AsyncConnectionPool):
            raise TypeError(
                f"httpx {httpx.__version__} keeps no httpcore pool in AsyncHTTPTransport._pool: this version of httpx "
                "is not supported. Install httpx>=0.28.1,<0.29."
            )
        self._pool = cast("httpcore.AsyncConnectionPool", pool)


class _NoCookies(httpx.Cookies):
    """A cookie jar that stays empty: a session may serve many users, and cookies would tie them to each other."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Keep nothing. (Looking would take as long as the rest of `AsyncClient.send`.)"""

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
        raise AttributeError("The client of a session keeps no cookies. Lend one with client= if you need them.")


def make_client(pool: ConnectionPool) -> httpx.AsyncClient:
    """A client that sends through `pool`, follows no redirects and reads nothing from the environment."""
    return _Client(transport=_Transport(pool), trust_env=False)
