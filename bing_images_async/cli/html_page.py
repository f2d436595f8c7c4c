"""HTML pages, the contact sheet and the report of a bulk run: one file that loads nothing and runs no script.

Both are made from one template. It escapes all texts, links lead to http(s) only, and a Content-Security-Policy
forbids everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from .image_card import Card
from .sanitize import visible

__all__ = ["render_page"]


def render_page(
    title: str,
    subtitle: str,
    sections: Sequence[tuple[str, Sequence[Card]]],
    credits: str,  # noqa: A002  # as on the page
    pictures: Mapping[str, str],
    report: Mapping[str, Any] | None = None,
) -> str:
    """Return the page of the `sections` (heading, "" for none, and images), with a `report` if there is one.

    `pictures` maps URLs of thumbnails to `data:` URLs; other thumbnails get a placeholder.
    """
    return _template().render(
        title=title, subtitle=subtitle, sections=sections, credits=credits, pictures=pictures, report=report
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    return environment.get_template("page.html")


def _visible(value: object) -> object:
    """Sanitise a text; markup of the template itself is no `str` but a subclass."""
    return visible(value) if type(value) is str else value
