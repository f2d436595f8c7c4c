"""The interface of catalogues."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from .picture import Filters, Hits, Picture


class Catalogue(Protocol):
    """Searchable pictures. All methods are thread-safe."""

    blocking: bool
    """True: calls access files and belong in a worker thread. False: memory only."""

    def search(
        self,
        text: str,
        *,
        language: str,
        filters: Filters,
        offset: int,
        limit: int,
        first_id: str | None = None,
        now: datetime,
    ) -> Hits:
        """Find pictures, best first. Every text is a valid query."""
        ...

    def get(self, image_id: str) -> Picture | None:
        """Return the picture with this id, or None."""
        ...

    def similar(self, phash: int, *, limit: int, exclude: str | None = None) -> tuple[Picture, ...]:
        """Return the most similar pictures, nearest first, without the image id `exclude`."""
        ...

    def fingerprint(self, data: bytes) -> int:
        """Return the perceptual hash of an encoded picture; ValueError if the bytes are no picture."""
        ...

    def content(self, picture: Picture) -> bytes:
        """Return the original file."""
        ...

    def thumbnail(
        self, picture: Picture, *, width: int | None, height: int | None, crop: int | None, padding: bool
    ) -> bytes:
        """Return a thumbnail: JPEG, or PNG if parts are transparent. ValueError for an invalid size."""
        ...

    def related(self, text: str, *, language: str, limit: int) -> tuple[str, ...]:
        """Return related queries."""
        ...

    def topics(self, language: str) -> Mapping[str, tuple[str, ...]]:
        """Return category titles, each with queries that find pictures."""
        ...

    def close(self) -> None:
        """Close files (idempotent)."""
        ...
