"""Questions to requests: the base URL, the query string, headers, the upload."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import idna
from attrs import frozen

from .. import _validation as checks
from ..errors import InvalidRequestError
from ..params import CommonParams
from .messages import Request, Upload

__all__ = ["LONGEST_URL", "Service", "build", "header_pairs"]

LONGEST_URL = 2_048
"""Characters; beyond it the service answers 404 (API reference: Endpoints)."""

_OPERATION = re.compile(r"/images/(search|details|trending)$", re.ASCII)
_COGNITIVE = (".cognitive.microsoft.com", ".cognitiveservices.azure.com")
_MICROSOFT = (".microsoft.com", ".cognitiveservices.azure.com")
_PLAIN = re.compile(r"[!-\[\]-~]+", re.ASCII)  # printable, without blanks and backslashes
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}", re.ASCII)
_LONGEST_HOST = 253
_IPV4_LIKE = re.compile(r"\d+(?:\.\d+){3}", re.ASCII)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)


@frozen
class Service:
    """Where requests go: `base` is scheme, host and path up to, not including, `/images/…`."""

    base: str
    host: str
    secure: bool

    @classmethod
    def at(cls, base_url: str) -> Service:
        """Read a base URL as users write it.

        A bare host gets the path of its generation: `/bing/v7.0` on Cognitive Services hosts, else
        `/v7.0`. A full endpoint URL loses its `/images/<endpoint>`. Anything else stays as it is.
        Raises `InvalidRequestError` for what is no http(s) address, or holds a user, query or fragment.
        """
        text = checks.text("base_url", base_url)
        if text is None:
            raise checks.refuse("base_url", None, "it must be an address such as https://api.bing.microsoft.com/v7.0")
        text = text.strip()
        if "://" not in text:
            text = f"https://{text}"
        if "@" in text or "?" in text:
            # The message must not show what may be a password or a key.
            raise InvalidRequestError(
                "base_url holds a user, a password or a query: give the key as api_key, parameters as params.",
                parameter="base_url",
            )
        try:
            url = urlsplit(text)
            host, _ = url.hostname, url.port  # the port is checked by being read
        except ValueError as fault:
            raise checks.refuse("base_url", base_url, f"it cannot be read as a URL ({fault})") from None
        if url.scheme not in {"http", "https"} or not host or not _PLAIN.fullmatch(text):
            raise checks.refuse("base_url", base_url, "it must be an http(s) URL in ASCII, with a host")
        try:
            _check_host(host, is_bracketed="[" in url.netloc)
        except ValueError as fault:
            raise checks.refuse("base_url", base_url, f"there can be no host {host[:60]!r} ({fault})") from None
        if url.fragment:
            raise checks.refuse("base_url", base_url, "it must have no fragment")
        path = _OPERATION.sub("", url.path.rstrip("/"))
        if not path and not _OPERATION.search(url.path.rstrip("/")):
            path = "/bing/v7.0" if f".{host}".endswith(_COGNITIVE) else "/v7.0"
        return cls(base=f"{url.scheme}://{url.netloc}{path}", host=host, secure=url.scheme == "https")

    @property
    def origin(self) -> str:
        """Scheme, host and port: `https://api.bing.microsoft.com`."""
        scheme, _, rest = self.base.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"

    @property
    def is_microsoft(self) -> bool:
        """Does it belong to Microsoft, so that nothing works without a key?"""
        return f".{self.host}".endswith(_MICROSOFT)

    @property
    def is_loopback(self) -> bool:
        """Is it this very machine (127.0.0.0/8, ::1, localhost)?"""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")

    def check_key(self, has_key: bool, *, allow_http: bool) -> None:
        """Raises `InvalidRequestError` where a key is missing, or would travel in clear text."""
        if self.is_microsoft and not has_key:
            raise InvalidRequestError(
                f"api_key=None is not allowed for {self.host}: Microsoft's hosts need a key. Without one, use "
                "ImageSearchSession.local(), or give the base_url of a service that needs none.",
                parameter="api_key",
            )
        if has_key and not (self.secure or self.is_loopback or allow_http):
            raise InvalidRequestError(
                f"base_url={self.base!r} is not allowed with a key: over http:// anyone on the way can read it. "
                "Use https://, or allow_http=True if the way is safe.",
                parameter="base_url",
            )


def _check_host(host: str, *, is_bracketed: bool) -> None:
    """Raise `ValueError` for what is neither an IP address nor a host name (RFC 1123, section 2.1; RFC 5890).

    Underscores are allowed: names of containers have them.
    """
    name = host.removesuffix(".")
    if is_bracketed or _IPV4_LIKE.fullmatch(name):
        ip_address(host)
        return
    labels = name.split(".")
    if len(name) > _LONGEST_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("labels have 1 to 63 letters, digits and hyphens")
    for label in labels:
        if label.lower().startswith("xn--"):
            idna.decode(label)


def build(
    service: Service,
    endpoint: str,
    params: CommonParams,
    *,
    extra_params: Sequence[tuple[str, str]] = (),
    extra_headers: Sequence[tuple[str, str]] = (),
    upload: Upload | None = None,
) -> Request:
    """The request for a question, all but the key.

    Raises `InvalidRequestError` for a URL longer than the service takes.
    """
    pairs = [*params.query_pairs(), *extra_params]
    query = urlencode(pairs, quote_via=quote, safe="")
    url = f"{service.base}/images/{endpoint}"
    url = f"{url}?{query}" if query else url
    if len(url) > LONGEST_URL:
        longest = params.name_of(max(pairs, key=lambda pair: len(quote(pair[1])))[0]) if pairs else "base_url"
        raise InvalidRequestError(
            f"The URL would have {len(url):,} characters; the service takes {LONGEST_URL:,}. The longest parameter is "
            f"{longest}: shorten it" + (", or upload the image (image=)." if longest == "image_url" else "."),
            parameter=longest,
        )
    headers = (*extra_headers, *params.header_pairs())
    return Request("POST" if upload is not None else "GET", url, _last_wins(headers), upload)


def _last_wins(headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """One value per name, in any case; the later one stays."""
    return tuple({name.lower(): (name, value) for name, value in headers}.values())


def header_pairs(name: str, headers: Any, *, reserved: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """Headers that a user wants sent with every call, checked."""
    pairs: list[tuple[str, str]] = []
    for key, value in checks.mapping(name, headers).items():
        if not isinstance(key, str) or not _HEADER_NAME.fullmatch(key):
            raise checks.refuse(name, key, "a header name is an HTTP token (RFC 9110, section 5.6.2)")
        if key.lower() in reserved:
            raise checks.refuse(name, key, f"the session sets {', '.join(reserved)} itself")
        checked = checks.header_value(f"{name}[{key!r}]", value)
        if checked is None:
            raise checks.refuse(f"{name}[{key!r}]", None, "a header needs a value")
        pairs.append((key, checked))
    return tuple(pairs)
