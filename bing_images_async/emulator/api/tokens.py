"""Identifiers that clients send back: thumbnail ids and insights tokens.

An identifier contains the picture's id, so that it needs no table, never expires, and is valid in every process with
the same catalogue.
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
    """Encode 40 hexadecimal digits as 27 URL-safe characters."""
    return urlsafe_b64encode(bytes.fromhex(image_id)).rstrip(b"=").decode()


def lengthen(short: str) -> str | None:
    """Decode the result of `shorten`; None if it is invalid."""
    if not _SHORT.fullmatch(short):
        return None
    try:
        return urlsafe_b64decode(short + "=").hex().upper()
    except Base64Error:
        return None


@attrs.frozen
class Token:
    """The content of an insights token: the id of a picture of the catalogue, else the perceptual hash of an upload."""

    image_id: str | None
    phash: int | None


def similarity_id(image_id: str, *key: object) -> str:
    """Return a `simid`: 18 digits that depend on the picture and the answer."""
    return f"608{draw('simid', image_id, *key) % 10**15:015d}"


def search_token(image_id: str, *key: object) -> str:
    """Return the token of a picture in a result list. `_` within the thumbnail id is escaped, as by the API."""
    short = shorten(image_id)
    return (
        f"ccid_{_escape(short[:8])}*cp_{digits(16, image_id, *key)}*mid_{image_id}"
        f"*simid_{similarity_id(image_id, *key)}*thid_OIP.{_escape(short)}"
    )


def insights_token(phash: int, image_id: str | None, *key: object) -> str:
    """Return the token in an answer of details: it differs from the one sent, and names the same picture."""
    seen_as = f"bcid_{phash:016X}{draw('bcid', phash, *key):016X}"
    if image_id is None:
        return seen_as
    similar = similarity_id(image_id, "insights", *key)
    return f"{seen_as}*ccid_{_escape(shorten(image_id)[:8])}*mid_{image_id}*simid_{similar}"


def read_token(text: str) -> Token | None:
    """Parse an insights token; None if it is not one of this service."""
    parts = {name: value for name, _, value in (part.partition("_") for part in text.split("*"))}
    image_id, seen_as = parts.get("mid"), parts.get("bcid")
    if image_id is not None:
        return Token(image_id.upper(), None) if re.fullmatch(r"[0-9A-Fa-f]{40}", image_id) else None
    if seen_as is not None and re.fullmatch(r"[0-9A-Fa-f]{32,512}", seen_as):
        return Token(None, int(seen_as[:-16], 16))
    return None


def _escape(short: str) -> str:
    return short.replace("_", "!_")
