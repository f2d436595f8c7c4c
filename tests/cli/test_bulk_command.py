"""`bing-images bulk`: from a file of queries to a file of results, and what a script is told."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support.processes import start

from bing_images_async.cli.bulk.results import COLUMNS

Invoke = Any
Run = Any


@pytest.fixture
def bulk(invoke: Invoke, evil_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs over queries, with the service that answers as the query says; gives the result of the command."""
    monkeypatch.setenv("BING_IMAGES_URL", evil_url)
    monkeypatch.chdir(tmp_path)

    def run(queries: str | None, *options: str, name: str = "queries.txt") -> Any:
        if queries is not None:
            Path(name).write_text(queries)
        return invoke("bulk", name, "--rate", "none", *options)

    return run


def lines(path: str = "out.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def queries_of(path: str = "out.jsonl") -> list[str]:
    return sorted(line["query"] for line in lines(path))


# --- what comes out


def test_results_are_lines_of_json(bulk: Any) -> None:
    """One per query: what was asked, what was found in the API's own names, what went wrong."""
    result = bulk('"cat"\n{"query": "dog", "min-width": 3}\n', "--output", "out.jsonl", name="q.jsonl")
    assert (result.exit_code, result.stdout) == (0, "")
    cat, dog = sorted(lines(), key=lambda line: line["index"])
    assert (cat["index"], cat["query"], cat["parameters"], cat["error"]) == (0, "cat", {}, None)
    assert (dog["index"], dog["query"], dog["parameters"]) == (1, "dog", {"min_width": 3})
    assert [image["imageId"] for image in cat["images"]] == ["A", "B", "C"]
    assert cat["totalEstimatedMatches"] == 3


def test_a_csv_has_a_row_per_image(bulk: Any) -> None:
    """And one for a query without images, so that none is lost."""
    bulk("cat\nnothing\n404\n", "--output", "out.csv")
    with Path("out.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (row["index"], row["rank"]))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["query"], row["rank"], row["error"]) for row in rows] == [
        ("cat", "0", ""),
        ("cat", "1", ""),
        ("cat", "2", ""),
        ("nothing", "", ""),
        ("404", "", "NotFoundError"),
    ]


def test_a_parquet_file_has_the_same_rows(bulk: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    bulk("cat\n404\n", "--output", "out.parquet")
    rows = parquet.read_table("out.parquet").to_pylist()
    assert tuple(rows[0]) == COLUMNS
    assert [(row["query"], row["rank"], row["width"]) for row in rows if row["error"] is None] == [
        ("cat", 0, 3),
        ("cat", 1, -5),
        ("cat", 2, None),
    ]
    assert [row["error"] for row in rows if row["query"] == "404"] == ["NotFoundError"]


def test_parquet_export_leaves_out_numbers_beyond_the_column(bulk: Any, numbers: dict[str, str]) -> None:
    """The rest of the row is there, stderr says so, and the exact number stays in the lines."""
    parquet = pytest.importorskip("pyarrow.parquet")
    queries = sorted(numbers)
    result = bulk("\n".join(queries), "--output", "out.parquet")
    assert result.exit_code == 0
    assert "out.parquet: 4 values beyond the range of the column left out; the first is in query" in result.stderr
    rows = {row["query"]: (row["width"], row["height"]) for row in parquet.read_table("out.parquet").to_pylist()}
    assert rows == {query: (2**63 - 1 if query.endswith("807") else None, 7) for query in queries}
    exact = {line["query"]: line["images"][0]["width"] for line in lines("out.parquet.jsonl")}
    assert exact == {query: int(query.split()[1]) for query in queries}
    again = bulk("\n".join(queries), "--output", "out.parquet", "--resume")
    assert again.exit_code == 0


def test_results_may_go_to_stdout(run: Run, evil_url: str) -> None:
    """As they come; nothing is left behind."""
    environment = {**os.environ, "BING_IMAGES_URL": evil_url}
    done = run("bulk", "-", "--rate", "none", input=b"cat\n# no\ndog\n", env=environment)
    assert sorted(json.loads(line)["query"] for line in done.stdout.splitlines()) == ["cat", "dog"]
    done = run("bulk", "-", "--rate", "none", "--output-format", "csv", input=b"cat\n", env=environment)
    assert [row["rank"] for row in csv.DictReader(io.StringIO(done.stdout.decode()))] == ["0", "1", "2"]


def test_limits_count_for_each_query(
    invoke: Invoke, deep_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", deep_url)
    monkeypatch.chdir(tmp_path)
    Path("q.txt").write_text("boat\ntree\n")
    assert invoke("bulk", "q.txt", "--rate", "none", "--limit", "200", "--output", "a.jsonl").exit_code == 0
    assert [len({image["imageId"] for image in line["images"]}) for line in lines("a.jsonl")] == [200, 200]
    assert invoke("bulk", "q.txt", "--rate", "none", "--pages", "2", "--output", "b.jsonl").exit_code == 0
    assert [(line["requests"], line["stopReason"]) for line in lines("b.jsonl")] == [(2, "max_pages")] * 2


def test_bulk_counts_one_in_the_singular(bulk: Any, invoke: Invoke, folder: Path) -> None:
    """In the summary, the report, the errors and on the contact sheet."""
    result = bulk("width 9223372036854775807\n", "--output", "out.jsonl", "--report", "report.html")
    assert result.stderr.startswith("1 query: 1 answered with 1 image (0 with none), 0 failed.\n1 request in ")
    html = Path("report.html").read_text()
    assert "<b>1</b><span>image</span>" in html
    assert "1 query to 127.0.0.1" in html
    assert "1 of 1 query not valid" in bulk("\0\n", "--output", "other.jsonl").stderr
    page = invoke("search", "tree", "--folder", str(folder), "--html", "-").stdout
    assert re.search(r"<p>1 image from ", page)


# --- equal rows


ROWS = "cat\ndog\ncat\ncat\nnothing\n404\ndog\n404\n404\nnothing\n"


def sent(result: Any) -> int:
    """The requests that were sent, as the summary says."""
    found = re.search(r"^([\d,]+) requests? in", result.stderr, re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("concurrency", ["1", "2", "32"])
def test_bulk_equal_rows_share_one_request(bulk: Any, concurrency: str) -> None:
    """Each row has a result of its own, whether the first one was under way or done; failures are shared, too."""
    result = bulk(ROWS, "--output", "out.jsonl", "--concurrency", concurrency)
    assert (result.exit_code, sent(result)) == (4, 4)
    found = sorted(lines(), key=lambda line: line["index"])
    assert [line["query"] for line in found] == ROWS.split()
    assert [line["index"] for line in found] == list(range(10))
    for line in found:
        first = next(one for one in found if one["query"] == line["query"])
        assert line["images"] == first["images"]
        assert line["error"] == first["error"]
        assert line["totalEstimatedMatches"] == first["totalEstimatedMatches"]
    assert sum(line["requests"] for line in found) == 4


def test_bulk_equal_rows_are_all_sent_with_repeat(bulk: Any) -> None:
    assert sent(bulk(ROWS, "--output", "out.jsonl", "--repeat")) == 10
    assert [line["requests"] for line in lines()] == [1] * 10


def test_bulk_rows_with_other_parameters_are_not_equal(bulk: Any) -> None:
    text = "query,count,size\ncat,,\ncat,5,\ncat,5,large\ncat,,large\ncat,5,Large\nCat,,\n"
    assert sent(bulk(text, "--output", "out.jsonl", name="q.csv")) == 5


def test_bulk_equal_rows_keep_their_own_parameters(bulk: Any) -> None:
    bulk("query,size\ncat,Large\ncat,large\ncat,\n", "--output", "out.jsonl", "--size", "large", name="q.csv")
    found = sorted(lines(), key=lambda line: line["index"])
    assert [line["parameters"] for line in found] == [{"size": "Large"}, {"size": "large"}, {}]
    assert sum(line["requests"] for line in found) == 1


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_bulk_equal_rows_share_one_request_from_stdin_to_stdout(run: Run, evil_url: str, form: str) -> None:
    environment = {**os.environ, "BING_IMAGES_URL": evil_url}
    done = run(
        "bulk", "-", "--budget", "2", "--output-format", form, input=b"cat\n" * 300 + b"dog\ncat\n", env=environment
    )
    assert done.returncode == 0
    text = done.stdout.decode()
    rows = (
        text.splitlines()
        if form == "jsonl"
        else [row for row in csv.DictReader(io.StringIO(text)) if row["rank"] == "0"]
    )
    assert len(rows) == 302


def test_bulk_rows_that_equal_one_of_an_earlier_run_get_its_result(bulk: Any) -> None:
    bulk("cat\n404\n", "--output", "out.jsonl")
    result = bulk("cat\n404\ncat\ndog\n404\n", "--output", "out.jsonl", "--resume")
    assert sent(result) == 3
    assert [line["query"] for line in sorted(lines(), key=lambda line: line["index"])] == [
        "cat",
        "404",
        "cat",
        "dog",
        "404",
    ]


def test_bulk_equal_rows_that_failed_are_retried_with_one_request(
    bulk: Any, refusals: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk("404\ncat\n404\n404\n", "--output", "out.jsonl")
    monkeypatch.delitem(refusals, "404")
    result = bulk("404\ncat\n404\n404\n", "--output", "out.jsonl", "--retry-failed", "--budget", "1")
    assert result.exit_code == 0
    assert [line["error"] for line in lines()] == [None] * 4


def test_bulk_equal_rows_have_no_result_if_the_run_ended_before(bulk: Any) -> None:
    """They are not sent, so a resumed run sends one request for all of them."""
    result = bulk("cat\ndog\ndog\ndog\n", "--output", "out.jsonl", "--budget", "1", "--concurrency", "1")
    assert (result.exit_code, queries_of()) == (4, ["cat"])
    assert "3 queries not sent" in result.stderr
    assert bulk("cat\ndog\ndog\ndog\n", "--output", "out.jsonl", "--budget", "1", "--resume").exit_code == 0


# --- what cannot be


@pytest.mark.parametrize(
    ("queries", "name", "options", "words"),
    [
        ("query,color\ncat,red\ndog,reed\n", "q.csv", [], "line 3: color='reed' is not allowed: it must be one of"),
        ("# nothing\n", "q.txt", [], "q.txt contains no query"),
        ("name\ncat\n", "q.csv", [], "q.csv, line 1: there is no parameter 'name'"),
        ("cat\n", "q.txt", ["--output", "out.xls"], "ends in none of .jsonl"),
        ("cat\n", "q.txt", ["--output", "no/out.csv"], "there is no folder no"),
        ("cat\n", "q.txt", ["--resume"], "cannot be used with results on stdout"),
        ("cat\n", "q.txt", ["--output", "o.csv", "--resume", "--overwrite"], "choose"),
        ("cat\n", "q.txt", ["--rate", "often"], "'often' is not N requests"),
        ("cat\n", "q.txt", ["--rate", "0"], "'0' is not N requests"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(
    bulk: Any, monkeypatch: pytest.MonkeyPatch, queries: str, name: str, options: list[str], words: str
) -> None:
    monkeypatch.setattr("bing_images_async.cli.bulk.bulk_command._search", None)
    result = bulk(queries, *options, name=name)
    assert result.exit_code == 2
    assert words in result.stderr


def test_on_stdin_a_bad_row_is_a_failure_of_its_own(run: Run, evil_url: str) -> None:
    """What stands before it may have been asked already."""
    done = run(
        *("bulk", "-", "--input-format", "csv", "--rate", "none"),
        input=b"query,color\ncat,red\ndog,reed\nbird,\n",
        env={**os.environ, "BING_IMAGES_URL": evil_url},
    )
    found = {line["query"]: line["error"] for line in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 2
    assert found.keys() == {"cat", "dog", "bird"}
    assert found["dog"]["kind"] == "InvalidRequestError"
    assert "line 3: color='reed'" in found["dog"]["message"]


# --- going on


def test_going_on_asks_for_the_rest_only(bulk: Any) -> None:
    """Queries may have been added at the end of the input."""
    bulk("cat\ndog\n", "--output", "out.jsonl")
    before = Path("out.jsonl").read_bytes()
    result = bulk("cat\ndog\nbird\n", "--output", "out.jsonl", "--resume")
    assert result.exit_code == 0
    assert Path("out.jsonl").read_bytes().startswith(before)
    assert queries_of() == ["bird", "cat", "dog"]
    assert "3 queries" in result.stderr


def test_what_is_there_is_not_written_over(bulk: Any) -> None:
    bulk("cat\n", "--output", "out.jsonl")
    result = bulk("dog\n", "--output", "out.jsonl")
    assert (result.exit_code, queries_of()) == (2, ["cat"])
    assert "--resume continues that run" in result.stderr
    assert bulk("dog\n", "--output", "out.jsonl", "--overwrite").exit_code == 0
    assert queries_of() == ["dog"]


@pytest.mark.parametrize(
    ("queries", "options", "words"),
    [
        ("cat\nbird\n", [], "query 2 of the input is not the one"),
        ("cat\n", [], "contains fewer queries"),
        ("cat\n404\n", ["--count", "5"], "query 1 of the input is not the one"),
        ("cat\n404\n", ["--limit", "5"], "query 1 of the input is not the one"),
    ],
)
def test_another_input_is_refused_and_changes_nothing(bulk: Any, queries: str, options: list[str], words: str) -> None:
    bulk("cat\n404\n", "--output", "out.jsonl")
    before = Path("out.jsonl").read_bytes()
    result = bulk(queries, "--output", "out.jsonl", "--resume", *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert Path("out.jsonl").read_bytes() == before


def test_failures_are_asked_again_on_request(
    bulk: Any, refusals: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure that has become an answer stands there once, as an answer."""
    first = bulk("cat\n404\nnothing\n", "--output", "out.jsonl")
    assert first.exit_code == 4
    assert "1 × NotFoundError" in first.stderr
    assert "--retry-failed" in first.stderr
    again = bulk("cat\n404\nnothing\n", "--output", "out.jsonl", "--resume")
    assert again.exit_code == 4
    assert queries_of() == ["404", "cat", "nothing"]
    monkeypatch.delitem(refusals, "404")
    last = bulk("cat\n404\nnothing\n", "--output", "out.jsonl", "--retry-failed")
    assert last.exit_code == 0
    assert queries_of() == ["404", "cat", "nothing"]
    assert [line["error"] for line in lines()] == [None] * 3


def test_a_key_that_is_refused_ends_it(bulk: Any) -> None:
    """What was not asked is no failure: it is asked when the run goes on."""
    result = bulk("cat\n401\ndog\nbird\n", "--output", "out.jsonl", "--concurrency", "1")
    assert result.exit_code == 3
    assert queries_of() == ["cat"]
    assert "3 queries not sent" in result.stderr
    assert "--resume" in result.stderr


def test_a_budget_ends_it(bulk: Any) -> None:
    result = bulk("a\nb\nc\nd\ne\n", "--output", "out.jsonl", "--budget", "3", "--cost-per-1000", "1000")
    assert result.exit_code == 4
    assert len(lines()) == 3
    assert "cost 3.00" in result.stderr
    assert bulk("a\nb\nc\nd\ne\n", "--output", "out.jsonl", "--budget", "2", "--resume").exit_code == 0
    assert queries_of() == ["a", "b", "c", "d", "e"]


def test_time_that_is_over_ends_it(bulk: Any) -> None:
    result = bulk("a\nb\n", "--output", "out.jsonl", "--timeout", "0.000001")
    assert (result.exit_code, lines()) == (4, [])
    assert "2 queries not sent" in result.stderr


def test_nothing_found_at_all_is_one(bulk: Any) -> None:
    assert bulk("nothing\n", "--output", "out.jsonl").exit_code == 1


# --- Ctrl-C


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_bulk_signal_keeps_what_is_done_and_says_how_to_continue(
    deep_url: str, tmp_path: Path, name: str, number: signal.Signals
) -> None:
    """And that works."""
    queries, output = tmp_path / "q.txt", tmp_path / name
    lines_file = output if name.endswith(".jsonl") else tmp_path / f"{name}.jsonl"
    queries.write_text("".join(f"boat {number}\n" for number in range(60)))
    command = [sys.executable, "-m", "bing_images_async", "bulk", str(queries), "--output", str(output)]
    environment = {**os.environ, "BING_IMAGES_URL": deep_url}
    slow = [*command, "--rate", "5"]
    with start(slow, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        while not (lines_file.exists() and lines_file.stat().st_size):
            assert process.poll() is None
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    done = len(lines_file.read_bytes().splitlines())
    message = f"Interrupted: {done} of 60 queries done in {lines_file}. To continue: the same command with --resume.\n"
    assert said.decode() == message
    subprocess.run([*command, "--rate", "none", "--resume"], check=True, capture_output=True, env=environment)
    found = [json.loads(line)["query"] for line in lines_file.read_text().splitlines()]
    assert sorted(found) == sorted(f"boat {number}" for number in range(60))


def test_bulk_sigterm_ends_a_background_job_that_ignores_ctrl_c(deep_url: str, tmp_path: Path) -> None:
    """Shells start background jobs of a script with SIGINT ignored."""
    (tmp_path / "q.txt").write_text("".join(f"boat {number}\n" for number in range(60)))
    output = tmp_path / "out.jsonl"
    code = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from bing_images_async.cli import main; main()"
    command = [sys.executable, "-c", code, "bulk", str(tmp_path / "q.txt"), "--output", str(output), "--rate", "5"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "BING_IMAGES_URL": deep_url}) as process:
        while not (output.exists() and output.stat().st_size):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said.startswith(b"Interrupted: ")
    assert b"Traceback" not in said


def test_bulk_under_nohup_survives_the_end_of_its_terminal(evil_url: str) -> None:
    """SIGHUP stays ignored if it was."""
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); from bing_images_async.cli import main; main()"
    command = [sys.executable, "-c", code, "bulk", "-"]
    environment = {**os.environ, "BING_IMAGES_URL": evil_url}
    with start(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"cat\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["query"] == "cat"
        process.send_signal(signal.SIGHUP)
        output, _ = process.communicate(b"dog\n", timeout=20)
    assert (process.returncode, json.loads(output)["query"]) == (0, "dog")


# --- the report


class _Page(HTMLParser):
    """Takes note of tags and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in {"src", "href"}]


def test_the_report_shows_what_was_asked_found_and_failed(bulk: Any, folder: Path) -> None:
    """It runs nothing, and hostile names stay text."""
    result = bulk("cat\n404\nnothing\n<script>alert(3)</script>\n", "--output", "o.jsonl", "--report", "report.html")
    assert result.exit_code == 4
    html = Path("report.html").read_text()
    page = _Page()
    page.feed(html)
    assert "script" not in page.tags
    assert "column" in html
    assert "fill" in html
    assert not [address for address in page.addresses if not re.match(r"https?://|data:image/", address)]
    assert "NotFoundError" in html
    assert "&lt;script&gt;alert(3)" in html
    assert "Content-Security-Policy" in html


def test_the_report_has_pictures(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    queries, report = tmp_path / "q.txt", tmp_path / "report.html"
    queries.write_text("boat\ntree\n")
    output = tmp_path / "out.jsonl"
    invoke("bulk", str(queries), "--folder", str(folder), "--output", str(output), "--report", str(report))
    assert report.read_text().count("data:image/") == 2


@pytest.mark.parametrize(
    ("data", "name", "options", "words"),
    [
        (b"cat\n" + b"x" * 3_000 + b"\ndog\n", "q.txt", [], "line 2: The URL would have 3,0"),
        (b"q\n" + "я".encode() * 500, "q.txt", [], "line 2: The URL would have"),
        (b"x" * 2_000 + b"\n", "q.txt", ["--license", "modifycommercially", "--min-file-size", "1"], "line 1: The URL"),
        (b"cat\n\0\n", "q.txt", [], "line 2: query='\\x00' is not allowed: it contains the control character U+0000"),
        (b"cat\ndo\x1bg\n", "q.txt", [], "line 2: query='do\\x1bg' is not allowed: it contains the control character"),
        (b"cat\n\xe2\x80\x8b\n", "q.txt", [], "line 2: query='\\u200b' is not allowed: it must not be blank"),
        (b'"cat"\n"\\u0000"\n', "q.jsonl", [], "line 2: query='\\x00' is not allowed"),
        ("cat\ndog\n".encode("utf-16-le"), "q.txt", [], "line 1: query='c\\x00a\\x00t\\x00' is not allowed"),
        ("cat\ndog\n".encode("utf-16-be"), "q.txt", [], "line 1: query='\\x00c\\x00a\\x00t\\x00' is not allowed"),
        ("кот\n".encode("utf-16-le"), "q.txt", [], "it contains the control character U+0004"),
        ("cat\ndog\n".encode("utf-16"), "q.txt", [], "q.txt, line 1: it is not UTF-8 (byte 0xFF)"),
        ("cat\ndog\n".encode("utf-32"), "q.txt", [], "q.txt, line 1: it is not UTF-8 (byte 0xFF)"),
        ("query\ncat\n".encode("utf-16-le"), "q.csv", [], "q.csv, line 1: there is no parameter"),
        ("cat\n\ncaf\u00e9\n".encode("latin-1"), "q.txt", [], "q.txt, line 3: it is not UTF-8 (byte 0xE9)"),
        ('"caf\u00e9"\n'.encode("latin-1"), "q.jsonl", [], "q.jsonl, line 1: it is not UTF-8 (byte 0xE9)"),
        (b"query\nx\ncaf\xe9\n", "q.csv", [], "q.csv, line 3: it is not UTF-8 (byte 0xE9)"),
        (b"\x1f\x8b\x08\0\0\0", "q.txt", [], "q.txt, line 1: it is not UTF-8 (byte 0x8B)"),
        (b"", "q.json", [], "q.json, it is not a JSON array"),
        (b'{"query": "cat"}', "q.json", [], "q.json, it is not a JSON array"),
        (b'"cat"\n"dog"\n', "q.json", [], "use --input-format jsonl"),
        (b'[\n "cat",\n\n {"query": "x",\n "colour": 1}, 5\n]', "q.json", [], "line 4: there is no parameter 'colour'"),
        (b'[\n "cat",\n\n {"query": "x"\n}, 5\n]', "q.json", [], "line 5: it must be an object with a query"),
        (b"[]", "q.json", [], "q.json contains no query"),
        (b"query\tcolor\ncat\treed\n", "q.tsv", [], "line 2: color='reed' is not allowed"),
        (b"cat\tdog\n", "q.tsv", [], "q.tsv, line 1: there is no parameter 'cat'"),
    ],
)  # fmt: skip
def test_bulk_input_that_is_not_valid_is_refused_before_anything_is_sent(
    bulk: Any, monkeypatch: pytest.MonkeyPatch, data: bytes, name: str, options: list[str], words: str
) -> None:
    """With file, line and reason; nothing is created."""
    monkeypatch.setattr("bing_images_async.cli.bulk.bulk_command._search", None)
    Path(name).write_bytes(data)
    result = bulk(None, "--output", "out.jsonl", *options, name=name)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not Path("out.jsonl").exists()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"query\tmin-width\ncat\t3\ndog\t\n", "q.tsv"),
        (b"query\tmin-width\ncat\t3\ndog\t\n", "q.TAB"),
        (b'["dog", {"query": "cat", "min-width": 3}]', "q.json"),
        (b'\xef\xbb\xbf[\n{"query": "dog"}\n,{"query": "cat", "min_width": 3}]\n', "q.json"),
        (b"\xef\xbb\xbfquery,min-width\ncat,3\ndog,\n", "q.csv"),
        (b"\xef\xbb\xbfquery\tmin-width\r\ncat\t3\r\ndog\t\r\n", "q.tsv"),
    ],
)
def test_bulk_input_is_read_as_its_extension_says(bulk: Any, data: bytes, name: str) -> None:
    Path(name).write_bytes(data)
    assert bulk(None, "--output", "out.jsonl", name=name).exit_code == 0
    found = sorted((line["query"], line["parameters"]) for line in lines())
    assert found == [("cat", {"min_width": 3}), ("dog", {})]


@pytest.mark.parametrize(
    "query", ["a\tb", "a\u200db", "\N{FAMILY}", "שָׁלוֹם", "می\u200cخواهم", "\U0001f468\u200d\U0001f469", "\ue000"]
)
def test_bulk_query_with_joiners_marks_or_white_space_is_sent(bulk: Any, query: str) -> None:
    """Several scripts and emoji need them."""
    assert bulk(f"{query}\n", "--output", "out.jsonl").exit_code == 0
    assert queries_of() == [query]


def test_bulk_on_stdin_a_row_that_cannot_be_sent_is_a_failure_of_its_own(run: Run, evil_url: str) -> None:
    """It costs no request."""
    environment = {**os.environ, "BING_IMAGES_URL": evil_url}
    done = run("bulk", "-", "--rate", "none", input=b"cat\n" + b"x" * 3_000 + b"\n\0\ndog\n", env=environment)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 2
    assert [line["requests"] for line in found if line["error"] is not None] == [0, 0]
    assert sorted(line["query"] for line in found if line["error"] is None) == ["cat", "dog"]


def test_search_query_of_control_characters_is_refused(invoke: Invoke) -> None:
    for query in ("a\0b", "\x1b[2J", "\u200b", "\u202e", "\x85\u2060"):
        result = invoke("search", query)
        assert (result.exit_code, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 1


def test_an_input_that_never_ends_is_left_when_time_is_over(evil_url: str, tmp_path: Path) -> None:
    """Nobody writes to the pipe that the queries come from."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "bing_images_async", "bulk", "-", "--timeout", "0.2"]
    environment = {**os.environ, "BING_IMAGES_URL": evil_url}
    done = subprocess.run(command, stdin=reading, capture_output=True, timeout=30, check=False, env=environment)
    os.close(writing)
    os.close(reading)
    assert done.returncode == 4
    assert b"Stopped: The run did not end within its timeout" in done.stderr


def test_ctrl_c_ends_it_while_it_waits_for_input(evil_url: str) -> None:
    """A query is answered first, then the pipe falls silent."""
    command = [sys.executable, "-m", "bing_images_async", "bulk", "-"]
    environment = {**os.environ, "BING_IMAGES_URL": evil_url}
    with start(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"cat\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["query"] == "cat"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b"Interrupted: 1 query done.\n"
