"""The image files that answers link to: thumbnails, originals and icons."""

from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO

from PIL import Image as Pillow
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..api.markets import best_fit, language_of
from ..api.service_state import ServiceState
from ..api.tokens import lengthen
from ..catalogue.picture import Filters, Picture
from ..catalogue.thumbnail_renderer import MAX_SIDE

_CROPS = {"4": 4, "7": 7}
_HEADERS = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}
# An SVG may contain scripts: nothing in it may run or be loaded if a browser shows it as a page of its own.
_SVG_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}
_MEDIA_TYPES = {"svg": "image/svg+xml"}


async def thumbnail(state: ServiceState, request: Request) -> Response:
    """`/th?id=…` or `/th?q=…`, resized by `w`, `h`, `c` (crop) and `p` (padding)."""
    given = request.query_params
    kind, _, short = given.get("id", "").partition(".")
    if kind == "ODF":
        return Response(icon(), headers=_HEADERS, media_type="image/png")
    if "q" in given:
        picture = await state.run(first_hit, state, given["q"], given.get("mkt", ""))
    else:
        picture = await find_picture(state, short)
    if picture is None:
        raise HTTPException(404)
    draw = partial(
        state.catalogue.thumbnail,
        picture,
        width=_pixels(given, "w"),
        height=_pixels(given, "h"),
        crop=_CROPS.get(given.get("c", "")),
        padding=given.get("p") != "0",
    )
    data = await _read(state, draw)
    media_type = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
    return Response(data, headers=_HEADERS, media_type=media_type)


async def content(state: ServiceState, request: Request) -> Response:
    """`/content/<id>/<name>`: the original file, of `contentSize` bytes."""
    picture = await find_picture(state, request.path_params["short"])
    if picture is None:
        raise HTTPException(404)
    data = await _read(state, partial(state.catalogue.content, picture))
    encoding = picture.encoding_format
    headers = _HEADERS | (_SVG_HEADERS if encoding == "svg" else {})
    return Response(data, headers=headers, media_type=_MEDIA_TYPES.get(encoding, f"image/{encoding}"))


async def _read(state: ServiceState, read: Callable[[], bytes]) -> bytes:
    """Read a file of the catalogue. 404 if it was removed, changed or damaged since it was indexed."""
    try:
        return await state.run(read)
    except (OSError, ValueError) as error:
        raise HTTPException(404) from error


async def favicon(_: ServiceState, __: Request) -> Response:
    return Response(icon(), headers=_HEADERS, media_type="image/png")


async def find_picture(state: ServiceState, short: str) -> Picture | None:
    """Return the picture with the short id of a URL."""
    image_id = lengthen(short)
    return await state.run(state.catalogue.get, image_id) if image_id is not None else None


def first_hit(state: ServiceState, text: str, market: str) -> Picture | None:
    """Return the first result of a query."""
    language = language_of(best_fit(market))
    hits = state.catalogue.search(
        text,
        language=language,
        filters=Filters(family_friendly_only=True),
        offset=0,
        limit=1,
        now=state.now(),
    )
    return hits.pictures[0] if hits.pictures else None


def icon() -> bytes:
    """Return the icon of the service: a white square in a teal one, 32 by 32 pixels, PNG."""
    mark = Pillow.new("RGB", (32, 32), (0, 128, 128))
    mark.paste((255, 255, 255), (10, 10, 22, 22))
    out = BytesIO()
    mark.save(out, "PNG")
    return out.getvalue()


def _pixels(given: Mapping[str, str], name: str) -> int | None:
    """Return a width or height, None if it is not given. 400 if it is invalid."""
    text = given.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) <= MAX_SIDE):
        raise HTTPException(400)
    return int(text)
