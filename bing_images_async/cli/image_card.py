"""One image as people see it, in a table or on a page."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from attrs import frozen
from rich.filesize import decimal

from .._session import LOCAL_ORIGIN
from ..models import Image
from .sanitize import http_url, visible

__all__ = ["Card", "card_of"]

_LICENSES = {
    "Attribution": "CC BY",
    "AttributionShareAlike": "CC BY-SA",
    "AttributionNoDerivs": "CC BY-ND",
    "AttributionNonCommercial": "CC BY-NC",
    "AttributionNonCommercialShareAlike": "CC BY-NC-SA",
    "AttributionNonCommercialNoDerivs": "CC BY-NC-ND",
    "PublicNoRightsReserved": "public domain",
}
"""Common names of the values of `Image.creative_commons`; other values are shown unchanged."""

_HEX_COLOR = re.compile(r"[0-9A-Fa-f]{6}")


@frozen(kw_only=True)
class Card:
    """The facts about one image. Texts hold no control characters, links are http(s); "" means unknown."""

    name: str
    size: str
    """Pixels: `618×412`."""
    weight: str
    """File size: `21.4 kB`."""
    format: str
    license: str
    source: str
    """Name of the website, or its host."""
    page: str
    """URL of the page that shows it, if a browser can open it."""
    content: str
    """URL of the original."""
    link: str
    """The same, if a browser can open it."""
    thumbnail: str
    accent: str
    """Six hex digits."""


def card_of(image: Image, *, name: str | None = None) -> Card:
    """Return the card of an image, optionally under another `name`."""
    page, content = http_url(image.host_page_url) or "", http_url(image.content_url) or ""
    accent = image.accent_color or ""
    host = urlsplit(_reachable(page or content)).hostname
    return Card(
        name=visible(name or image.name or ""),
        size=f"{image.width}×{image.height}" if image.width is not None and image.height is not None else "",
        weight=decimal(image.content_size_bytes) if image.content_size_bytes is not None else "",
        format=visible(image.encoding_format or ""),
        license=visible(_LICENSES.get(image.creative_commons or "", image.creative_commons or "")),
        source=visible(image.host_page_domain_friendly_name or "") or host or "",
        page=_reachable(page),
        content=content,
        link=_reachable(content or page),
        thumbnail=http_url(image.thumbnail_url) or "",
        accent=accent if _HEX_COLOR.fullmatch(accent) else "",
    )


def _reachable(url: str) -> str:
    """Return the URL; "" for one of a service in this process, which no browser can open."""
    return "" if url.startswith(f"{LOCAL_ORIGIN}/") else url
