"""Draws `results.json` of a folder as PNG and SVG beside it: `python plots.py FOLDER`.

Needs matplotlib and nothing else, so that any Python can draw what another one has measured. A plot whose figures are
not in the results is left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

__all__ = ["draw"]

_Row = Mapping[str, Any]
_Points = dict[str, list[tuple[float, float]]]

_OURS = "#c2410c"
_FAMILIES = {
    "ours": _OURS,
    "official": "#111827",
    "httpx over": "#7c3aed",
    "httpx2": "#0284c7",
    "httpx": "#1d4ed8",
    "aiohttp": "#15803d",
}
"""A colour for each family, by how the name of a candidate starts; the first that fits."""

_OTHER = "#6b7280"
_INK = "#1f2937"
_GRID = "#e5e7eb"
_DASHES = ["-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2))]

_STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9ca3af",
    "axes.labelcolor": _INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlepad": 12,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "bing-images",
}


def draw(out: Path) -> list[str]:
    """The names of the plots that were drawn."""
    tables: dict[str, list[_Row]] = {
        table["name"]: table["rows"] for table in json.loads((out / "results.json").read_text())["tables"]
    }
    drawn = []
    with plt.rc_context(_STYLE):
        for name, plot in _PLOTS.items():
            figure = plot(tables)
            if figure is not None:
                for kind in ("png", "svg"):
                    metadata = {"Date": None} if kind == "svg" else None
                    figure.savefig(out / f"{name}.{kind}", dpi=160, bbox_inches="tight", metadata=metadata)
                plt.close(figure)
                drawn.append(name)
    return drawn


# --- what is drawn


def _cpu_per_page(tables: Mapping[str, list[_Row]]) -> Figure | None:
    rows = _where(tables.get("pages", []), server="0 ms", wire="HTTP", loop="asyncio")
    title = "CPU per page of 35 images, server without latency"
    return _by_level(rows, "CPU per page", title, "µs of CPU per page", log=True)


def _share_of_ideal(tables: Mapping[str, list[_Row]]) -> Figure | None:
    rows = _where(tables.get("pages", []), server="100 ms", wire="HTTP", loop="asyncio")
    title = "Pages per second as a share of the ideal, server takes 100 ms"
    return _by_level(rows, "share of ideal", title, "share of in flight / 100 ms", log=False)


def _by_level(rows: list[_Row], figure: str, title: str, unit: str, *, log: bool) -> Figure | None:
    """Lines over the number in flight, or bars at 64 if the run had no more than that."""
    points = _points(rows, "in flight", figure)
    if max((len(line) for line in points.values()), default=0) > 3:
        return _lines(points, title, "requests in flight", unit, log=log)
    at_64 = _where(rows, **{"in flight": 64})
    return _bars(_medians(at_64, figure), f"{title}, 64 in flight", unit) if at_64 else None


def _decode(tables: Mapping[str, list[_Row]]) -> Figure | None:
    rows = _where(tables.get("decode", []), images=35)
    title = "From the bytes of a page of 35 images to objects"
    return _bars(_medians(rows, "CPU per page"), title, "µs of CPU per page") if rows else None


def _start(tables: Mapping[str, list[_Row]]) -> Figure | None:
    values = {
        f"{row['candidate']}: {row['case']['up to']}": row["figures"]["wall"]["median"]
        for row in tables.get("start", [])
    }
    return _bars(values, "From a fresh interpreter to …", "ms") if values else None


def _limiters(tables: Mapping[str, list[_Row]]) -> Figure | None:
    values = _medians(_where(tables.get("limiters", []), case="free"), "CPU per grant")
    return _bars(values, "A permit or a slot that nobody waits for", "µs of CPU per grant") if values else None


def _growth(tables: Mapping[str, list[_Row]]) -> Figure | None:
    rows = _where(tables.get("growth", []), loop="asyncio")
    panels = {"CPU per query": "µs of CPU per query", "memory above rest": "MiB above the session at rest"}
    found = [(name, points) for name in panels if (points := _points(rows, "queries", name))]
    if not found:
        return None
    figure, axes = plt.subplots(1, len(found), figsize=(6.5 * len(found), 4.2), squeeze=False)
    for ax, (name, points) in zip(axes[0], found, strict=True):
        _draw_lines(ax, points, "queries in one run", panels[name], log="memory" in name)
    figure.suptitle("Fan-out: cost by number of queries", x=0.02, ha="left", weight="bold", size=12)
    figure.tight_layout(w_pad=4)
    return figure


_PLOTS: dict[str, Callable[[Mapping[str, list[_Row]]], Figure | None]] = {
    "cpu-per-page": _cpu_per_page,
    "share-of-ideal": _share_of_ideal,
    "decode": _decode,
    "limiters": _limiters,
    "growth": _growth,
    "start": _start,
}


def _where(rows: Sequence[_Row], **case: str | int) -> list[_Row]:
    return [row for row in rows if case.items() <= row["case"].items()]


def _medians(rows: Sequence[_Row], figure: str) -> dict[str, float]:
    return {row["candidate"]: row["figures"][figure]["median"] for row in rows if figure in row["figures"]}


def _points(rows: Sequence[_Row], x: str, figure: str) -> _Points:
    points: _Points = {}
    for row in rows:
        if figure in row["figures"]:
            points.setdefault(row["candidate"], []).append((row["case"][x], row["figures"][figure]["median"]))
    return {name: sorted(line) for name, line in points.items()}


# --- how


def _lines(points: _Points, title: str, x: str, y: str, *, log: bool) -> Figure:
    figure, ax = plt.subplots(figsize=(8, 5))
    _draw_lines(ax, points, x, y, log=log)
    ax.set_title(title)
    return figure


def _draw_lines(ax: Axes, points: _Points, x: str, y: str, *, log: bool) -> None:
    """A line for each candidate, with its name at its end; ours on top."""
    used: dict[str, int] = {}
    for name, line in points.items():
        colour, is_ours = _colour(name), name.startswith("ours")
        dashes = _DASHES[used.get(colour, 0) % len(_DASHES)]
        used[colour] = used.get(colour, 0) + 1
        ax.plot(
            *zip(*line, strict=True),
            color=colour,
            linestyle=dashes,
            linewidth=2.6 if is_ours else 1.5,
            marker="o",
            markersize=4.5 if is_ours else 3,
            zorder=3 if is_ours else 2,
        )
    ax.set_xscale("log")
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        ax.set_ylim(0, 1.04 * max(value for line in points.values() for _, value in line))
    levels = sorted({level for line in points.values() for level, _ in line})
    ax.set_xticks(levels, [f"{level:,}" for level in levels])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.grid(axis="y", color=_GRID, zorder=0)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    _name_lines(ax, points)


def _name_lines(ax: Axes, points: _Points) -> None:
    """Names beside the right edge, as high as the lines end, and moved apart where they would overlap."""
    ax.figure.canvas.draw()
    to_axes = ax.transAxes.inverted()
    ends: dict[str, tuple[float, float]] = {
        name: tuple(to_axes.transform(ax.transData.transform(line[-1]))) for name, line in points.items()
    }
    names = sorted(ends, key=lambda name: ends[name][1])
    step = 13 / (ax.bbox.height * 72 / ax.figure.dpi)  # a line of text, as a share of the height
    for name, height in zip(names, _apart([ends[name][1] for name in names], step), strict=True):
        ax.annotate(
            name,
            xy=ends[name],
            xytext=(1.06, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            color=_colour(name),
            fontweight="bold" if name.startswith("ours") else "normal",
            arrowprops={
                "arrowstyle": "-",
                "color": _colour(name),
                "linewidth": 0.6,
                "alpha": 0.6,
                "shrinkA": 0,
                "shrinkB": 4,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
        )


def _apart(heights: Sequence[float], step: float) -> list[float]:
    """The same ascending heights, no two closer than `step`, each group about where it was."""
    groups: list[list[float]] = []
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and _bottom(groups[-1], step) < _bottom(groups[-2], step) + len(groups[-2]) * step:
            higher = groups.pop()
            groups[-1] += higher
    return [_bottom(group, step) + place * step for group in groups for place in range(len(group))]


def _bottom(group: Sequence[float], step: float) -> float:
    """Where the lowest of a group stands, the group being centred on where its members were, above the axis."""
    return max(step / 2, sum(group) / len(group) - (len(group) - 1) * step / 2)


def _bars(values: Mapping[str, float], title: str, unit: str) -> Figure:
    """From the least to the most, with the figure at the end of each; dots on a logarithmic scale if they are far."""
    ordered = sorted(values.items(), key=lambda item: item[1])
    figure, ax = plt.subplots(figsize=(8, 0.9 + 0.32 * len(ordered)))
    names = [name for name, _ in ordered]
    lengths = [value for _, value in ordered]
    colours = [_bar_colour(name) for name in names]
    if lengths[-1] > 30 * lengths[0] > 0:  # a bar has no beginning on a logarithmic scale
        ax.set_xscale("log")
        ax.hlines(names, lengths[0] / 2, lengths, color=colours, linewidth=1.2, alpha=0.6)
        ax.scatter(lengths, names, color=colours, s=55, zorder=3)
        ax.set_xlim(left=lengths[0] / 2)
        unit += ", logarithmic"
    else:
        ax.barh(names, lengths, color=colours, height=0.68)
    for row, length in enumerate(lengths):
        ax.annotate(_short(length), (length, row), (7, 0), textcoords="offset points", va="center", fontsize=9)
    ax.invert_yaxis()
    ax.margins(x=0.12, y=0.03)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    ax.grid(axis="x", color=_GRID, zorder=0)
    ax.set_axisbelow(True)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    for label in ax.get_yticklabels():
        label.set_fontweight("bold" if label.get_text().startswith("ours") else "normal")
    ax.set_xlabel(unit)
    ax.set_title(title)
    return figure


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _colour(name: str) -> str:
    return next((colour for start, colour in _FAMILIES.items() if name.startswith(start)), _OTHER)


def _bar_colour(name: str) -> str:
    return _OURS if name.startswith("ours") else "#94a3b8"


if __name__ == "__main__":
    print(*draw(Path(sys.argv[1])))
