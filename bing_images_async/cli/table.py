"""Answers as tables. On a terminal they fit its width; in a pipe every text is whole, and nothing is coloured."""

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
from .streams import interactive, write

__all__ = ["facts_table", "images_table", "show", "topics_table"]

_ENDLESS = 1_000_000  # columns
_WIDE = 60  # columns; with fewer, a name is worth more than where it is from


def show(tables: Sequence[RenderableType]) -> None:
    """Print tables to stdout."""
    console = make_console()
    with console.capture() as capture:
        for number, table in enumerate(tables):
            if number:
                console.print()
            console.print(table)
    lines = capture.get().splitlines()
    write("".join(f"{line.rstrip()}\n" for line in lines), encoding=console.encoding)


def make_console() -> Console:
    """What tables are drawn for. Nothing in a text is taken for markup, an emoji's name or a number to colour."""
    watched = interactive(sys.stdout)
    return Console(
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=watched,
        color_system="auto" if watched and not os.environ.get("NO_COLOR") else None,
        width=None if watched else _ENDLESS,
    )


def images_table(cards: Sequence[Card], heading: str | None = None) -> Table:
    """One image per line; the URL is that of the original, and on a terminal a link under the name."""
    watched = interactive(sys.stdout)
    table = _table(heading)
    is_wide = make_console().width >= _WIDE
    table.add_column("Name", ratio=3 if watched else None)
    table.add_column("Size", justify="right", no_wrap=True)
    table.add_column("Format", no_wrap=True)
    table.add_column("Licence", no_wrap=True)
    if is_wide:
        table.add_column("From" if watched else "URL", ratio=2 if watched else None)
    for card in cards:
        last = _cell(card.source, card.page) if watched else _cell(card.content)
        row = [_cell(card.name, card.link), Text(card.size), Text(card.format), Text(card.license), last]
        table.add_row(*(row if is_wide else row[:-1]))
    return table


def topics_table(topics: Sequence[tuple[str, Sequence[Card]]]) -> Table:
    """Searches by topic: on a terminal one topic per line, in a pipe one search."""
    table = _table(None)
    table.add_column("Topic")
    if interactive(sys.stdout):
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
    """Labels and texts; long texts go on in the next line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in facts:
        table.add_row(label, Text(text))
    return table


def _table(heading: str | None) -> Table:
    if interactive(sys.stdout):
        return Table(box=box.SIMPLE_HEAD, title=heading, title_justify="left", title_style="bold", pad_edge=False)
    return Table(box=None, title=heading, title_justify="left", title_style="", pad_edge=False, padding=(0, 2, 0, 0))


def _cell(text: str, link: str = "") -> Text:
    """A text on one line, cut where the column ends."""
    return Text(text, style=Style(link=link) if link else "", no_wrap=True, overflow="ellipsis")
