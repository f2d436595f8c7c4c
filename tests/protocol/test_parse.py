"""Bytes to JSON: what is proper passes untouched, what is nearly proper is mended and noted, the rest is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import bodies
import pytest
from hypothesis import given, strategies as st
from strategies import STRANGERS

from bing_images_async._protocol.json import NotJsonError, parse
from bing_images_async._protocol.response_reading import decipher
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
    answer = decipher(bodies.reply(page), ImageAnswer)
    assert (answer.value[0].name, answer.problems[0].path, answer.problems[0].reason) == ("boat", "", note)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"{]", b"nul", b"'a'", b"NaN", b"[Infinity]", b"-Infinity", b"1e999", b"-1e999", b"01", b"+1", b"1 2",
     b'"a\nb"', b"[1,]", b'{"a":1,}', b"// x\n1", "{}".encode("utf-16"), b"9" * 5_000, b"[" * 100_000,
     b'{"a":' * 100_000 + b'"\xff"' + b"}" * 100_000],
    ids=range(21),
)  # fmt: skip
def test_what_is_no_json(raw: bytes) -> None:
    """NaN, infinities, numbers without end and nesting without end are no JSON here."""
    with pytest.raises(NotJsonError):
        parse(raw)


def test_nesting_is_told_from_nonsense() -> None:
    """Both parsers give up on depth in the same words."""
    for top in (b"1", b'"\xff"', b'"\\ud800"'):
        with pytest.raises(NotJsonError, match="nested too deep"):
            parse(b"[" + top + b"," + b"[" * 50_000 + b"]" * 50_001)
