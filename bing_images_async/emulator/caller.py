"""Whether a request comes from this machine, and whether a host name is one of this machine."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

__all__ = ["is_local", "is_loopback"]

_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def is_local(scope: Scope) -> bool:
    """Return whether the client is on this machine. A proxy on this machine may forward for others: False."""
    headers = Headers(scope=scope)
    if any(name in headers for name in _PROXY_HEADERS):
        return False
    client = scope.get("client")
    return client is not None and is_loopback(client[0])


def is_loopback(host: str) -> bool:
    """Return whether a host is a loopback address or `localhost`. Other names are never resolved: False."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
