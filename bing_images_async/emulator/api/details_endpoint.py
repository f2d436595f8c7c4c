"""`/images/details`: which picture is meant, and what is known about it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from io import BytesIO

import attrs
import msgspec
from PIL import Image as Pillow
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ..catalogue.factories import Catalogue
from ..catalogue.picture import Picture
from .answers import Style, envelope
from .details_modules import Insight, describe
from .endpoint import Visit
from .error_bodies import RefusedError, invalid, missing
from .parameters import DetailsQuestion, Region, read_details
from .service_state import Body, Service
from .tokens import insights_token, read_token

MAX_IMAGE = 1_048_576
"""Bytes of a picture sent in a body or named by `imgUrl` (1 MB)."""

SAME = 6
"""Two pictures whose perceptual hashes differ in no more bits than this are taken for the same one."""

_MAX_BODY = MAX_IMAGE + 16_384
_MAX_DRAINED = 16 * MAX_IMAGE


@attrs.frozen
class Subject:
    """What a call of details is about: a picture of the catalogue, or the looks of one that is not in it."""

    picture: Picture | None
    phash: int


async def details(service: Service, visit: Visit) -> Body:
    uploaded = visit.request.method == "POST"
    question = read_details(visit.reader, uploaded=uploaded)
    upload = await read_upload(visit.request) if uploaded else None
    return Body(await service.run(write_insights, service, visit.style, question, upload))


def write_insights(service: Service, style: Style, question: DetailsQuestion, upload: bytes | None) -> bytes:
    """Finds the picture and writes what the modules say. Blocks if the catalogue does."""
    catalogue = service.catalogue
    subject = find_subject(catalogue, style, question, upload)
    image_id = subject.picture.image_id if subject.picture is not None else None
    token = insights_token(subject.phash, image_id, question.token, question.text)
    fields: dict[str, object] = {"imageInsightsToken": token}
    # People are recognised in a second step: the answer to the upload holds the token for it and no more.
    if not (upload is not None and question.modules == frozenset({"RecognizedEntities"})):
        fields |= describe(Insight(catalogue, style, question, subject.picture, subject.phash))
    return msgspec.json.encode(envelope(style, "ImageInsights", fields))


def find_subject(catalogue: Catalogue, style: Style, question: DetailsQuestion, upload: bytes | None) -> Subject:
    """Raises RefusedError (400) if token, URL, id or body lead to no picture."""
    if upload is not None:
        return _seen(catalogue, upload, question.region)
    if question.token is not None:
        token = read_token(question.token)
        if token is not None and token.image_id is None and token.phash is not None:
            return _looked_up(catalogue, token.phash)
        return _known(catalogue, token.image_id if token else None, "insightsToken", question.token, question.region)
    if question.image_url is not None:
        image_id = style.links.image_id_of(question.image_url)
        subject = _known(catalogue, image_id, "imgUrl", question.image_url, question.region)
        if subject.picture is not None and subject.picture.content_size > MAX_IMAGE:
            raise RefusedError(400, invalid("imgUrl", question.image_url, "The picture may have at most 1 MB."))
        return subject
    return _known(catalogue, question.image_id, "id", question.image_id or "", question.region)


def _known(catalogue: Catalogue, image_id: str | None, parameter: str, value: str, region: Region | None) -> Subject:
    picture = catalogue.get(image_id.upper()) if image_id is not None else None
    if picture is None:
        raise RefusedError(400, invalid(parameter, value, "It names no picture of this service, which fetches none."))
    if region is None:
        return Subject(picture, picture.phash)
    return Subject(picture, catalogue.fingerprint(crop(catalogue.content(picture), region)))


def _seen(catalogue: Catalogue, upload: bytes, region: Region | None) -> Subject:
    try:
        subject = _looked_up(catalogue, catalogue.fingerprint(upload))
        if region is None:
            return subject
        return Subject(subject.picture, catalogue.fingerprint(crop(upload, region)))
    except (ValueError, OSError, Pillow.DecompressionBombError) as error:
        raise RefusedError(400, invalid("image", "", "The body holds no picture that can be read.")) from error


def _looked_up(catalogue: Catalogue, phash: int) -> Subject:
    nearest = catalogue.similar(phash, limit=1)
    if nearest and (nearest[0].phash ^ phash).bit_count() <= SAME:
        return Subject(nearest[0], phash)
    return Subject(None, phash)


def crop(data: bytes, region: Region) -> bytes:
    """The part of a picture within `region`, at least one pixel of it, as PNG."""
    with Pillow.open(BytesIO(data)) as picture:
        left, top = int(region.left * picture.width), int(region.top * picture.height)
        right = max(left + 1, round(region.right * picture.width))
        bottom = max(top + 1, round(region.bottom * picture.height))
        out = BytesIO()
        picture.convert("RGBA").crop((left, top, right, bottom)).save(out, "PNG")
    return out.getvalue()


async def read_upload(request: Request) -> bytes:
    """The first file of a multipart body, whatever its part is called. Raises RefusedError (400)."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise RefusedError(400, missing("image", "Send the picture as multipart/form-data, in a part named image."))
    body = await _read_bounded(request)
    try:
        # Closed by hand: trio does not leave an unfinished generator to the garbage collector.
        async with aclosing(_only(body)) as stream:
            form = await MultiPartParser(request.headers, stream).parse()
    except (MultiPartException, KeyError) as error:  # KeyError: no boundary in the Content-Type
        raise RefusedError(400, invalid("image", "", "The multipart body cannot be read.")) from error
    try:
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                data = await part.read()
                if len(data) > MAX_IMAGE:
                    raise _too_large()
                if data:
                    return data
    finally:
        await form.close()
    raise RefusedError(400, missing("image", "The body has no part that is a file."))


async def _read_bounded(request: Request) -> bytes:
    """The body, of which no more than may be is kept.

    The rest is read and dropped, within reason: a client that is still sending would not see the answer.
    """
    body, size = bytearray(), 0
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            size += len(chunk)
            if size <= _MAX_BODY:
                body += chunk
            elif size > _MAX_DRAINED:
                break
    if size > _MAX_BODY:
        raise _too_large()
    return bytes(body)


async def _only(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


def _too_large() -> RefusedError:
    return RefusedError(400, invalid("image", "", "The picture may have at most 1 MB."))
