"""Similarity of the pictures of a catalogue: shape and colour by hash, and the words of names and keywords."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest

import attrs

from .perceptual_hash import has_structure, hash_distance

__all__ = ["SimilarityIndex"]

_WORDS_SHARE = 0.8
_FARTHEST = 400


@attrs.frozen
class _Entry:
    number: int
    phash: int
    is_last: bool
    has_structure: bool


class SimilarityIndex:
    """Finds similar pictures. Immutable and thread-safe."""

    def __init__(self, pictures: Iterable[tuple[int, int, bool, frozenset[str]]]) -> None:
        """Create an index.

        Args:
            pictures: Number, hash, whether it ranks last, and words of each picture.
        """
        self._entries: list[_Entry] = []
        self._words: dict[int, frozenset[str]] = {}
        self._by_word: dict[str, list[int]] = {}
        for number, phash, is_last, words in pictures:
            self._entries.append(_Entry(number, phash, is_last, has_structure(phash)))
            self._words[number] = words
            for word in words:
                self._by_word.setdefault(word, []).append(number)
        self._weights: Mapping[str, float] = {
            word: math.log((1 + len(self._entries)) / len(numbers)) for word, numbers in self._by_word.items()
        }

    def by_look(self, phash: int, limit: int) -> Sequence[int]:
        """Return the pictures with structure, those that look most like a hash first; none if it has no structure."""
        if not has_structure(phash):
            return ()
        found = (
            (hash_distance(entry.phash, phash), entry.is_last, entry.number)
            for entry in self._entries
            if entry.has_structure
        )
        return [number for *_, number in nsmallest(limit, found)]

    def by_look_and_words(self, phash: int, number: int, limit: int) -> Sequence[int]:
        """Return the pictures that look like a hash and share words with the picture `number`, which is left out."""
        own = self._words.get(number, frozenset())
        total = sum(self._weights[word] for word in own) or 1.0
        shared: Counter[int] = Counter()
        for word in own:
            for other in self._by_word[word]:
                shared[other] += self._weights[word]  # type: ignore[assignment]  # a Counter of floats
        ranked = (
            (entry.is_last, -self._score(entry, phash, shared[entry.number] / total), entry.number)
            for entry in self._entries
            if entry.number != number
        )
        return [number for *_, number in nsmallest(limit, ranked)]

    @staticmethod
    def _score(entry: _Entry, phash: int, words: float) -> float:
        look = 1.0 - min(1.0, hash_distance(entry.phash, phash) / _FARTHEST)
        return _WORDS_SHARE * words + (1.0 - _WORDS_SHARE) * look
