"""`bing-images search`: what it finds, in every form."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from bing_images_async.cli.formats import IMAGE_COLUMNS

Invoke = Any
Run = Any


def test_a_table_with_name_size_format_and_url(invoke: Invoke, folder: Path) -> None:
    result = invoke("search", "paper", "boat", "--folder", str(folder))
    header, first, *_ = result.stdout.splitlines()
    assert header.split() == ["Name", "Size", "Format", "Licence", "URL"]
    assert "300×200" in first
    assert "png" in first
    assert first.split()[-1].startswith("http://local.bing-images/content/")
    assert result.exit_code == 0
    assert result.stderr == ""


def test_nothing_found_is_one_and_says_so(invoke: Invoke, folder: Path) -> None:
    result = invoke("search", "zeppelin", "--folder", str(folder))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Nothing found.\n")


def test_json_is_the_answer_of_the_api(invoke: Invoke, folder: Path) -> None:
    result = invoke("search", "boat", "--folder", str(folder), "--json")
    answer = json.loads(result.stdout)
    assert answer["_type"] == "Images"
    assert answer["queryContext"]["originalQuery"] == "boat"
    assert {image["width"] for image in answer["value"]} == {300, 640, 200}


def test_json_of_an_empty_answer_is_still_json(invoke: Invoke, folder: Path) -> None:
    result = invoke("search", "zeppelin", "--folder", str(folder), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["value"] == []


def test_json_lines_are_images_in_the_names_of_the_api(invoke: Invoke, folder: Path) -> None:
    result = invoke("search", "boat", "--folder", str(folder), "--jsonl")
    images = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(images) == 3
    assert all({"contentUrl", "thumbnailUrl", "imageId", "hostPageUrl"} <= image.keys() for image in images)


def test_csv_has_the_promised_columns(invoke: Invoke, folder: Path) -> None:
    result = invoke("search", "boat", "--folder", str(folder), "--csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert tuple(rows[0]) == IMAGE_COLUMNS
    assert {(row["width"], row["height"]) for row in rows} == {("300", "200"), ("640", "480"), ("200", "600")}


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        (["--aspect", "tall"], {(200, 600)}),
        (["--min-width", "300"], {(300, 200), (640, 480)}),
        (["--size", "LARGE"], {(640, 480), (200, 600)}),
        (["--color", "red"], {(300, 200)}),
        (["--count", "1"], {(300, 200)}),
    ],
)
def test_filters_reach_the_service(
    invoke: Invoke, folder: Path, options: list[str], sizes: set[tuple[int, int]]
) -> None:
    result = invoke("search", "boat", "--folder", str(folder), "--jsonl", *options)
    images = [json.loads(line) for line in result.stdout.splitlines()]
    found = {(image["width"], image["height"]) for image in images}
    assert len(found) == 1 if options[0] == "--count" else found == sizes


@pytest.mark.parametrize("limit", [1, 40, 250, 350])
def test_limit_gets_so_many_different_images(
    invoke: Invoke, deep_url: str, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", deep_url)
    result = invoke("search", "boat", "--limit", str(limit), "--jsonl")
    ids = [json.loads(line)["imageId"] for line in result.stdout.splitlines()]
    assert len(ids) == len(set(ids)) == limit


def test_limit_and_json_give_one_document_with_all_images(
    invoke: Invoke, deep_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", deep_url)
    answer = json.loads(invoke("search", "boat", "--limit", "200", "--json").stdout)
    assert len({image["imageId"] for image in answer["value"]}) == len(answer["value"]) == 200
    assert answer["nextOffset"] >= 200


def test_a_limit_beyond_what_there_is_ends(invoke: Invoke, deep_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", deep_url)
    result = invoke("search", "boat", "--limit", "5000", "--jsonl")
    assert result.exit_code == 0
    assert 350 < len(result.stdout.splitlines()) <= 400


def test_a_service_that_repeats_itself_ends(invoke: Invoke, evil_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without anything new stop the walk, though each names a next one."""
    monkeypatch.setenv("BING_IMAGES_URL", evil_url)
    result = invoke("search", "same", "--limit", "50", "--jsonl")
    assert len(result.stdout.splitlines()) == 3


def test_offset_skips(invoke: Invoke, deep_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", deep_url)
    answer = json.loads(invoke("search", "boat", "--offset", "20", "--count", "5", "--json").stdout)
    assert answer["currentOffset"] == 20


def test_the_query_may_come_from_stdin(run: Run, folder: Path) -> None:
    done = run("search", "-", "--folder", str(folder), "--jsonl", input=b"paper boat\n")
    assert json.loads(done.stdout.splitlines()[0])["width"] == 300


@pytest.mark.parametrize("text", [b"", b"\n \n", b"one\ntwo\n", b"\xff\xfe", b"x" * 20_000])
def test_no_query_on_stdin_is_a_usage_error(invoke: Invoke, folder: Path, text: bytes) -> None:
    result = invoke("search", "-", "--folder", str(folder), input=text)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


def test_closed_stdin_is_a_usage_error(run: Run, folder: Path) -> None:
    done = run("search", "-", "--folder", str(folder), preexec_fn=_close_stdin)
    assert done.returncode == 2
    assert b"no stdin" in done.stderr


def _close_stdin() -> None:
    import os

    os.close(0)
