"""HTTP request and reply as plain data: the values that pass through the pipeline. Neither contains the key."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, field, frozen

__all__ = ["Reply", "Request", "Upload", "repeated_once"]


@frozen
class Upload:
    """An image to upload, as one part of a multipart form."""

    filename: str
    content: bytes = field(repr=lambda content: f"<{len(content)} bytes>")
    content_type: str = "application/octet-stream"
    """Ignored by the API, which documents no formats (API page "Upload an image")."""


@frozen
class Request:
    """An HTTP request without the key."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    upload: Upload | None = None

    def with_header(self, name: str, value: str) -> Request:
        """Return a copy with one header set; it replaces all headers of that name."""
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
        """Log id of the service: `BingAPIs-TraceId`, or `apim-request-id` of older gateways."""
        return self.headers.get("bingapis-traceid") or self.headers.get("apim-request-id")


def repeated_once(text: str) -> str:
    """Return the value of a header that was sent several times with the same value, joined by commas."""
    parts = [part.strip() for part in text.split(",")]
    for size in range(1, len(parts) // 2 + 1):
        if parts == parts[:size] * (len(parts) // size):
            return ", ".join(parts[:size])
    return text.strip()
