"""The pages a browser shows for the links in answers: a start page, result lists, one page per picture.

Plain HTML without script or style sheet from elsewhere; all text is escaped, and what is not an http(s)
address is shown as text.
"""

from collections.abc import Sequence
from html import escape

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ..api.endpoint import base_of
from ..api.links import Links
from ..api.markets import best_fit, language_of
from ..api.service_state import Service
from ..catalogue.picture import Filters, Picture
from .media import find

_SHOWN = 60
_FORM = (
    '<form action="{action}"><input name="q" value="{text}" aria-label="Search"> <button>Search images</button></form>'
)
_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }}
main {{ display: flex; flex-wrap: wrap; gap: 1rem }} img {{ max-width: 100% }} dt {{ font-weight: 600 }}
figure {{ margin: 0; width: 10rem }} figure img {{ width: 10rem; height: 10rem; object-fit: contain }}
</style></head><body>
{body}
</body></html>
"""


async def home(_: Service, request: Request) -> Response:
    form = _form(base_of(request))
    return HTMLResponse(_page("Image search", f"<h1>Image search</h1>{form}"))


async def results(service: Service, request: Request) -> Response:
    """`/web/images/search?q=…`: what `webSearchUrl` leads to."""
    text = request.query_params.get("q", "").strip()
    if not text:
        return await home(service, request)
    return await _gallery(service, request, text, text)


async def collection(service: Service, request: Request) -> Response:
    """`/collection/<subject>`: a gallery that holds the picture named by `id`, if any."""
    subject = request.path_params["subject"]
    return await _gallery(service, request, subject, f"Collection: {subject}")


async def picture_page(service: Service, request: Request) -> Response:
    """`/page/<id>/<name>`: what `hostPageUrl` leads to."""
    picture = await find(service, request.path_params["short"])
    if picture is None:
        raise HTTPException(404)
    links = Links(base_of(request), "en-US")
    name = picture.names["en"]
    facts = {
        "Size": f"{picture.width} × {picture.height} pixels, {picture.content_size} bytes",
        "Format": escape(picture.encoding_format),
        "Category": _anchor(links.collection(picture.category, picture), picture.category),
        "Tags": ", ".join(_anchor(links.collection(tag, picture), tag) for tag in picture.tags),
        "By": escape(picture.attribution),
        "Licence": _anchor(picture.license_url, picture.license_name),
        "Source": _anchor(picture.source_url, picture.source_url),
    }
    listed = "".join(f"<dt>{label}</dt><dd>{fact}</dd>" for label, fact in facts.items() if fact)
    shown = f'<img src="{escape(links.content(picture))}" alt="{escape(name)}">'
    return HTMLResponse(_page(name, f"<h1>{escape(name)}</h1>{shown}<dl>{listed}</dl>"))


async def _gallery(service: Service, request: Request, text: str, title: str) -> Response:
    given = request.query_params
    market = best_fit(given.get("mkt", ""))
    pictures = await service.run(_found, service, text, language_of(market), given.get("id"))
    links = Links(base_of(request), market)
    figures = "".join(_figure(links, picture, language_of(market)) for picture in pictures) or "<p>Nothing found.</p>"
    form = _form(links.base, text)
    body = f"<h1>{escape(title)}</h1>{form}<main>{figures}</main>"
    return HTMLResponse(_page(title, body, given.get("setlang", language_of(market))))


def _found(service: Service, text: str, language: str, first_id: str | None) -> Sequence[Picture]:
    """The first hits, after the picture that the link was about."""
    hits = service.catalogue.search(
        text,
        language=language,
        filters=Filters(family_friendly_only=True),
        offset=0,
        limit=_SHOWN,
        now=service.now(),
    )
    first = service.catalogue.get(first_id.upper()) if first_id is not None else None
    if first is None:
        return hits.pictures
    return [first, *(picture for picture in hits.pictures if picture.image_id != first.image_id)]


def _form(base: str, text: str = "") -> str:
    return _FORM.format(action=escape(f"{base}/web/images/search"), text=escape(text))


def _figure(links: Links, picture: Picture, language: str) -> str:
    name = escape(picture.names.get(language) or picture.names["en"])
    return (
        f'<figure><a href="{escape(links.page(picture))}">'
        f'<img src="{escape(links.thumbnail(picture))}" alt="{name}"></a>'
        f"<figcaption>{name}</figcaption></figure>"
    )


def _anchor(url: str, label: str) -> str:
    if not url.startswith(("http://", "https://")):
        return escape(label or url)
    return f'<a href="{escape(url)}">{escape(label or url)}</a>'


def _page(title: str, body: str, language: str = "en") -> str:
    return _PAGE.format(title=escape(title), body=body, language=escape(language))
