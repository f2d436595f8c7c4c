"""The contents of the HTML report of a run; `templates/page.html` is its layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..image_card import Card, card_of
from ..output_options import count_of
from .progress_display import duration
from .results import read_image
from .summary import Summary
from .tally import HISTOGRAM, Tally
from .timeline import Bucket, Timeline

__all__ = ["chart_of", "report_of", "sample_cards"]

_SAMPLES = 24
_MAX_COLUMNS = 120
_TIMES = 4  # labels of the time axis, after the first


def sample_cards(tally: Tally) -> list[Card]:
    """Return pictures from all over the input, each under its query."""
    return [card_of(read_image(image), name=query) for query, image in tally.samples(_SAMPLES)]


def report_of(summary: Summary, settings: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return what the template shows."""
    return {
        "summary": summary,
        "duration": duration(summary.tally.timeline.seconds),
        "chart": chart_of(summary.tally.timeline),
        "histogram": _histogram(summary.tally.histogram),
        "settings": settings,
    }


def _histogram(numbers: Sequence[int]) -> list[tuple[str, int, float]]:
    """Return (label, number, percent of the longest bar), without empty bars at both ends."""
    filled = [place for place, number in enumerate(numbers) if number]
    if not filled:
        return []
    bars = list(zip(HISTOGRAM, numbers, strict=True))[filled[0] : filled[-1] + 1]
    return [(label, number, round(100 * number / max(numbers), 2)) for label, number in bars]


def chart_of(timeline: Timeline) -> dict[str, Any]:
    """Return the chart: a column per interval, with heights in percent."""
    width, whole = timeline.width, max(timeline.seconds, 1e-3)
    number = math.ceil(len(timeline.buckets) / _MAX_COLUMNS) or 1
    width *= number
    groups = [timeline.buckets[at : at + number] for at in range(0, len(timeline.buckets), number)]
    if len(groups) > 1 and whole - width * (len(groups) - 1) < width / 2:
        groups[-2:] = [groups[-2] + groups[-1]]  # the speed of a short interval says little
    columns = [
        _column(group, place * width, whole if place == len(groups) - 1 else (place + 1) * width, timeline)
        for place, group in enumerate(groups)
    ]
    top = _round_up(max((max(column["speed"], column["rate"] or 0.0) for column in columns), default=0.0) or 1.0)
    for column in columns:
        column["height"] = round(100 * column["speed"] / top, 2)
        column["pace"] = None if column["rate"] is None else round(100 * column["rate"] / top, 2)
    return {
        "columns": columns,
        "has_pace": any(column["rate"] is not None for column in columns),
        "resumed": len(timeline.starts) - 1,
        "rates": [f"{top:g}", f"{top / 2:g}", "0"],
        "times": [duration(whole * place / _TIMES) for place in range(_TIMES + 1)],
    }


def _column(group: list[Bucket], start: float, end: float, timeline: Timeline) -> dict[str, Any]:
    what = Bucket()
    for bucket in group:
        what.add(bucket)
    speed = what.requests / max(end - start, 1e-3)
    title = f"{duration(start)}: {speed:.1f} requests/s"
    title += f", {what.throttled} throttled" * bool(what.throttled)
    title += f", {count_of(what.retries, 'retry', 'retries')}" * bool(what.retries)
    return {
        "title": title,
        "speed": speed,
        "rate": what.rate,
        "throttled": what.throttled,
        "retries": what.retries,
        "resumed": any(start <= at < end for at in timeline.starts[1:]),
    }


def _round_up(number: float) -> float:
    """Return the next multiple of half a power of ten: 47 → 50, 51 → 55."""
    step: float = 10.0 ** math.floor(math.log10(number)) / 2
    return math.ceil(number / step) * step
