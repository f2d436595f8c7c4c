"""Answers as tables: fitted to the width of a terminal; in a pipe, complete and without colours."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from .image_card import Card
from .streams import is_terminal, write

__all__ = ["facts_table", "images_table", "show", "topics_table"]

_UNLIMITED = 1_000_000  # columns
_WIDE = 60  # columns; a narrower table has no column for the source


def show(tables: Sequence[RenderableType]) -> None:
    """Print tables to stdout."""
    console = make_console()
    with console.capture() as capture:
        for number, table in enumerate(tables):
            console.print(*([""] if number else []), table, sep="\n")
    lines = capture.get().splitlines()
    write("".join(f"{line.rstrip()}\n" for line in lines), encoding=console.encoding)


def make_console() -> Console:
    """Return the console for tables. It interprets no markup and no emoji names, and colours no numbers."""
    on_terminal = is_terminal(sys.stdout)
    return Console(
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=on_terminal,
        color_system="auto" if on_terminal and not os.environ.get("NO_COLOR") else None,
        width=None if on_terminal else _UNLIMITED,
    )


def images_table(cards: Sequence[Card], heading: str | None = None) -> Table:
    """Return a table with one image per line. Its URL is a column, or on a terminal a link under the name."""
    on_terminal = is_terminal(sys.stdout)
    table = _table(heading)
    is_wide = make_console().width >= _WIDE
    table.add_column("Name", ratio=3 if on_terminal else None)
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Format", no_wrap=True)
    table.add_column("Licence", no_wrap=True)
    if is_wide:
        table.add_column("From" if on_terminal else "URL", ratio=2 if on_terminal else None)
    for card in cards:
        last = _cell(card.source, card.page) if on_terminal else _cell(card.content)
        row = [_cell(card.name, card.link), Text(card.size), Text(card.format), Text(card.license), last]
        table.add_row(*(row if is_wide else row[:-1]))
    return table


def topics_table(topics: Sequence[tuple[str, Sequence[Card]]]) -> Table:
    """Return a table of searches: one topic per line on a terminal, one search per line in a pipe."""
    table = _table(None)
    table.add_column("Topic")
    if is_terminal(sys.stdout):
        table.add_column("People search for", overflow="fold")
        for topic, cards in topics:
            table.add_row(Text(topic), Text(" · ".join(card.name for card in cards)))
        return table
    table.add_column("Search")
    table.add_column("URL")
    for topic, cards in topics:
        for card in cards:
            table.add_row(_cell(topic), _cell(card.name), _cell(card.content))
    return table


def facts_table(facts: Sequence[tuple[str, str]]) -> Table:
    """Return a table of labels and texts; long texts are wrapped."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in facts:
        table.add_row(label, Text(text))
    return table


def _table(heading: str | None) -> Table:
    if is_terminal(sys.stdout):
        return Table(box=box.SIMPLE_HEAD, title=heading, title_justify="left", title_style="bold", pad_edge=False)
    return Table(box=None, title=heading, title_justify="left", title_style="", pad_edge=False, padding=(0, 2, 0, 0))


def _cell(text: str, link: str = "") -> Text:
    """Return a text on one line, truncated at the end of the column."""
    return Text(text, style=Style(link=link) if link else "", no_wrap=True, overflow="ellipsis")
