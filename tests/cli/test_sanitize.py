"""Nothing that a service sends reaches the terminal, a spreadsheet or a browser as more than text."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bing_images_async.cli.formats import to_csv, to_json
from bing_images_async.cli.sanitize import escaped_in_json, http_url, visible

Invoke = Any

CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


@pytest.fixture(autouse=True)
def evil_service(evil_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", evil_url)


@pytest.mark.parametrize("form", [[], ["--json"], ["--jsonl"], ["--csv"], ["--html", "-"]])
def test_no_control_character_comes_out(invoke: Invoke, form: list[str]) -> None:
    result = invoke("search", "attack", *form)
    assert result.exit_code == 0
    assert result.stdout.strip()
    assert not CONTROLS.search(result.stdout)


def test_markup_in_a_name_is_text(invoke: Invoke) -> None:
    assert "[bold]markup[/bold]" in invoke("search", "attack").stdout


def test_an_error_of_the_service_is_one_harmless_line(invoke: Invoke) -> None:
    result = invoke("search", "500")
    assert "failed badly" in result.stderr
    assert not CONTROLS.search(result.stderr)
    assert len(result.stderr.splitlines()) == 1


def test_json_means_exactly_what_came(invoke: Invoke) -> None:
    name = json.loads(invoke("search", "attack", "--json").stdout)["value"][0]["name"]
    assert name == "\x1b[31mred\x1b]0;title\x07 [bold]markup[/bold] <script>alert(1)</script>\u202egpj.\x9b2J"


def test_a_formula_is_quoted_in_csv_and_numbers_are_not(invoke: Invoke) -> None:
    rows = list(csv.DictReader(io.StringIO(invoke("search", "attack", "--csv").stdout)))
    assert rows[1]["name"] == '\'=HYPERLINK("http://x","y")'
    assert rows[1]["width"] == "-5"
    assert rows[2]["name"] == "''quoted, \"name\"\\nof two lines"


@given(st.dictionaries(st.text(), st.text() | st.integers()))
def test_json_survives_its_escapes(value: dict[str, Any]) -> None:
    written = to_json(value)
    assert not CONTROLS.search(written)
    assert json.loads(written.encode()) == value


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Zl", "Zp", "Cs"]), min_size=1))
def test_csv_gives_a_printable_text_back_by_its_rule(text: str) -> None:
    _, (cell,) = csv.reader(io.StringIO(to_csv(["x"], [{"x": text}])))
    assert cell.removeprefix("'") == text
    assert not cell.startswith(("=", "+", "-", "@"))


@given(st.text())
def test_what_is_visible_is_one_line_without_controls(text: str) -> None:
    shown = visible(text)
    assert not CONTROLS.search(shown)
    assert len(shown.splitlines()) <= 1
    shown.encode()


def test_escapes_stay_escapes() -> None:
    assert escaped_in_json('"\\u001b \x9b"') == '"\\u001b \\u009b"'


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "//host/x", "http:///x", "http://h/\x1b", "http://h/a b", "http://[::1",
     "http://h:99999/", 'http://h/"', "ftp://h/", "", None],
)  # fmt: skip
def test_other_addresses_are_no_links(url: str | None) -> None:
    assert http_url(url) is None


def test_an_ordinary_address_is_a_link() -> None:
    assert http_url("https://host/a?b=c&d=é#f") == "https://host/a?b=c&d=é#f"


class _Page(html.parser.HTMLParser):
    """What is in a page, with a check that its elements are properly nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_sheet_holds_no_script_and_no_address_but_links(invoke: Invoke) -> None:
    page = _Page(invoke("search", "attack", "--html", "-").stdout)
    assert "script" not in {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    for tag, attributes in page.elements:
        assert (attributes.get("href") or "http://").startswith(("http://", "https://"))
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/")
    assert "<script>alert(1)</script>" in page.text
    assert "track" not in str(page.elements)


def test_what_cannot_be_fetched_has_a_placeholder(invoke: Invoke) -> None:
    page = _Page(invoke("search", "attack", "--html", "-").stdout)
    assert page.text.count("no preview") == 3


def test_a_sheet_has_real_thumbnails_names_licences_and_sizes(
    invoke: Invoke, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BING_IMAGES_URL")
    file = tmp_path / "sheet.html"
    result = invoke("search", "boat", "--folder", str(folder), "--html", str(file))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    page = _Page(file.read_text("utf-8"))
    pictures = [attributes["src"] or "" for tag, attributes in page.elements if tag == "img"]
    assert len(pictures) == 3
    assert all(picture.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")) for picture in pictures)
    for words in ("aper boat", "300×200", "PNG", "licence not stated"):
        assert words in page.text
    assert "local.bing-images" not in str([a.get("href") for _, a in page.elements])


def test_thumbnails_of_a_service_on_the_network_are_real_too(
    invoke: Invoke, deep_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", deep_url)
    page = _Page(invoke("search", "boat", "--count", "5", "--html", "-").stdout)
    pictures = [attributes["src"] for tag, attributes in page.elements if tag == "img"]
    assert len(pictures) == 5
    assert [a["href"] for tag, a in page.elements if tag == "a"]


def test_a_sheet_that_cannot_be_written_is_a_usage_error(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("search", "attack", "--html", str(tmp_path / ("x" * 300)))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
