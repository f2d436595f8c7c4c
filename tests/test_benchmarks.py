"""The frame of `python -m benchmarks`: tables, reports, comparisons, the server and its clients. Nothing is timed."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import certifi
import pytest
from attrs import evolve

from benchmarks import __main__ as command
from benchmarks.speed import compare, environment, pages, report
from benchmarks.speed.clients import CANDIDATES, GATHERED, IMAGES, Setting, ours
from benchmarks.speed.load import Result, Task, measured
from benchmarks.speed.promises import Promise
from benchmarks.speed.server import Server, serving
from benchmarks.speed.tables import Figure, Plan, Row, Table

ROOT = Path(command.__file__).parents[1]
PYTHON = Path(sys.executable)
PLAN = Plan(full=False, rounds=2, peers=PYTHON, checkout=ROOT)

ROWS = (
    Row("ours", {"images": 35}, {"CPU per page": Figure(123.4, 120, 130, "µs"), "p99": Figure(2, 2, 2, "ms")}),
    Row("official SDK", {"images": 35}, {"CPU per page": Figure(6708, 6700, 6800, "µs")}, note="32 threads"),
    Row("httpx", {"images": 35}, {}, note="did not finish in 60 s"),
)
TABLE = Table("decode", "Decode", "How it was measured.", ROWS)


# --- reports


def test_a_table_in_markdown() -> None:
    """Figures with spread and unit, notes, ours in bold, a dash where there is none."""
    text = report.markdown(TABLE)
    assert text.startswith("## Decode\n\nHow it was measured.\n\n**images: 35**")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert cells == [
        ["", "CPU per page, µs", "p99, ms", ""],
        [*cells[1]],
        ["**ours**", "123 (120–130)", "2", ""],
        ["official SDK", "6,708 (6,700–6,800)", "–", "32 threads"],
        ["httpx", "–", "–", "did not finish in 60 s"],
    ]
    assert [bool(re.fullmatch(r"-+:", rule)) for rule in cells[1]] == [False, True, True, False]


def test_cases_with_many_candidates_stand_apart() -> None:
    """One table per case; what all rows share is its heading, not a column."""
    rows = [Row(name, {"in flight": n}, {"CPU": Figure.of([n])}) for n in (1, 64) for name in ("a", "b", "c", "ours")]
    text = report.markdown(Table("pages", "Pages", "", rows))
    assert re.findall(r"\*\*in flight: \d+\*\*", text) == ["**in flight: 1**", "**in flight: 64**"]
    assert text.count("**ours**") == 2
    few = report.markdown(Table("pages", "Pages", "", rows[2:6:3]))
    assert few.count("in flight") == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.012"), (0.9996, "1"), (1.5, "1.50"), (12.34, "12.3"), (99.96, "100"), (6708.2, "6,708")],
)
def test_numbers(value: float, text: str) -> None:
    """About three digits."""
    assert report.number(value) == text


def test_a_report_holds_everything_and_no_paths(tmp_path: Path) -> None:
    """Markdown and JSON, without where this machine keeps things."""
    secretive = evolve(TABLE, rows=[*ROWS, Row("x", {"images": 35}, {}, note=f"{ROOT}/benchmarks and {Path.home()}/x")])
    promise = Promise("decode", "≤ 1.2", "0.61", True)
    report.write(tmp_path / "results", {"processor": "a fast one"}, [secretive], [promise], None)
    results = json.loads((tmp_path / "results" / "results.json").read_text())
    assert results["about"] == {"processor": "a fast one"}
    assert results["tables"][0]["rows"][0]["figures"]["CPU per page"]["median"] == 123.4
    assert results["promises"][0]["holds"] is True
    markdown = (tmp_path / "results" / "table.md").read_text()
    assert "a fast one" in markdown
    assert re.search(r"\| decode +\| +≤ 1\.2 \| +0\.61 \| yes", markdown)
    for path in (str(ROOT), str(Path.home()) + "/x"):
        assert path not in markdown + json.dumps(results)


def test_plots_are_drawn(tmp_path: Path) -> None:
    """As PNG and SVG, lines where there are levels and bars where there are none."""
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib, which the peers' environment has")
    case = {"server": "100 ms", "wire": "HTTP", "loop": "asyncio", "calls": "one after the other"}
    rows = [
        Row(name, {**case, "in flight": n}, {"share of ideal": Figure.of([1 / n])})
        for name in CANDIDATES
        for n in (1, 16, 64, 256)
    ]
    report.write(tmp_path, {}, [TABLE, Table("pages", "Pages", "", rows)], [], PYTHON)
    drawn = {path.name for path in tmp_path.iterdir()} - {"results.json", "table.md"}
    assert drawn == {"decode.png", "decode.svg", "share-of-ideal.png", "share-of-ideal.svg"}
    svg = (tmp_path / "share-of-ideal.svg").read_text()
    assert all(f">{name}<" in svg for name in CANDIDATES)


def test_names_of_lines_do_not_overlap() -> None:
    """They keep their order and their distance, and stay above the axis."""
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib, which the peers' environment has")
    from benchmarks.speed.plots import _apart

    heights = _apart([0.0, 0.01, 0.01, 0.5, 0.52, 0.9], 0.05)
    assert heights[0] > 0
    assert all(b - a > 0.05 - 1e-9 for a, b in itertools.pairwise(heights))
    assert heights[-1] == pytest.approx(0.9)


# --- the command


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The names of the tables of each report, while measurements are made up: `decode` works and `start` fails."""

    def measurement(name: str) -> Callable[[Plan], Table]:
        def measure(plan: Plan) -> Table:
            assert plan.rounds == 7
            if name == "start":
                raise RuntimeError("no interpreter")
            return evolve(TABLE, name=name)

        return measure

    reports: list[list[str]] = []
    monkeypatch.setattr(command, "environment", lambda _: PYTHON)
    monkeypatch.setattr(command, "_measurement", measurement)
    monkeypatch.setattr(command, "write", lambda out, about, tables, *_: reports.append([t.name for t in tables]))
    return reports


@pytest.mark.parametrize(("holds", "status"), [(True, 0), (None, 0), (False, 1)])
def test_a_broken_promise_is_the_exit_status(
    holds: bool | None, status: int, written: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was not measured is not broken."""
    monkeypatch.setattr(command, "promises", lambda tables: [Promise(", ".join(tables), "≤ 1", None, holds)])
    assert command.main(["--only", "decode", "pages", "--rounds", "7", "--out", "o"]) == status
    assert written == [["decode", "pages"]]


def test_a_failed_measurement_is_reported_and_the_others_run(
    written: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the exit status says so."""
    monkeypatch.setattr(command, "promises", lambda _: [])
    assert command.main(["--only", "start", "decode", "--rounds", "7", "--out", "o"]) == 1
    assert written == [["decode"]]
    out, err = capsys.readouterr()
    assert "no interpreter" in err
    assert "Failed: start" in err
    assert "## Decode" in out


def test_a_part_does_not_take_the_place_of_the_whole(written: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The report that is kept is that of a run over everything; a part is written where it is told to."""
    monkeypatch.setattr(command, "promises", lambda _: [])
    assert command.main(["--only", "decode", "--rounds", "7"]) == 0
    assert written == []


@pytest.mark.parametrize("rounds", ["0", "-1", "x"])
def test_rounds_are_one_or_more(rounds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--rounds", rounds])
    assert "1 or more" in capsys.readouterr().err


def test_every_measurement_is_there() -> None:
    """A module with `measure` for each name."""
    assert all(callable(command._measurement(name)) for name in command.NAMES)


# --- comparisons


def compared(there: list[float], here: list[float]) -> compare.Verdict:
    return compare.Comparison("m", "ours", "CPU", Figure.of(there), Figure.of(here)).verdict


def test_verdicts() -> None:
    """Beyond 15 % in the median and in the best round; one slow round, or one fast one, is noise."""
    assert compared([100, 101, 102], [116, 118, 120]) == "slower"
    assert compared([116, 118, 120], [100, 101, 102]) == "faster"
    assert compared([100, 101, 102], [110, 112, 114]) == "same"
    assert compared([100, 101, 102], [100, 130, 140]) == "same"
    assert compared([60, 101, 102], [100, 101, 102]) == "same"


def test_what_only_one_of_them_can_do_is_no_verdict() -> None:
    """A new candidate, or one the older library lacks, is shown with its note."""
    there = Table("pages", "", "", [ROWS[0], Row("ours, paced", {"images": 35}, {}, note="left out: no such")])
    here = Table("pages", "", "", [ROWS[0], Row("ours, paced", {"images": 35}, ROWS[0].figures)])
    same, new = compare.comparisons("pages", [there, there], [here, here])
    assert (same.case, same.figure, same.verdict, same.ratio) == ("ours, images 35", "CPU per page", "same", 1.0)
    assert (new.there, new.ratio, new.verdict) == (None, None, "not in both")
    table = compare.comparison_table([same, new], "abc123")
    assert "not in both: left out: no such" in table
    assert table.splitlines()[0].split()[7:9] == ["abc123", "|"]


def test_peers_are_not_compared() -> None:
    """Only rows of ours are, and only times; where no row is named after us, all are."""
    table = Table("decode", "", "", ROWS)
    assert {c.case for c in compare.comparisons("decode", [table], [table])} == {"ours, images 35"}
    nameless = Table(
        "one_call", "", "", [Row("chain", {}, {"CPU": Figure.of([5], "µs"), "share": Figure.of([5], "%")})]
    )
    assert [(c.case, c.figure) for c in compare.comparisons("one_call", [nameless], [nameless])] == [("chain", "CPU")]


def test_checkouts_take_turns(tmp_path: Path) -> None:
    """Each goes first in every second round, with our candidates alone."""
    asked: list[Plan] = []

    def measure(plan: Plan) -> Table:
        asked.append(plan)
        return TABLE

    found = compare.measure_both(PLAN, tmp_path, "decode", measure, lambda _: None)
    assert [plan.checkout for plan in asked] == [tmp_path, ROOT, ROOT, tmp_path]
    assert all(plan.only_ours and plan.rounds == 1 for plan in asked)
    assert [comparison.verdict for comparison in found] == ["same"]


@pytest.mark.skipif(shutil.which("git") is None, reason="worktrees are git's")
def test_another_revision_is_checked_out_and_removed(tmp_path: Path) -> None:
    """In a folder of its own; the repository is as before."""

    def git(*arguments: str) -> str:
        author = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.com"]
        return subprocess.run(
            ["git", *author, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "--quiet")
    for text in ("old", "new"):
        (tmp_path / "file").write_text(text)
        git("add", "file")
        git("commit", "--quiet", "--message", text)
    with compare.worktree(tmp_path, "HEAD~1") as checkout:
        assert (checkout / "file").read_text() == "old"
    assert not checkout.exists()
    assert (tmp_path / "file").read_text() == "new"
    assert len(git("worktree", "list").splitlines()) == 1


# --- the environment


def test_the_environment_has_what_the_library_needs() -> None:
    """Every core dependency is pinned, in a version that pyproject.toml allows to be named."""
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)", environment.PEERS.read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[<>=~! \[]", requirement)[0] for requirement in project["dependencies"]}
    assert needed <= pinned.keys()
    assert f"httpx {pinned['httpx']}" in environment.versions()


def test_a_complete_environment_is_used_again(tmp_path: Path) -> None:
    """No pip: there is none in this one."""
    folder = tmp_path / environment.key()
    folder.mkdir()
    (folder / "complete").touch()
    assert environment.environment(tmp_path).is_relative_to(folder)


# --- the server, and clients of it


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(PYTHON) as running:
        yield running


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["default", "paced"])
async def test_a_session_gets_a_page(name: str, server: Server) -> None:
    """Over a socket, with the headers of an answer; what is not the whole page raises."""
    async with getattr(ours, name)(Setting(server.url, None, 2)) as fetch:
        await fetch(1)
        await fetch(2)


@pytest.mark.anyio
async def test_over_tls_and_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate is trusted by whoever was told of it; the CPU time of the server is told."""
    pytest.importorskip("trustme", reason="the server's certificate is made by trustme")
    monkeypatch.setattr(certifi, "where", certifi.where)  # put back afterwards
    with serving(PYTHON, latency=0.001, tls=True, zipped=True) as running:
        assert running.ca is not None
        async with ours.default(Setting(running.url, str(running.ca), 1)) as fetch:
            await fetch(1)
        assert running.cpu() > 0


def task(server: Server, candidate: str = "ours", *, pages: int = 40, at_once: bool = False) -> Task:
    return Task(candidate, server.url, None, 4, "asyncio", pages, 60.0, at_once)


@pytest.mark.parametrize("at_once", [False, True])
def test_pages_are_counted_and_timed(at_once: bool, server: Server) -> None:
    """All of them succeed, and each has a time."""
    result = measured(task(server, at_once=at_once))
    assert (result.pages, result.failed, result.left_out) == (40, 0, "")
    assert 0 < result.p50 <= result.p99 <= result.elapsed
    assert result.cpu > 0


def test_failures_are_counted_and_are_no_pages() -> None:
    """A page with too few images is a failure."""
    with serving(PYTHON, images=IMAGES - 1) as running:
        result = measured(task(running))
    assert (result.pages, result.failed, result.error, result.p50) == (0, 40, "ValueError", 0.0)


# --- rows


def test_a_row_of_pages() -> None:
    """CPU per page that succeeded, shares of the ideal, and notes on what was not as planned."""
    case = pages.Case(64, 100)
    result = Result(
        pages=600, failed=40, error="PoolTimeout", elapsed=1.25, cpu=0.6, p50=0.1, p99=0.2, server_cpu=0.125
    )
    row = pages._row("httpx", case, [result], None)
    medians = {name: figure.median for name, figure in row.figures.items()}
    assert medians == pytest.approx(
        {
            "CPU per page": 1000,
            "pages/s": 480,
            "share of ideal": 0.75,
            "p50": 100,
            "p99": 200,
            "peak memory": 0,
            "client busy": 48,
            "server busy": 10,
        }
    )
    assert row.note == "640 pages; 40 of 640 failed (PoolTimeout)"
    assert pages._row("official SDK, threads", case, [], "did not finish").note == "did not finish; 32 threads"


def test_every_call_at_once() -> None:
    """How many succeeded, and the time beside the ideal of 6 s."""
    row = pages._row("ours", pages.Case(100, 300, at_once=True), [Result(pages=pages.AT_ONCE, elapsed=6.6)], None)
    assert {name: figure.median for name, figure in row.figures.items()} == pytest.approx(
        {"succeeded": 2000, "time / ideal": 1.1}
    )


def test_workers_have_equally_many_pages() -> None:
    """A multiple of the workers, and not fewer than said."""
    for in_flight in (1, 16, 64, 256, 1_000):
        number = pages.Case(in_flight, 0).pages
        assert number % in_flight == 0
        assert number >= pages.PAGES


def test_the_short_run_has_the_cases_of_the_promises() -> None:
    """And the peers; a comparison has none."""
    short = {(case.in_flight, case.latency) for case in pages._cases(PLAN)}
    assert short == {(64, 0), (16, 100), (64, 100), (256, 100), (100, 300)}
    full = pages._cases(evolve(PLAN, full=True))
    assert {case.wire for case in full} == {"HTTP", "HTTP gzip", "TLS", "TLS gzip"}
    assert {case.in_flight for case in full} >= {1, 16, 64, 256, 1_000}
    for case in [*pages._cases(PLAN), *full]:
        alone = pages._candidates(evolve(PLAN, only_ours=True), case)
        assert alone
        assert all(name.startswith("ours") for name in alone)
        assert set(alone) <= set(pages._candidates(PLAN, case)) <= set(GATHERED if case.at_once else CANDIDATES)
