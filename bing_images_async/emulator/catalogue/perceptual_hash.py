"""The perceptual hash of a picture, for similarity."""

import functools
import math
from collections.abc import Sequence
from operator import mul

from PIL import Image, ImageChops, ImageOps

from .image_decoding import UPLOAD_LIMIT, decode_image

_SIDE = 192


def perceptual_hash(image: Image.Image) -> int:
    """Return 64 bits that change little if a picture is scaled, re-encoded, or put on another background.

    A plain background is removed, the rest is scaled to 16 x 16 greys, and each bit is 1 if one of the 64 lowest
    frequencies of its cosine transform is clearly positive. Symmetric drawings have many near zero: those bits are 0,
    because their sign is noise.
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
    """Return the picture in grey on white, cropped to the pixels that differ from its corners."""
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
    """Return the perceptual hash of an encoded picture.

    Raises:
        ValueError: The bytes are no picture of a supported format, or it has too many pixels.
    """
    image = decode_image(data, (_SIDE, _SIDE), UPLOAD_LIMIT)
    image.thumbnail((_SIDE, _SIDE))
    return perceptual_hash(image)
