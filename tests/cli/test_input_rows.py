"""The input of `bulk`: what a line means, and what is said of one that cannot be asked."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import click
import pytest

from bing_images_async.cli.bulk.input_rows import Row, read_rows
from bing_images_async.params import Location


def rows(text: str, form: str, **common: Any) -> list[Row]:
    return list(read_rows(io.StringIO(text, newline=""), form, common))


def questions(text: str, form: str, **common: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(row.query, dict(row.parameters)) for row in rows(text, form, **common)]


def test_a_text_has_a_query_per_line() -> None:
    """Blank lines and comments do not count; places do not skip them, line numbers do."""
    found = rows("cat\r\n\n  # a comment\n  paper boat \n", "text")
    assert [(row.index, row.line, row.query) for row in found] == [(0, 1, "cat"), (1, 4, "paper boat")]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("text", "cat\n\ufeffdog\n\ufeff# a comment\n\ufeff\n"),
        ("csv", "\ufeffquery\ncat\n\ufeffdog\n"),
        ("tsv", 'query\tmarket\ncat\t\n\ufeff"dog"\t\n'),
        ("jsonl", '\ufeff"cat"\n\ufeff{"query": "dog"}\n'),
        ("json", '\ufeff["cat",\n\ufeff"dog"]'),
    ],
)
def test_read_rows_byte_order_mark_of_any_line_belongs_to_no_query(form: str, text: str) -> None:
    """Files that were joined have one in the middle."""
    assert questions(text, form) == [("cat", {}), ("dog", {})]


def test_a_csv_has_parameters_by_either_name() -> None:
    text = 'min-width,query,safe_search,no_cache,location\n300,cat,strict,yes,\n,dog,,false,"1,2,3"\n'
    assert questions(text, "csv") == [
        ("cat", {"min_width": 300, "safe_search": "strict", "no_cache": True}),
        ("dog", {"no_cache": False, "location": Location(1.0, 2.0, 3.0)}),
    ]


def test_a_cell_may_hold_commas_quotes_and_line_breaks() -> None:
    found = rows('# first\nquery,market\n"a ""b"", c\nd",en-US\nlast,\n', "csv")
    assert [(row.line, row.query) for row in found] == [(3, 'a "b", c\nd'), (5, "last")]


def test_json_lines_are_objects_or_texts() -> None:
    text = '{"query": "cat", "min-width": 300, "market": null}\n"dog"\n\n{"query": "x", "location": [1, 2, 3]}\n'
    assert questions(text, "jsonl") == [
        ("cat", {"min_width": 300}),
        ("dog", {}),
        ("x", {"location": Location(1, 2, 3)}),
    ]


def test_a_row_overrides_what_counts_for_all() -> None:
    first, second = rows("query,size\ncat,large\ndog,\n", "csv", size="Small", count=5)
    assert first.params is not None
    assert second.params is not None
    assert [(p.size, p.count) for p in (first.params, second.params)] == [("Large", 5), ("Small", 5)]


@pytest.mark.parametrize(
    ("form", "line", "words"),
    [
        ("csv", "cat,reed,", "color='reed' is not allowed: it must be one of"),
        ("csv", "cat,,many", "count='many' is not a whole number"),
        ("csv", "cat,,1000", "count=1000 is not allowed: it must be an int from 1 to 150"),
        ("csv", ",red,", "the query is missing"),
        ("csv", "cat,red,1,2", "it has 4 cells, but there are 3 columns"),
        ("jsonl", "{", "it is not JSON"),
        ("jsonl", "[1]", "it must be an object with a query, or a text"),
        ("jsonl", '{"query": 7}', "query=7 is not allowed"),
        ("jsonl", '{"query": "x", "colour": "red"}', "there is no parameter 'colour'; there are accept_"),
        ("jsonl", '{"query": "x", "min-width": 1, "min_width": 2}', "min_width is there twice"),
        ("jsonl", '{"query": "x", "count": "7"}', "count='7' is not allowed"),
        ("jsonl", '{"query": "x", "location": [1]}', "is not a location"),
        ("jsonl", '{"query": "x", "country_code": "DE"}', "it needs accept_language"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_asked_says_why_and_where(form: str, line: str, words: str) -> None:
    """The others are read all the same."""
    header = "query,color,count\n" if form == "csv" else ""
    good = '"good"' if form == "jsonl" else "good"
    first, bad, last = rows(f"{header}{good}\n{line}\n{good}\n", form)
    assert (first.fault, last.fault) == ("", "")
    assert bad.params is None
    assert words in bad.fault
    assert bad.line == (3 if header else 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,market\ncat,\n", "there is no parameter 'name'"),
        ("market\nen-US\n", "line 1: the query is missing. The first line must name"),
        ("query,min-width,min_width\n", "min_width is there twice"),
        ('query\n"open\n', "line 2: it is not CSV"),
    ],
)
def test_a_csv_that_cannot_be_understood_ends_it(text: str, words: str) -> None:
    with pytest.raises(click.UsageError, match=words):
        rows(text, "csv")


def test_rows_are_read_as_they_are_asked_for() -> None:
    taken: list[int] = []

    def lines() -> Iterator[str]:
        for number in range(1_000_000):
            taken.append(number)
            yield f"query {number}\n"

    reader = read_rows(lines(), "text", {})
    assert [next(reader).query, next(reader).query] == ["query 0", "query 1"]
    assert len(taken) == 2


def test_the_same_question_has_the_same_digest_and_no_other_has() -> None:
    """Whatever form it is written in, and whether a row or an option says it."""
    same = [
        *rows("query,count\ncat,5\n", "csv"),
        *rows('{"count": 5, "query": "cat"}\n', "jsonl"),
        *rows("cat\n", "text", count=5),
        *rows("query,count\ncat,\n", "csv", count=5),
        *rows("query,count\ncat,5\n", "csv", count=6),
    ]
    others = [*rows("cat\ndog\n", "text"), *rows("cat\n", "text", count=6), *rows("cat\n", "text", market="en-US")]
    assert len({row.digest for row in same}) == 1
    assert len({row.digest for row in [*same, *others]}) == 1 + len(others)


def test_digest_is_that_of_what_is_sent() -> None:
    """The spelling of a value does not matter, that of a query does."""
    same = rows("query,size,no_cache\ncat,Large,\ncat,large,false\ncat,LARGE,no\n", "csv")
    assert len({row.digest for row in same}) == 1
    others = rows(
        '"cat"\n"Cat"\n"cat "\n{"query": "cat", "no_cache": true}\n{"query": "cat", "client_id": "C"}\n', "jsonl"
    )
    assert len({row.digest for row in others}) == 5


def test_digest_of_a_row_that_is_not_valid_is_that_of_its_fault() -> None:
    found = rows("query,color\ncat,reed\ncat,reed\ncat,blu\n", "csv")
    assert len({row.digest for row in found}) == 2
