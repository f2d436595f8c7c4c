"""A catalogue in an index file: full-text search by SQLite FTS5, pictures rendered or read on demand."""

import functools
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Protocol

import attrs
from PIL import Image

from ..lru_cache import LruCache
from . import thumbnail_renderer
from .emoji_names import LANGUAGES
from .filters import COLORS as COLOR_NAMES, accepts
from .index_file import LeftOut, RenderSpec, from_json
from .languages import color_of, is_particle, is_stop_word, singular
from .perceptual_hash import fingerprint
from .picture import Filters, Hits, Picture
from .query_parser import SearchQuery, Term
from .similarity import SimilarityIndex
from .spelling import correct, without_accents
from .tokenizer import index_tokens, is_run, query_tokens, title_key

# Weights of the columns name, keywords and facets (category, colour).
_WEIGHTS = "10.0, 4.0, 1.5"
# English names are searched besides those of the market's language, with a lower weight.
_ENGLISH_SHARE = 0.7
_PART_SHARE = 0.3
_TITLE_BONUS = 25.0
_ALIAS_SHARE = 0.9
_TERM_TITLE_SHARE = 0.4
_NAME_BONUS = 2.0
_HEAD_FIRST = frozenset({"es", "fr", "it", "pt", "id"})
_COLORS = frozenset(map(str.lower, COLOR_NAMES))
_WITHOUT_SPACES = frozenset({"ja", "zh"})
# Languages with compounds or without spaces: parts of words match.
_COMPOUNDING = frozenset({"de", "ko", "ja", "zh"})
_NO_FILTERS = Filters()
_MAX_CACHED_THUMBNAIL = 65_536
"""Bytes."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Originals(Protocol):
    """Source of the pixels of pictures."""

    def original(self, render_spec: RenderSpec, picture: Picture) -> bytes:
        """Return the encoded original."""
        ...

    def image(self, render_spec: RenderSpec, picture: Picture, scaled: tuple[int, int]) -> Image.Image:
        """Return the whole picture, scaled to the given width and height; mode RGB or RGBA."""
        ...

    def verify(self, render_spec: RenderSpec) -> None:
        """Raise OSError if the original was removed or changed since it was indexed."""
        ...

    def close(self) -> None:
        """End processes (idempotent)."""
        ...


@attrs.frozen
class _Ranking:
    numbers: tuple[int, ...]
    altered_query: str | None
    matched_all: bool


class SqliteCatalogue:
    """Pictures in an index file, searched by FTS5. Thread-safe; a lock serialises access to the file.

    Relevance is computed per term (BM25 over name, keywords and facets) and summed, so that "all terms", "some terms"
    and "not this term" are set operations on the results of each term.
    """

    blocking = True

    def __init__(
        self,
        connection: sqlite3.Connection,
        originals: Originals,
        *,
        epoch: datetime | None = None,
        is_private: bool = False,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        """Take over an open connection (see `store.connect`).

        Args:
            connection: Closed by `close`.
            originals: Renders or reads the pictures.
            epoch: Base of the pictures' dates; default 1970.
            is_private: The pictures are the user's own: web pages of other sites must not read them.
            on_close: Called after the connection is closed.
        """
        self._connection = connection
        self._originals = originals
        self._epoch = epoch or _EPOCH
        self.is_private = is_private
        self._thumbnails = LruCache[bytes](512)
        self._on_close = on_close
        self._lock = threading.RLock()
        self._pictures: dict[int, Picture] = {}
        self._rank = functools.lru_cache(maxsize=512)(self._find_ranking)
        self._score = functools.lru_cache(maxsize=2048)(self._find_scores)
        self._names = functools.lru_cache(maxsize=len(LANGUAGES))(self._read_names)
        self._vocabulary = functools.lru_cache(maxsize=len(LANGUAGES))(self._read_vocabulary)

    def __len__(self) -> int:
        ((count,),) = self._rows("SELECT count(*) FROM pictures")
        return int(count)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The files of the folder that are not in the catalogue, with the reason, sorted by path."""
        return tuple(LeftOut(*row) for row in self._rows("SELECT path, reason FROM left_out ORDER BY path"))

    @property
    def skipped(self) -> int:
        """The number of files in `left_out`."""
        return len(self.left_out)

    def report(self, most: int = 10) -> list[str]:
        """Return lines about the files that were left out, at most `most` of them, and whether anything was found."""
        left_out = self.left_out
        lines = [] if len(self) else ["The folder has no picture that can be read."]
        if left_out:
            lines.append(f"{len(left_out):,} {'file was' if len(left_out) == 1 else 'files were'} left out:")
            lines += [f"  {file.path}: {file.reason}" for file in left_out[:most]]
        if len(left_out) > most:
            lines.append(f"  and {len(left_out) - most:,} more")
        return lines

    def search(
        self,
        text: str,
        *,
        language: str,
        filters: Filters,
        offset: int,
        limit: int,
        first_id: str | None = None,
        now: datetime,
    ) -> Hits:
        """Find pictures, best first.

        Args:
            text: The query with its operators; every string is valid.
            language: Two letters; its names are searched, and the English ones.
            filters: All of them must match.
            offset: Number of hits to skip.
            limit: Largest number of hits to return.
            first_id: This picture is first, whether it matches or not.
            now: Aware; the end of the `freshness` interval.
        """
        ranking = self._ranking(text, language)
        numbers: Sequence[int] = ranking.numbers
        if filters != _NO_FILTERS:
            pictures = self._load(numbers)
            numbers = [n for n, picture in zip(numbers, pictures, strict=True) if accepts(picture, filters, now)]
        first = self._number(first_id) if first_id is not None else None
        if first is not None:
            numbers = [first, *(n for n in numbers if n != first)]
        return Hits(
            tuple(self._load(numbers[offset : offset + limit])),
            len(numbers),
            ranking.altered_query,
            ranking.matched_all,
        )

    def get(self, image_id: str) -> Picture | None:
        """Return the picture with this id (in either case), or None."""
        number = self._number(image_id)
        return None if number is None else self._load([number])[0]

    def similar(self, phash: int, *, limit: int, exclude: str | None = None) -> tuple[Picture, ...]:
        """Return the most similar pictures, nearest first.

        Args:
            phash: The hash of a picture.
            limit: Largest number of pictures to return.
            exclude: The id of the picture itself, if it is in this catalogue: its words count as well, and it is left
                out. Without it only looks count; a hash without structure has no similar pictures.
        """
        excluded = self._number(exclude) if exclude is not None else None
        if excluded is None:
            return tuple(self._load(self._similarity.by_look(phash, limit)))
        return tuple(self._load(self._similarity.by_look_and_words(phash, excluded, limit)))

    def fingerprint(self, data: bytes) -> int:
        """Return the perceptual hash of an encoded picture, for `similar`.

        Raises:
            ValueError: The bytes are no readable picture.
        """
        return fingerprint(data)

    def content(self, picture: Picture) -> bytes:
        """Return the original file.

        Raises:
            KeyError: The picture is not in this catalogue.
            OSError: The file was removed or changed since it was indexed.
        """
        return self._originals.original(self._render_spec(picture), picture)

    def thumbnail(
        self, picture: Picture, *, width: int | None, height: int | None, crop: int | None, padding: bool
    ) -> bytes:
        """Return a thumbnail by the rules of `thumbnail_renderer.render`; raises the errors of that and `content`."""
        render_spec = self._render_spec(picture)
        self._originals.verify(render_spec)
        key = (picture.image_id, width, height, crop, padding)
        data = self._thumbnails.get(key)
        if data is None:
            draw = functools.partial(self._originals.image, render_spec, picture)
            size = (picture.width, picture.height)
            data = thumbnail_renderer.render(draw, size, width=width, height=height, crop=crop, padding=padding)
            if len(data) <= _MAX_CACHED_THUMBNAIL:
                self._thumbnails.put(key, data)
        return data

    def related(self, text: str, *, language: str, limit: int) -> tuple[str, ...]:
        """Return related queries with results: names and keywords of the best hits."""
        numbers = self._ranking(text, language).numbers[:24]
        language = language if language in LANGUAGES else "en"
        pictures = self._load(numbers)
        names = [picture.names.get(language, picture.names["en"]) for picture in pictures]
        shared = Counter(word for picture in pictures for word in picture.keywords)
        keywords = [word for word, count in shared.most_common(limit) if count > 1 and language == "en"]
        own = title_key(text)
        found: dict[str, str] = {}
        for query in (*keywords[: limit // 2], *names):
            key = title_key(query)
            if key and key != own:
                found.setdefault(key, query)
        return tuple(list(found.values())[:limit])

    def topics(self, language: str) -> Mapping[str, tuple[str, ...]]:
        """Return category titles, each with up to ten names of its pictures."""
        language = language if language in LANGUAGES else "en"
        rows = self._rows(
            "SELECT category, name FROM pictures JOIN titles ON picture = id"
            " WHERE language = ? AND NOT last AND length(name) < 17 AND name NOT LIKE '% % %' ORDER BY id",
            (language,),
        )
        queries: dict[str, list[str]] = {}
        for category, name in rows:
            queries.setdefault(str(category).capitalize(), []).append(str(name))
        return {
            category: tuple(names[:: -(-len(names) // 10)])
            for category, names in sorted(queries.items())
            if len(names) > 2
        }

    def close(self) -> None:
        """Close the file (idempotent)."""
        with self._lock:
            self._connection.close()
        self._originals.close()
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    def _ranking(self, text: str, language: str) -> _Ranking:
        return self._rank(text, language if language in LANGUAGES else "en", language)

    def _find_ranking(self, text: str, language: str, known_language: str) -> _Ranking:
        query = SearchQuery.parse(text, language, self._names(language))
        altered = self._corrected(text, query, language, known_language)
        if altered is not None:
            query = SearchQuery.parse(altered, language, self._names(language))
        ranking = self._ranked(query, language)
        return attrs.evolve(ranking, altered_query=altered)

    def _ranked(self, query: SearchQuery, language: str) -> _Ranking:
        if query.everything:
            rows = self._rows("SELECT id FROM pictures ORDER BY last, id")
            return _Ranking(tuple(int(number) for (number,) in rows), None, matched_all=True)
        unwanted = {number for term in query.excluded for number in self._score(term, language)}
        titles = self._titled(query.title, language)
        if not query.title_only:
            titles |= self._titled(query.content_title, language)
        if query.title_only:
            return _Ranking(tuple(sorted(titles.keys() - unwanted)), None, matched_all=True)
        groups = [_united(self._score(term, language) for term in group.terms) for group in query.groups]
        self._add_joined(query, groups, language)
        anywhere = {number for scores in groups for number in scores} - unwanted
        together = {number for number in anywhere if all(number in scores for scores in groups)}
        required = [scores for group, scores in zip(query.groups, groups, strict=True) if group.is_required]
        wanted = together or {number for number in anywhere if all(number in scores for scores in required)}
        matched_all = bool(together) or len(groups) < 2 or not wanted
        own_titles = [self._titled(group.word, language) if group.word else {} for group in query.groups]
        heads = frozenset(map(singular, query.title.split()))
        names = dict(zip(wanted, self._load(list(wanted)), strict=True))
        last = self._last

        def order(number: int) -> tuple[bool, int, float, int]:
            scores = [scores[number] for scores in groups if number in scores]
            relevance = sum(scores) + titles.get(number, 0.0)
            relevance += _TERM_TITLE_SHARE * sum(found.get(number, 0.0) for found in own_titles)
            relevance += _name_bonus(names[number], language, heads)
            return number in last, -len(scores), -relevance, number

        return _Ranking(tuple(sorted(wanted, key=order)), None, matched_all)

    def _add_joined(self, query: SearchQuery, groups: list[dict[int, float]], language: str) -> None:
        """Let two neighbouring words match a compound: "snow man" finds "snowman"."""
        for at, (first, second) in enumerate(pairwise(query.groups)):
            if first.word is None or second.word is None or is_run(first.word + second.word):
                continue
            compound = Term((first.word + second.word,))
            for number, score in self._word_scores(compound, language).items():
                for scores in groups[at : at + 2]:
                    scores[number] = max(scores.get(number, 0.0), score)

    def _find_scores(self, term: Term, language: str) -> Mapping[int, float]:
        """Return the pictures of a term with their relevance: in the language and English, else in any language."""
        if term.is_english:
            return self._matches("words", "en", term.expression())
        found = self._word_scores(term, language)
        if term.is_color:
            return found
        if language in _COMPOUNDING or not found:
            for number, score in self._parts(term, language).items():
                found.setdefault(number, score * _PART_SHARE)
        if not found:
            found = self._split(term, language)
        if found:
            return found
        return _united(self._matches("words", other, term.expression()) for other in LANGUAGES)

    def _word_scores(self, term: Term, language: str) -> dict[int, float]:
        found = self._matches("words", language, term.expression())
        if language != "en":
            for number, score in self._matches("words", "en", term.expression()).items():
                found[number] = max(found.get(number, 0.0), score * _ENGLISH_SHARE)
        return found

    def _split(self, term: Term, language: str) -> dict[int, float]:
        """Return the pictures of a compound written as two words: "hotdog" finds "hot dog"."""
        if term.is_phrase or len(term.tokens) != 1 or not term.tokens[0].isalpha() or is_run(term.tokens[0]):
            return {}
        word = term.tokens[0]
        phrases = (Term((word[:at], word[at:]), is_phrase=True) for at in range(3, len(word) - 2))
        return _united(self._word_scores(phrase, language) for phrase in phrases)

    def _parts(self, term: Term, language: str) -> dict[int, float]:
        # The trigram index needs three letters.
        if term.is_phrase or len(term.tokens) != 1 or len(term.tokens[0]) < 3:
            return {}
        return self._matches("parts", language, f'"{term.tokens[0]}"')

    def _matches(self, table: str, language: str, expression: str) -> dict[int, float]:
        name = f"{table}_{language}"
        weights = f", {_WEIGHTS}" if table == "words" else ""
        rows = self._rows(
            f"SELECT rowid, bm25({name}{weights}) FROM {name} WHERE {name} MATCH ?",  # noqa: S608  (fixed names)
            (expression,),
        )
        # FTS5 returns smaller numbers for better matches, and 0 for a word that is in every row.
        return {int(number): max(0.01, -float(score)) for number, score in rows}

    def _titled(self, title: str, language: str) -> dict[int, float]:
        """Return the pictures whose name or alias equals a text, each with a bonus."""
        forms = (title, " ".join(map(singular, title.split())))
        rows = self._rows(
            "SELECT picture, language FROM titles WHERE title IN (?, ?) AND language IN (?, 'en', 'alias')",
            (*forms, language),
        )
        found: dict[int, float] = {}
        for number, own in rows:
            share = 1.0 if own == language else _ALIAS_SHARE if own == "alias" else _ENGLISH_SHARE
            found[int(number)] = max(found.get(int(number), 0.0), _TITLE_BONUS * share)
        return found

    def _corrected(self, text: str, query: SearchQuery, language: str, known_language: str) -> str | None:
        """Return the query with corrected spelling, or None if nothing is corrected."""
        corrections: dict[str, str] = {}
        for group in query.groups:
            word = group.word
            if (
                word is None
                or group.is_required
                or query.title_only
                or any(self._score(t, language) for t in group.terms)
            ):
                continue
            better = correct(without_accents(word), known_language, self._vocabulary(language))
            if better is not None:
                corrections[word] = better
        if not corrections:
            return None
        return " ".join(_replaced(piece, corrections) for piece in text.split())

    def _read_vocabulary(self, language: str) -> frozenset[str]:
        rows = self._rows("SELECT DISTINCT word FROM vocabulary WHERE language IN (?, 'en')", (language,))
        return frozenset(without_accents(str(word)) for (word,) in rows)

    def _read_names(self, language: str) -> frozenset[str]:
        """Return the words of names in a language without spaces, for the segmentation of queries."""
        if language not in _WITHOUT_SPACES:
            return frozenset()
        rows = self._rows("SELECT title FROM titles WHERE language = ?", (language,))
        found: set[str] = set()
        for (title,) in rows:
            for word in str(title).split():
                parts = "".join(" " if is_particle(c, language) else c for c in word).split()
                # Parts of kana alone are mostly endings of verbs.
                found |= {word, *(part for part in parts if any("\u3400" <= c <= "\u9fff" for c in part))}
        return frozenset(found)

    @functools.cached_property
    def _last(self) -> frozenset[int]:
        return frozenset(int(number) for (number,) in self._rows("SELECT id FROM pictures WHERE last"))

    @functools.cached_property
    def _similarity(self) -> SimilarityIndex:
        numbers = [int(number) for (number,) in self._rows("SELECT id FROM pictures ORDER BY id")]
        pictures = zip(numbers, self._load(numbers), strict=True)
        return SimilarityIndex(
            (number, picture.phash, number in self._last, _similarity_words(picture)) for number, picture in pictures
        )

    def _number(self, image_id: str) -> int | None:
        rows = self._rows(
            "SELECT id FROM pictures WHERE image_id = ?",
            (image_id.upper().encode("utf-8", "replace").decode(),),
        )
        return int(rows[0][0]) if rows else None

    def _render_spec(self, picture: Picture) -> RenderSpec:
        rows = self._rows("SELECT render_spec FROM pictures WHERE image_id = ?", (picture.image_id,))
        if not rows:
            raise KeyError(picture.image_id)
        render_spec: RenderSpec = json.loads(rows[0][0])
        return render_spec

    def _load(self, numbers: Sequence[int]) -> list[Picture]:
        missing = [number for number in numbers if number not in self._pictures]
        for at in range(0, len(missing), 500):
            some = missing[at : at + 500]
            marks = ",".join("?" * len(some))
            rows = self._rows(f"SELECT id, record FROM pictures WHERE id IN ({marks})", some)  # noqa: S608  # question marks
            for number, record in rows:
                self._pictures[number] = from_json(record, self._epoch)
        return [self._pictures[number] for number in numbers]

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def _united(found: Iterable[Mapping[int, float]]) -> dict[int, float]:
    """Return the union, with the best score of each picture."""
    united: dict[int, float] = {}
    for scores in found:
        for number, score in scores.items():
            united[number] = max(united.get(number, 0.0), score)
    return united


def _similarity_words(picture: Picture) -> frozenset[str]:
    """Return the words that tell the kind of a picture."""
    texts = (picture.names.get("en", ""), *picture.keywords)
    words = (word for text in texts for word in index_tokens(text))
    return frozenset({f"category {picture.category}", *(word for word in words if not is_stop_word(word, "en"))})


def _name_bonus(picture: Picture, language: str, tokens: frozenset[str]) -> float:
    """Return a bonus or malus for what a name says besides the words of the query.

    "moon" is a crescent moon rather than a moon cake: the main word of a name counts, which is the last one in English
    and the first one in Romance languages. "bicycle" is not "no bicycles", "hat" no face with a hat, and "red flower"
    no white flower.
    """
    words = title_key(picture.names["en"]).split()
    if (words[:1] == ["no"] and "no" not in tokens) or (picture.category == "smileys" and "face" not in tokens):
        return -_NAME_BONUS
    colors = {color for token in tokens if (color := _color_in(token, language)) is not None}
    if colors and any(color not in {None, *colors} for color in (_color_in(word, "en") for word in words)):
        return -_NAME_BONUS
    if len(tokens) > 1:
        return 0.0
    own = title_key(picture.names.get(language, "")).split() or words
    heads = [*words[-1:], *(own[:1] if language in _HEAD_FIRST else own[-1:])]
    return _NAME_BONUS if any(singular(head) in tokens for head in heads) else 0.0


def _color_in(token: str, language: str) -> str | None:
    return token if token in _COLORS else color_of(token, language)


def _replaced(piece: str, words: Mapping[str, str]) -> str:
    tokens = query_tokens(piece)
    return words[tokens[0]] if len(tokens) == 1 and tokens[0] in words and piece[0] not in '+-"' else piece
