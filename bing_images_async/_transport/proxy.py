"""HTTP proxies from an option or the environment, and the choice of the proxy for a request."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

import httpcore
from attrs import field, frozen

from ..errors import InvalidRequestError

__all__ = ["Proxies", "Proxy", "ProxyRefusedError"]

_PORTS: Final = {"http": 80, "https": 443}


class ProxyRefusedError(httpcore.ProxyError):
    """The proxy responded to CONNECT with a status other than 2xx."""

    def __init__(self, status: int) -> None:
        super().__init__(f"The proxy answered CONNECT with HTTP {status}.")
        self.status = status


@frozen
class Proxy:
    """An HTTP proxy, reached by http or by https."""

    host: str
    port: int
    is_secure: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    """`Proxy-Authorization`, if the URL contained credentials (RFC 7617)."""

    @classmethod
    def parse(cls, url: str, name: str = "proxy") -> Proxy:
        """Return the proxy at `url`; raise `InvalidRequestError` without the URL, which may contain a password."""
        text = url if "://" in url else f"http://{url}"
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = parts = None
        if parts is None or not host or parts.scheme not in _PORTS or not host.isascii():
            kind = f" ({parts.scheme}://)" if parts is not None and parts.scheme not in _PORTS else ""
            other = " For SOCKS, pass client=httpx.AsyncClient(proxy=…)." if name == "proxy" else ""
            raise InvalidRequestError(
                f"{name} is not a proxy that can be used{kind}: it must be an http or https URL, such as "
                f"http://user:password@host:3128.{other}",
                parameter="proxy",
            )
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            headers = ((b"Proxy-Authorization", b"Basic " + b64encode(pair)),)
        return cls(host, port or _PORTS[parts.scheme], parts.scheme == "https", headers)

    def as_httpcore(self, context: ssl.SSLContext | None) -> httpcore.Proxy:
        """Return this proxy as an object of httpcore."""
        scheme = b"https" if self.is_secure else b"http"
        url = httpcore.URL(scheme=scheme, host=self.host.encode("ascii"), port=self.port, target=b"/")
        return httpcore.Proxy(url, headers=list(self.headers), ssl_context=context if self.is_secure else None)


@frozen
class Proxies:
    """Proxies by scheme, and the hosts that bypass them."""

    by_scheme: Mapping[str, Proxy] = field(factory=dict[str, Proxy])
    """Keys: `http`, `https`, or `all` for both."""
    bypass: tuple[str, ...] = ()
    """Hosts with direct connections (`NO_PROXY`)."""

    @classmethod
    def fixed(cls, url: str | None) -> Proxies:
        """Return proxies with `url` for every request, or none if it is `None`."""
        return cls() if url is None else cls({"all": Proxy.parse(url)})

    @classmethod
    def from_env(cls) -> Proxies:
        """Return the proxies of `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, or of the system."""
        found = getproxies()
        schemes = {
            scheme: Proxy.parse(url, f"{scheme.upper()}_PROXY")
            for scheme, url in found.items()
            if scheme in {"http", "https", "all"} and url
        }
        names = [name.strip().lower() for name in found.get("no", "").split(",")]
        return cls(schemes, tuple(name for name in names if name))

    def of(self, origin: httpcore.Origin) -> Proxy | None:
        """Return the proxy for an origin, or `None` for a direct connection."""
        scheme, host = origin.scheme.decode("ascii"), origin.host.decode("ascii").lower()
        if any(_covers(name, host, origin.port) for name in self.bypass):
            return None
        return self.by_scheme.get(scheme) or self.by_scheme.get("all")


def _covers(name: str, host: str, port: int) -> bool:
    """Return true if an entry of `NO_PROXY` matches: `*`, a domain, an address or a network, with or without a port."""
    if name == "*":
        return True
    bare, colon, number = name.rpartition(":")
    if colon and number.isdecimal() and (":" not in bare or bare.startswith("[")):
        if int(number) != port:
            return False
        name = bare
    name = name.strip("[]")
    try:
        address = ip_address(host)
    except ValueError:
        name = name.removeprefix("*").removeprefix(".")
        return host == name or host.endswith(f".{name}")
    try:
        return address in ip_network(name, strict=False)
    except ValueError:
        return False
