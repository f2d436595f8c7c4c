"""A complete HTTP reply as a value, which faults replace or alter, and its bytes on the wire."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus

import attrs

__all__ = ["EmulatedReply", "FaultContext", "JSON"]

JSON = "application/json; charset=utf-8"


@attrs.frozen(kw_only=True)
class FaultContext:
    """The values that a fault may use, besides the reply."""

    key: str
    """Key of all random draws of this request: the seed and the number of the request."""
    amount: float | None
    now: datetime
    url: str
    offset: int

    def amount_or(self, default: float) -> float:
        return default if self.amount is None else self.amount


@attrs.frozen
class EmulatedReply:
    """Status, headers (names in lower context) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @classmethod
    def json(cls, status: int, body: bytes, **headers: str) -> EmulatedReply:
        """Return a reply with a JSON body. `retry_after="1"` becomes the header `retry-after`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, {"content-type": JSON, **named}, body)

    def decompressed(self) -> bytes:
        """Return the decompressed body."""
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body

    def with_body(self, body: bytes, **headers: str) -> EmulatedReply:
        """Return a copy with another body; `content_encoding` names its compression, if any."""
        kept = {name: value for name, value in self.headers.items() if name != "content-encoding"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return attrs.evolve(self, headers={**kept, **named}, body=body)

    def asgi_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers for ASGI, with the `Content-Length` of this body."""
        headers = {**self.headers, "content-length": str(len(self.body))}
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    def head(self, *lines: str, length: int | None = -1) -> bytes:
        """Return status line and headers in HTTP/1.1 form, with `Connection: close`.

        lines: additional header lines. length: the value of Content-Length; -1 is the true one, None omits it.
        """
        fields = {name: value for name, value in self.headers.items() if name not in {"content-length", "connection"}}
        if length is not None:
            fields["content-length"] = str(len(self.body) if length == -1 else length)
        fields["connection"] = "close"
        written = [f"{name}: {value}" for name, value in fields.items()]
        first = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"
        return "\r\n".join([first, *written, *lines, "", ""]).encode("latin-1")
