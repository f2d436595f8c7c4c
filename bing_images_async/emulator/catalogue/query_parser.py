"""What a searcher typed, understood: terms that must, may and must not match."""

import re
from typing import Self

import attrs

from .tokenizer import query_tokens

# A query is not longer than a URL; past this many words nobody means each of them.
_MAX_TERMS = 24
_PIECE = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
# Words that say "an image, please" or nothing at all. They count only when nothing else is there.
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
        """The term in FTS5's query language. Tokens are letters and digits only, so quoting is safe."""
        if self.is_phrase:
            return f'"{" ".join(self.tokens)}"'
        return " AND ".join(f'"{token}"' for token in self.tokens)


@attrs.frozen
class Query:
    """Every group must match; a group matches when any of its terms does (`cat OR dog`)."""

    groups: tuple[tuple[Term, ...], ...]
    excluded: tuple[Term, ...]
    everything: bool
    """Only `site:` was given: all pictures of the one site there is."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Understand quotes, a leading `-`, `OR` (or `|`) and `site:`; never fails, whatever the text.

        `site:` is read and dropped: all pictures of a catalogue live on the same site.
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
        meant = [group for group in groups if not _is_filler(group)] or groups
        return cls(
            tuple(tuple(group) for group in meant[:_MAX_TERMS]),
            tuple(excluded[:_MAX_TERMS]),
            everything=has_site and not groups,
        )


def _is_filler(group: list[Term]) -> bool:
    return len(group) == 1 and not group[0].is_phrase and _FILLERS.issuperset(group[0].tokens)
