"""Options that select the form of the output, and the functions that write it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click
from attrs import frozen
from cloup import option, option_group
from rich.console import RenderableType

from .._protocol.decoding import unstructure
from .._session import ImageSearchSession
from ..models import Image
from .exit_codes import Exit
from .formats import IMAGE_COLUMNS, image_row, to_csv, to_json, to_json_lines
from .html_page import render_page
from .image_card import Card
from .progress_bar import ProgressBar
from .service_options import Service, open_session
from .streams import print_error, print_hint, write
from .table import show
from .thumbnail_download import fetch_thumbnails

__all__ = ["Findings", "answer", "count_of", "output_options", "write_page"]

A = TypeVar("A")
F = TypeVar("F", bound=Callable[..., Any])


@frozen(kw_only=True)
class Findings:
    """An answer in every form of output."""

    raw: Mapping[str, Any]
    labels: Sequence[str] = ()
    """Names of the columns before those of an image."""
    images: Sequence[tuple[Mapping[str, Any], Image]]
    """The labels (texts, or models that have a `text`) and the image of each line."""
    tables: Sequence[RenderableType]
    """Empty if nothing was found."""
    title: str
    subtitle: str
    sections: Sequence[tuple[str, Sequence[Card]]]
    """Heading ("" for none) and images, for the contact sheet."""
    hint: str = "To view the images: --html sheet.html"
    """A suggestion for the next command, printed below a table."""


def answer(
    options: Mapping[str, Any],
    call: Callable[[ImageSearchSession], Awaitable[A]],
    findings_of: Callable[[A, Service], Findings],
) -> Exit:
    """Open a session as the options say, `call` the service, and write the answer; return the exit code.

    Raises `click.UsageError` if output options exclude each other or name a missing folder.
    """
    service, html = Service(options["folder"], options["timeout"], options["verbose"]), options["html"]
    forms = [form for form in ("json", "jsonl", "csv") if options[f"as_{form}"]]
    to_stdout = [f"--{form}" for form in forms] + (["--html -"] if html == Path("-") else [])
    if len(to_stdout) > 1:
        raise click.UsageError(f"{' and '.join(to_stdout)} exclude each other: choose one for stdout.")
    if html is not None and not html.parent.is_dir():
        raise click.UsageError(f"--html {html}: there is no folder {html.parent}.")

    async def run() -> Exit:
        async with open_session(service) as session:
            findings = findings_of(await call(session), service)
            if forms:
                _write(findings, forms[0])
            elif html is None and findings.tables:
                show(findings.tables)
                print_hint(findings.hint)
            if not findings.tables:
                print_error("Nothing found.")
            if html is not None:
                await write_page(html, session, findings.title, findings.subtitle, findings.sections, service.credits)
        return Exit.FOUND if findings.tables else Exit.NOTHING

    return anyio.run(run)


def _write(findings: Findings, form: str) -> None:
    if form == "json":
        write(to_json(findings.raw))
    elif form == "jsonl":
        write(to_json_lines({**unstructure(labels), **unstructure(image)} for labels, image in findings.images))
    else:
        rows = [{**_texts(labels), **image_row(image)} for labels, image in findings.images]
        write(to_csv((*findings.labels, *IMAGE_COLUMNS), rows))


def _texts(labels: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(label, "text", label) for name, label in labels.items()}


async def write_page(
    file: Path,
    session: ImageSearchSession,
    title: str,
    subtitle: str,
    sections: Sequence[tuple[str, Sequence[Card]]],
    credits: str,  # noqa: A002  # as on the page
    report: Mapping[str, Any] | None = None,
) -> None:
    """Write an HTML page, `-` for stdout. Raises `click.UsageError` if the file cannot be written."""
    cards = [card for _, section in sections for card in section]
    with ProgressBar("Fetching thumbnails") as bar:
        pictures = await fetch_thumbnails(session, [card.thumbnail for card in cards], bar.report)
    page = render_page(title, subtitle, sections, credits, pictures, report)
    if file == Path("-"):
        write(page)
        return
    try:
        async with await anyio.open_file(file, "w", encoding="utf-8", opener=_opened_at_once) as target:
            await target.write(page)
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror}.") from None
    print_hint(f"Wrote {file}: {count_of(len(cards), 'image')}, {len(page) / 1_000:,.0f} kB. Open it in a browser.")


def _opened_at_once(path: str, flags: int) -> int:
    """Open a file. Raises OSError for a pipe without a reader: a thread that waits for one cannot be interrupted."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(descriptor, True)
    return descriptor


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Return the number and the noun: `1 image`, `2,000 images`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def output_options(command: F) -> F:
    """Add the options that `answer` reads."""
    return option_group(
        "Output",
        option(
            "--html",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write a contact sheet with the pictures in it, - for stdout.",
        ),
        option("--json", "as_json", is_flag=True, help="The whole answer, as the API's own JSON."),
        option("--jsonl", "as_jsonl", is_flag=True, help="One image per line, as JSON in the API's own names."),
        option("--csv", "as_csv", is_flag=True, help="Comma-separated values, one image per line."),
    )(command)
