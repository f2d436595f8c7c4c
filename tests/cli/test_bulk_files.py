"""What `bing-images bulk` never does to files: lose results, or the input, because of what was asked for."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bing_images_async.cli.bulk.checkpoint import Checkpoint

Invoke = Any
Run = Any

LINE = '{"query": "cat"}\n'


@pytest.fixture
def bulk(invoke: Invoke, evil_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs over a file of queries in a folder of its own; gives the result of the command."""
    monkeypatch.setenv("BING_IMAGES_URL", evil_url)
    monkeypatch.chdir(tmp_path)

    def run(queries: str, *options: str) -> Any:
        return invoke("bulk", queries, "--rate", "none", *options)

    return run


def files() -> dict[str, bytes]:
    """All that is in the folder."""
    return {path.name: path.read_bytes() for path in Path().iterdir()}


def queries_of(path: str) -> list[str]:
    return sorted(json.loads(line)["query"] for line in Path(path).read_text().splitlines())


# --- one file for two purposes


def _symbolic(link: Path, target: Path) -> None:
    link.symlink_to(target)


def _hard(link: Path, target: Path) -> None:
    link.hardlink_to(target)


@pytest.mark.parametrize(
    "options",
    [
        ["--output", "same.jsonl"],
        ["--output", "./same.jsonl", "--overwrite"],
        ["--output", "../here/same.jsonl", "--overwrite"],
        ["--output", "same.jsonl", "--resume"],
        ["--output", "out.jsonl", "--report", "same.jsonl"],
        ["--report", "same.jsonl"],
    ],
)
def test_the_input_is_not_written_over(
    bulk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("same.jsonl").write_text(LINE)
    result = bulk("same.jsonl", *options)
    assert (result.exit_code, files()) == (2, {"same.jsonl": LINE.encode()})
    assert "are the same file" in result.stderr


@pytest.mark.parametrize("make", [_symbolic, _hard])
def test_nor_through_a_link(bulk: Any, make: Callable[[Path, Path], None]) -> None:
    Path("in.jsonl").write_text(LINE)
    make(Path("out.jsonl"), Path("in.jsonl"))
    result = bulk("in.jsonl", "--output", "out.jsonl", "--overwrite")
    assert (result.exit_code, files()) == (2, {"in.jsonl": LINE.encode(), "out.jsonl": LINE.encode()})
    assert "the input and --output are the same file" in result.stderr


@pytest.mark.parametrize(
    ("output", "other"),
    [
        ("r.jsonl", "r.jsonl"),
        ("r.jsonl", "link"),
        ("r.jsonl", "r.jsonl.draft"),
        ("r.parquet", "r.parquet.jsonl"),
        ("r.csv", "r.csv.draft"),
        ("r.csv", "r.csv.jsonl.draft"),
    ],
)
def test_the_report_does_not_replace_what_else_is_written(bulk: Any, output: str, other: str) -> None:
    """Neither is there yet, so only their names tell; `link` leads to the output."""
    pytest.importorskip("pyarrow.parquet")
    Path("q.txt").write_text("cat\n")
    Path("link").symlink_to("r.jsonl")
    result = bulk("q.txt", "--output", output, "--report", other)
    assert result.exit_code == 2
    assert "are the same file" in result.stderr
    assert not Path(output).exists()


@pytest.mark.parametrize("option", [[], ["--resume"], ["--retry-failed"], ["--overwrite"]])
def test_bulk_output_with_a_journal_of_an_earlier_version_is_refused_by_name(bulk: Any, option: list[str]) -> None:
    Path("q.txt").write_text("cat\n")
    Path("out.jsonl").write_text(LINE)
    Path("out.jsonl.journal").write_bytes(b"SQLite format 3")
    before = files()
    result = bulk("q.txt", "--output", "out.jsonl", *option)
    assert (result.exit_code, files()) == (2, before)
    assert "out.jsonl.journal is the journal of an earlier version" in result.stderr


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_bulk_export_without_its_lines_is_not_resumed(bulk: Any, name: str) -> None:
    pytest.importorskip("pyarrow.parquet")
    Path("q.txt").write_text("cat\n")
    Path(name).write_text("something\n")
    assert "--overwrite starts over" in bulk("q.txt", "--output", name).stderr
    result = bulk("q.txt", "--output", name, "--resume")
    assert (result.exit_code, Path(name).read_text()) == (2, "something\n")
    assert f"{name} has no {name}.jsonl beside it" in result.stderr


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_bulk_export_is_made_from_the_lines_of_all_runs(bulk: Any, name: str) -> None:
    """The lines stay beside it; they are what `--resume` reads."""
    pytest.importorskip("pyarrow.parquet")
    Path("q.txt").write_text("cat\n")
    assert bulk("q.txt", "--output", name).exit_code == 0
    first = Path(name).stat().st_size
    Path("q.txt").write_text("cat\ndog\nbird\n")
    assert bulk("q.txt", "--output", name, "--resume").exit_code == 0
    assert queries_of(f"{name}.jsonl") == ["bird", "cat", "dog"]
    assert Path(name).stat().st_size > first
    assert files().keys() == {"q.txt", name, f"{name}.jsonl"}


def test_redirected_streams_are_files_too(run: Run, evil_url: str, tmp_path: Path) -> None:
    """The input on stdin; and, appended to, on stdout, where every result would become one more query."""
    queries = tmp_path / "q.jsonl"
    queries.write_text(LINE)
    settings: dict[str, Any] = {"env": {**os.environ, "BING_IMAGES_URL": evil_url}, "cwd": tmp_path}
    with queries.open("rb") as stdin:
        done = run("bulk", "-", "--output", "q.jsonl", "--overwrite", stdin=stdin, **settings)
    assert (done.returncode, queries.read_text()) == (2, LINE)
    with queries.open("rb") as stdin:
        done = run("bulk", "-", "--input-format", "jsonl", "--report", "q.jsonl", stdin=stdin, **settings)
    assert (done.returncode, queries.read_text()) == (2, LINE)
    command = [sys.executable, "-m", "bing_images_async", "bulk", "q.jsonl", "--budget", "5"]
    with queries.open("ab") as stdout:
        ended = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=False, **settings)
    assert (ended.returncode, queries.read_text()) == (2, LINE)
    assert b"the input and --output are the same file" in ended.stderr


def test_a_device_may_be_several_things(bulk: Any) -> None:
    Path("q.txt").write_text("cat\n")
    assert bulk(os.devnull, "--report", os.devnull).exit_code != 2
    assert bulk("q.txt", "--report", os.devnull).exit_code == 0


@pytest.mark.timeout(30)
@pytest.mark.parametrize("command", [["search", "cat", "--html"], ["bulk", "q.txt", "--report"]])
def test_page_to_a_pipe_without_a_reader_is_refused(bulk: Any, invoke: Invoke, command: list[str]) -> None:
    """A thread that waited for a reader would outlast Ctrl-C and SIGTERM."""
    Path("q.txt").write_text("cat\n")
    os.mkfifo("pipe")
    result = invoke(*command, "pipe")
    assert result.exit_code == 2
    assert "pipe cannot be written" in result.stderr
    assert kinds(Path("pipe")) == stat.S_IFIFO


def test_page_to_a_pipe_with_a_reader_is_complete(bulk: Any) -> None:
    """`--report >(command)`."""
    Path("q.txt").write_text("cat\n")
    os.mkfifo("pipe")
    with subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE) as reader:
        with Path("pipe").open("wb"):  # returns when `cat` has opened the pipe
            assert bulk("q.txt", "--report", "pipe").exit_code == 0
        page, _ = reader.communicate(timeout=30)
    assert page.endswith(b"</html>")


# --- a run that is not begun


@pytest.mark.parametrize("queries", ["query,color\ncat,reed\n", "# none\n", "name\ncat\n"])
@pytest.mark.parametrize("output", ["out.jsonl", "out.parquet"])
def test_a_bad_input_costs_no_results(bulk: Any, queries: str, output: str) -> None:
    pytest.importorskip("pyarrow.parquet")
    Path("q.csv").write_text("query\ndog\n")
    assert bulk("q.csv", "--output", output).exit_code == 0
    Path("q.csv").write_text(queries)
    before = files()
    assert bulk("q.csv", "--output", output, "--overwrite").exit_code == 2
    assert files() == before


@pytest.mark.parametrize("option", [[], ["--resume"], ["--overwrite"]])
def test_a_bad_input_leaves_nothing_that_its_correction_would_stumble_over(bulk: Any, option: list[str]) -> None:
    Path("q.csv").write_text("query,color\ncat,reed\n")
    assert bulk("q.csv", "--output", "out.jsonl", *option).exit_code == 2
    assert files().keys() == {"q.csv"}
    Path("q.csv").write_text("query,color\ncat,red\n")
    assert bulk("q.csv", "--output", "out.jsonl").exit_code == 0
    assert queries_of("out.jsonl") == ["cat"]


@pytest.mark.parametrize("option", [["--overwrite"], ["--resume"], ["--retry-failed"]])
def test_bulk_output_in_use_is_left_to_the_run_that_writes_it(bulk: Any, option: list[str]) -> None:
    Path("q.txt").write_text("cat\n")
    bulk("q.txt", "--output", "out.jsonl")
    with Checkpoint(Path("out.jsonl")):
        before = files()
        refused = bulk("q.txt", "--output", "out.jsonl", *option)
        assert (refused.exit_code, files()) == (4, before)
        assert "another run writes to the same output" in refused.stderr
    Path("q.txt").write_text("dog\n")
    assert bulk("q.txt", "--output", "out.jsonl", "--overwrite").exit_code == 0
    assert queries_of("out.jsonl") == ["dog"]


def test_bulk_overwrite_keeps_the_file_that_is_locked(bulk: Any) -> None:
    """A new file in its place could be locked by one more run."""
    Path("q.txt").write_text("cat\n")
    bulk("q.txt", "--output", "out.jsonl")
    before = Path("out.jsonl").stat().st_ino
    bulk("q.txt", "--output", "out.jsonl", "--overwrite", "--limit", "2")
    assert Path("out.jsonl").stat().st_ino == before
    assert queries_of("out.jsonl") == ["cat"]


# --- files that are not regular


def kinds(path: Path) -> int:
    return stat.S_IFMT(path.lstat().st_mode)


@pytest.mark.parametrize("option", [[], ["--overwrite"], ["--resume"]])
@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.csv.jsonl", "out.csv.draft", "out.jsonl.draft"])
def test_bulk_output_that_is_a_pipe_is_refused_and_stays_one(bulk: Any, name: str, option: list[str]) -> None:
    """Neither the output nor a file beside it is replaced unless it is a regular file."""
    Path("q.txt").write_text("cat\n")
    os.mkfifo(name)
    output = name.removesuffix(".draft").removesuffix(".jsonl") if name.startswith("out.csv") else "out.jsonl"
    result = bulk("q.txt", "--output", output, *option)
    assert (result.exit_code, kinds(Path(name))) == (2, stat.S_IFIFO)
    assert "not a regular file" in result.stderr
    assert "--output -" in result.stderr
    assert {path.name for path in Path().iterdir()} == {"q.txt", name}


@pytest.mark.parametrize("option", [[], ["--overwrite"], ["--resume"]])
def test_bulk_output_that_is_a_device_is_refused_and_stays_one(bulk: Any, option: list[str]) -> None:
    """As root, a regular file in place of `/dev/null` would break the machine."""
    Path("q.txt").write_text("cat\n")
    before = Path(os.devnull).stat()
    for output in (os.devnull, "link"):
        if output == "link":
            Path("link").symlink_to(os.devnull)
        result = bulk("q.txt", "--output", output, "--output-format", "jsonl", *option)
        assert result.exit_code == 2
        assert f"{output} is not a regular file" in result.stderr
    after = Path(os.devnull).stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert not [path for path in Path("/dev").iterdir() if path.name.startswith("null.")]


def test_bulk_output_that_is_a_socket_is_refused(bulk: Any) -> None:
    Path("q.txt").write_text("cat\n")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("out.jsonl")
        assert bulk("q.txt", "--output", "out.jsonl", "--overwrite").exit_code == 2
    assert kinds(Path("out.jsonl")) == stat.S_IFSOCK


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
@pytest.mark.parametrize("exists", [True, False])
def test_bulk_output_that_is_a_link_is_written_at_its_target(bulk: Any, name: str, exists: bool) -> None:
    """So are the files beside it; the link stays."""
    Path("q.txt").write_text("cat\n")
    Path("results").mkdir()
    if exists:
        Path("results", name).write_text("")
    Path(name).symlink_to(f"results/{name}")
    assert bulk("q.txt", "--output", name, "--overwrite").exit_code == 0
    assert bulk("q.txt", "--output", name, "--resume").exit_code == 0
    assert Path(name).is_symlink()
    assert Path("results", name).stat().st_size > 0
    assert {path.name for path in Path().iterdir()} == {"q.txt", "results", name}


def test_bulk_output_that_is_a_link_to_itself_or_to_no_folder_is_refused(bulk: Any) -> None:
    Path("q.txt").write_text("cat\n")
    Path("out.jsonl").symlink_to("out.jsonl")
    Path("lost.jsonl").symlink_to("no/folder.jsonl")
    assert bulk("q.txt", "--output", "out.jsonl", "--overwrite").exit_code == 2
    assert "there is no folder" in bulk("q.txt", "--output", "lost.jsonl").stderr
    assert Path("out.jsonl").is_symlink()


def test_bulk_output_beside_a_link_does_not_write_through_it(bulk: Any) -> None:
    Path("q.txt").write_text("cat\n")
    Path("precious").write_text("precious")
    Path("out.csv.draft").symlink_to("precious")
    assert bulk("q.txt", "--output", "out.csv").exit_code == 2
    assert Path("precious").read_text() == "precious"


def test_bulk_output_to_dev_stdout_is_refused_with_a_hint(run: Run, evil_url: str, tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("cat\n")
    settings: dict[str, Any] = {"env": {**os.environ, "BING_IMAGES_URL": evil_url}, "cwd": tmp_path}
    done = run("bulk", "q.txt", "--output", "/dev/stdout", "--output-format", "jsonl", **settings)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--output -" in done.stderr
    assert not list(Path("/dev").glob("stdout.*"))


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_bulk_output_that_is_replaced_keeps_its_permissions(
    bulk: Any, refusals: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of a run whose failures are retried, and of an export."""
    Path("q.txt").write_text("cat\n404\n")
    assert bulk("q.txt", "--output", name).exit_code == 4
    for path in Path().glob("out.*"):
        path.chmod(0o600)
    monkeypatch.delitem(refusals, "404")
    assert bulk("q.txt", "--output", name, "--retry-failed").exit_code == 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path().glob("out.*")} == {0o600}
