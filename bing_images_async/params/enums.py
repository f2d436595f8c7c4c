"""Enums of parameter values (API reference: Query parameters).

In place of a member its value is accepted, in any case: `size="large"`.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "Aspect",
    "Color",
    "CropType",
    "Freshness",
    "ImageContent",
    "ImageSize",
    "ImageType",
    "ItemAvailability",
    "License",
    "Module",
    "SafeSearch",
]


class SafeSearch(StrEnum):
    """Filter for adult content. In some markets it is always strict."""

    OFF = "Off"
    MODERATE = "Moderate"
    STRICT = "Strict"


class Aspect(StrEnum):
    """Shape of the image."""

    ALL = "All"
    SQUARE = "Square"
    WIDE = "Wide"
    TALL = "Tall"


class Color(StrEnum):
    """Dominant colour of the image, or colour and monochrome in general."""

    COLOR_ONLY = "ColorOnly"
    MONOCHROME = "Monochrome"
    BLACK = "Black"
    BLUE = "Blue"
    BROWN = "Brown"
    GRAY = "Gray"
    GREEN = "Green"
    ORANGE = "Orange"
    PINK = "Pink"
    PURPLE = "Purple"
    RED = "Red"
    TEAL = "Teal"
    WHITE = "White"
    YELLOW = "Yellow"


class Freshness(StrEnum):
    """Maximum age since the discovery of the image: 24 hours, 7 days, 30 days."""

    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


class ImageContent(StrEnum):
    """Content of the image: a face, or head and shoulders."""

    FACE = "Face"
    PORTRAIT = "Portrait"


class ImageType(StrEnum):
    """Kind of image. `SHOPPING` works in the market en-US only."""

    ANIMATED_GIF = "AnimatedGif"
    ANIMATED_GIF_HTTPS = "AnimatedGifHttps"
    CLIPART = "Clipart"
    LINE = "Line"
    PHOTO = "Photo"
    SHOPPING = "Shopping"
    TRANSPARENT = "Transparent"


class License(StrEnum):
    """Permitted use of the image. `ANY`: only images with a known licence; `ALL`: no filter."""

    ALL = "All"
    ANY = "Any"
    PUBLIC = "Public"
    SHARE = "Share"
    SHARE_COMMERCIALLY = "ShareCommercially"
    MODIFY = "Modify"
    MODIFY_COMMERCIALLY = "ModifyCommercially"


class ImageSize(StrEnum):
    """Size class. Small: below 200×200 pixels; medium: a side of 200 to 500; large: a side of 500 or more."""

    ALL = "All"
    SMALL = "Small"
    MEDIUM = "Medium"
    LARGE = "Large"
    WALLPAPER = "Wallpaper"


class Module(StrEnum):
    """Modules of `details`. `ALL` does not include `RECOGNIZED_ENTITIES`, which must be requested alone."""

    ALL = "All"
    BRQ = "BRQ"
    CAPTION = "Caption"
    COLLECTIONS = "Collections"
    PAGES_INCLUDING = "PagesIncluding"
    RECIPES = "Recipes"
    RECOGNIZED_ENTITIES = "RecognizedEntities"
    RELATED_SEARCHES = "RelatedSearches"
    SHOPPING_SOURCES = "ShoppingSources"
    SIMILAR_IMAGES = "SimilarImages"
    SIMILAR_PRODUCTS = "SimilarProducts"
    TAGS = "Tags"


class CropType(StrEnum):
    """Shape of the crop region. The documentation calls it `0`, the SDKs `Rectangular`."""

    ZERO = "0"
    RECTANGULAR = "Rectangular"


class ItemAvailability(StrEnum):
    """Values of `Offer.availability`; the service may add others."""

    DISCONTINUED = "Discontinued"
    IN_STOCK = "InStock"
    IN_STORE_ONLY = "InStoreOnly"
    LIMITED_AVAILABILITY = "LimitedAvailability"
    ONLINE_ONLY = "OnlineOnly"
    OUT_OF_STOCK = "OutOfStock"
    PRE_ORDER = "PreOrder"
    SOLD_OUT = "SoldOut"
