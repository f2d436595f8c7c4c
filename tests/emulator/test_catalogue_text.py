"""How names and queries become words."""

import pytest
from hypothesis import given, strategies as st

from bing_images_async.emulator.catalogue.query_parser import SearchQuery, Term
from bing_images_async.emulator.catalogue.tokenizer import fold, index_tokens, query_tokens, slugify, title_key


def terms(text: str) -> list[list[str]]:
    """The groups of a query, each term as its tokens joined by blanks."""
    return [[" ".join(term.tokens) for term in group.terms] for group in SearchQuery.parse(text).groups]


@pytest.mark.parametrize(
    ("left", "right"),
    [("ねこ", "ネコ"), ("CAT", "cat"), ("ｃａｔ", "cat"), ("Straße", "strasse"), ("ﾈｺ", "ネコ")],
)
def test_fold_of_equivalent_texts_is_equal(left: str, right: str) -> None:
    """Case, width and kana do not matter."""
    assert fold(left) == fold(right)


def test_query_tokens_of_a_symbol_are_its_code_point() -> None:
    """An emoji is a word: its hexadecimal code."""
    assert query_tokens("🐈") == ("1f408",)


def test_index_tokens_of_a_run_are_characters_and_pairs() -> None:
    """Japanese and Chinese need no word boundaries."""
    assert list(index_tokens("猫の顔")) == ["猫", "の".translate({0x306E: 0x30CE}), "顔", "猫ノ", "ノ顔"]


def test_query_tokens_of_a_run_are_pairs() -> None:
    """Two neighbours say more than two characters anywhere."""
    assert query_tokens("猫の顔 2x") == ("猫ノ", "ノ顔", "2x")


@given(st.text(max_size=60))
def test_query_tokens_of_any_text_are_index_tokens(text: str) -> None:
    """What is asked for is among what was indexed."""
    assert set(query_tokens(text)) <= set(index_tokens(text))


@given(st.text(max_size=60))
def test_title_key_is_idempotent(text: str) -> None:
    """A key is its own key."""
    assert title_key(title_key(text)) == title_key(text)


@given(st.text(max_size=200))
def test_slugify_any_text_is_safe_in_a_path(text: str) -> None:
    """Only ASCII letters, digits and single hyphens inside."""
    assert all(part.isascii() and part.isalnum() for part in slugify(text).split("-") if part)


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("red flower", [["red"], ["flower"]]),
        ('"red flower" vase', [["red flower"], ["vase"]]),
        ("cat OR dog | bird", [["cat", "dog", "bird"]]),
        ("OR cat", [["cat"]]),
        ("cat or dog", [["cat"], ["dog"]]),
        ("a picture of the cat", [["cat"]]),
        ("the", [["the"]]),
        ("cat -dog", [["cat"]]),
        ("site:example.com cat", [["cat"]]),
        ("-cat", []),
        ("", []),
        ('"', []),
    ],
)
def test_parse_query_reads_operators(text: str, groups: list[list[str]]) -> None:
    """Quotes, OR, minus and site: as people use them; filler words count only alone."""
    assert terms(text) == groups


def test_parse_query_with_minus_excludes_terms() -> None:
    """A minus works on words and phrases."""
    assert SearchQuery.parse('cat -dog -"black bird"').excluded == (
        Term(("dog",)),
        Term(("black", "bird"), is_phrase=True),
    )


def test_parse_query_of_a_site_only_is_everything() -> None:
    """`site:` alone asks for all pictures there are; with words it is dropped."""
    assert (SearchQuery.parse("site:x").everything, SearchQuery.parse("site:x cat").everything) == (True, False)


def test_parse_query_of_many_words_is_bounded() -> None:
    """No text makes more work than a couple of dozen words do."""
    assert len(SearchQuery.parse("word " * 10_000).groups) == 24
