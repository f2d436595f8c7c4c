"""The files that answers link to: thumbnails, originals, icons."""

from collections.abc import Mapping
from functools import partial
from io import BytesIO

from PIL import Image as Pillow
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..api.markets import best_fit, language_of
from ..api.service_state import Service
from ..api.tokens import lengthen
from ..catalogue.picture import Filters, Picture
from ..catalogue.thumbnail_renderer import MAX_SIDE

_CROPS = {"4": 4, "7": 7}
_FOREVER = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}
_WORTH_KEEPING = 65_536  # bytes; larger ones would fill the memory


async def thumbnail(service: Service, request: Request) -> Response:
    """`/th?id=…` or `/th?q=…`, resized by `w`, `h`, `c` (crop) and `p` (padding)."""
    given = request.query_params
    kind, _, short = given.get("id", "").partition(".")
    if kind == "ODF":
        return Response(icon(), headers=_FOREVER, media_type="image/png")
    if "q" in given:
        picture = await service.run(first_hit, service, given["q"], given.get("mkt", ""))
    else:
        picture = await find(service, short)
    if picture is None:
        raise HTTPException(404)
    draw = partial(
        service.catalogue.thumbnail,
        picture,
        width=_pixels(given, "w"),
        height=_pixels(given, "h"),
        crop=_CROPS.get(given.get("c", "")),
        padding=given.get("p") != "0",
    )
    key = (picture.image_id, *draw.keywords.values())
    data = service.thumbnails.get(key)
    if data is None:
        data = await service.run(draw)
        if len(data) <= _WORTH_KEEPING:
            service.thumbnails.put(key, data)
    media_type = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
    return Response(data, headers=_FOREVER, media_type=media_type)


async def content(service: Service, request: Request) -> Response:
    """`/content/<id>/<name>`: the original, byte for byte what `contentSize` says."""
    picture = await find(service, request.path_params["short"])
    if picture is None:
        raise HTTPException(404)
    data = await service.run(service.catalogue.content, picture)
    return Response(data, headers=_FOREVER, media_type=f"image/{picture.encoding_format}")


async def favicon(_: Service, __: Request) -> Response:
    return Response(icon(), headers=_FOREVER, media_type="image/png")


async def find(service: Service, short: str) -> Picture | None:
    """The picture behind the short id in a URL."""
    image_id = lengthen(short)
    return await service.run(service.catalogue.get, image_id) if image_id is not None else None


def first_hit(service: Service, text: str, market: str) -> Picture | None:
    """The picture that stands for a query."""
    language = language_of(best_fit(market))
    hits = service.catalogue.search(
        text,
        language=language,
        filters=Filters(family_friendly_only=True),
        offset=0,
        limit=1,
        now=service.now(),
    )
    return hits.pictures[0] if hits.pictures else None


def icon() -> bytes:
    """The service's mark: a teal square with a white one in it, 32 by 32 pixels, PNG."""
    mark = Pillow.new("RGB", (32, 32), (0, 128, 128))
    mark.paste((255, 255, 255), (10, 10, 22, 22))
    out = BytesIO()
    mark.save(out, "PNG")
    return out.getvalue()


def _pixels(given: Mapping[str, str], name: str) -> int | None:
    """None if not asked for. 400 if it is no size."""
    text = given.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) <= MAX_SIDE):
        raise HTTPException(400)
    return int(text)
