"""Parameters of the three endpoints: frozen classes, validated when they are created."""

from .common import CommonParams
from .details import DetailsParams, ImageSource
from .enums import (
    Aspect,
    Color,
    CropType,
    Freshness,
    ImageContent,
    ImageSize,
    ImageType,
    ItemAvailability,
    License,
    Module,
    SafeSearch,
)
from .location import Location
from .search import SearchParams
from .trending import TrendingParams
from .unset import UNSET, Unset

__all__ = [
    "Aspect",
    "Color",
    "CommonParams",
    "CropType",
    "DetailsParams",
    "Freshness",
    "ImageContent",
    "ImageSize",
    "ImageSource",
    "ImageType",
    "ItemAvailability",
    "License",
    "Location",
    "Module",
    "SafeSearch",
    "SearchParams",
    "TrendingParams",
    "UNSET",
    "Unset",
]
