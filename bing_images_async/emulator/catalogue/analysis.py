"""Analysis of a picture at 96 pixels or less: colours, transparency, type and perceptual hash."""

import attrs
from PIL import Image

from .dominant_color import Shades, dominant_color, opaque_shades
from .perceptual_hash import perceptual_hash

SIDE = 96
"""Longest side in pixels at which pictures are analysed."""


@attrs.frozen
class Appearance:
    """The result of the analysis; the fields are those of `Picture`."""

    color: str
    is_monochrome: bool
    accent_color: str
    is_transparent: bool
    image_type: str
    phash: int


def analyse(image: Image.Image) -> Appearance:
    """Analyse a picture of any mode; it should be scaled to at most `SIDE` pixels."""
    rgba = image.convert("RGBA")
    shades = opaque_shades(rgba)
    colors = dominant_color(shades)
    area = sum(count for count, _ in shades) or 1
    alpha = rgba.getchannel("A").histogram()
    return Appearance(
        color=colors.color,
        is_monochrome=colors.is_monochrome,
        accent_color=colors.accent_color,
        # A few translucent pixels at the border do not make a picture transparent.
        is_transparent=sum(alpha[:128]) > 0.01 * rgba.width * rgba.height,
        image_type=_image_type(shades, area, is_monochrome=colors.is_monochrome),
        phash=perceptual_hash(rgba),
    )


def _image_type(shades: Shades, area: int, *, is_monochrome: bool) -> str:
    """Return Photo, Clipart or Line.

    A photograph has many shades, none of which is frequent; a line drawing consists of ink and paper; all else is clip
    art. The thresholds were chosen on samples.
    """
    largest = sum(sorted((count for count, _ in shades), reverse=True)[:4]) / area
    if len(shades) > 120 and largest < 0.5:
        return "Photo"
    middle = sum(count for count, shade in shades if 60 < sum(shade) / 3 < 215)
    return "Line" if is_monochrome and middle < 0.3 * area and largest > 0.5 else "Clipart"
