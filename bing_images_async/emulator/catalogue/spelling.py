"""Spelling correction of query words, with the word frequencies of whole languages as evidence."""

import gzip
import json
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from importlib import metadata

from .tokenizer import fold

__all__ = ["VOCABULARIES", "correct"]

VOCABULARIES = ("en", "de", "es", "fr", "it", "pt", "ru", "ar", "fa", "nl")
"""Languages with word frequencies, from the package `pyspellchecker`."""
_ENGLISH_TOO = ("ja", "ko", "zh")
"""Languages whose own words are not in Latin letters: those are English."""
_SHORTEST = 5
"""Letters. Nearly every text of four letters is one edit from several words."""
_MIN_FREQUENCY = 500
_MIN_RATIO = 5
"""A correction is this many times as frequent as the next best word."""


def correct(word: str, language: str, names: Collection[str]) -> str | None:
    """Return the correction of a folded word, or None without evidence for one.

    A word is corrected if no vocabulary of the language or of English has it, and one word that is one edit away is
    frequent and much more frequent than all others. One edit is a letter missing, added or wrong, or two letters
    swapped. The correction must be one of `names`; another word would find nothing.
    """
    languages = _languages(language)
    if not languages or len(word) < _SHORTEST or not word.isalpha() or any(_knows(code, word) for code in languages):
        return None
    for code in languages:
        vocabulary = _vocabulary(code)
        found = ((vocabulary.get(candidate, 0), candidate) for candidate in _edits(word, _alphabet(code)))
        best = sorted(set(found), reverse=True)[:2]
        if not best or best[0][0] < _MIN_FREQUENCY:
            continue
        (frequency, correction), *others = best
        is_clear = not others or frequency >= _MIN_RATIO * others[0][0]
        return correction if is_clear and correction in names else None
    return None


def _languages(language: str) -> tuple[str, ...]:
    if language in _ENGLISH_TOO:
        return ("en",)
    if language not in VOCABULARIES:
        return ()
    return ("en",) if language == "en" else (language, "en")


def _knows(language: str, word: str) -> bool:
    """Return whether a vocabulary has a word. The English one has American spellings only."""
    vocabulary = _vocabulary(language)
    if word in vocabulary:
        return True
    return language == "en" and any(
        word.replace(british, american) in vocabulary for british, american in _BRITISH if british in word
    )


_BRITISH = (
    ("our", "or"), ("re", "er"), ("ise", "ize"), ("isa", "iza"), ("isi", "izi"), ("yse", "yze"), ("ogue", "og"),
    ("ll", "l"), ("ae", "e"), ("oe", "e"), ("ence", "ense"), ("que", "ck"),
    ("grey", "gray"), ("mould", "mold"), ("tyre", "tire"),
)  # fmt: skip


def _edits(word: str, alphabet: str) -> Iterator[str]:
    for at in range(len(word) + 1):
        head, tail = word[:at], word[at:]
        if tail:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in alphabet)
        yield from (head + letter + tail for letter in alphabet)
        for other in range(at + 1, len(word)):
            yield head + word[other] + word[at + 1 : other] + word[at] + word[other + 1 :]


@lru_cache(maxsize=3)
def _vocabulary(language: str) -> Mapping[str, int]:
    """Return the words of a language, folded and without accents, with their frequencies."""
    path = metadata.distribution("pyspellchecker").locate_file(f"spellchecker/resources/{language}.json.gz")
    with gzip.open(str(path), "rt", encoding="utf-8") as file:
        words: dict[str, int] = json.load(file)
    return {word if word.isascii() else without_accents(fold(word)): count for word, count in words.items()}


@lru_cache(maxsize=3)
def _alphabet(language: str) -> str:
    letters = {letter for word in list(_vocabulary(language))[:20_000] for letter in word}
    return "".join(sorted(letter for letter in letters if letter.isalpha()))


def without_accents(text: str) -> str:
    """Return a text without combining marks of Latin, Greek and Cyrillic letters."""
    return "".join(
        character for character in unicodedata.normalize("NFD", text) if not "\u0300" <= character <= "\u036f"
    )
