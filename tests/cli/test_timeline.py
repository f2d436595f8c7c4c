"""The timeline of bulk runs, the tally of their results, and the chart in the report."""

from __future__ import annotations

from html.parser import HTMLParser
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from bing_images_async.cli.bulk.bulk_options import read_rate
from bing_images_async.cli.bulk.progress_display import duration
from bing_images_async.cli.bulk.report_page import chart_of, report_of
from bing_images_async.cli.bulk.run import Run
from bing_images_async.cli.bulk.summary import Summary
from bing_images_async.cli.bulk.tally import Tally, decode_entry
from bing_images_async.cli.bulk.timeline import Bucket, Timeline
from bing_images_async.cli.html_page import render_page


def run(timeline: Timeline, started: float, seconds: int, per_second: int, rate: float | None = None) -> None:
    for second in range(1, seconds + 1):
        timeline.add(started, second, Bucket(per_second, 1, 0, rate))


@pytest.mark.parametrize("seconds", [1, 100, 179, 180, 5_000])
def test_timeline_of_any_length_loses_nothing_and_stays_bounded(seconds: int) -> None:
    timeline = Timeline()
    run(timeline, 1.0, seconds, 7)
    assert (timeline.total.requests, timeline.total.throttled) == (7 * seconds, seconds)
    assert sum(bucket.requests for bucket in timeline.buckets) == 7 * seconds
    assert len(timeline.buckets) <= 360
    assert (len(timeline.buckets) - 1) * timeline.width <= seconds < len(timeline.buckets) * timeline.width


def test_timeline_of_two_runs_has_no_gap() -> None:
    """The time between them does not count."""
    timeline = Timeline()
    run(timeline, 1_000.0, 20, 5)
    timeline.advance(1_000.0, 21.0)
    run(timeline, 90_000.0, 10, 5)
    assert (timeline.seconds, timeline.starts, timeline.total.requests) == (31.0, [0.0, 21.0], 150)


def test_timeline_buckets_merged_an_odd_number_of_times_keep_the_last() -> None:
    timeline = Timeline()
    timeline.add(1.0, 179.9, Bucket(3))
    timeline.add(1.0, 180.0, Bucket(4))
    timeline.add(1.0, 360.0, Bucket(5))
    assert [bucket.requests for bucket in timeline.buckets if bucket.requests] == [3, 4, 5]


def test_bucket_keeps_the_lowest_rate() -> None:
    bucket = Bucket(1, 0, 0, 9.0)
    bucket.add(Bucket(2, 1, 1, 4.0))
    bucket.add(Bucket())
    assert bucket == Bucket(3, 1, 1, 4.0)


@pytest.mark.parametrize("seconds", [0, 1, 7, 4_000])
def test_chart_stays_within_its_frame(seconds: int) -> None:
    timeline = Timeline()
    run(timeline, 1.0, seconds, 50, 60.0)
    chart = chart_of(timeline)
    assert len(chart["columns"]) <= 121
    for column in chart["columns"]:
        assert 0 <= column["height"] <= 100
        assert 0 <= (column["pace"] or 0) <= 100
    assert sum(column["throttled"] for column in chart["columns"]) == seconds


@pytest.mark.parametrize(("speed", "top"), [(47, "50"), (51, "55"), (0.3, "0.3"), (9.9, "10"), (100, "100")])
def test_chart_axis_ends_at_a_round_number(speed: float, top: str) -> None:
    timeline = Timeline()
    timeline.add(1.0, 1.0, Bucket(0, 0, 0, speed))
    assert chart_of(timeline)["rates"][0] == top


def test_chart_marks_where_a_run_was_resumed() -> None:
    timeline = Timeline()
    run(timeline, 1.0, 10, 5)
    run(timeline, 2.0, 10, 5)
    chart = chart_of(timeline)
    assert sum(column["resumed"] for column in chart["columns"]) == 1
    assert chart["resumed"] == 1


class Page(HTMLParser):
    """Checks that the elements of a page are properly nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_of_nothing_is_a_whole_page() -> None:
    run = SimpleNamespace(tally=Tally(), sent=Bucket(), stopped_by=None, total=0)
    page = render_page("t", "s", [], "", {}, report_of(Summary(cast("Run", run), 2.0, can_resume=True), [("a", "<b>")]))
    assert Page(page).open == []
    assert "No query was answered." in page
    assert "<dd>&lt;b&gt;</dd>" in page


def entry(index: int, images: int, error: str | None = None) -> bytes:
    run = {"started": 1.0, "at": 0.5, "elapsed": float(index), "throttled": 0, "retries": 0, "rate": None}
    return msgspec.json.encode({
        "index": index, "digest": "d", "query": f"q{index}", "requests": 1, "run": run,
        "error": None if error is None else {"kind": error, "message": f"m{index}"}, "images": [{"name": "x"}] * images,
    })  # fmt: skip


def test_tally_keeps_few_examples_of_many_results() -> None:
    """From all over the input, whatever the order in which the results arrive."""
    tally = Tally()
    for index in reversed(range(10_000)):
        tally.add(decode_entry(entry(index, index % 40, "ServerError" if index % 5 == 0 else None)))
    assert [query for _, query in tally.listed["first"]] == [f"q{index}" for index in range(8)]
    assert [query for _, query in tally.slowest] == [f"q{index}" for index in (9999, 9998, 9997, 9996, 9995)]
    assert {images for images, _ in tally.listed["most images"]} == {-39}
    assert tally.failures[0].examples == ["q0", "q5", "q10"]
    assert sum(tally.histogram) == 8_000 == tally.queries - tally.failed
    places = [int(query.removeprefix("q")) for query, _ in tally.samples(24)]
    assert len(places) == 24
    assert max(places) > 8_000 > 2_000 > min(places)


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (41, "0:41"), (725, "12:05"), (32_531, "9:02:11")])
def test_duration_reads_as_on_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "rate"),
    [("50", (50, 1.0)), ("1000/60", (1000, 60.0)), ("0.5", (1, 2.0)), ("10/2s", (10, 2.0))],
)
def test_rate_is_read_in_every_form(text: str, rate: tuple[int, float]) -> None:
    limit = read_rate(None, None, text)  # type: ignore[arg-type]  # wrong on purpose
    assert not isinstance(limit, str)
    assert limit is not None
    assert (limit.requests, limit.per) == rate
