"""The benchmarks measure what they say, and their verdicts are right. Nothing is timed here."""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
import sys
import tokenize
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from benchmarks import __main__ as command, compare, pages, peer_models, processes
from benchmarks.checks import Measured, check
from benchmarks.clients import AT_ONCE, CANDIDATES, Setting
from benchmarks.decode import CANDIDATES as DECODERS, READ
from benchmarks.growth import FAN_OUT, grow
from benchmarks.in_memory import answered_by_middleware
from benchmarks.limiters import busiest
from benchmarks.one_call import ADDED
from benchmarks.page import page
from benchmarks.peer_models import closure, fields_of, reader
from benchmarks.processes import HERE, Library, Plan, WorkerError, environment, library_at, run_worker
from benchmarks.promises import Promise, promises
from benchmarks.server import Server, serving
from benchmarks.tables import Figure, Row, Table, markdown, number
from bing_images_async import ImageSearchSession
from bing_images_async.models import Attempt, Image, ImageAnswer, Problem, ResponseMeta

ROOT = Path(command.__file__).parents[1]
SOURCES = sorted((ROOT / "benchmarks").rglob("*.py"))
PLAN = Plan(full=False, rounds=2, library=HERE)
BODY = page(35)


# --- the source


def lines_of_code(source: str) -> int:
    """Lines with code on them: no docstrings, comments or blank lines."""
    texts = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    blank = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in blank]
    return len({line for token in tokens for line in range(token.start[0], token.end[0] + 1)} - texts)


def test_lines_of_code_ignore_text() -> None:
    assert (
        lines_of_code('"""Text."""\n\n# why\nx = """a\nb"""  # because\n\n\ndef f():\n    """Text."""\n    return 1\n')
        == 4
    )


def test_benchmarks_stay_small() -> None:
    assert sum(lines_of_code(path.read_text()) for path in SOURCES) <= 1_700


def private_names(source: str) -> list[str]:
    """Names with an underscore that belong to something else than the source's own module and classes."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bing_images_async"):
            found += [n for n in [*(node.module or "").split("."), *(a.name for a in node.names)] if n[:1] == "_"]
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
            is_own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            found += [] if is_own or ast.unparse(node.value) == "self._service" else [node.attr]
    return found


def test_private_names_are_found() -> None:
    assert private_names("from bing_images_async._session import x\nsession._engine.run(self._own)") == [
        "_session",
        "_engine",
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_benchmarks_use_public_names(path: Path) -> None:
    """One set of workers measures every revision."""
    assert private_names(path.read_text()) == []


# --- the models of the peers


def ours() -> ImageAnswer:
    async def decoded() -> ImageAnswer:
        async with answered_by_middleware() as decode:
            return await decode(BODY)

    return anyio.run(decoded)


def assert_same(model: type, mine: Any, theirs: Any) -> None:
    """Every field that is on the wire has the same value, all the way down."""
    for f in fields_of(model):
        if f.wire is None:
            continue
        value, other = getattr(mine, f.name), getattr(theirs, f.name)
        if not f.is_model or value is None:
            assert value == other, f.name
        elif f.is_list:
            assert len(value) == len(other), f.name
            for one, another in zip(value, other, strict=True):
                assert_same(f.kind, one, another)
        else:
            assert_same(f.kind, value, other)


def test_page_fills_most_fields() -> None:
    """A page of mostly missing fields would flatter a decoder that pays by the field."""
    image = ours().value[3]
    assert len([f.name for f in fields_of(Image) if getattr(image, f.name) not in {None, ()}]) >= 22


@pytest.mark.parametrize("name", ["cattrs", "msgspec", "pydantic"])
def test_peers_decode_the_same_values(name: str) -> None:
    pytest.importorskip(name, reason="a peer: installed where benchmarks run")
    assert_same(ImageAnswer, ours(), getattr(peer_models, f"by_{name}")()(BODY))


def test_official_deserializer_decodes_the_page() -> None:
    """Its models are its own; what both have is the same."""
    pytest.importorskip("msrest", reason="a peer: installed where benchmarks run")

    async def decoded() -> Any:
        async with DECODERS["official SDK's deserializer"]() as decode:
            return await decode(BODY)

    theirs, mine = anyio.run(decoded), ours()
    assert [image.content_url for image in mine.value] == [image.content_url for image in theirs.value]


class Spy:
    """An object of `model` with all its fields, which records what is read of it."""

    def __init__(self, model: type, seen: set[tuple[type, str]], above: tuple[type, ...] = ()) -> None:
        self._of = (model, seen, (*above, model))

    def __getattr__(self, name: str) -> Any:
        model, seen, above = self._of
        seen.add((model, name))
        f = next(f for f in fields_of(model) if f.name == name)
        if not f.is_model or f.kind in above:  # models may hold themselves
            return () if f.is_list else None
        inner = Spy(f.kind, seen, above)
        return (inner,) if f.is_list else inner


def test_reader_reads_every_attribute() -> None:
    """Work that a model puts off until a field is read falls into the timed region."""
    seen: set[tuple[type, str]] = set()
    reader()(Spy(ImageAnswer, seen))
    models = {*closure(), ResponseMeta, Attempt, Problem}
    assert {(model, f.name) for model in models for f in fields_of(model)} == seen


def test_reader_reaches_the_last_object() -> None:
    answer = ours()
    reader()(answer)
    object.__delattr__(answer.value[-1], "is_fresh")
    with pytest.raises(AttributeError, match="is_fresh"):
        reader()(answer)


# --- limiters and growth


def test_busiest_window_is_half_open() -> None:
    assert busiest([]) == 0
    assert busiest([0.0, 1.0]) == 1
    assert busiest([2.25, 0.0, 1.0, 0.25, 1.125]) == 3


@pytest.mark.anyio
async def test_grow_counts_every_image() -> None:
    """A run over the transport in memory, which fails unless every query has one outcome."""
    taken = await grow(FAN_OUT, 20)
    assert taken["CPU per query"] > 0
    assert taken["memory above rest"] >= 0


# --- tables and reports

ROWS = (
    Row("ours", {"images": 35}, {"CPU per page": Figure(123.4, 120, 130, "µs"), "p99": Figure(2, 2, 2, "ms")}),
    Row("official SDK", {"images": 35}, {"CPU per page": Figure(6708, 6700, 6800, "µs")}, note="32 threads"),
    Row("httpx", {"images": 35}, {}, note="did not finish in 60 s"),
)
TABLE = Table("decode", "Decode", "How it was measured.", ROWS)


def test_markdown_of_a_table() -> None:
    """Figures with spread and unit, notes, ours in bold, a dash where there is none."""
    text = markdown(TABLE)
    assert text.startswith("## Decode\n\nHow it was measured.\n\n**images: 35**")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert cells == [
        ["", "CPU per page, µs", "p99, ms", ""],
        cells[1],
        ["**ours**", "123 (120–130)", "2", ""],
        ["official SDK", "6,708 (6,700–6,800)", "–", "32 threads"],
        ["httpx", "–", "–", "did not finish in 60 s"],
    ]
    assert [bool(re.fullmatch(r"-+:", rule)) for rule in cells[1]] == [False, True, True, False]


def test_markdown_of_many_candidates_has_a_table_for_each_case() -> None:
    rows = [Row(name, {"in flight": n}, {"CPU": Figure.of([n])}) for n in (1, 64) for name in ("a", "b", "c", "ours")]
    text = markdown(Table.of("pages", "Pages: here.\n\nText", rows))
    assert re.findall(r"\*\*in flight: \d+\*\*", text) == ["**in flight: 1**", "**in flight: 64**"]
    assert markdown(Table.of("pages", "Pages", rows[2:6:3])).count("in flight") == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.012"), (0.9996, "1"), (1.5, "1.50"), (12.34, "12.3"), (99.96, "100"), (6708.2, "6,708")],
)
def test_number_has_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_report_has_everything_and_no_paths(tmp_path: Path) -> None:
    rows = [*ROWS, Row("x", {"images": 35}, {}, note=f"{ROOT}/benchmarks and {Path.home()}/x")]
    promise = Promise("decode", "at most", 1.2, 0.61)
    command.write(tmp_path / "results", {"cpu": "a fast one"}, [Table.of("decode", "Decode", rows)], [promise])
    results = json.loads((tmp_path / "results" / "results.json").read_text())
    assert results["tables"][0]["rows"][0]["figures"]["CPU per page"]["median"] == 123.4
    assert results["promises"][0]["holds"] is True
    text = (tmp_path / "results" / "table.md").read_text()
    assert "a fast one" in text
    assert re.search(r"\| decode +\| +at most 1\.2 × \| +0\.61 \| yes", text)
    for path in (str(ROOT), f"{Path.home()}/x"):
        assert path not in text + json.dumps(results)


def test_plots_are_drawn_where_there_are_figures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs matplotlib, which the peers' environment has")
    rows = [pages.row(name, pages.Case(n, 100), [result(share=1 / n)]) for name in CANDIDATES for n in (1, 16, 64)]
    command.write(tmp_path, {}, [TABLE, Table.of("pages", "Pages", rows)], [])
    assert run_worker(HERE, "plots:draw", out=str(tmp_path)) == ["share-of-ideal"]
    svg = (tmp_path / "share-of-ideal.svg").read_text()
    assert all(f">{name}<" in svg for name in CANDIDATES)


# --- promises


def table(name: str, *rows: tuple[str, Mapping[str, str | int], Mapping[str, float]]) -> Table:
    figures = [Row(who, case, {f: Figure.of([value]) for f, value in values.items()}) for who, case, values in rows]
    return Table.of(name, name, figures)


def a_page(who: str, in_flight: int, latency: int, **values: float) -> Any:
    figures = {"cpu": "CPU per page", "rate": "pages/s", "succeeded": "succeeded", "time": "time / ideal"}
    case = pages.Case(in_flight, latency, at_once="time" in values)
    return who, case.labels, {figures[name]: value for name, value in values.items()}


def grown(*memory: float) -> Table:
    sizes = zip((1_000, 10_000, 100_000), memory, strict=False)
    return table("growth", *((FAN_OUT, {"queries": n, "loop": "asyncio"}, {"memory above rest": m}) for n, m in sizes))


OURS_AT_64 = a_page("ours", 64, 0, cpu=500.0)


@pytest.mark.parametrize(
    ("what", "made", "holds"),
    [
        ("of 35 images", [table("decode", (READ, {"images": 35}, {"ratio to json.loads": 1.21}))], False),
        ("of 150 images", [table("decode", (READ, {"images": 150}, {"ratio to json.loads": 1.2}))], True),
        ("session adds", [table("one_call", (ADDED, {"loop": "asyncio"}, {"CPU per call": 101}))], False),
        ("session adds", [table("one_call", (ADDED, {"loop": "trio"}, {"CPU per call": 99}))], None),
        ("json.loads, the better", [table("pages", OURS_AT_64, a_page("httpx", 64, 0, cpu=3e3))], None),
        (
            "json.loads, the better",
            [table("pages", OURS_AT_64, a_page("httpx", 64, 0, cpu=3e3), a_page("httpx, tuned", 64, 0, cpu=1e3))],
            False,
        ),
        ("official SDK", [table("pages", OURS_AT_64, a_page("official SDK, threads", 64, 0, cpu=4e3))], True),
        ("pydantic", [table("pages", OURS_AT_64, a_page("aiohttp + pydantic", 64, 0, cpu=243))], False),
        ("pydantic", [table("pages", OURS_AT_64, a_page("aiohttp + pydantic", 64, 0, cpu=245))], True),
        (
            "alone, 256 in flight",
            [table("pages", a_page("ours", 256, 100, rate=54), a_page("aiohttp, bytes alone", 256, 100, rate=100))],
            False,
        ),
        (
            "alone, 256 in flight",
            [table("pages", a_page("ours", 256, 100, rate=55), a_page("aiohttp, bytes alone", 256, 100, rate=100))],
            True,
        ),
        ("flight to 16", [table("pages", a_page("ours", 16, 100, cpu=4), a_page("ours", 256, 100, cpu=5))], True),
        ("successes", [table("pages", a_page("ours", 100, 300, succeeded=1999, time=1.1))], False),
        ("time to the ideal", [table("pages", a_page("ours", 100, 300, succeeded=1999, time=1.1))], True),
        ("fan-out", [grown(1.0)], None),
        ("fan-out", [grown(1.0, 2.5)], True),
        ("fan-out", [grown(1.0, 2.5, 3.5)], False),
        ("start", [table("start", ("ours", {"up to": "first page"}, {"ratio, wall": 1.7}))], False),
    ],
)
def test_promises_are_judged_by_their_figures(what: str, made: list[Table], holds: bool | None) -> None:
    (found,) = (promise for promise in promises(made) if what in promise.what)
    assert found.holds is holds


def test_promises_without_figures_are_neither_kept_nor_broken() -> None:
    assert [promise.holds for promise in promises([])] == [None] * 15


# --- the command


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The tables of each report; measurements are made up: `decode` and `pages` work and `start` fails."""
    reports: list[list[str]] = []

    def measurement(function: str) -> Any:
        name = function.removeprefix("benchmarks.").removesuffix(":measure")

        def measure(_: Plan) -> Table:
            if name == "start":
                raise WorkerError("no interpreter")
            return Table.of(name, name, ROWS)

        return measure

    monkeypatch.setattr(processes, "environment", lambda *_: HERE.python)
    monkeypatch.setattr(command, "resolve_name", measurement)
    monkeypatch.setattr(command, "run_worker", lambda *_, **__: None)
    monkeypatch.setattr(command, "write", lambda out, about, tables, *_: reports.append([t.name for t in tables]))
    return reports


@pytest.mark.parametrize(("holds", "status"), [(1.0, 0), (None, 0), (1.1, 1)])
def test_main_returns_1_for_a_broken_promise(
    holds: float | None, status: int, written: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "promises", lambda _: [Promise("it", "at most", 1, holds)])
    assert command.main(["--only", "decode", "pages", "--rounds", "7", "--out", "o"]) == status
    assert written == [["decode", "pages"]]


def test_main_reports_a_failed_measurement_and_makes_the_others(
    written: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--only", "start", "decode", "--out", "o"]) == 1
    assert written == [["decode"]]
    out, err = capsys.readouterr()
    assert "no interpreter" in err
    assert "Failed: start" in err
    assert "## decode" in out


def test_main_with_only_keeps_the_report_of_a_whole_run(written: list[list[str]]) -> None:
    assert command.main(["--only", "decode"]) == 0
    assert written == []


@pytest.mark.parametrize("rounds", ["0", "-1", "x"])
def test_main_refuses_rounds_below_1(rounds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--rounds", rounds])
    assert "--rounds" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*command.NAMES, *command.COMMANDS])
def test_main_knows_a_function_for_each_name(name: str) -> None:
    module = command.COMMANDS.get(name, name)
    assert callable(command.resolve_name(f"benchmarks.{module}:{name if name in command.COMMANDS else 'measure'}"))


def test_check_calls_for_each_backend_and_returns_1_if_one_fails(capsys: pytest.CaptureFixture[str]) -> None:
    def measure(backend: str, rate: int = 50) -> Measured:
        return {"rate": rate}, backend == "asyncio"

    assert check(measure, ["--rate", "7", "--backend", "asyncio"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "|      | asyncio |",
        "| ---- | ------: |",
        "| rate |       7 |",
    ]
    assert check(measure, []) == 1
    assert "| rate |      50 |   50 |" in capsys.readouterr().out


# --- comparisons


def verdict(before: list[float], after: list[float], allowed: float = 1.15) -> str:
    return compare.Comparison("ours", "CPU", Figure.of(before), Figure.of(after), allowed).verdict


def test_verdict_needs_the_median_and_the_best_round() -> None:
    """One slow round, or one fast one, is noise."""
    assert verdict([100, 101, 102], [116, 118, 120]) == "slower"
    assert verdict([116, 118, 120], [100, 101, 102]) == "faster"
    assert verdict([100, 101, 102], [110, 112, 114]) == "same"
    assert verdict([100, 101, 102], [100, 130, 140]) == "same"
    assert verdict([60, 101, 102], [100, 101, 102]) == "same"
    assert verdict([100], [116], allowed=1.2) == "same"


def test_comparison_of_what_only_one_revision_has_is_no_verdict() -> None:
    before = Table.of("pages", "", [ROWS[0], Row("ours, bytes alone", {"images": 35}, {}, note="left out: no such")])
    after = Table.of("pages", "", [ROWS[0], Row("ours, bytes alone", {"images": 35}, ROWS[0].figures)])
    same, new = compare.compared([before, before], [after, after], 1.15)
    assert (same.case, same.name, same.verdict) == ("ours, images 35", "CPU per page, µs", "same")
    assert (new.before, new.verdict) == (None, "not in both: left out: no such")


def test_comparison_leaves_peers_and_tails_out() -> None:
    assert [c.name for c in compare.compared([TABLE], [TABLE], 1.15)] == ["CPU per page, µs"]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans of a comparison in which the older library takes 100 µs and this checkout 120."""
    plans: list[Plan] = []

    def measure(plan: Plan) -> Table:
        plans.append(plan)
        cpu = 120 if plan.library.folder == ROOT else 100
        return Table.of("decode", "", [Row("ours", {}, {"CPU": Figure.of([cpu], "µs")})])

    monkeypatch.setattr(processes, "environment", lambda *_: HERE.python)
    monkeypatch.setattr(compare, "resolve_name", lambda _: measure)
    return plans


needs_git = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="revisions are git's; a source archive has none"
)


@needs_git
@pytest.mark.parametrize(("allowed", "status"), [("1.19", 1), ("1.21", 0)])
def test_compare_takes_turns_and_returns_1_if_slower(
    allowed: str, status: int, measured: list[Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["HEAD", "--only", "decode", "--rounds", "2", "--allow-decode", allowed]
    assert compare.compare(arguments) == status
    assert [plan.library.folder == ROOT for plan in measured] == [False, True, True, False]
    assert all(plan.only_ours and plan.rounds == 1 for plan in measured)
    assert f"{status} times are longer" in capsys.readouterr().out


@needs_git
def test_compare_without_a_common_figure_fails(measured: list[Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark that does not run in one of the revisions must not look like one that found nothing slower."""
    monkeypatch.setattr(compare, "compared", lambda *_: [compare.Comparison("ours", "CPU", None, Figure.of([1]))])
    with pytest.raises(SystemExit, match="no figure that both"):
        compare.compare(["HEAD", "--only", "decode"])


@needs_git
def test_library_at_a_revision_is_the_library_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `benchmarks` would come before those of this checkout."""
    monkeypatch.setattr(processes, "environment", lambda *_: HERE.python)
    with library_at("HEAD") as library:
        assert sorted(path.name for path in library.folder.iterdir()) == ["bing_images_async", "pyproject.toml"]
    assert not library.folder.exists()
    with pytest.raises(SystemExit, match="no-such"), library_at("no-such"):
        pass


def test_measurements_for_a_comparison_are_of_ours_alone() -> None:
    """CPU per page at 1, 16, 64 and 256 in flight."""
    plan = Plan(full=False, rounds=1, library=HERE, only_ours=True)
    cases = pages._cases(plan)
    assert [case.in_flight for case in cases if not case.latency] == [1, 16, 64, 256]
    assert {name for case in cases for name in pages._candidates(plan, case)} == {
        name for name in CANDIDATES if name.startswith("ours")
    }


# --- environments and processes


def test_environment_pins_what_the_library_needs() -> None:
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)", processes.PEERS.read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[<>=~! \[]", requirement)[0] for requirement in project["dependencies"]}
    assert needed <= pinned.keys()


def checkout(folder: Path, dependency: str) -> Path:
    folder.mkdir()
    (folder / "pyproject.toml").write_text(f"[project]\ndependencies = [{dependency!r}]\n")
    return folder


def test_environment_of_other_dependencies_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is complete is used again; both get the dependencies of their checkout."""
    installed: list[Any] = []

    def install(arguments: list[Any], **_: Any) -> Any:
        installed.append(arguments[-1])
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(processes.venv, "create", lambda root, **_: root.mkdir(parents=True))
    monkeypatch.setattr(processes.subprocess, "run", install)
    older, newer = (checkout(tmp_path / name, name) for name in ("h11", "httptools"))
    pythons = [environment(folder, tmp_path / "cache") for folder in (older, newer, older)]
    assert pythons[0] == pythons[2] != pythons[1]
    assert installed == [processes.PEERS, "h11", processes.PEERS, "httptools"]


def library_of(folder: Path, source: str) -> Library:
    """A folder with nothing but this library."""
    (folder / "bing_images_async").mkdir()
    (folder / "bing_images_async" / "__init__.py").write_text(source)
    return Library(folder, Path(sys.executable))


def test_worker_imports_the_library_that_is_measured(tmp_path: Path) -> None:
    """And the benchmarks of this checkout; and the measured folder is not written to."""
    library = library_of(tmp_path, "raise RuntimeError(f'no such luck in {__file__}')")
    with pytest.raises(WorkerError, match=f"no such luck in {tmp_path}"):
        run_worker(library, "first_page", whose="ours", url="http://127.0.0.1:9")
    assert not list(tmp_path.rglob("__pycache__"))


def test_first_page_is_timed(server: Server) -> None:
    for whose in ("ours", "theirs"):
        assert run_worker(HERE, "first_page", whose=whose, url=server.url)["wall"] > 0


def test_worker_that_takes_too_long_is_ended() -> None:
    with pytest.raises(WorkerError, match="did not finish"):
        run_worker(HERE, "limiters:free", timeout=0.01)


# --- the server, and clients of it


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


async def _status(url: str, requests: int = 1) -> int:
    """The status of the last of these requests on one connection; 0 if that ended without an answer."""
    host, port = url.removeprefix("http://").split(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        received = b""
        for _ in range(requests):
            await stream.send(b"GET /images/search HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                received = await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return 0
            while not received.endswith(b"}") and b"429" not in received[:20]:
                received += await stream.receive()
        return int(received.split(b" ", 2)[1])


def test_server_with_a_quota_throttles_and_counts() -> None:
    with serving(quota=2, images=1) as running:
        assert [anyio.run(_status, running.url) for _ in range(3)] == [200, 200, 429]
        journal = running.tell("journal")
    assert (journal["requests"], journal["throttled"], journal["most in a second"], journal["open"]) == (3, 1, 2, 0)


def test_server_with_a_limit_of_answers_closes_after_reading() -> None:
    with serving(answers=1, images=1) as running:
        assert anyio.run(_status, running.url, 2) == 0
        assert running.tell("journal")["requests"] == 2


@pytest.mark.parametrize("name", CANDIDATES)
def test_candidates_get_a_page(name: str, server: Server) -> None:
    """What is not the whole page raises; peers are installed where benchmarks run."""
    if name == "ours, bytes alone" and not hasattr(ImageSearchSession, "client"):
        pytest.skip("this revision has no session.client")

    async def two_pages() -> None:
        async with CANDIDATES[name](Setting(server.url, None, 2)) as fetch:
            await fetch(1)
            await fetch(2)

    try:
        anyio.run(two_pages)
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is a peer")


@pytest.mark.anyio
async def test_session_gets_a_page_over_tls_and_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when the handshake takes its time and the connection is closed afterwards."""
    pytest.importorskip("trustme", reason="the server's certificate is made by trustme")
    certifi = pytest.importorskip("certifi")
    monkeypatch.setattr(certifi, "where", certifi.where)  # revisions without `verify=` replace it
    with serving(tls=True, gzip=True, connecting=0.01, closes=True) as running:
        async with CANDIDATES["ours"](Setting(running.url, running.ca, 1)) as fetch:
            await fetch(1)
            await fetch(2)
        assert running.tell("journal")["cpu"] > 0


async def one_run(server: Server, candidate: str = "ours", *, at_once: bool = False, in_flight: int = 4) -> Any:
    case = {"in_flight": in_flight, "latency": 100, "at_once": at_once}
    return await pages.measured(candidate, server.url, server.ca, case, 60.0)


def test_measured_counts_and_times_pages(server: Server) -> None:
    found = anyio.run(one_run, server)
    assert (found["begun"], found["failed"]) == (2_000, 0)
    assert 0 < found["figures"]["p50"] <= found["figures"]["p99"]
    assert found["figures"]["CPU per page"] > 0


def test_measured_failures_are_no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page with too few images is a failure."""
    monkeypatch.setattr(pages, "_PAGES", 40)
    with serving(images=34) as running:
        found = anyio.run(one_run, running)
    assert found == {"figures": {}, "begun": 40, "failed": 40, "error": "ValueError"}


def test_measured_says_why_a_client_is_left_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: Setting) -> Any:
        raise AttributeError("no such client")

    monkeypatch.setitem(CANDIDATES, "ours", none)
    assert anyio.run(one_run, server) == {"left_out": "AttributeError: no such client"}


def result(*, begun: int = 40, failed: int = 0, **figures: float) -> Any:
    named = {"share": "share of ideal", "cpu": "CPU per page", "succeeded": "succeeded"}
    return {"begun": begun, "failed": failed, "error": "PoolTimeout" * bool(failed), "figures": {
        named[name]: value for name, value in figures.items()
    }}  # fmt: skip


def test_row_of_pages_has_medians_and_notes() -> None:
    row = pages.row("httpx", pages.Case(64, 100), [result(begun=640, failed=40, cpu=10), result(begun=640, cpu=30)])
    assert row.figures["CPU per page"] == Figure(20, 10, 30, "µs")
    assert row.note == "640 pages; 40 of 1,280 failed (PoolTimeout)"
    assert pages.row("httpx", pages.Case(64, 100), [], "did not finish").note == "did not finish"


def test_cases_give_every_worker_the_same_number_of_pages() -> None:
    for in_flight in (1, 16, 64, 256, 1_000):
        number_of_pages = pages.Case(in_flight, 0).pages
        assert number_of_pages % in_flight == 0
        assert number_of_pages >= 2_000


def test_cases_of_the_short_run_are_those_of_the_promises() -> None:
    short = {(case.in_flight, case.latency) for case in pages._cases(PLAN)}
    assert short == {(64, 0), (16, 100), (64, 100), (256, 100), (100, 300)}
    full = pages._cases(Plan(full=True, rounds=1, library=HERE))
    assert {case.wire for case in full} == {"HTTP", "HTTP gzip", "TLS", "TLS gzip"}
    assert {case.in_flight for case in full} >= {1, 16, 64, 256, 1_000}
    assert pages._candidates(PLAN, pages.Case(100, 300, at_once=True)) == ["ours"]
    assert set(AT_ONCE) <= CANDIDATES.keys()
