"""Language data for queries: words without content, elided articles, colours, and concepts of Japanese and Chinese.

The data is in `languages.toml`.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .tokenizer import fold

__all__ = [
    "color_of",
    "concept_of",
    "elisions",
    "is_filler",
    "is_particle",
    "is_stop_word",
    "known_words",
    "simplified",
    "singular",
    "words_of_color",
]


def is_stop_word(token: str, language: str) -> bool:
    """Return whether a folded token has no content in a language. English articles have none in any language."""
    return token in _stop_words(language) or token in {"the", "of", "and", "with"}


def is_filler(token: str) -> bool:
    """Return whether a folded token says only that a picture is wanted."""
    return token in _fillers()


def singular(word: str) -> str:
    """Return the singular of a regular English plural, else the word."""
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def elisions(language: str) -> frozenset[str]:
    """Return the folded tokens that are elided articles and pronouns if an apostrophe follows."""
    return frozenset(_data()["elisions"].get(language, "").split())


def color_of(token: str, language: str) -> str | None:
    """Return the colour that a folded token names in a language or in English, as it is indexed."""
    return _color_words(language).get(token) or _color_words("en").get(token)


def words_of_color(color: str, language: str) -> list[str]:
    """Return the folded words of a colour in a language."""
    return [word for word, own in _color_words(language).items() if own == color]


def concept_of(token: str, language: str) -> str | None:
    """Return the English query for a folded token of Japanese or Chinese."""
    return _concepts(language).get(token)


def is_particle(character: str, language: str) -> bool:
    """Return whether a folded character between words of a language without spaces is a particle."""
    return character in _particles(language)


def simplified(text: str) -> str:
    """Return a Chinese text with simplified characters, as far as they occur in the catalogue."""
    return text.translate(_to_simplified())


def known_words(language: str) -> frozenset[str]:
    """Return the folded words of colours and concepts of a language."""
    return frozenset(_color_words(language)) | frozenset(_concepts(language))


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("languages.toml").read_text("utf-8"))


@cache
def _fillers() -> frozenset[str]:
    return frozenset(map(fold, _data()["fillers"]["any"].split()))


@cache
def _stop_words(language: str) -> frozenset[str]:
    return frozenset(map(fold, _data()["stop_words"].get(language, "").split()))


@cache
def _particles(language: str) -> frozenset[str]:
    return frozenset(map(fold, _data()["particles"].get(language, "")))


@cache
def _to_simplified() -> Mapping[int, int]:
    characters = "".join(_data()["chinese"]["traditional_and_simplified"].split())
    return str.maketrans(characters[::2], characters[1::2])


@cache
def _color_words(language: str) -> Mapping[str, str]:
    return _by_word(_data()["colors"].get(language, {}))


@cache
def _concepts(language: str) -> Mapping[str, str]:
    return _by_word(_data()["concepts"].get(language, {}))


def _by_word(words_of: Mapping[str, str]) -> Mapping[str, str]:
    return {fold(word): name for name, words in words_of.items() for word in words.split()}
