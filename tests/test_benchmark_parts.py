"""The benchmarks measure what they say: the peers read what we read, every attribute is read, verdicts are right."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.speed import one_call, pages
from benchmarks.speed.page import page
from benchmarks.speed.peers import same_models
from benchmarks.speed.peers.decode import CANDIDATES, READ
from benchmarks.speed.peers.fields import closure, fields_of, reader
from benchmarks.speed.peers.growth import main as grow
from benchmarks.speed.peers.limiters import busiest, overtakers
from benchmarks.speed.promises import Promise, promises
from benchmarks.speed.tables import Figure, Plan, Row, Table
from benchmarks.speed.workers import WorkerError, run_worker
from bing_images_async.models import Attempt, Image, ImageAnswer, Problem, ResponseMeta

BODY = page(35)

RowValues = tuple[str, Mapping[str, str | int], Mapping[str, float]]
"""A candidate, its case, and its figures."""


def ours() -> ImageAnswer:
    answer = CANDIDATES[READ]()(BODY)
    assert isinstance(answer, ImageAnswer)
    return answer


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


# --- the models of the peers


def test_the_page_fills_most_of_an_image() -> None:
    """A page of mostly missing fields would flatter whoever pays by the field."""
    image = ours().value[3]
    filled = [f.name for f in fields_of(Image) if getattr(image, f.name) not in {None, ()}]
    assert len(filled) >= 22


def test_cattrs_reads_what_we_read() -> None:
    """The plain converter's classes have our fields, under our names."""
    kind = same_models.attrs_models(ImageAnswer).ImageAnswer
    assert_same(ImageAnswer, ours(), same_models.plain_converter().structure(json.loads(BODY), kind))


def test_msgspec_reads_what_we_read() -> None:
    """So do the Structs."""
    kind = same_models.msgspec_models(ImageAnswer).ImageAnswer
    assert_same(ImageAnswer, ours(), msgspec.json.decode(BODY, type=kind))


def test_pydantic_reads_what_we_read() -> None:
    """So do pydantic's models."""
    pytest.importorskip("pydantic", reason="a peer: installed where benchmarks run")
    kind = same_models.pydantic_models(ImageAnswer).ImageAnswer
    assert_same(ImageAnswer, ours(), kind.model_validate_json(BODY))


def test_the_official_deserializer_reads_the_page() -> None:
    """Its models are its own; what both know is the same."""
    pytest.importorskip("msrest", reason="a peer: installed where benchmarks run")
    theirs: Any = CANDIDATES["official SDK's deserializer"]()(BODY)
    mine = ours()
    assert [image.content_url for image in mine.value] == [image.content_url for image in theirs.value]
    assert mine.total_estimated_matches == theirs.total_estimated_matches
    assert [query.text for query in mine.query_expansions] == [query.text for query in theirs.query_expansions]


# --- reading every attribute


class Spy:
    """Stands for an object of `model`, full to the brim, and writes down what is read of it."""

    def __init__(self, model: type, seen: set[tuple[type, str]], above: tuple[type, ...] = ()) -> None:
        self._of = (model, seen, (*above, model))

    def __getattr__(self, name: str) -> Any:
        model, seen, above = self._of
        seen.add((model, name))
        f = next(f for f in fields_of(model) if f.name == name)
        if not f.is_model:
            return None
        if f.kind in above:  # models may hold themselves
            return () if f.is_list else None
        inner = Spy(f.kind, seen, above)
        return (inner,) if f.is_list else inner


def test_every_attribute_is_read() -> None:
    """Whatever a model puts off until it is asked, the timed region asks for."""
    seen: set[tuple[type, str]] = set()
    reader(ImageAnswer)(Spy(ImageAnswer, seen))
    models = {*closure(ImageAnswer), ResponseMeta, Attempt, Problem}
    assert {(model, f.name) for model in models for f in fields_of(model)} == seen


def test_reading_finds_what_is_missing() -> None:
    """The reader looks at the objects of a real answer, to the last."""
    answer = ours()
    reader(ImageAnswer)(answer)
    object.__delattr__(answer.value[-1], "is_fresh")
    with pytest.raises(AttributeError, match="is_fresh"):
        reader(ImageAnswer)(answer)


# --- limiters


def test_the_busiest_window_is_half_open() -> None:
    """A grant a whole second after another is no longer in its second."""
    assert busiest([]) == 0
    assert busiest([2.25, 0.0, 1.0, 0.25, 1.125]) == 3


def test_newcomers_that_overtake_are_counted() -> None:
    """Those with places from 3 on; among those who waited from the start order does not matter."""
    assert overtakers([0, 2, 1, 3, 4], waiters=3) == 0
    assert overtakers([0, 4, 2, 5, 1, 3], waiters=3) == 2
    assert overtakers([4, 3], waiters=3) == 1


# --- growth


@pytest.mark.anyio
async def test_growth_counts_every_image() -> None:
    """A fan-out runs over the transport in memory, and both figures are there."""
    taken = await grow("fan_out", 20)
    assert taken["CPU per query"] > 0
    assert taken["memory above rest"] >= 0


# --- promises


def table(name: str, *rows: RowValues) -> Table:
    made = [
        Row(who, case, {figure: Figure.of([value]) for figure, value in values.items()}) for who, case, values in rows
    ]
    return Table(name, name, "", made)


def verdicts(*tables: Table) -> dict[str, bool | None]:
    return {promise.what: promise.holds for promise in promises({table.name: table for table in tables})}


def judged(what: str, *tables: Table) -> Promise:
    (found,) = (promise for promise in promises({table.name: table for table in tables}) if what in promise.what)
    return found


def test_without_tables_nothing_is_promised_to_hold() -> None:
    """What was not measured is neither kept nor broken."""
    assert set(verdicts().values()) == {None}
    assert len(verdicts()) == 15


@pytest.mark.parametrize(("ratio", "holds"), [(1.2, True), (1.21, False)])
def test_decode_is_judged_with_every_attribute_read(ratio: float, holds: bool) -> None:
    """The row that reads counts, and each size for itself."""
    decode = table("decode", (READ, {"images": 150}, {"ratio to json.loads": ratio}))
    assert [judged(f"page of {images}", decode).holds for images in (35, 150)] == [None, holds]


def test_the_chain_is_judged_by_the_rows_of_its_table() -> None:
    """Time and share, of the paced chain on asyncio, 64 in flight."""
    rounds = {
        one_call.CHAIN: [61.0, 61.0],
        one_call.WHOLE.format(1): [100.0, 100.0],
        one_call.WHOLE.format(64): [610.0] * 2,
    }
    made = Table("one_call", "", "", one_call._rows(rounds, "asyncio"))
    time, share = judged("chain adds", made), judged("of the whole call", made)
    assert (time.measured, time.holds) == ("61 µs", False)
    assert (share.measured, share.holds) == ("10 %", True)


def page_row(who: str, in_flight: int, latency: int, **values: float) -> RowValues:
    figures = {"cpu": "CPU per page", "rate": "pages/s", "succeeded": "succeeded", "time": "time / ideal"}
    case = pages.Case(in_flight, latency, at_once="time" in values)
    return who, case.labels, {figures[name]: value for name, value in values.items()}


def test_the_better_configuration_of_httpx_counts() -> None:
    """One third of the worse one is not enough."""
    rows = [page_row("ours", 64, 0, cpu=500.0), page_row("httpx", 64, 0, cpu=3000.0)]
    assert judged("httpx + json", table("pages", *rows)).holds is None
    rows.append(page_row("httpx, tuned", 64, 0, cpu=1000.0))
    assert judged("httpx + json", table("pages", *rows)).measured == "0.5 ×"
    assert judged("httpx + json", table("pages", *rows)).holds is False


def test_pages_are_judged_case_by_case() -> None:
    """Rates beside aiohttp, growth with concurrency, and 2,000 calls at once."""
    made = table(
        "pages",
        page_row("ours", 16, 100, cpu=400.0),
        page_row("ours", 64, 100, rate=570.0, cpu=400.0),
        page_row("ours", 256, 100, rate=980.0, cpu=500.0),
        page_row("aiohttp, bytes alone", 64, 100, rate=600.0),
        page_row("aiohttp, bytes alone", 256, 100, rate=2000.0),
        page_row("ours", 100, 300, succeeded=1999.0, time=1.02),
    )
    assert judged("64 in flight, 100 ms", made).holds is True
    assert judged("alone, 256 in flight", made).holds is False
    assert judged("256 in flight to that with 16", made).holds is True
    assert judged("succeed", made).holds is False
    assert judged("time to the ideal", made).holds is True


def test_memory_is_flat_or_not() -> None:
    """From 1,000 queries to the most that the run had."""

    def grown(*memory: float) -> Table:
        sizes = (1_000, 10_000, 100_000)
        rows: list[RowValues] = [
            ("ours: fan_out", {"queries": size, "loop": "asyncio"}, {"memory above rest": taken})
            for size, taken in zip(sizes, memory, strict=False)
        ]
        return table("growth", *rows)

    assert judged("fan-out", grown(1.0)).holds is None
    assert judged("10,000", grown(1.0, 2.5)).holds is True
    assert judged("100,000", grown(1.0, 2.5, 3.5)).holds is False


def test_start_is_judged_at_the_first_page() -> None:
    """By the time that passes."""
    case = {"up to": "first page"}
    assert judged("import", table("start", ("ours", case, {"ratio, wall": 1.7, "ratio, CPU": 1.5}))).holds is False


# --- workers


def plan_for(folder: Path, library: str) -> Plan:
    """A checkout with nothing but this `library`, and a folder `benchmarks` that is not to be used."""
    for name, text in {"bing_images_async": library, "benchmarks": "raise ImportError('the wrong benchmarks')"}.items():
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(text)
    python = folder / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(Path(sys.executable).resolve())
    return Plan(full=False, rounds=1, peers=python, checkout=folder)


def run_start(plan: Plan) -> Any:
    page_file = plan.checkout / "page.json"
    page_file.write_bytes(b"{}")
    return run_worker(plan, "peers.start", "ours", "import", page_file)


def test_a_worker_has_the_library_of_the_checkout_and_these_benchmarks(tmp_path: Path) -> None:
    """Both checkouts have a folder of that name; and neither is written to."""
    taken = run_start(plan_for(tmp_path, f"assert __file__.startswith({str(tmp_path)!r})"))
    assert taken["wall"] > 0
    assert not list(tmp_path.glob("b*/__pycache__"))


def test_a_worker_that_fails_says_why(tmp_path: Path) -> None:
    """The last words of the worker are in the error."""
    plan = plan_for(tmp_path, "raise RuntimeError('no such luck')")
    with pytest.raises(WorkerError, match="no such luck"):
        run_start(plan)
