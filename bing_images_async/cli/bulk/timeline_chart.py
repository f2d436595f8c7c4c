"""The timeline of a run as an SVG picture: requests per second, the pace, throttles, retries."""

from __future__ import annotations

import math
from collections.abc import Iterator

from attrs import frozen

from .progress_display import duration
from .stats_sampler import Bucket, Watch

__all__ = ["STYLE", "draw"]

_WIDTH, _HEIGHT = 960, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 14, 58
_BARS = 120
_FIELD_WIDTH = _WIDTH - _LEFT - _RIGHT
_FIELD_HEIGHT = _HEIGHT - _TOP - _BOTTOM
_LANE = _HEIGHT - _BOTTOM + 9  # where troubles are drawn

STYLE = """
.chart { display: block; width: 100%; height: auto; font: 11px system-ui, "Segoe UI", sans-serif }
.chart text { fill: var(--soft); font-variant-numeric: tabular-nums }
.chart .grid-line { stroke: var(--line); stroke-width: 1 }
.chart .bar { fill: var(--bar) }
.chart .pace { fill: none; stroke: var(--pace); stroke-width: 1.6; stroke-dasharray: 5 4 }
.chart .throttled { fill: var(--bad) } .chart .retried { fill: var(--warn) }
.chart .start { stroke: var(--soft); stroke-dasharray: 2 3 }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin: .6rem 0 0; font-size: .82rem; color: var(--soft) }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .45rem; border-radius: 3px;
  vertical-align: -.1rem }
.legend .l-bar { background: var(--bar) } .legend .l-throttled { background: var(--bad) }
.legend .l-retried { background: var(--warn) }
.legend .l-pace { height: 0; border-top: 2px dashed var(--pace); border-radius: 0; vertical-align: .25rem }
"""


@frozen
class _Bar:
    """One stretch of time, as it is drawn."""

    start: float
    end: float
    """Seconds."""
    what: Bucket

    @property
    def speed(self) -> float:
        """Requests per second."""
        return self.what.requests / (self.end - self.start)


def draw(watch: Watch) -> str:
    """The picture, with a legend below it. All numbers and no texts of others, so nothing needs escaping."""
    bars = list(_bars(watch))
    whole = bars[-1].end if bars else 1.0
    most = max((max(bar.speed, bar.what.rate or 0.0) for bar in bars), default=0.0)
    step = _round_step(most or 1.0, 4)
    top = step * math.ceil((most or 1.0) / step)
    parts = [*_grid(step, top), *_axis(whole)]
    for bar in bars:
        parts += _column(bar, whole, top)
    parts += _pace(bars, whole, top)
    parts += [
        f'<line class="start" x1="{_x(at, whole)}" x2="{_x(at, whole)}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}">'
        f"<title>went on here</title></line>"
        for at in watch.starts[1:]
    ]
    total = watch.total
    label = f"{total.requests} requests, {total.throttled} throttled, {total.retries} retries"
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Timeline: {label}">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
        + _legend(watch, has_pace=any(bar.what.rate is not None for bar in bars))
    )


def _bars(watch: Watch) -> Iterator[_Bar]:
    """Buckets put together to as many bars as can be told apart; a mere stub at the end goes with the one before."""
    number = math.ceil(len(watch.buckets) / _BARS) or 1
    groups = [watch.buckets[at : at + number] for at in range(0, len(watch.buckets), number)]
    width = watch.width * number
    whole = max(watch.seconds, 1e-3)
    if len(groups) > 1 and whole - width * (len(groups) - 1) < width / 2:
        groups[-2:] = [groups[-2] + groups[-1]]
    for place, group in enumerate(groups):
        what = Bucket()
        for bucket in group:
            what.add(bucket)
        end = whole if place == len(groups) - 1 else (place + 1) * width
        if end > place * width:
            yield _Bar(place * width, end, what)


def _grid(step: float, top: float) -> Iterator[str]:
    for number in range(round(top / step) + 1):
        y = _y(number * step, top)
        yield f'<line class="grid-line" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number * step:g}</text>'
    yield f'<text x="{_LEFT - 8}" y="{_LANE + 9}" text-anchor="end">!</text>'


def _axis(whole: float) -> Iterator[str]:
    step = _time_step(whole)
    for number in range(int(whole / step) + 1):
        x = _x(number * step, whole)
        anchor = "start" if number == 0 else "end" if x > _WIDTH - _RIGHT - 20 else "middle"
        yield f'<text x="{x}" y="{_HEIGHT - 12}" text-anchor="{anchor}">{duration(number * step)}</text>'
        yield f'<line class="grid-line" x1="{x}" x2="{x}" y1="{_HEIGHT - 30}" y2="{_HEIGHT - 26}"/>'


def _column(bar: _Bar, whole: float, top: float) -> Iterator[str]:
    x, end = _x(bar.start, whole), _x(bar.end, whole)
    width = max(0.6, round(end - x - min(1.5, (end - x) * 0.2), 1))
    what = bar.what
    said = f"{duration(bar.start)}: {bar.speed:.1f} requests/s"
    said += f", {what.throttled} throttled" * bool(what.throttled) + f", {what.retries} retries" * bool(what.retries)
    if what.requests:
        y = _y(bar.speed, top)
        height = round(_TOP + _FIELD_HEIGHT - y, 1)
        yield f'<rect class="bar" x="{x}" y="{y}" width="{width}" height="{height}"><title>{said}</title></rect>'
    for kind, number in (("throttled", what.throttled), ("retried", what.retries)):
        if number:
            y = _LANE if kind == "throttled" else _LANE + 7
            yield (
                f'<rect class="{kind}" x="{x}" y="{y}" width="{max(2.5, width)}" height="5" rx="1.5">'
                f"<title>{said}</title></rect>"
            )


def _pace(bars: list[_Bar], whole: float, top: float) -> Iterator[str]:
    """Steps; where there was no pace, nothing."""
    stretch: list[str] = []
    for bar in [*bars, None]:
        if bar is not None and bar.what.rate is not None:
            y = _y(bar.what.rate, top)
            stretch.append(f"{_x(bar.start, whole)},{y} {_x(bar.end, whole)},{y}")
        elif stretch:
            yield f'<polyline class="pace" points="{" ".join(stretch)}"/>'
            stretch = []


def _legend(watch: Watch, *, has_pace: bool) -> str:
    total = watch.total
    entries = [("bar", "requests per second")]
    if has_pace:
        entries.append(("pace", "what the pace allows"))
    entries += [("throttled", f"throttled ({total.throttled:,})"), ("retried", f"retries ({total.retries:,})")]
    items = "".join(f'<span><i class="l-{name}"></i>{text}</span>' for name, text in entries)
    if len(watch.starts) > 1:
        items += f"<span>⋮ stopped and gone on, {len(watch.starts) - 1} ×</span>"
    return f'<p class="legend">{items}</p>\n'


def _x(at: float, whole: float) -> float:
    return round(_LEFT + _FIELD_WIDTH * at / whole, 1)


def _y(value: float, top: float) -> float:
    return round(_TOP + _FIELD_HEIGHT * (1 - value / top), 1)


def _round_step(most: float, parts: int) -> float:
    """1, 2 or 5 times a power of ten, so that some `parts` of them are enough."""
    power: float = 10.0 ** math.floor(math.log10(most / parts))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * parts >= most)


def _time_step(whole: float) -> float:
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
    return next((float(step) for step in steps if whole / step <= 8), 604_800.0)
