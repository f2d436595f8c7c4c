"""One HTTP exchange as plain data: what is to be sent, and what came back.

These are the values that travel along the chain. Neither ever holds the key.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, field, frozen

__all__ = ["Reply", "Request", "Upload", "repeated_once"]


@frozen
class Upload:
    """One part of a multipart form: an image to ask about."""

    filename: str
    content: bytes = field(repr=lambda content: f"<{len(content)} bytes>")
    content_type: str = "application/octet-stream"
    """The API names no formats and does not look at this (API page "Upload an image")."""


@frozen
class Request:
    """A request, all but the key."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    upload: Upload | None = None

    def with_header(self, name: str, value: str) -> Request:
        """The same request with one header set; it takes the place of any of that name."""
        kept = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        return evolve(self, headers=(*kept, (name, value)))


@frozen
class Reply:
    """Status, headers (names in lower case) and the decoded body of one HTTP response."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=lambda body: f"<{len(body)} bytes>")

    @property
    def trace_id(self) -> str | None:
        """The service's log id; gateways of the older host have one of their own."""
        return self.headers.get("bingapis-traceid") or self.headers.get("apim-request-id")


def repeated_once(text: str) -> str:
    """Return the value of a header that was sent several times with the same value, joined by commas."""
    parts = [part.strip() for part in text.split(",")]
    for size in range(1, len(parts) // 2 + 1):
        if parts == parts[:size] * (len(parts) // size):
            return ", ".join(parts[:size])
    return text.strip()
