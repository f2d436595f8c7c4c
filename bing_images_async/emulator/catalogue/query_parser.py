"""Parser of queries: terms that must, may and must not match."""

import re
from typing import Self

import attrs

from .tokenizer import query_tokens

# Limit of the work per query.
_MAX_TERMS = 24
_PIECE = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
# Words without content. They are ignored unless the query consists of them.
_FILLERS = frozenset(
    ("a", "an", "and", "the", "of", "in", "on", "at", "to", "with", "for", "by", "from", "is", "are", "my", "some")
) | frozenset(
    word + plural for word in ("image", "picture", "pic", "photo", "photograph", "icon") for plural in ("", "s")
)


@attrs.frozen
class Term:
    """One word or phrase as tokens of `text.query_tokens`."""

    tokens: tuple[str, ...]
    is_phrase: bool = False

    def expression(self) -> str:
        """Return the term as an FTS5 expression. Tokens consist of letters and digits, so that quoting is safe."""
        if self.is_phrase:
            return f'"{" ".join(self.tokens)}"'
        return " AND ".join(f'"{token}"' for token in self.tokens)


@attrs.frozen
class SearchQuery:
    """A parsed query. Every group must match; a group matches if any of its terms does (`cat OR dog`)."""

    groups: tuple[tuple[Term, ...], ...]
    excluded: tuple[Term, ...]
    everything: bool
    """The query is only `site:…`: all pictures match."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse quotes, a leading `-`, `OR` (or `|`) and `site:`. Every text is valid.

        `site:` is ignored: all pictures of a catalogue are on the same site.
        """
        groups: list[list[Term]] = []
        excluded: list[Term] = []
        joins_previous = False
        has_site = False
        for piece in _PIECE.finditer(text):
            word, phrase = piece["word"], piece["phrase"]
            if word in {"OR", "|", "||"}:
                joins_previous = bool(groups)
                continue
            if word is not None and word.casefold().startswith("site:"):
                has_site = True
                continue
            tokens = query_tokens(phrase if word is None else word)
            if not tokens:
                continue
            term = Term(tokens, is_phrase=word is None and len(tokens) > 1)
            if piece["minus"]:
                excluded.append(term)
            elif joins_previous:
                groups[-1].append(term)
            else:
                groups.append([term])
            joins_previous = False
        significant = [group for group in groups if not _is_filler(group)] or groups
        return cls(
            tuple(tuple(group) for group in significant[:_MAX_TERMS]),
            tuple(excluded[:_MAX_TERMS]),
            everything=has_site and not groups,
        )


def _is_filler(group: list[Term]) -> bool:
    return len(group) == 1 and not group[0].is_phrase and _FILLERS.issuperset(group[0].tokens)
