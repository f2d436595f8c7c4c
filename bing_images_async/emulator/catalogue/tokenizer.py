"""Tokenizer of names and queries; both use the same rules."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

_NO_WORD = re.compile(r"[^\w\s]")
# Scripts written without spaces: kana, Han, Thai, Lao, Khmer, Myanmar. Hangul has spaces.
_RUN = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u30a0-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_HIRAGANA_TO_KATAKANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}
# Vowel points of Arabic and Hebrew, and the tatweel, which are written or not; zero-width joiners separate nothing.
_OPTIONAL = dict.fromkeys([*range(0x064B, 0x0653), 0x0670, 0x0640, *range(0x0591, 0x05C8), 0x200D, 0xFE0E, 0xFE0F])


def fold(text: str) -> str:
    """Normalise composition, width, case and kana.

    A symbol (an emoji, an arrow) becomes its hexadecimal code point, so that it is searchable like a word.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    # Case folding may decompose characters, so that they are composed again.
    plain = unicodedata.normalize("NFKC", plain).translate(_HIRAGANA_TO_KATAKANA).translate(_OPTIONAL)
    return _NO_WORD.sub(_code_point, plain)


def _code_point(found: re.Match[str]) -> str:
    # Symbols and private use; punctuation and marks are kept.
    return f" {ord(found[0]):x} " if unicodedata.category(found[0]) in {"So", "Co"} else found[0]


def words(text: str) -> list[str]:
    """Return the words of a text: letters, digits and combining marks, in composed form (NFC)."""
    return _word().findall(unicodedata.normalize("NFC", text).replace("_", " "))


@cache
def _word() -> re.Pattern[str]:
    """Return the pattern of a word that begins with a letter or digit; `\\w` lacks combining marks."""
    marks = "".join(chr(code) for code in range(0x20000) if unicodedata.category(chr(code))[0] == "M")
    return re.compile(rf"[^\W_][\w{re.escape(marks)}]*")


def index_tokens(text: str) -> Iterator[str]:
    """Yield the index tokens of a text. A run without spaces yields each character and each pair of neighbours."""
    for part in split_runs(text):
        if is_run(part):
            yield from part
            yield from _pairs(part)
        else:
            yield part


def query_tokens(text: str) -> tuple[str, ...]:
    """Return the tokens that a match must contain: as `index_tokens`, but only the pairs of a run."""
    found: list[str] = []
    for part in split_runs(text):
        found += (_pairs(part) or [part]) if is_run(part) else [part]
    return tuple(found)


def split_runs(text: str) -> list[str]:
    """Split the words of a text into runs without spaces and other parts; folded."""
    parts: list[str] = []
    for word in words(fold(text)):
        position = 0
        for run in _RUN.finditer(word):
            parts += [word[position : run.start()], run[0]]
            position = run.end()
        parts.append(word[position:])
    return [part for part in parts if part]


def is_run(text: str) -> bool:
    """Return whether a folded text consists of characters that are written without spaces."""
    return _RUN.fullmatch(text) is not None


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)]


def title_key(text: str) -> str:
    """Return a key that is equal for texts with equal tokens."""
    return " ".join(words(fold(text)))


def slugify(text: str) -> str:
    """Return the text as a file name of ASCII letters, digits and hyphens; may be empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-")
