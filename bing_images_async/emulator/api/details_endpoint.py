"""The endpoint `/images/details`: resolve the image of a request, and describe it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from io import BytesIO

import attrs
import msgspec
from anyio import fail_after
from python_multipart.exceptions import FormParserError  # older versions of starlette let it pass
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ..catalogue.image_decoding import UPLOAD_LIMIT, decode_image
from ..catalogue.interface import Catalogue
from ..catalogue.perceptual_hash import is_same_picture
from ..catalogue.picture import Picture
from .answers import AnswerContext, envelope
from .details_modules import ModuleInput, describe
from .endpoint import ApiCall
from .error_bodies import ServiceError, invalid, missing
from .parameters import DETAILS_REFERENCES, DetailsParameters, Region, read_details
from .service_state import Body, ServiceState
from .tokens import insights_token, read_token

MAX_IMAGE = 1_048_576
"""Largest picture in bytes, uploaded or named by `imgUrl` (1 MB)."""

_MAX_BODY = MAX_IMAGE + 16_384
_MAX_DRAINED = 16 * MAX_IMAGE
_UPLOAD_SECONDS = 30.0
_CROPPED_SIDE = 512
"""Pixels; regions are compared at this size."""


@attrs.frozen
class ResolvedImage:
    """The image of a request: a picture of the catalogue, or the perceptual hash of another one."""

    picture: Picture | None
    phash: int


async def details(state: ServiceState, call: ApiCall) -> Body:
    has_reference = any(call.reader.text(name) is not None for name in DETAILS_REFERENCES)
    # A POST may name an image as a GET does, with a body that has no picture.
    may_upload = call.request.method == "POST" and not (has_reference and not _is_multipart(call.request))
    parameters = read_details(call.reader, uploaded=may_upload)
    if not may_upload:
        return Body(await state.run(write_insights, state, call.context, parameters, None))
    async with state.upload_limiter:
        upload = await _read_in_time(call.request, is_optional=has_reference)
        return Body(await state.run(write_insights, state, call.context, parameters, upload))


async def _read_in_time(request: Request, *, is_optional: bool) -> bytes | None:
    """Read an upload; a client that stops sending must not keep one of the few places."""
    try:
        with fail_after(_UPLOAD_SECONDS):
            return await read_upload(request, is_optional=is_optional)
    except TimeoutError:
        raise HTTPException(408, f"The upload took more than {_UPLOAD_SECONDS:g} seconds.") from None


def write_insights(
    state: ServiceState, context: AnswerContext, parameters: DetailsParameters, upload: bytes | None
) -> bytes:
    """Resolve the image and write the answer. Blocks if the catalogue does."""
    catalogue = state.catalogue
    resolved = resolve_image(catalogue, context, parameters, upload)
    image_id = resolved.picture.image_id if resolved.picture is not None else None
    token = insights_token(resolved.phash, image_id, parameters.token, parameters.text)
    fields: dict[str, object] = {"imageInsightsToken": token}
    # Recognising people takes two calls: the answer to the upload has only the token for the second one.
    if not (upload is not None and parameters.modules == frozenset({"RecognizedEntities"})):
        fields |= describe(ModuleInput(catalogue, context, parameters, resolved.picture, resolved.phash))
    return msgspec.json.encode(envelope(context, "ImageInsights", fields))


def resolve_image(
    catalogue: Catalogue, context: AnswerContext, parameters: DetailsParameters, upload: bytes | None
) -> ResolvedImage:
    """Resolve token, URL, id or upload. Raises ServiceError (400) if there is no such picture."""
    if upload is not None:
        return _resolve_upload(catalogue, upload, parameters.region)
    if parameters.token is not None:
        token = read_token(parameters.token)
        if token is not None and token.image_id is None and token.phash is not None:
            return _resolve_hash(catalogue, token.phash)
        return _resolve_id(
            catalogue, token.image_id if token else None, "insightsToken", parameters.token, parameters.region
        )
    if parameters.image_url is not None:
        image_id = context.links.image_id_of(parameters.image_url)
        resolved = _resolve_id(catalogue, image_id, "imgUrl", parameters.image_url, parameters.region)
        if resolved.picture is not None and resolved.picture.content_size > MAX_IMAGE:
            raise ServiceError(400, invalid("imgUrl", parameters.image_url, "The picture may have at most 1 MB."))
        return resolved
    return _resolve_id(catalogue, parameters.image_id, "id", parameters.image_id or "", parameters.region)


def _resolve_id(
    catalogue: Catalogue, image_id: str | None, parameter: str, value: str, region: Region | None
) -> ResolvedImage:
    picture = catalogue.get(image_id.upper()) if image_id is not None else None
    if picture is None:
        raise ServiceError(
            400,
            invalid(
                parameter,
                value,
                "It names no picture of this service. The service does not fetch pictures from elsewhere.",
            ),
        )
    if region is None:
        return ResolvedImage(picture, picture.phash)
    width = min(picture.width, 2 * _CROPPED_SIDE)
    try:
        whole = catalogue.thumbnail(picture, width=width, height=None, crop=None, padding=False)
    except OSError:
        raise ServiceError(400, invalid(parameter, value, "The picture is no longer available.")) from None
    return ResolvedImage(picture, catalogue.fingerprint(crop(whole, region)))


def _resolve_upload(catalogue: Catalogue, upload: bytes, region: Region | None) -> ResolvedImage:
    try:
        resolved = _resolve_hash(catalogue, catalogue.fingerprint(upload))
        if region is None:
            return resolved
        return ResolvedImage(resolved.picture, catalogue.fingerprint(crop(upload, region)))
    except ValueError as error:
        raise ServiceError(400, invalid("image", "", f"The picture cannot be read: {error}.")) from None


def _resolve_hash(catalogue: Catalogue, phash: int) -> ResolvedImage:
    nearest = catalogue.similar(phash, limit=1)
    if nearest and is_same_picture(nearest[0].phash, phash):
        return ResolvedImage(nearest[0], phash)
    return ResolvedImage(None, phash)


def crop(data: bytes, region: Region) -> bytes:
    """Return the part of a picture within `region`, at least one pixel, as PNG.

    Raises:
        ValueError: The bytes are no readable picture, or it has too many pixels.
    """
    picture = decode_image(data, (_CROPPED_SIDE, _CROPPED_SIDE), UPLOAD_LIMIT)
    left, top = int(region.left * picture.width), int(region.top * picture.height)
    left, top = min(left, picture.width - 1), min(top, picture.height - 1)
    right = max(left + 1, round(region.right * picture.width))
    bottom = max(top + 1, round(region.bottom * picture.height))
    out = BytesIO()
    picture.crop((left, top, right, bottom)).save(out, "PNG")
    return out.getvalue()


async def read_upload(request: Request, *, is_optional: bool = False) -> bytes | None:
    """Return the first file of a multipart body; the name of its part is ignored.

    is_optional: return None for a multipart body without a file. Raises ServiceError (400).
    """
    if not _is_multipart(request):
        raise ServiceError(400, missing("image", "Send the picture as multipart/form-data, in a part named image."))
    body = await _read_bounded(request)
    try:
        # Closed explicitly: trio warns about an unfinished generator that is garbage-collected.
        async with aclosing(_only(body)) as stream:
            form = await MultiPartParser(request.headers, stream).parse()
    except (MultiPartException, FormParserError, KeyError) as error:  # KeyError: no boundary in the Content-Type
        raise ServiceError(400, invalid("image", "", "The multipart body cannot be read.")) from error
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
    if is_optional:
        return None
    raise ServiceError(400, missing("image", "The body has no part that is a file."))


def _is_multipart(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def _read_bounded(request: Request) -> bytes:
    """Read the body up to the size limit.

    The rest is read and discarded, up to `_MAX_DRAINED`: a client that is still sending would not read the response.
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


def _too_large() -> ServiceError:
    return ServiceError(400, invalid("image", "", "The picture may have at most 1 MB."))
