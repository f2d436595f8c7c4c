"""The dominant colour and the accent colour of a picture.

The thresholds are not from a standard: they were chosen on samples.
"""

import colorsys
import functools
from collections import Counter
from collections.abc import Sequence

import attrs
from PIL import Image

Shades = Sequence[tuple[int, tuple[int, int, int]]]
"""Number of pixels and RGB value of each shade."""

# Outlines and paper weigh less than the areas that they surround.
_WEIGHTS = {"Black": 0.3, "White": 0.5, "Gray": 0.6}
_SIXTEEN_LEVELS = [round(value / 17) * 17 for value in range(256)]


@attrs.frozen
class Colors:
    """The colours of a picture; the fields are those of `Picture`."""

    color: str
    is_monochrome: bool
    accent_color: str


def dominant_color(shades: Shades) -> Colors:
    """Return the dominant colour (one of the API's twelve), and the mean of its shades."""
    area = sum(count for count, _ in shades) or 1
    by_color: Counter[str] = Counter()
    for count, shade in shades:
        by_color[color_name(shade)] += count
    colorful = sum(count for name, count in by_color.items() if name not in _WEIGHTS)
    color = max(by_color, key=lambda name: (by_color[name] * _WEIGHTS.get(name, 1.0), name), default="White")
    return Colors(color, colorful < 0.02 * area, _accent(shades, color))


def opaque_shades(rgba: Image.Image) -> list[tuple[int, tuple[int, int, int]]]:
    """Return the shades of the opaque pixels, with 16 levels per channel."""
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
    """Return the name of a colour (0-255 per channel): one of the twelve values of the `color` filter."""
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


def _accent(shades: Shades, color: str) -> str:
    """Return the mean shade of the dominant colour, as RRGGBB."""
    own = [(count, shade) for count, shade in shades if color_name(shade) == color] or [(1, (255, 255, 255))]
    total = sum(count for count, _ in own)
    return "".join(f"{round(sum(count * shade[i] for count, shade in own) / total):02X}" for i in range(3))
