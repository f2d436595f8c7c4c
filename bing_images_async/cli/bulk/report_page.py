"""What was asked, found and failed, as one HTML file that loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from attrs import frozen

from ..contact_sheet import render_page, render_section
from ..image_card import Card, card_of
from ..sanitize import visible
from . import timeline_chart as chart
from .progress_display import duration
from .results import read_image
from .summary import Summary
from .tally import Failures, Journal, Which

__all__ = ["Report", "render_report", "sample_cards"]

_SAMPLES = 24
_BOUNDS = (1, 10, 35, 100, 300, 1_000_000_000)
_LABELS = ("nothing", "1 to 9", "10 to 34", "35 to 99", "100 to 299", "300 or more")
_LISTED = 8  # queries in a list of examples


@frozen(kw_only=True)
class Report:
    """What stands in it."""

    title: str
    subtitle: str
    summary: Summary
    settings: Sequence[tuple[str, str]]
    """Label and value of what was asked for."""
    credits: str
    """Attribution of all the pictures, "" for none."""


def sample_cards(journal: Journal) -> list[Card]:
    """Pictures from all over the run, each under the query that found it."""
    return [card_of(read_image(sample), name=query) for query, sample in journal.samples(_SAMPLES)]


def render_report(report: Report, journal: Journal, cards: Sequence[Card], pictures: Mapping[str, str]) -> str:
    """The document. `pictures` maps thumbnail addresses to `data:` URLs."""
    summary = report.summary
    failed = "".join(_failures(failures) for failures in summary.failures)
    parts = [
        _tiles(summary),
        _stopped(summary),
        _panel("Requests over time", chart.draw(summary.watch)),
        '<div class="pair"><div>',
        _panel("Images per query", _histogram(journal.images_per_query(_BOUNDS))),
        _panel("Settings", _facts(report.settings)),
        "</div>",
        _panel("Failures", f'<div class="failures">{failed}</div>' if failed else "<p>None.</p>"),
        "</div>",
        render_section("A sample of what was found", cards, pictures, "" if report.credits else "licence not stated")
        if cards
        else "",
        _panel("Asked for", _asked(journal)),
    ]
    note = report.credits or "The pages they are from say who made the images and what may be done with them."
    return render_page(report.title, report.subtitle, "\n".join(parts), note, style=_STYLE + chart.STYLE)


def _tiles(summary: Summary) -> str:
    totals, watch = summary.totals, summary.watch
    requests = summary.requests
    tiles = [
        (f"{totals.queries:,}", "queries", ""),
        (f"{totals.images:,}", "images", ""),
        (f"{totals.empty:,}", "found nothing", ""),
        (f"{totals.failed:,}", "failed", "bad" if totals.failed else ""),
        (f"{requests:,}", "requests", ""),
        (duration(watch.seconds), f"at {requests / max(watch.seconds, 1e-9):.1f} requests/s", ""),
    ]
    if summary.cost is not None:
        tiles.append((f"{summary.cost:,.2f}", "cost", ""))
    shown = "".join(f'<div class="{state}"><b>{value}</b><span>{label}</span></div>' for value, label, state in tiles)
    return f'<div class="tiles">{shown}</div>'


def _stopped(summary: Summary) -> str:
    if summary.stopped_by is None:
        return ""
    left = "The rest was" if summary.left is None else f"{summary.left:,} queries were"
    return f'<p class="stopped">Stopped early: {_text(str(summary.stopped_by))} {left} not asked.</p>'


def _histogram(numbers: Sequence[int]) -> str:
    """Bars, from the first that has something to the last."""
    filled = [place for place, number in enumerate(numbers) if number]
    if not filled:
        return "<p>No query was answered.</p>"
    most = max(numbers)
    rows = "".join(
        f"<tr><th>{_LABELS[place]}</th><td><svg viewBox='0 0 100 10' preserveAspectRatio='none' aria-hidden='true'>"
        f"<rect class='fill' width='{100 * numbers[place] / most:.2f}' height='10'/></svg></td>"
        f"<td class='number'>{numbers[place]:,}</td></tr>"
        for place in range(filled[0], filled[-1] + 1)
    )
    return f'<table class="histogram">{rows}</table>'


def _failures(failures: Failures) -> str:
    examples = _queries(failures.examples)
    return (
        f'<p class="kind"><b>{failures.number:,}</b> {_text(failures.kind)}</p>'
        f'<p class="message">{_text(failures.message)}</p>' + (f"<p>{examples}</p>" if examples else "")
    )


def _asked(journal: Journal) -> str:
    sorts: tuple[Which, ...] = ("first", "most images", "nothing found")
    lists = [(sort, journal.some(sort, _LISTED)) for sort in sorts]
    facts = [(str(sort), _queries(query for query, _ in found)) for sort, found in lists if found]
    slowest = journal.some("slowest", 5)
    if slowest:
        slow = " ".join(
            f'<span class="query">{_text(query)} <i>{elapsed:.2f} s</i></span>' for query, elapsed in slowest
        )
        facts.append(("slowest", slow))
    return _list(facts)


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return _list([(_text(label), _text(value)) for label, value in facts])


def _list(rows: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{label}</dt><dd>{value}</dd>" for label, value in rows) + "</dl>"


def _queries(queries: Iterable[str]) -> str:
    return " ".join(f'<span class="query" dir="auto">{_text(query)}</span>' for query in queries if query)


def _panel(heading: str, content: str) -> str:
    return f'<section class="panel"><h2>{heading}</h2>\n{content}</section>'


def _text(text: str) -> str:
    return escape(visible(text))


_STYLE = """
:root { --bar: #3b78d8; --pace: #7a6a00; --bad: #c62f2f; --warn: #d98300 }
@media (prefers-color-scheme: dark) { :root { --bar: #6a9cf0; --pace: #d8c65a; --bad: #ff7b72; --warn: #f0a83c } }
main { padding-bottom: .5rem } main > section:not(.panel) > h2 { font-size: 1.02rem }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .8rem; margin-top: 1.5rem }
.tiles div, .panel { background: var(--card); border: 1px solid var(--line); border-radius: 12px }
.tiles div { padding: .8rem 1rem }
.tiles b { display: block; font-size: 1.55rem; line-height: 1.25; letter-spacing: -.01em;
  font-variant-numeric: tabular-nums }
.tiles span { color: var(--soft); font-size: .82rem }
.tiles .bad b { color: var(--bad) }
.stopped { margin: 1.1rem 0 0; padding: .7rem 1rem; border-left: 4px solid var(--bad); border-radius: 6px;
  background: var(--card) }
.panel { margin-top: 1.1rem; padding: 1.1rem 1.25rem 1.2rem; min-width: 0 }
.panel h2 { margin: 0 0 .8rem; font-size: 1.02rem }
.panel p { margin: 0; overflow-wrap: anywhere }
.pair > div { display: flex; flex-direction: column } .pair > div > :last-child { flex: 1 }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 0 1.1rem }
.histogram { width: 100%; border-collapse: collapse; font-size: .88rem }
.histogram th { width: 1%; padding: .22rem .9rem .22rem 0; text-align: left; font-weight: 400; white-space: nowrap;
  color: var(--soft) }
.histogram td { padding: .22rem 0 }
.histogram svg { display: block; width: 100%; height: .85rem }
.histogram .fill { fill: var(--bar) }
.histogram .number { width: 1%; padding-left: .9rem; text-align: right; font-variant-numeric: tabular-nums }
.failures .kind { margin-top: .9rem } .failures .kind:first-child { margin-top: 0 }
.failures .kind b { color: var(--bad); font-variant-numeric: tabular-nums; margin-right: .2rem }
.failures .message { margin: .15rem 0 .35rem; color: var(--soft); font-size: .85rem;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden }
.query { display: inline-block; max-width: 100%; margin: 0 .15rem .3rem 0; padding: .05rem .55rem; border-radius: 99px;
  background: var(--page); font-size: .85rem; overflow-wrap: anywhere }
.query i { color: var(--soft); font-style: normal }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .35rem 1.2rem; margin: 0; font-size: .9rem }
dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
"""
