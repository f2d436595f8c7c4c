"""`bing-images search`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click
import cloup
from attrs import frozen

from .._pagination import ImagePager
from .._protocol.decoding import unstructure
from .._session import ImageSearchSession
from ..models import Image, ImageAnswer
from ..params import SearchParams
from .exit_codes import Exit
from .image_card import card_of
from .output_options import Findings, answer, count_of, output_options
from .parameter_options import params_options, selected
from .progress_bar import ProgressBar
from .service_options import Service, service_options
from .streams import print_hint, read_stdin
from .table import images_table

__all__ = ["search"]

_MAX_QUERY = 10_000  # bytes; the service takes 2,048 characters of URL


@frozen
class _Found:
    """The result of a search over one or several pages."""

    images: Sequence[Image]
    raw: Mapping[str, Any]
    """The JSON of the first page; after paging, with all images in `value` and the last `nextOffset`."""
    total: int | None
    """Estimated."""
    next_offset: int | None


_LIMIT = cloup.option("--limit", type=click.IntRange(min=1), metavar="N", help="Number of different images; as many "
                      "pages as necessary are requested.")  # fmt: skip


@cloup.command(short_help="Find images.")
@click.argument("query", nargs=-1, required=True)
@output_options
@params_options(SearchParams, _LIMIT)
@service_options
def search(query: tuple[str, ...], limit: int | None, **options: Any) -> Exit:
    """Find images. All words of QUERY form one query; - reads it from stdin.

    \b
    Examples:
      bing-images search cat
      bing-images search paper boat --size large --license share
      bing-images search Katze --market de-DE --html cats.html
      bing-images search sunset --limit 200 --jsonl | jq -r .contentUrl
      bing-images search beach --folder ~/Pictures

    The output is a table, or --json, --jsonl, --csv or --html. Exit codes: 0 found, 1 nothing found, 2 wrong
    request, 3 key or quota, 4 network or service.
    """
    params = SearchParams(_read_query(query), **selected(SearchParams, options))

    def findings_of(found: _Found, service: Service) -> Findings:
        cards = [card_of(image) for image in found.images]
        return Findings(
            raw=found.raw,
            images=[({}, image) for image in found.images],
            tables=[images_table(cards)] if cards else [],
            title=params.query,
            subtitle=f"{count_of(len(cards), 'image')} from {service.name}",
            sections=[("", cards)],
            hint=_hint(found, len(cards)),
        )

    return answer(options, lambda session: _find(session, params, limit), findings_of)


async def _find(session: ImageSearchSession, params: SearchParams, limit: int | None) -> _Found:
    """Request one page; with a limit, as many as necessary."""
    answers: list[ImageAnswer] = []  # the first and the last

    async def search(params: SearchParams) -> ImageAnswer:
        answers[1:] = [await session.search(params)]
        return answers[-1]

    images: list[Image] = []
    if limit is None:
        images += (await search(params)).value
        raw = answers[0].raw or {}
    else:
        with ProgressBar("Searching") as bar:
            async for image in ImagePager(search, params, limit=limit):
                images.append(image)
                bar.report(len(images), limit)
        raw = {**(answers[0].raw or {}), "value": unstructure(tuple(images)), "nextOffset": answers[-1].next_offset}
        if raw["nextOffset"] is None:
            del raw["nextOffset"]
    context = answers[0].query_context
    if context is not None and context.altered_query:
        print_hint(f"Showing results for {context.altered_query!r}.")
    return _Found(images, raw, answers[0].total_estimated_matches, answers[-1].next_offset)


def _hint(found: _Found, shown: int) -> str:
    total = found.total
    parts = [
        f"{count_of(shown, 'image')}." if total is None else f"{shown} of about {count_of(max(total, shown), 'image')}."
    ]
    if found.next_offset is not None and (total is None or found.next_offset < total):
        parts.append(f"More: --offset {found.next_offset}, or --limit {shown * 3}.")
    return " ".join([*parts, "To view them: --html sheet.html"])


def _read_query(words: tuple[str, ...]) -> str:
    if words != ("-",):
        return " ".join(words)
    data = read_stdin("QUERY", _MAX_QUERY + 1)
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise click.UsageError("the query on stdin is not UTF-8.") from None
    filled = [line.strip() for line in lines if line.strip()]
    if len(data) > _MAX_QUERY or len(filled) > 1:
        raise click.UsageError("stdin has more than one line; search takes one query (see bing-images bulk).")
    return "".join(filled)
