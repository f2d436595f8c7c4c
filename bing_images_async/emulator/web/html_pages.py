"""The HTML pages that links in answers lead to: a start page, result pages, galleries, a page per picture."""

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ..api.links import Links, base_url
from ..api.markets import best_fit, language_of
from ..api.service_state import ServiceState
from ..catalogue.picture import Filters, Picture
from .image_files import find_picture

_SHOWN = 60


async def home(_: ServiceState, request: Request) -> Response:
    """`/`: the search form."""
    return _search_page(base_url(request), "Image search")


async def results(state: ServiceState, request: Request) -> Response:
    """`/web/images/search?q=…`: the target of `webSearchUrl`."""
    query = request.query_params.get("q", "").strip()
    if not query:
        return await home(state, request)
    return await _gallery(state, request, query, query)


async def collection(state: ServiceState, request: Request) -> Response:
    """`/collection/<subject>`: a gallery, beginning with the picture given by `id`, if any."""
    subject = request.path_params["subject"]
    return await _gallery(state, request, subject, f"Collection: {subject}")


async def picture_page(state: ServiceState, request: Request) -> Response:
    """`/page/<id>/<name>`: the target of `hostPageUrl`."""
    picture = await find_picture(state, request.path_params["short"])
    if picture is None:
        raise HTTPException(404)
    links = Links(base_url(request), "en-US")
    facts = {
        "Size": [("", f"{picture.width} × {picture.height} pixels, {picture.content_size} bytes")],
        "Format": [("", picture.encoding_format)],
        "Category": [(links.collection(picture.category, picture), picture.category)],
        "Tags": [(links.collection(tag, picture), tag) for tag in picture.tags],
        "By": [("", picture.attribution)],
        "Licence": [(picture.license_url, picture.license_name)],
        "Source": [(picture.source_url, picture.source_url)],
    }
    shown = [(label, parts) for label, parts in facts.items() if any(url or text for url, text in parts)]
    return _html("picture.html", title=picture.names["en"], content=links.content(picture), facts=shown, language="en")


async def _gallery(state: ServiceState, request: Request, query: str, title: str) -> Response:
    given = request.query_params
    market = best_fit(given.get("mkt", ""))
    language = language_of(market)
    pictures = await state.run(_find, state, query, language, given.get("id"))
    links = Links(base_url(request), market)
    figures = [
        {
            "page": links.page(picture),
            "thumbnail": links.thumbnail(picture),
            "name": picture.names.get(language) or picture.names["en"],
        }
        for picture in pictures
    ]
    return _search_page(links.base, title, query, figures, given.get("setlang", language))


def _find(state: ServiceState, query: str, language: str, first_id: str | None) -> Sequence[Picture]:
    """Return the first results, after the picture `first_id`."""
    hits = state.catalogue.search(
        query,
        language=language,
        filters=Filters(family_friendly_only=True),
        offset=0,
        limit=_SHOWN,
        now=state.now(),
    )
    first = state.catalogue.get(first_id.upper()) if first_id is not None else None
    if first is None:
        return hits.pictures
    return [first, *(picture for picture in hits.pictures if picture.image_id != first.image_id)]


def _search_page(
    base: str, title: str, query: str = "", figures: list[dict[str, str]] | None = None, language: str = "en"
) -> Response:
    action = f"{base}/web/images/search"
    return _html("search.html", title=title, query=query, figures=figures, action=action, language=language)


def _html(template: str, **values: object) -> Response:
    from .html_templates import render  # the API alone does not need Jinja2

    return HTMLResponse(render(template, **values))
