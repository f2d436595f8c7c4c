"""A picture as people are shown it, in a table or on a contact sheet."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from attrs import frozen

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
"""`Image.creative_commons` as people know it; other words are shown as they came."""

_HEX_COLOR = re.compile(r"[0-9A-Fa-f]{6}")


@frozen(kw_only=True)
class Card:
    """What is known of one picture. Texts hold no control characters, links are http(s); "" is not known."""

    name: str
    size: str
    """`618×412`, in pixels."""
    weight: str
    """Of the file: `21.4 kB`."""
    format: str
    license: str
    source: str
    """Who shows it: the name of the site, or its host."""
    page: str
    """Address of the page it is on, if a browser can go there."""
    content: str
    """Address of the original."""
    link: str
    """The same, if a browser can go there."""
    thumbnail: str
    accent: str
    """Six hex digits."""


def card_of(image: Image, *, name: str | None = None) -> Card:
    """The card of an image, under a `name` other than its own if there is one."""
    page, content = http_url(image.host_page_url) or "", http_url(image.content_url) or ""
    accent = image.accent_color or ""
    host = urlsplit(_reachable(page or content)).hostname
    return Card(
        name=visible(name or image.name or ""),
        size=f"{image.width}×{image.height}" if image.width is not None and image.height is not None else "",
        weight=_weight(image.content_size_bytes),
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
    """The address, unless it is one of a service within this process, which no browser can ask."""
    return "" if url.startswith(f"{LOCAL_ORIGIN}/") else url


def _weight(size: int | None) -> str:
    if size is None:
        return ""
    if size < 1_000:
        return f"{size} B"
    return f"{size / 1_000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
