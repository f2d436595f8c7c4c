"""`bing-images details` and `bing-images trending`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

Invoke = Any
Run = Any


@pytest.fixture
def image(invoke: Invoke, folder: Path) -> dict[str, Any]:
    """A picture of the folder, as a search finds it."""
    result = invoke("search", "paper boat", "--folder", str(folder), "--jsonl", "--count", "1")
    return json.loads(result.stdout.splitlines()[0])


def test_by_token_url_and_file_it_is_the_same_image(invoke: Invoke, folder: Path, image: dict[str, Any]) -> None:
    ways = (
        ("--insights-token", image["imageInsightsToken"]),
        ("--image-url", image["contentUrl"]),
        ("--image", str(folder / "paper boat.png")),
    )
    for option, value in ways:
        result = invoke("details", option, value, "--folder", str(folder), "--json")
        assert result.exit_code == 0
        assert json.loads(result.stdout)["image"]["contentUrl"] == image["contentUrl"]


def test_the_file_may_come_from_stdin(run: Run, folder: Path, image: dict[str, Any]) -> None:
    data = (folder / "paper boat.png").read_bytes()
    done = run("details", "--image", "-", "--folder", str(folder), "--json", input=data)
    assert json.loads(done.stdout)["image"]["contentUrl"] == image["contentUrl"]


def test_only_the_modules_asked_for(invoke: Invoke, folder: Path, image: dict[str, Any]) -> None:
    token = image["imageInsightsToken"]
    result = invoke("details", "--insights-token", token, "--modules", "tags", "--folder", str(folder), "--json")
    answer = json.loads(result.stdout)
    assert answer["imageTags"]["value"]
    assert "visuallySimilarImages" not in answer


def test_a_report_for_people(invoke: Invoke, folder: Path, image: dict[str, Any]) -> None:
    result = invoke("details", "--insights-token", image["imageInsightsToken"], "--folder", str(folder))
    labels = [line.split("  ")[0].strip() for line in result.stdout.splitlines()]
    assert {"Caption", "Tags", "Similar images", "Pages that show it"} <= set(labels)


def test_lines_and_rows_name_their_module(invoke: Invoke, folder: Path, image: dict[str, Any]) -> None:
    arguments = ("details", "--insights-token", image["imageInsightsToken"], "--folder", str(folder))
    lines = [json.loads(line) for line in invoke(*arguments, "--jsonl").stdout.splitlines()]
    rows = list(csv.DictReader(io.StringIO(invoke(*arguments, "--csv").stdout)))
    assert {line["module"] for line in lines} == {"SimilarImages", "PagesIncluding"}
    assert [row["module"] for row in rows] == [line["module"] for line in lines]
    assert [row["contentUrl"] for row in rows] == [line["contentUrl"] for line in lines]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "exactly one of"),
        (["--image-url", "http://x/", "--insights-token", "t"], "exactly one of"),
        (["--image", "/no/such/file"], "cannot be read"),
        (["--image-url", "http://x/", "--modules", "Nonsense"], "Nonsense"),
        (["--image-url", "http://x/", "--crop", "0,0,1"], "L,T,R,B"),
        (["--image-url", "http://x/", "--crop", "0.5,0,0.2,1"], "left must be below right"),
        (["--image-url", "http://x/", "--crop-type", "Rectangular"], "it needs a crop"),
        (["--image-url", "http://elsewhere.example/x.png"], "imgUrl"),
    ],
)
def test_a_wrong_question_is_one_line_and_two(invoke: Invoke, folder: Path, arguments: list[str], words: str) -> None:
    result = invoke("details", "--folder", str(folder), *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr


def test_details_image_url_of_the_help_is_answered(invoke: Invoke, folder: Path) -> None:
    """The example takes the address from a search, since the service fetches nothing from elsewhere."""
    text = invoke("details", "--help").stdout
    assert '--image-url "$(bing-images search cat --jsonl | jq -r .contentUrl | head -1)"' in text
    first = invoke("search", "boat", "--folder", str(folder), "--jsonl").stdout.splitlines()[0]
    result = invoke("details", "--image-url", json.loads(first)["contentUrl"], "--folder", str(folder), "--json")
    assert result.exit_code == 0


@pytest.mark.parametrize("data", [b"", b"x" * (2**20 + 1)])
def test_an_upload_that_cannot_be_is_two(invoke: Invoke, folder: Path, data: bytes) -> None:
    result = invoke("details", "--image", "-", "--folder", str(folder), input=data)
    assert result.exit_code == 2
    assert "image" in result.stderr


def test_trending_by_topic(invoke: Invoke, folder: Path) -> None:
    result = invoke("trending", "--folder", str(folder))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split() == ["Topic", "Search", "URL"]


def test_trending_lines_hold_topic_query_and_image(invoke: Invoke, folder: Path) -> None:
    answer = json.loads(invoke("trending", "--folder", str(folder), "--json").stdout)
    lines = [json.loads(line) for line in invoke("trending", "--folder", str(folder), "--jsonl").stdout.splitlines()]
    expected = [
        (category["title"], tile["query"]["text"], tile["image"]["contentUrl"])
        for category in answer["categories"]
        for tile in category["tiles"]
    ]
    assert [(line["title"], line["query"]["text"], line["contentUrl"]) for line in lines] == expected
    rows = list(csv.DictReader(io.StringIO(invoke("trending", "--folder", str(folder), "--csv").stdout)))
    assert [(row["title"], row["query"], row["contentUrl"]) for row in rows] == expected


def test_a_sheet_of_trending_has_its_topics(invoke: Invoke, folder: Path) -> None:
    answer = json.loads(invoke("trending", "--folder", str(folder), "--json").stdout)
    page = invoke("trending", "--folder", str(folder), "--html", "-").stdout
    assert all(f"<h2>{category['title']}</h2>" in page for category in answer["categories"])
    assert page.count("<img ") == sum(len(category["tiles"]) for category in answer["categories"])
