"""The words the API takes as parameter values (API reference: Query parameters).

Wherever one of these is asked for, its text does as well, in any case: `size="large"`.
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
    """How much adult content may be among the results. Some markets are always strict."""

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
    """Dominant colour of the image, or whether it has any."""

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
    """How recently the image was discovered: 24 hours, 7 days, 30 days."""

    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


class ImageContent(StrEnum):
    """A face, or head and shoulders."""

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
    """What may be done with the image. `ANY`: only images whose licence is known; `ALL`: no filter."""

    ALL = "All"
    ANY = "Any"
    PUBLIC = "Public"
    SHARE = "Share"
    SHARE_COMMERCIALLY = "ShareCommercially"
    MODIFY = "Modify"
    MODIFY_COMMERCIALLY = "ModifyCommercially"


class ImageSize(StrEnum):
    """Small: below 200×200 pixels; medium: a side of 200 to 500; large: a side of 500 or more; wallpaper."""

    ALL = "All"
    SMALL = "Small"
    MEDIUM = "Medium"
    LARGE = "Large"
    WALLPAPER = "Wallpaper"


class Module(StrEnum):
    """What `details` is to find out. `ALL` leaves out `RECOGNIZED_ENTITIES`, which must be asked for alone."""

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
    """Shape of the region to look at. The documentation writes it `0`, the SDKs `Rectangular`."""

    ZERO = "0"
    RECTANGULAR = "Rectangular"


class ItemAvailability(StrEnum):
    """What `Offer.availability` may say; the service may add words."""

    DISCONTINUED = "Discontinued"
    IN_STOCK = "InStock"
    IN_STORE_ONLY = "InStoreOnly"
    LIMITED_AVAILABILITY = "LimitedAvailability"
    ONLINE_ONLY = "OnlineOnly"
    OUT_OF_STOCK = "OutOfStock"
    PRE_ORDER = "PreOrder"
    SOLD_OUT = "SoldOut"
