"""Where a URL leads: what to connect to, and what to ask there for."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

import httpx

__all__ = ["Address", "Origin", "address_of"]

_PORTS: Final = {"http": 80, "https": 443}
_LAST_PORT: Final = 65_535

# A query that no parser would change (RFC 3986, section 3.4).
_PLAIN_QUERY: Final = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=:@/?]*", re.ASCII)


class Origin(NamedTuple):
    """What a connection is to."""

    scheme: str
    host: str
    port: int


class Address(NamedTuple):
    """A URL, taken apart."""

    origin: Origin
    authority: str
    """The `Host` header: host, and port where it is not the scheme's own."""
    target: str
    """Path and query as the request line has them."""


def address_of(url: str) -> Address:
    """Take `url` apart. Raises what httpx raises for one that cannot be used.

    Parsing costs more than all the rest of a request's head. A session asks few paths, with queries that it
    has encoded itself, so only the paths are parsed, and remembered.
    """
    path, mark, query = url.partition("?")
    if "#" in path or not _PLAIN_QUERY.fullmatch(query):
        return _parsed(url)
    address = _path_parsed(path)
    return address._replace(target=f"{address.target}?{query}") if mark else address


def _parsed(text: str) -> Address:
    try:
        url = httpx.URL(text)
    except UnicodeError:
        raise httpx.InvalidURL("The address holds what is no character.") from None
    if url.scheme not in _PORTS:
        raise httpx.UnsupportedProtocol(f"Only http:// and https:// are served here, not {url.scheme!r}.")
    if not url.host:
        raise httpx.InvalidURL("The address has no host.")
    port = _PORTS[url.scheme] if url.port is None else url.port
    if not 0 < port <= _LAST_PORT:
        raise httpx.InvalidURL(f"There is no port {port}.")
    origin = Origin(url.scheme, url.raw_host.decode("ascii"), port)
    return Address(origin, url.netloc.decode("ascii"), url.raw_path.decode("ascii"))


_path_parsed = lru_cache(maxsize=64)(_parsed)
