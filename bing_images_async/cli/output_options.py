"""An answer on its way out, in whichever form was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click
from attrs import frozen
from rich.console import RenderableType

from .._session import ImageSearchSession
from .contact_sheet import Sheet, render_sheet
from .exit_codes import Exit
from .formats import to_csv, to_json, to_json_lines
from .image_card import Card
from .parameter_options import Option
from .progress_bar import Bar
from .streams import notice, say, write
from .table import show
from .thumbnail_download import fetch_thumbnails

__all__ = ["Findings", "Output", "output_options", "write_page"]

F = TypeVar("F", bound=Callable[..., Any])


@frozen(kw_only=True)
class Findings:
    """An answer, ready for every form."""

    found: bool
    raw: Mapping[str, Any]
    items: Sequence[Mapping[str, Any]]
    """For JSON lines."""
    columns: Sequence[str]
    rows: Sequence[Mapping[str, object]]
    """For CSV."""
    tables: Sequence[RenderableType]
    sheet: Sheet
    hint: str
    """What somebody who sees the table may want to do next."""


@frozen(kw_only=True)
class Output:
    """The form that was asked for."""

    form: str
    """`json`, `jsonl`, `csv`, or `table`."""
    html: Path | None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Output:
        """Read the options. Raises `click.UsageError` for forms that exclude each other, or a file in no folder."""
        forms = [form for form in ("json", "jsonl", "csv") if options[f"as_{form}"]]
        html: Path | None = options["html"]
        to_stdout = [f"--{form}" for form in forms] + (["--html -"] if html == Path("-") else [])
        if len(to_stdout) > 1:
            raise click.UsageError(f"{' and '.join(to_stdout)} exclude each other: stdout takes one.")
        if html is not None and not html.parent.is_dir():
            raise click.UsageError(f"--html {html}: there is no folder {html.parent}.")
        return cls(form=forms[0] if forms else "table", html=html)

    async def put(self, findings: Findings, session: ImageSearchSession) -> Exit:
        """Write the answer; gives the exit code."""
        if self.form == "json":
            write(to_json(findings.raw))
        elif self.form == "jsonl":
            write(to_json_lines(findings.items))
        elif self.form == "csv":
            write(to_csv(findings.columns, findings.rows))
        elif self.html is None and findings.found:
            show(findings.tables)
            notice(findings.hint)
        if not findings.found:
            say("Nothing found.")
        if self.html is not None:
            await self._put_sheet(findings.sheet, session, self.html)
        return Exit.FOUND if findings.found else Exit.NOTHING

    async def _put_sheet(self, sheet: Sheet, session: ImageSearchSession, file: Path) -> None:
        cards: list[Card] = [card for _, section in sheet.sections for card in section]
        with Bar("Fetching thumbnails") as bar:
            pictures = await fetch_thumbnails(session, [card.thumbnail for card in cards], bar.report)
        page = render_sheet(sheet, pictures)
        if file == Path("-"):
            write(page)
        else:
            await write_page(file, page, len(cards))


async def write_page(file: Path, page: str, images: int) -> None:
    """Write an HTML page with so many pictures. Raises `click.UsageError` if that cannot be."""
    try:
        await anyio.Path(file).write_text(page, "utf-8")
    except OSError as fault:
        raise click.UsageError(f"{file} cannot be written: {fault.strerror}.") from None
    notice(f"Wrote {file}: {images} images, {len(page) / 1_000:,.0f} kB. Open it in a browser.")


def output_options(command: F) -> F:
    """Options that make an `Output`."""
    for name, text in (
        ("--csv", "Comma-separated values, one image per line."),
        ("--jsonl", "One image per line, as JSON in the API's own names."),
        ("--json", "The whole answer, as the API's own JSON."),
    ):
        variable = f"as_{name.removeprefix('--')}"
        command = click.option(name, variable, cls=Option, section="Output", is_flag=True, help=text)(command)
    return click.option(
        "--html",
        cls=Option,
        section="Output",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write a contact sheet with the pictures in it, - for stdout.",
    )(command)
