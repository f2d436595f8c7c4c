"""Check of the `Host` and `Origin` headers, against DNS rebinding and requests from pages of other sites.

A page of another site can make a browser on this machine send requests to this service. With DNS rebinding the browser
takes the service for that site and lets the page read the answers; but then the `Host` header has the site's name.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

import attrs
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .api.error_bodies import gateway_body
from .caller import is_loopback

__all__ = ["AllowedHosts", "HostMiddleware"]

LOCAL_HOST = "local.bing-images"
"""Host name of the service inside a session's process; no DNS server has it."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def _normalized(names: Collection[str]) -> frozenset[str]:
    for name in names:
        if not re.fullmatch(r"\*|[\w.-]+|\[?[0-9A-Fa-f:.]+\]?", name):
            raise ValueError(f"An allowed host is a name or an address without scheme and port, not {name!r}.")
    return frozenset(name.lower().strip("[]").rstrip(".") for name in names)


@attrs.frozen
class AllowedHosts:
    """The hosts that the service answers to, besides loopback names and the address that a request came to.

    names: host names and addresses without port; "*" allows every host. Raises ValueError for other texts.
    """

    names: frozenset[str] = attrs.field(converter=_normalized)

    def accept_host(self, host: str, scope: Scope) -> bool:
        """Return whether a `Host` header (name and optional port) is allowed for a request."""
        name = _name_of(f"//{host}")
        server = scope.get("server") or ("", None)
        return name is not None and (self._accept(name) or name == str(server[0]).lower().strip("[]"))

    def accept_origin(self, origin: str, scope: Scope) -> bool:
        """Return whether a page of this origin may send requests other than GET and HEAD."""
        name = _name_of(origin) if origin.startswith(("http://", "https://")) else None
        return name is not None and self.accept_host(urlsplit(origin).netloc, scope)

    def origin_pattern(self) -> str:
        """Return a regular expression for the origins whose pages may read the answers."""
        if "*" in self.names:
            return ".*"
        names = "|".join(re.escape(name) for name in sorted(self.names))
        loopback = r"localhost|[\w-]+\.localhost|127(\.\d{1,3}){3}|\[::1\]"
        return rf"https?://({loopback}{'|' if names else ''}{names})(:\d+)?"

    def _accept(self, name: str) -> bool:
        is_local_name = name == LOCAL_HOST or name.endswith(".localhost")  # RFC 6761, 6.3
        return is_loopback(name) or is_local_name or not self.names.isdisjoint({name, "*"})


class HostMiddleware:
    """ASGI middleware that refuses requests with another `Host`, and unsafe ones of pages of another origin."""

    def __init__(self, app: ASGIApp, allowed: AllowedHosts) -> None:
        self._app = app
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (self._app if refusal is None else refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) > 1 or (hosts and not self._allowed.accept_host(hosts[0], scope)):
            return _response(
                421,
                f"This service does not answer to the host {hosts[0][:200]!r}. Allow it with `bing-images serve "
                "--allowed-host NAME` or `create_app(allowed_hosts=[...])`.",
            )
        if scope["method"] not in _SAFE_METHODS:
            origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
            if any(not self._allowed.accept_origin(origin, scope) for origin in origins):
                return _response(
                    403,
                    "A page of another site must not send this request; --allowed-host allows it.",
                )
        return None


def _response(status: int, message: str) -> Response:
    return Response(gateway_body(status, message), status, media_type="application/json; charset=utf-8")


def _name_of(url: str) -> str | None:
    """Return the host name of a URL; None if it has none, or also a user name, a path or other parts."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    if parts.username is not None or parts.path or parts.query or parts.fragment or not parts.hostname:
        return None
    return parts.hostname.rstrip(".")
