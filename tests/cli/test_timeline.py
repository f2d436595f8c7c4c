"""The figures of a run over time, and the picture of them."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import anyio
import pytest
from attrs import evolve

from bing_images_async import ImageSearchSession, SessionStats
from bing_images_async.cli.bulk.bulk_options import read_rate
from bing_images_async.cli.bulk.progress_display import duration
from bing_images_async.cli.bulk.stats_sampler import Bucket, Watch
from bing_images_async.cli.bulk.timeline_chart import draw


class Clock:
    """Seconds that pass when they are told to."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stats() -> SessionStats:
    """Those of a session that has done nothing."""

    async def fresh() -> SessionStats:
        return ImageSearchSession("k" * 32).stats

    return anyio.run(fresh)


def run(watch: Watch, clock: Clock, stats: SessionStats, seconds: int, per_second: int) -> SessionStats:
    for _ in range(seconds):
        clock.now += 1.0
        stats = evolve(stats, attempts=stats.attempts + per_second, throttled=stats.throttled + 1)
        watch.look(stats)
    return stats


@pytest.mark.parametrize("seconds", [1, 100, 179, 180, 5_000])
def test_nothing_is_lost_and_the_figures_stay_few(stats: SessionStats, seconds: int) -> None:
    clock = Clock()
    watch = Watch.going_on(clock, None)
    run(watch, clock, stats, seconds, 7)
    assert (watch.total.requests, watch.total.throttled) == (7 * seconds, seconds)
    assert len(watch.buckets) <= 360
    assert (len(watch.buckets) - 1) * watch.width <= seconds < len(watch.buckets) * watch.width


def test_the_clock_stands_still_between_runs(stats: SessionStats) -> None:
    """What the journal keeps of a watch is enough to go on with."""
    clock = Clock()
    watch = Watch.going_on(clock, None)
    run(watch, clock, stats, 20, 5)
    notes = json.loads(json.dumps(watch.notes()))
    clock.now += 86_400
    again = Watch.going_on(clock, notes)
    run(again, clock, stats, 10, 5)
    assert (again.seconds, again.here, again.starts) == (30.0, 10.0, [0.0, 20.0])
    assert again.total.requests == 150


def test_the_rate_of_the_moment_is_that_of_the_last_seconds(stats: SessionStats) -> None:
    clock = Clock()
    watch = Watch.going_on(clock, None)
    stats = run(watch, clock, stats, 30, 50)
    run(watch, clock, stats, 11, 3)
    assert watch.requests_per_second == pytest.approx(3.0)


@pytest.mark.parametrize("seconds", [0, 1, 7, 4_000])
def test_the_picture_is_well_formed_and_stays_inside(stats: SessionStats, seconds: int) -> None:
    clock = Clock()
    watch = Watch.going_on(clock, None)
    run(watch, clock, evolve(stats, rate=60.0), seconds, 50)
    svg = ElementTree.fromstring(draw(watch).split("</svg>")[0] + "</svg>")
    bars = [rect for rect in svg.iter("rect") if rect.get("class") == "bar"]
    assert 0 < len(bars) <= 121 or not seconds
    for rect in svg.iter("rect"):
        left, top = float(rect.get("x", "nan")), float(rect.get("y", "nan"))
        assert 0 <= left <= left + float(rect.get("width", "nan")) <= 960
        assert 0 <= top <= top + float(rect.get("height", "nan")) <= 250


def test_a_bucket_keeps_the_lowest_pace() -> None:
    bucket = Bucket(1, 0, 0, 9.0)
    bucket.add(Bucket(2, 1, 1, 4.0))
    bucket.add(Bucket())
    assert bucket == Bucket(3, 1, 1, 4.0)


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (41, "0:41"), (725, "12:05"), (32_531, "9:02:11")])
def test_durations_read_as_on_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "rate"),
    [("50", (50, 1.0)), ("1000/60", (1000, 60.0)), ("0.5", (1, 2.0)), ("10/2s", (10, 2.0))],
)
def test_rates_are_read_as_people_write_them(text: str, rate: tuple[int, float]) -> None:
    limit = read_rate(None, None, text)  # type: ignore[arg-type]  # wrong on purpose
    assert not isinstance(limit, str)
    assert limit is not None
    assert (limit.requests, limit.per) == rate
