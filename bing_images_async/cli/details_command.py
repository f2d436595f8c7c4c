"""`bing-images details`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import click

from .._protocol.decoding import unstructure
from .._upload import LARGEST_UPLOAD
from ..models import ImageInsights
from ..params import DetailsParams
from .contact_sheet import Sheet
from .exit_codes import Exit
from .formats import IMAGE_COLUMNS, image_row
from .image_card import card_of
from .insights_facts import facts_of, images_of
from .output_options import Findings, Output, output_options
from .parameter_options import Command, given, params_options
from .service_options import OPENMOJI, Service, open_session, service_options
from .streams import read_stdin
from .table import facts_table, images_table

__all__ = ["details"]

_SOURCES = ("insights_token", "image_url", "image")


@click.command(cls=Command, short_help="Find out about one image.")
@output_options
@params_options(DetailsParams)
@service_options
def details(**options: Any) -> Exit:
    """Find out about one image: captions, tags, similar images, pages that show it, and more.

    Say which one with --insights-token, --image-url or --image.

    \b
    Examples:
      bing-images details --image cat.jpg
      bing-images details --image-url https://example.com/cat.jpg --modules Tags,SimilarImages
      bing-images details --image cat.jpg --crop 0,0,0.5,1 --html similar.html
      curl -s https://example.com/cat.jpg | bing-images details --image - --json

    --jsonl and --csv list the images of all modules, with the module each is from. Exit codes: 0 found,
    1 nothing known, 2 wrong question, 3 key or quota, 4 network or service.
    """
    if sum(options[source] is not None for source in _SOURCES) != 1:
        raise click.UsageError("give exactly one of --insights-token, --image-url and --image.")
    if options["image"] == Path("-"):
        # One byte more than is allowed is enough to be refused.
        options["image"] = read_stdin("--image", LARGEST_UPLOAD + 1)
    params = DetailsParams(**given(DetailsParams, options))
    service = Service(folder=options["folder"], timeout=options["timeout"])
    return anyio.run(_details, params, service, Output.of(options))


async def _details(params: DetailsParams, service: Service, output: Output) -> Exit:
    async with open_session(service) as session:
        insights = await session.details(params)
        return await output.put(_findings(insights, service), session)


def _findings(insights: ImageInsights, service: Service) -> Findings:
    facts, modules = facts_of(insights), images_of(insights)
    cards = [(heading, [card_of(image) for image in images]) for _, heading, images in modules]
    listed = [(module, image) for module, _, images in modules for image in images]
    title = insights.image.name if insights.image is not None else None
    return Findings(
        found=bool(facts or listed),
        raw=insights.raw or {},
        items=[{"module": module, **unstructure(image)} for module, image in listed],
        columns=("module", *IMAGE_COLUMNS),
        rows=[{"module": module, **image_row(image)} for module, image in listed],
        tables=[
            *([facts_table(facts)] if facts else []),
            *(images_table(section, heading) for heading, section in cards),
        ],
        sheet=Sheet(
            title=title or "Image details",
            subtitle=dict(facts).get("Caption") or f"What {service.name} knows of this image",
            sections=cards,
            credits=OPENMOJI if service.is_catalogue else "",
        ),
        hint="To look at the images: --html sheet.html",
    )
