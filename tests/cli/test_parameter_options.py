"""Options: the parameters of the library, by their names, and nothing that could hold a key."""

from __future__ import annotations

import json
from typing import Any

import attrs
import click
import pytest

from bing_images_async.cli.parameter_options import HELP, NO_OPTIONS
from bing_images_async.cli.program import program
from bing_images_async.params import CommonParams, DetailsParams, SearchParams, TrendingParams

Invoke = Any

OURS = {"json", "jsonl", "csv", "html", "timeout", "folder", "verbose"}
"""Options of the endpoints' commands that are no parameters of the API."""


def options_of(name: str) -> set[str]:
    parameters = program.commands[name].params
    return {option.removeprefix("--") for one in parameters if isinstance(one, click.Option) for option in one.opts}


@pytest.mark.parametrize(
    ("command", "kind", "others"),
    [("search", SearchParams, {"limit"}), ("details", DetailsParams, set()), ("trending", TrendingParams, set())],
)
def test_every_parameter_has_its_option(command: str, kind: type[CommonParams], others: set[str]) -> None:
    fields = {field.name for field in attrs.fields(kind)} - NO_OPTIONS
    if kind is SearchParams:
        fields.remove("query")  # an argument
    assert options_of(command) == {name.replace("_", "-") for name in fields} | OURS | others


def test_bulk_takes_what_a_search_takes() -> None:
    fields = {field.name.replace("_", "-") for field in attrs.fields(SearchParams)} - NO_OPTIONS - {"query"}
    assert fields <= options_of("bulk")


def test_every_option_explains_itself() -> None:
    fields = {field.name for kind in (SearchParams, DetailsParams) for field in attrs.fields(kind)}
    assert set(HELP) == fields - NO_OPTIONS


def test_no_option_takes_a_key_or_a_url_of_a_service() -> None:
    assert not {name for command in program.commands for name in options_of(command)} & {"key", "api-key", "url"}


@pytest.mark.parametrize("command", ["", *program.commands])
def test_help_shows_examples(invoke: Invoke, command: str) -> None:
    result = invoke(*filter(None, [command]), "--help")
    assert result.exit_code == 0
    assert f"\n    bing-images {command or 'search'}" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 110


def test_every_header_and_parameter_is_sent(invoke: Invoke, evil_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run with everything that does not exclude something else."""
    seen: list[Any] = []
    original = SearchParams.query_pairs

    def watched(self: SearchParams) -> Any:
        seen.append((dict(original(self)), dict(self.header_pairs())))
        return original(self)

    monkeypatch.setattr(SearchParams, "query_pairs", watched)
    monkeypatch.setenv("BING_IMAGES_URL", evil_url)
    result = invoke(
        *("search", "boat", "--market", "de-DE", "--safe-search", "strict", "--set-lang", "de", "--count", "9"),
        *("--offset", "3", "--image-id", "X", "--aspect", "wide", "--color", "colorOnly", "--freshness", "week"),
        *("--image-content", "Face", "--image-type", "photo", "--license", "any", "--size", "small", "--width", "7"),
        *("--min-height", "1", "--max-height", "8", "--min-file-size", "2", "--max-file-size", "520192"),
        *("--user-agent", "Browser", "--client-id", "C", "--client-ip", "192.0.2.7", "--no-cache"),
        *("--bing-apis-sdk", "--location", "47.6,-122.3,100"),
    )
    assert result.exit_code == 0
    query, headers = seen[0]
    assert query == {
        "q": "boat", "mkt": "de-DE", "safeSearch": "Strict", "setLang": "de", "count": "9", "offset": "3", "id": "X",
        "aspect": "Wide", "color": "ColorOnly", "freshness": "Week", "imageContent": "Face", "imageType": "Photo",
        "license": "Any", "size": "Small", "width": "7", "minHeight": "1", "maxHeight": "8", "minFileSize": "2",
        "maxFileSize": "520192",
    }  # fmt: skip
    assert headers == {
        "User-Agent": "Browser", "X-MSEdge-ClientID": "C", "X-MSEdge-ClientIP": "192.0.2.7", "Pragma": "no-cache",
        "X-Search-Location": "lat:47.6;long:-122.3;re:100", "X-BingApis-SDK": "true",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--count", "151"], "--count=151 is not allowed"),
        (["--count", "many"], "'--count': 'many'"),
        (["--size", "huge"], "'--size': 'huge'"),
        (["--width", "3", "--min-width", "4"], "--width=3 and --min-width=4 exclude each other"),
        (["--market", "nowhere"], "--market='nowhere' is not allowed"),
        (["--location", "47.6"], "LAT,LONG,METRES"),
        (["--location", "99,0,1"], "latitude=99.0 is not allowed"),
        (["--limit", "0"], "--limit"),
        (["--timeout", "0"], "--timeout"),
        (["--json", "--csv"], "--json and --csv exclude each other"),
        (["--jsonl", "--html", "-"], "--jsonl and --html - exclude each other"),
        (["--html", "/no/such/folder/x.html"], "there is no folder"),
        (["--folder", "/no/such/folder"], "does not exist"),
        (["--api-key", "x"], "No such option"),
        (["--user-agent", "a\r\nX-Evil: 1"], "--user-agent="),
    ],
)
def test_a_wrong_question_is_one_line_and_two(invoke: Invoke, arguments: list[str], words: str) -> None:
    """Nothing is built or sent before the question is right."""
    result = invoke("search", "boat", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr


@pytest.mark.parametrize("arguments", [["search"], ["search", " "], ["nonsense"], ["--nonsense"], ["details"]])
def test_a_wrong_command_is_one_line_and_two(invoke: Invoke, arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1


def test_no_command_shows_the_help(invoke: Invoke) -> None:
    result = invoke()
    assert result.exit_code == 2
    assert "bing-images search cat" in result.stderr


def test_the_version(invoke: Invoke) -> None:
    from bing_images_async import __version__

    assert __version__ in invoke("--version").stdout


def test_a_literal_query_may_begin_with_a_dash(invoke: Invoke, evil_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", evil_url)
    assert json.loads(invoke("search", "--json", "--", "-site:example.com").stdout)["_type"] == "Images"
