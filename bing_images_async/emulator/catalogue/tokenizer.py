"""Tokenizer of names and queries; both use the same rules."""

import re
import unicodedata
from collections.abc import Iterator

_NO_WORD = re.compile(r"[^\w\s]")
_WORD = re.compile(r"[^\W_]+")
# Scripts written without spaces: kana, Han, Thai, Lao, Khmer, Myanmar. Hangul has spaces.
_RUN = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u30a0-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_HIRAGANA_TO_KATAKANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}


def fold(text: str) -> str:
    """Normalise width, case and kana.

    A symbol (an emoji, an arrow) becomes its hexadecimal code point, so that it is searchable like a word.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_HIRAGANA_TO_KATAKANA)
    return _NO_WORD.sub(_code_point, plain)


def _code_point(found: re.Match[str]) -> str:
    # Symbols and private use; punctuation and marks are kept.
    return f" {ord(found[0]):x} " if unicodedata.category(found[0]) in {"So", "Co"} else found[0]


def index_tokens(text: str) -> Iterator[str]:
    """Yield the index tokens of a text. A run without spaces yields each character and each pair of neighbours."""
    for word in _WORD.findall(fold(text)):
        position = 0
        for run in _RUN.finditer(word):
            if run.start() > position:
                yield word[position : run.start()]
            yield from run[0]
            yield from _pairs(run[0])
            position = run.end()
        if position < len(word):
            yield word[position:]


def query_tokens(text: str) -> tuple[str, ...]:
    """Return the tokens that a match must contain: as `index_tokens`, but only the pairs of a run."""
    found: list[str] = []
    for word in _WORD.findall(fold(text)):
        position = 0
        for run in _RUN.finditer(word):
            if run.start() > position:
                found.append(word[position : run.start()])
            found.extend(_pairs(run[0]) or run[0])
            position = run.end()
        if position < len(word):
            found.append(word[position:])
    return tuple(found)


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]


def title_key(text: str) -> str:
    """Return a key that is equal for texts with equal tokens."""
    return " ".join(_WORD.findall(fold(text)))


def slugify(text: str) -> str:
    """Return the text as a file name of ASCII letters, digits and hyphens; may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-")
