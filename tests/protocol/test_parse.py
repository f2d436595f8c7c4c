"""Bytes to JSON: what is proper passes untouched, what is nearly proper is mended and noted, the rest is refused."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import bodies
import pytest
from hypothesis import given, strategies as st
from strategies import STRANGERS

from bing_images_async._protocol.json import MOST_LEVELS, NotJsonError, parse
from bing_images_async._protocol.response_reading import read_response
from bing_images_async.models import ImageAnswer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON | st.sampled_from(STRANGERS))
def test_proper_json_is_parsed_as_the_standard_library_does(value: Any) -> None:
    """With and without a byte order mark, escaped and not."""
    escaped = json.dumps(value)
    for raw in (escaped.encode(), b"\xef\xbb\xbf" + escaped.encode(), f" \r\n{escaped}\t".encode()):
        assert parse(raw) == (json.loads(raw.decode("utf-8-sig")), None)


@given(st.binary())
def test_any_bytes_are_json_or_not(raw: bytes) -> None:
    """Nothing but `NotJsonError` is raised."""
    with suppress(NotJsonError):
        parse(raw)


@pytest.mark.parametrize(
    ("raw", "value", "note"),
    [
        (b'"caf\xe9"', "caf\ufffd", "bytes that are not UTF-8 replaced by U+FFFD"),
        (b'{"\xff": 1}', {"\ufffd": 1}, "bytes that are not UTF-8 replaced by U+FFFD"),
        (b'["\\ud83d"]', ["\ufffd"], "lone surrogates replaced by U+FFFD"),
        (b'["a\\udc00b", "\\ud83d\\udea3"]', ["a\ufffdb", "\U0001f6a3"], "lone surrogates replaced by U+FFFD"),
        (b'{"\\ud83d": {"a": "\\ude00\\ud83d"}}', {"\ufffd": {"a": "\ufffd\ufffd"}},
         "lone surrogates replaced by U+FFFD"),
        (b'["\xe9", "\\ud800", 1.5, null]', ["\ufffd", "\ufffd", 1.5, None],
         "bytes that are not UTF-8 and lone surrogates replaced by U+FFFD"),
    ],
)  # fmt: skip
def test_texts_that_cannot_be_are_mended(raw: bytes, value: Any, note: str) -> None:
    """A page with one broken title is still a page, and says so."""
    assert parse(raw) == (value, note)
    page = b'{"_type":"Images","value":[{"name":"boat"}],"id":' + raw + b"}"
    answer = read_response(bodies.reply(page), ImageAnswer)
    assert (answer.value[0].name, answer.problems[0].path, answer.problems[0].reason) == ("boat", "", note)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"{]", b"nul", b"'a'", b"NaN", b"[Infinity]", b"-Infinity", b"01", b"+1", b"1 2",
     b'"a\nb"', b"[1,]", b'{"a":1,}', b"// x\n1", "{}".encode("utf-16"), b"[" * 100_000,
     b'{"a":' * 100_000 + b'"\xff"' + b"}" * 100_000],
    ids=range(18),
)  # fmt: skip
def test_what_is_no_json(raw: bytes) -> None:
    """NaN, infinities and nesting without end are no JSON here."""
    with pytest.raises(NotJsonError):
        parse(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [(b"1e999", math.inf), (b"-1e999", -math.inf), (b"9" * 5_000, math.inf), (b"-" + b"9" * 5_000, -math.inf),
     (b'["\xff", 1e400]', ["\ufffd", math.inf]), (b"1e-999", 0.0), (b"9" * 400, int("9" * 400))],
    ids=range(7),
)  # fmt: skip
def test_parse_numbers_out_of_range_are_infinite(raw: bytes, value: Any) -> None:
    """They lose no page: RFC 8259, section 6, leaves their range to the reader. No field of a model takes one."""
    assert parse(raw)[0] == value


@pytest.mark.parametrize("top", [b"1", b'"\xff"', b'"\\ud800"'])
def test_parse_levels_are_counted_whatever_is_in_the_body(top: bytes) -> None:
    """64 levels are read; one more is refused, in the same words for proper and for other JSON."""
    parse(b"[" + top + b"," + b"[" * 63 + b"]" * 64)
    with pytest.raises(NotJsonError, match="nested too deep"):
        parse(b"[" + top + b"," + b"[" * 64 + b"]" * 65)


def nest(levels: st.SearchStrategy[int], texts: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[int, Any]]:
    """JSON with its levels: lists and objects around each other, beside texts and flat values."""

    def made(parts: list[tuple[bool, str]]) -> tuple[int, Any]:
        value: Any = 0
        for is_list, text in parts:
            value = [text, value, [text]] if is_list else {text: {text: 1}, f"{text}.": value}
        return len(parts) + bool(parts), value

    return levels.flatmap(lambda n: st.lists(st.tuples(st.booleans(), texts), min_size=n, max_size=n)).map(made)


@given(nest(st.integers(0, 6) | st.integers(60, 70), st.text('[]{}\\"a\u20ac', max_size=4)), st.booleans())
def test_parse_texts_do_not_change_the_levels(example: tuple[int, Any], ascii_only: bool) -> None:
    """Whatever brackets, quotes and backslashes stand in texts and keys."""
    levels, value = example
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    if levels <= MOST_LEVELS:
        assert parse(raw) == (value, None)
    else:
        with pytest.raises(NotJsonError, match="nested too deep"):
            parse(raw)
