"""A complete reply as a value: what the service said, what is sent in its place, and its bytes on the wire."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

import attrs

__all__ = ["Case", "JSON", "Reply"]

JSON = "application/json; charset=utf-8"


@attrs.frozen(kw_only=True)
class Case:
    """What a fault may know about the request it befalls."""

    key: str
    """What all its chance depends on: the seed and the number of the request."""
    amount: float | None
    now: datetime
    url: str
    offset: int

    def amount_or(self, default: float) -> float:
        return default if self.amount is None else self.amount


@attrs.frozen
class Reply:
    """Status, headers (names in lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @classmethod
    def json(cls, status: int, body: bytes, **headers: str) -> Reply:
        """One with a JSON body. `retry_after="1"` becomes the header `retry-after`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, {"content-type": JSON, **named}, body)

    def plain(self) -> bytes:
        """The body as it was before it was compressed."""
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body

    def having(self, body: bytes, **headers: str) -> Reply:
        """The same with another body, which is not compressed unless `content_encoding` says so."""
        kept = {name: value for name, value in self.headers.items() if name != "content-encoding"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return attrs.evolve(self, headers={**kept, **named}, body=body)

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Headers with the length of this body, as ASGI wants them."""
        headers = {**self.headers, "content-length": str(len(self.body))}
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    def head(self, *lines: str, length: int | None = -1) -> bytes:
        """Status line and headers as HTTP/1.1 writes them, for a connection that ends with this reply.

        lines: more header lines. length: the Content-Length to claim; -1 the true one, None no such header.
        """
        fields = {name: value for name, value in self.headers.items() if name not in {"content-length", "connection"}}
        if length is not None:
            fields["content-length"] = str(len(self.body) if length == -1 else length)
        fields["connection"] = "close"
        written = [f"{name}: {value}" for name, value in fields.items()]
        first = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"
        return "\r\n".join([first, *written, *lines, "", ""]).encode("latin-1")
