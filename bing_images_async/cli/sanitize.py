"""Sanitising of texts from a service before they reach a terminal, a spreadsheet or a page.

An escape sequence in a name could recolour the screen or write to the clipboard, and a bidirectional
override could make one address look like another (Unicode Technical Report 36). They are shown as escapes.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["escaped", "escaped_in_json", "http_url", "visible"]

# C0 and C1 controls, line separators, bidirectional marks and overrides, invisible marks, lone surrogates.
# Zero-width joiners stay: emoji and several scripts need them.
_UNSAFE = "\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
_HIDDEN = re.compile(f"[{_UNSAFE}]")
_HIDDEN_IN_JSON = re.compile(f"[{_UNSAFE.removeprefix(chr(0) + '-' + chr(0x1F))}]")
_NOT_IN_A_URL = re.compile(rf"[\s<>\"\\{_UNSAFE}]")


def escaped(text: str) -> str:
    r"""Return `text` with non-printing characters written as in Python: `\x1b`, `\n`, `\u202e`."""
    return _HIDDEN.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def visible(text: str) -> str:
    """Return the same on one line: white space of any kind becomes one blank."""
    return escaped(" ".join(text.split()))


def escaped_in_json(document: str) -> str:
    """Return an equal JSON document without characters that a terminal interprets.

    JSON escapes C0 controls anyway. The others can only stand within strings, where `\\uXXXX` is the
    same character (RFC 8259, section 7).
    """
    if document.isascii() and "\x7f" not in document:
        return document  # the common case, and the other unsafe characters are not ASCII
    return _HIDDEN_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", document)


def http_url(text: str | None) -> str | None:
    """Return the address if it may be linked to or fetched: http or https, a host, no unsafe characters."""
    if text is None or _NOT_IN_A_URL.search(text):
        return None
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port  # reading the port validates it
    except ValueError:
        return None
    return text if parts.scheme in {"http", "https"} and host else None
