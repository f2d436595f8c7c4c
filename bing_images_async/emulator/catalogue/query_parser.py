"""Parser of queries: terms that must, may and must not match."""

import re
from collections.abc import Collection
from typing import Self

import attrs

from .languages import (
    color_of,
    concept_of,
    elisions,
    is_filler,
    is_particle,
    is_stop_word,
    known_words,
    simplified,
    words_of_color,
)
from .tokenizer import fold, is_run, query_tokens, split_runs

# Limit of the work per query.
_MAX_TERMS = 24
_PIECE = re.compile(r'(?P<sign>[-+]*)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_APOSTROPHE = re.compile("['\u2019\u02bc]")
_LONGEST_WORD = 10


@attrs.frozen
class Term:
    """One word or phrase as tokens of `tokenizer.query_tokens`."""

    tokens: tuple[str, ...]
    is_phrase: bool = False
    is_color: bool = False
    """Only the colour of pictures is compared."""
    is_english: bool = False
    """Only English names are searched."""

    def expression(self) -> str:
        """Return the term as an FTS5 expression. Tokens consist of letters and digits, so that quoting is safe."""
        if self.is_color:
            return f'facets : "{self.tokens[0]}"'
        if self.is_phrase:
            return f'"{" ".join(self.tokens)}"'
        return " AND ".join(f'"{token}"' for token in self.tokens)


@attrs.frozen
class Group:
    """Alternatives (`cat OR dog`); a picture matches if it matches one of them."""

    terms: tuple[Term, ...]
    is_required: bool = False
    """Written with `+` or in quotes: it is neither corrected nor left out."""

    @property
    def word(self) -> str | None:
        """The token of a group that is a plain word, None for others."""
        term = self.terms[0]
        is_word = not (term.is_phrase or term.is_color or term.is_english) and len(term.tokens) == 1
        return term.tokens[0] if is_word else None


@attrs.frozen
class SearchQuery:
    """A parsed query. Every group must match."""

    groups: tuple[Group, ...]
    excluded: tuple[Term, ...]
    everything: bool
    """The query is only `site:…`: all pictures match."""
    title: str
    """All tokens as one text: pictures with this name rank first."""
    content_title: str
    """The same without the words that have no content."""
    title_only: bool = False
    """The query consists of words without content: only names that equal it match."""

    @classmethod
    def parse(cls, text: str, language: str = "en", names: Collection[str] = ()) -> Self:
        """Parse quotes, leading `-` and `+`, `OR` (or `|`) and `site:`. Every text is valid.

        `site:` is ignored: all pictures of a catalogue are on the same site.

        Args:
            text: The query.
            language: Determines words without content, elided articles, colours and concepts.
            names: Folded words of the catalogue, to segment texts without spaces.
        """
        groups: list[Group] = []
        excluded: list[Term] = []
        joins_previous = has_site = False
        for piece in _PIECE.finditer(text):
            word, phrase, sign = piece["word"], piece["phrase"], piece["sign"]
            if word in {"OR", "|", "||"} and not sign:
                joins_previous = bool(groups)
                continue
            if word is not None and word.casefold().startswith("site:"):
                has_site = True
                continue
            if sign.startswith("-"):
                tokens = query_tokens(phrase if word is None else word)
                excluded += [Term(tokens, is_phrase=word is None and len(tokens) > 1)] if tokens else []
                continue
            found = _phrase(phrase) if word is None else _word(word, language, names)
            if not found:
                continue
            if joins_previous:
                previous = groups.pop()
                found = [attrs.evolve(previous, terms=(*previous.terms, *(t for group in found for t in group.terms)))]
            groups += [attrs.evolve(group, is_required=True) for group in found] if sign else found
            joins_previous = False
        return cls._of(groups[:_MAX_TERMS], excluded[:_MAX_TERMS], language, has_site=has_site)

    @classmethod
    def _of(cls, groups: list[Group], excluded: list[Term], language: str, *, has_site: bool) -> Self:
        significant = [group for group in groups if not _lacks_content(group, language)]
        if not significant:  # "photo" finds cameras, and "the" finds nothing
            significant = [group for group in groups if group.word is not None and is_filler(group.word)]
        return cls(
            groups=tuple(significant or groups),
            excluded=tuple(excluded),
            everything=has_site and not groups,
            title=_title(groups),
            content_title=_title(significant),
            title_only=bool(groups) and not significant,
        )


def _title(groups: list[Group]) -> str:
    return " ".join(token for group in groups for token in group.terms[0].tokens)


def override_query(text: str) -> str:
    """Return the query with `+` before each word, which is neither corrected nor searched with fewer words."""
    pieces: list[str] = []
    for piece in _PIECE.finditer(text):
        word = piece["word"]
        is_operator = word is None or word in {"OR", "|", "||"} or word.casefold().startswith("site:")
        pieces.append(piece[0] if is_operator or piece["sign"] else f"+{word}")
    return " ".join(pieces)


def _lacks_content(group: Group, language: str) -> bool:
    word = group.word
    is_plain = len(group.terms) == 1 and not group.is_required
    return is_plain and word is not None and (is_stop_word(word, language) or is_filler(word))


def _phrase(text: str) -> list[Group]:
    tokens = query_tokens(text)
    return [Group((Term(tokens, is_phrase=len(tokens) > 1),), is_required=True)] if tokens else []


def _word(text: str, language: str, names: Collection[str]) -> list[Group]:
    """Return a group for a word, or for each word of a text without spaces."""
    article, *others = _APOSTROPHE.split(text)
    if others and fold(article) in elisions(language):
        text = "'".join(others)
    tokens = query_tokens(text)
    if not tokens:
        return []
    if any(is_run(part) for part in split_runs(text)):
        return _segments(text, language, names) or [_alternatives(tokens, text, language)]
    return [_alternatives(tokens, text, language)]


def _alternatives(tokens: tuple[str, ...], text: str, language: str) -> Group:
    terms = [Term(tokens)]
    key = fold(text)
    if (color := color_of(key, language)) is not None and (color,) != tokens:
        terms.append(Term((color,), is_color=True))
        terms += [Term(query_tokens(word)) for word in words_of_color(color, language) if word != key]
    if (concept := concept_of(key, language)) is not None:
        terms.append(Term(query_tokens(concept), is_english=True))
    if language == "zh" and (other := simplified(text)) != text:
        terms += _alternatives(query_tokens(other), other, language).terms
    return Group(tuple(terms))


def _segments(text: str, language: str, names: Collection[str]) -> list[Group]:
    """Segment a text without spaces into known words, the longest first; particles between them are dropped.

    Empty if no word is known.
    """
    known = known_words(language)
    groups: list[Group] = []
    unknown = ""
    found_any = False

    def flush() -> None:
        nonlocal unknown
        rest = unknown.strip()
        if rest and not all(is_particle(character, language) for character in rest):
            groups.append(_alternatives(query_tokens(rest), rest, language))
        unknown = ""

    for part in split_runs(text):
        position = 0
        while position < len(part):
            lengths = range(min(_LONGEST_WORD, len(part) - position), 0, -1) if is_run(part) else (len(part),)
            candidates = (part[position : position + length] for length in lengths)
            word = next((one for one in candidates if _is_known(one, language, known, names)), None)
            if word is None:
                unknown += part[position]
                position += 1
                continue
            flush()
            found_any = True
            groups.append(_alternatives(query_tokens(word), word, language))
            position += len(word)
        flush()
    return [group for group in groups if group.terms[0].tokens] if found_any else []


def _is_known(word: str, language: str, known: Collection[str], names: Collection[str]) -> bool:
    if is_particle(word, language):
        return False
    forms = {word, simplified(word)} if language == "zh" else {word}
    return not is_run(word) or any(form in known or form in names for form in forms)
