"""The worker that draws the tables of a folder's `results.json` as PNG and SVG beside it.

A plot whose figures are not in the results is left out.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

Row = Mapping[str, Any]

_STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titleweight": "bold",
    "savefig.bbox": "tight",
    "savefig.dpi": 160,
    "svg.fonttype": "none",
    "svg.hashsalt": "bing-images",
}
_LOOP = {"loop": "asyncio"}
_WIRE = {"wire": "HTTP", **_LOOP}

# File: table, rows, x, figure, title, unit, logarithmic.
_PLOTS: dict[str, tuple[str, dict[str, Any], str, str, str, str, bool]] = {
    "cpu-per-page": ("pages", {"server": "0 ms", **_WIRE}, "in flight", "CPU per page",
                     "CPU per page of 35 images, server without latency", "µs of CPU", True),
    "share-of-ideal": ("pages", {"server": "100 ms", **_WIRE}, "in flight", "share of ideal",
                       "Pages per second as a share of the ideal, server takes 100 ms", "share", False),
    "growth": ("growth", _LOOP, "queries", "CPU per query", "CPU by number of queries", "µs of CPU", False),
    "memory": ("growth", _LOOP, "queries", "memory above rest", "Memory by number of queries", "MiB", True),
}  # fmt: skip


def draw(out: str) -> list[str]:
    """Return the names of the plots that were drawn."""
    tables = {table["name"]: table["rows"] for table in json.loads(Path(out, "results.json").read_text())["tables"]}
    drawn: list[str] = []
    plt.switch_backend("agg")
    with plt.rc_context(_STYLE):
        for file, (table, case, x, figure, title, unit, is_log) in _PLOTS.items():
            rows = [r for r in tables.get(table, []) if case.items() <= r["case"].items() and figure in r["figures"]]
            if not rows:
                continue
            _, ax = plt.subplots(figsize=(8, 5))
            for number, candidate in enumerate(dict.fromkeys(row["candidate"] for row in rows)):
                points = [(r["case"][x], r["figures"][figure]["median"]) for r in rows if r["candidate"] == candidate]
                style: Any = {"color": plt.get_cmap("tab20")(number), "linestyle": ["-", "--", ":"][number % 3]}
                style |= {"color": "#c2410c", "linewidth": 2.6} if candidate.startswith("ours") else {}
                ax.plot(*zip(*points, strict=True), marker="o", label=candidate, **style)
            levels = sorted({row["case"][x] for row in rows})
            ax.set(title=title, xlabel=x, ylabel=unit, xscale="log", yscale="log" if is_log else "linear")
            ax.set_xticks(levels, [f"{level:,}" for level in levels])
            ax.minorticks_off()
            ax.yaxis.set_major_formatter("{x:,.10g}")
            ax.grid(axis="y")
            ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
            plt.savefig(Path(out, f"{file}.png"))
            plt.savefig(Path(out, f"{file}.svg"), metadata={"Date": None})
            plt.close()
            drawn.append(file)
    return drawn
