"""`bing-images search`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import click
from attrs import frozen

from .._pagination import ImagePager
from .._protocol.decoding import unstructure
from .._session import ImageSearchSession
from ..models import Image, ImageAnswer
from ..params import SearchParams
from .contact_sheet import Sheet
from .exit_codes import Exit
from .formats import IMAGE_COLUMNS, image_row
from .image_card import card_of
from .output_options import Findings, Output, output_options
from .parameter_options import Command, Option, given, params_options
from .progress_bar import Bar
from .service_options import OPENMOJI, Service, open_session, service_options
from .streams import notice, read_stdin
from .table import images_table

__all__ = ["search"]

_LONGEST_QUERY = 10_000  # bytes; the service takes 2,048 characters of URL


@frozen(kw_only=True)
class _Found:
    """What a search found, on one page or several."""

    first: ImageAnswer
    images: Sequence[Image]
    raw: Mapping[str, Any]
    """The JSON of the first page; if pages were walked, with all images in `value` and the last `nextOffset`."""
    next_offset: int | None


@click.command(cls=Command, short_help="Find images.")
@click.argument("query", nargs=-1, required=True)
@output_options
@click.option(
    "--limit",
    cls=Option,
    section="Pages",
    type=click.IntRange(min=1),
    metavar="N",
    help="Get so many different images, from as many pages as it takes.",
)
@params_options(SearchParams)
@service_options
def search(query: tuple[str, ...], limit: int | None, **options: Any) -> Exit:
    """Find images. The words of QUERY are searched for together; - reads them from stdin.

    \b
    Examples:
      bing-images search cat
      bing-images search paper boat --size large --license share
      bing-images search Katze --market de-DE --html cats.html
      bing-images search sunset --limit 200 --jsonl | jq -r .contentUrl
      bing-images search beach --folder ~/Pictures

    A table for people; --json, --jsonl and --csv for programs; --html to look at. Exit codes: 0 found,
    1 nothing found, 2 wrong question, 3 key or quota, 4 network or service.
    """
    params = SearchParams(_read_query(query), **given(SearchParams, options))
    service = Service(folder=options["folder"], timeout=options["timeout"])
    return anyio.run(_search, params, limit, service, Output.of(options))


async def _search(params: SearchParams, limit: int | None, service: Service, output: Output) -> Exit:
    async with open_session(service) as session:
        with Bar("Searching") as bar:
            found = await _find(session, params, limit, bar)
        context = found.first.query_context
        if context is not None and context.altered_query:
            notice(f"Showing results for {context.altered_query!r}.")
        return await output.put(_findings(found, params, service), session)


async def _find(session: ImageSearchSession, params: SearchParams, limit: int | None, bar: Bar) -> _Found:
    """One page, or with a limit as many as it takes."""
    if limit is None:
        answer = await session.search(params)
        return _Found(first=answer, images=answer.value, raw=answer.raw or {}, next_offset=answer.next_offset)
    latest: ImageAnswer | None = None

    async def fetch(question: SearchParams) -> ImageAnswer:
        nonlocal latest
        latest = await session.search(question)
        return latest

    pager = ImagePager(fetch, params, limit=limit)
    images: list[Image] = []
    async for image in pager:
        images.append(image)
        bar.report(len(images), limit)
    assert pager.first is not None
    assert latest is not None
    raw = {**(pager.first.raw or {}), "value": unstructure(tuple(images)), "nextOffset": latest.next_offset}
    if latest.next_offset is None:
        del raw["nextOffset"]
    return _Found(first=pager.first, images=images, raw=raw, next_offset=latest.next_offset)


def _findings(found: _Found, params: SearchParams, service: Service) -> Findings:
    cards = [card_of(image) for image in found.images]
    subtitle = f"{len(cards)} images from {service.name}"
    return Findings(
        found=bool(cards),
        raw=found.raw,
        items=[unstructure(image) for image in found.images],
        columns=IMAGE_COLUMNS,
        rows=[image_row(image) for image in found.images],
        tables=[images_table(cards)],
        sheet=Sheet(
            title=params.query,
            subtitle=subtitle,
            sections=[("", cards)],
            credits=OPENMOJI if service.is_catalogue else "",
        ),
        hint=_hint(found, len(cards)),
    )


def _hint(found: _Found, shown: int) -> str:
    total = found.first.total_estimated_matches
    parts = [f"{shown} images" if total is None else f"{shown} of about {max(total, shown):,} images."]
    if found.next_offset is not None and (total is None or found.next_offset < total):
        parts.append(f"More: --offset {found.next_offset}, or --limit {shown * 3}.")
    return " ".join([*parts, "To look at them: --html sheet.html"])


def _read_query(words: tuple[str, ...]) -> str:
    if words != ("-",):
        return " ".join(words)
    data = read_stdin("QUERY", _LONGEST_QUERY + 1)
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise click.UsageError("the query on stdin is not UTF-8.") from None
    filled = [line.strip() for line in lines if line.strip()]
    if len(data) > _LONGEST_QUERY or len(filled) > 1:
        raise click.UsageError("stdin holds more than one line; a search takes one query.")
    return "".join(filled)
