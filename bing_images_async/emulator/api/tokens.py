"""Identifiers that clients hand back: thumbnail ids, insights tokens. Opaque to them, readable here.

The service keeps no table of what it gave out: an identifier holds the picture's own id, so it is good for
ever and in every process that serves the same catalogue.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from functools import lru_cache

import attrs

from ..deterministic_random import digits, draw

_SHORT = re.compile(r"[A-Za-z0-9_-]{27}")


@lru_cache(8192)
def shorten(image_id: str) -> str:
    """40 hexadecimal digits as 27 characters that are safe in a URL."""
    return urlsafe_b64encode(bytes.fromhex(image_id)).rstrip(b"=").decode()


def lengthen(short: str) -> str | None:
    """The image id back from `shorten`, None if it cannot be one."""
    if not _SHORT.fullmatch(short):
        return None
    try:
        return urlsafe_b64decode(short + "=").hex().upper()
    except Base64Error:
        return None


@attrs.frozen
class Token:
    """What an insights token says: the picture if the catalogue has it, else what an upload looked like."""

    image_id: str | None
    phash: int | None


def similarity_id(image_id: str, *about: object) -> str:
    """`simid`: 18 digits; the same picture has another one in another answer."""
    return f"608{draw('simid', image_id, *about) % 10**15:015d}"


def search_token(image_id: str, *about: object) -> str:
    """The token of a picture in a result list. `_` within the thumbnail id is escaped, as the API does."""
    short = shorten(image_id)
    return (
        f"ccid_{_escape(short[:8])}*cp_{digits(16, image_id, *about)}*mid_{image_id}"
        f"*simid_{similarity_id(image_id, *about)}*thid_OIP.{_escape(short)}"
    )


def insights_token(phash: int, image_id: str | None, *about: object) -> str:
    """The token in an answer of details: never the one that was sent, but good for the same picture."""
    seen_as = f"bcid_{phash:016X}{draw('bcid', phash, *about):016X}"
    if image_id is None:
        return seen_as
    similar = similarity_id(image_id, "insights", *about)
    return f"{seen_as}*ccid_{_escape(shorten(image_id)[:8])}*mid_{image_id}*simid_{similar}"


def read_token(text: str) -> Token | None:
    """None if the text is no token of this service."""
    parts = {name: value for name, _, value in (part.partition("_") for part in text.split("*"))}
    image_id, seen_as = parts.get("mid"), parts.get("bcid")
    if image_id is not None:
        return Token(image_id.upper(), None) if re.fullmatch(r"[0-9A-Fa-f]{40}", image_id) else None
    if seen_as is not None and re.fullmatch(r"[0-9A-Fa-f]{32}", seen_as):
        return Token(None, int(seen_as[:16], 16))
    return None


def _escape(short: str) -> str:
    return short.replace("_", "!_")
