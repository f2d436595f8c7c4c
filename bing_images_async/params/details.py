"""Parameters of `/images/details`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from typing import IO, Any, cast

from attrs import field, frozen

from .. import _validation as checks
from ..errors import InvalidRequestError
from ..models import NormalizedRectangle
from .common import CommonParams, query_field
from .enums import CropType, Module

__all__ = ["DetailsParams", "ImageSource"]

ImageSource = bytes | bytearray | memoryview | os.PathLike[str] | IO[bytes]
"""An image to upload: bytes, the path of a file, or an open binary file."""


def _modules(name: str, value: Any) -> tuple[Module, ...] | None:
    """Return the modules as a tuple; a str may contain several, separated by commas."""
    names: Any = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, Iterable):
        raise checks.refuse(name, value, f"it must be a list of {', '.join(Module)}")
    chosen = tuple(dict.fromkeys(checks.one_of(name, _stripped(item), Module) for item in cast("Iterable[Any]", names)))
    if not chosen or None in chosen:
        raise checks.refuse(name, value, f"it must name at least one of {', '.join(Module)}")
    if Module.RECOGNIZED_ENTITIES in chosen and len(chosen) > 1:
        raise checks.refuse(name, value, "the service returns RecognizedEntities only if it is the only module")
    return tuple(module for module in chosen if module is not None)


def _stripped(item: Any) -> Any:
    return item.strip() if type(item) is str else item


def _crop(name: str, value: Any) -> NormalizedRectangle:
    if not isinstance(value, NormalizedRectangle):
        raise checks.refuse(name, value, "it must be a NormalizedRectangle")
    edges = {edge: getattr(value, edge) for edge in ("left", "top", "right", "bottom")}
    for edge, fraction in edges.items():
        if checks.number(f"{name}.{edge}", fraction, 0.0, 1.0) is None:
            raise checks.refuse(f"{name}.{edge}", None, "all four edges are required")
    if not (edges["left"] < edges["right"] and edges["top"] < edges["bottom"]):
        raise checks.refuse(name, value, "left must be below right, and top below bottom")
    return value


def _image(name: str, value: Any) -> Any:
    if not isinstance(value, bytes | bytearray | memoryview | os.PathLike) and not hasattr(value, "read"):
        raise checks.refuse(
            name, value, "it must be bytes, a pathlib.Path or an open binary file (for an address: image_url=)"
        )
    return cast("Any", value)


@frozen(kw_only=True)
class DetailsParams(CommonParams):
    """Parameters of `/images/details`. Exactly one of `insights_token`, `image_url` and `image` is required.

    Raises:
        InvalidRequestError: a value is not allowed, or a combination of values.
    """

    insights_token: str | None = query_field("insightsToken", checks.text)
    """`Image.image_insights_token` of a search answer."""
    image_url: str | None = query_field("imgUrl", checks.text)
    """Address of an image of at most 1 MB, which the service fetches."""
    image: ImageSource | None = field(default=None, repr=False, metadata={"check": _image})
    """Image to upload, at most 1 MB (2**20 bytes)."""
    image_id: str | None = query_field("id", checks.text)
    query: str | None = query_field("q", checks.query)
    """The query that found the image; the module RelatedSearches needs it."""
    modules: Iterable[Module | str] | str | None = query_field("modules", _modules, (Module.ALL,))
    """Requested modules; stored as a tuple of `Module`."""
    crop: NormalizedRectangle | None = query_field("crop", _crop)
    """Region to analyse, for SimilarImages and RecognizedEntities."""
    crop_type: CropType | str | None = query_field("ct", partial(checks.one_of, kind=CropType))
    """Rectangular is the only type, and the service's default."""

    @classmethod
    def _check_together(cls, given: Mapping[str, Any]) -> None:
        super()._check_together(given)
        sources = [name for name in ("insights_token", "image_url", "image") if name in given]
        if len(sources) != 1:
            said = " and ".join(sources) or "none"
            raise InvalidRequestError(
                f"details needs exactly one of insights_token, image_url and image; given: {said}.",
                parameter=sources[-1] if sources else "insights_token",
            )
        if "crop_type" in given and "crop" not in given:
            raise checks.refuse("crop_type", given["crop_type"], "it needs a crop")
