"""What can be seen in a picture at 96 pixels or less: its colours, its kind, its perceptual hash.

No number here comes from a standard: the thresholds were set by looking at samples.
"""

import colorsys
import functools
import io
import math
from collections import Counter
from collections.abc import Sequence
from operator import mul

import attrs
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

SIDE = 96
"""Longest side at which pictures are looked at, in pixels."""


# Outlines and paper are seen less than what they surround.
_PRESENCE = {"Black": 0.3, "White": 0.5, "Gray": 0.6}
_SIXTEEN_LEVELS = [round(value / 17) * 17 for value in range(256)]


@attrs.frozen
class Look:
    """What a picture looks like; the fields are those of `Picture`."""

    color: str
    is_monochrome: bool
    accent_color: str
    is_transparent: bool
    image_type: str
    phash: int


def look(image: Image.Image) -> Look:
    """Analyse a picture of any mode; it should be scaled to at most `SIDE` pixels."""
    rgba = image.convert("RGBA")
    shades = _shades(rgba)
    area = sum(count for count, _ in shades) or 1
    by_color: Counter[str] = Counter()
    colorful = 0
    for count, shade in shades:
        name = color_name(shade)
        by_color[name] += count
        colorful += count if name not in _PRESENCE else 0
    color = max(by_color, key=lambda name: (by_color[name] * _PRESENCE.get(name, 1.0), name), default="White")
    is_monochrome = colorful < 0.02 * area
    see_through = rgba.getchannel("A").histogram()
    return Look(
        color=color,
        is_monochrome=is_monochrome,
        accent_color=_accent(shades, color),
        # A few soft pixels at the rim do not make a picture transparent.
        is_transparent=sum(see_through[:128]) > 0.01 * rgba.width * rgba.height,
        image_type=_kind(shades, area, is_monochrome=is_monochrome),
        phash=perceptual_hash(rgba),
    )


def _shades(rgba: Image.Image) -> list[tuple[int, tuple[int, int, int]]]:
    """The opaque pixels as (how many, shade), with 16 levels per channel."""
    coarse = rgba.point(_SIXTEEN_LEVELS * 4)
    found = coarse.getcolors(coarse.width * coarse.height) or []
    shades: list[tuple[int, tuple[int, int, int]]] = []
    for count, pixel in found:
        assert isinstance(pixel, tuple)
        red, green, blue, alpha = pixel
        if alpha >= 128:
            shades.append((count, (red, green, blue)))
    return shades


@functools.lru_cache(maxsize=4096)
def color_name(shade: tuple[int, int, int]) -> str:
    """The API's name for a colour (0-255 per channel): one of the twelve values of its `color` filter."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in shade))
    degrees = hue * 360
    if value < 0.2:
        return "Black"
    if saturation < 0.12 or (saturation < 0.2 and value < 0.5):
        return "White" if value > 0.9 else "Black" if value < 0.25 else "Gray"
    if degrees >= 345 or degrees < 12:
        return "Pink" if saturation < 0.5 and value > 0.75 else "Brown" if value < 0.4 else "Red"
    if degrees < 46:
        return "Brown" if value < 0.8 or saturation < 0.5 else "Orange"
    if degrees < 68:
        return "Brown" if value < 0.5 else "Yellow"
    for limit, name in ((160, "Green"), (195, "Teal"), (250, "Blue"), (295, "Purple")):
        if degrees < limit:
            return name
    return "Pink" if value > 0.6 else "Purple"


def _accent(shades: Sequence[tuple[int, tuple[int, int, int]]], color: str) -> str:
    """The mean shade of the dominant colour, as RRGGBB."""
    own = [(count, shade) for count, shade in shades if color_name(shade) == color] or [(1, (255, 255, 255))]
    total = sum(count for count, _ in own)
    return "".join(f"{round(sum(count * shade[i] for count, shade in own) / total):02X}" for i in range(3))


def _kind(shades: Sequence[tuple[int, tuple[int, int, int]]], area: int, *, is_monochrome: bool) -> str:
    """Photo, Clipart or Line.

    A photograph has many shades and none that fills much; a line drawing is nearly all ink and paper, with
    little ink; the rest is clip art.
    """
    largest = sum(sorted((count for count, _ in shades), reverse=True)[:4]) / area
    if len(shades) > 120 and largest < 0.5:
        return "Photo"
    middle = sum(count for count, shade in shades if 60 < sum(shade) / 3 < 215)
    return "Line" if is_monochrome and middle < 0.3 * area and largest > 0.5 else "Clipart"


def perceptual_hash(image: Image.Image) -> int:
    """64 bits that stay nearly the same when a picture is scaled, re-encoded, or put on another ground.

    The plain ground is cut away, the rest is scaled to 16 x 16 greys, and each bit tells whether one of the 64 lowest
    frequencies of its cosine transform is clearly positive. Symmetric drawings have many that are nearly nothing:
    those are 0, or chance would decide.
    """
    gray = ImageOps.pad(_subject(image), (64, 64), color=255).resize((16, 16), Image.Resampling.BOX)
    grid = gray.tobytes()
    rows = [_low_frequencies(grid[at : at + 16]) for at in range(0, 256, 16)]
    columns = [_low_frequencies(column) for column in zip(*rows, strict=True)]
    spectrum = [value for column in columns for value in column]
    least = max(1.0, 0.05 * max(map(abs, spectrum[1:])))
    return sum(1 << bit for bit, value in enumerate(spectrum) if bit and value > least)


_COSINES = [[math.cos(math.pi * k * (2 * n + 1) / 32) for n in range(16)] for k in range(8)]


def _low_frequencies(samples: Sequence[float]) -> list[float]:
    return [sum(map(mul, samples, wave)) for wave in _COSINES]


def _subject(image: Image.Image) -> Image.Image:
    """The picture in grey on white, cut to what differs from the colour of its corners."""
    rgba = image.convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    right, bottom = flat.width - 1, flat.height - 1
    corners = {flat.getpixel(at) for at in ((0, 0), (right, 0), (0, bottom), (right, bottom))}
    ground = min(corners, key=str)
    assert isinstance(ground, tuple)
    if any(
        max(abs(a - b) for a, b in zip(corner, ground, strict=True)) > 12
        for corner in corners
        if isinstance(corner, tuple)
    ):
        return flat.convert("L")
    apart = ImageChops.difference(flat, Image.new("RGB", flat.size, ground))
    strongest = functools.reduce(ImageChops.lighter, apart.split())
    mask = strongest.point([0] * 20 + [255] * 236)
    paper = Image.new("L", flat.size, 255)
    paper.paste(flat.convert("L"), mask=mask)
    box = mask.getbbox()
    return paper.crop(box) if box else paper


def fingerprint(data: bytes) -> int:
    """The perceptual hash of an encoded picture.

    Raises:
        ValueError: The bytes are no picture that Pillow can read, or one too large to be sane.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.draft("RGB", (SIDE * 4, SIDE * 4))
            image.thumbnail((SIDE * 2, SIDE * 2))
            return perceptual_hash(image)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"no readable picture: {error}") from None
