"""Renderer of thumbnails, by the rules of the API's documentation for `w`, `h`, `c` and `p` (resize and crop).

* One side given: the other keeps the ratio. Both: the picture is fitted in and padded with white.
* `p=0`: no padding; the thumbnail is smaller than requested.
* `c=4`, blind ratio: a picture too tall is cropped at the bottom, one too wide on both sides.
* `c=7`, smart ratio: the crop is placed where most edges are; blind if there are none.
* Pictures are never enlarged: one smaller than requested is centred on white.
"""

import io
import math
from collections.abc import Callable

import attrs
from PIL import Image, ImageFilter

from .picture import Picture

DEFAULT_WIDTH = 474
"""Largest width of a default thumbnail in pixels, as in answers since 2020."""
MAX_SIDE = 4096
BLIND, SMART = 4, 7


@attrs.frozen
class _Geometry:
    scaled: tuple[int, int]
    """Size of the whole picture after scaling."""
    window: tuple[int, int]
    """Size of the crop."""
    canvas: tuple[int, int]
    """Size of the thumbnail; the crop is centred on it."""


def default_size(picture: Picture) -> tuple[int, int]:
    """Return width and height of a thumbnail without `w` and `h`."""
    return _geometry((picture.width, picture.height), None, None, crop=False, padding=True).canvas


def render(
    draw: Callable[[tuple[int, int]], Image.Image],
    original: tuple[int, int],
    *,
    width: int | None,
    height: int | None,
    crop: int | None,
    padding: bool,
) -> bytes:
    """Return the encoded thumbnail: JPEG, or PNG if the picture has transparent parts.

    Args:
        draw: Returns the whole picture at a size (never larger than the original).
        original: Width and height of the original.
        width: Requested width in pixels, or None; likewise `height`.
        crop: 4 (blind), 7 (smart) or None. Ignored without both sides, like other numbers.
        padding: False: no padding (`p=0`).

    Raises:
        ValueError: A side is not within 1 to `MAX_SIDE`.
    """
    for side in (width, height):
        if side is not None and not 1 <= side <= MAX_SIDE:
            raise ValueError(f"a thumbnail's side must be 1 to {MAX_SIDE} pixels, not {side}")
    geometry = _geometry(original, width, height, crop=crop in {BLIND, SMART}, padding=padding)
    image = draw(geometry.scaled)
    if geometry.window != geometry.scaled:
        left, top = _corner(image, geometry.window, smart=crop == SMART)
        image = image.crop((left, top, left + geometry.window[0], top + geometry.window[1]))
    return _encode(_centred(image, geometry.canvas))


def _geometry(
    original: tuple[int, int], width: int | None, height: int | None, *, crop: bool, padding: bool
) -> _Geometry:
    full_width, full_height = original
    if width is not None and height is not None:
        requested = (width, height)
        if crop:
            return _cropped(original, requested, padding=padding)
    elif height is not None:
        requested = (max(1, round(height * full_width / full_height)), height)
    else:
        width = width if width is not None else min(DEFAULT_WIDTH, full_width)
        requested = (width, max(1, round(width * full_height / full_width)))
    scale = min(1.0, requested[0] / full_width, requested[1] / full_height)
    scaled = (max(1, round(full_width * scale)), max(1, round(full_height * scale)))
    return _Geometry(scaled, scaled, requested if padding else scaled)


def _cropped(original: tuple[int, int], requested: tuple[int, int], *, padding: bool) -> _Geometry:
    """Crop to the requested ratio: from the picture scaled to cover the size, or from a smaller original."""
    (full_width, full_height), (width, height) = original, requested
    scale = max(width / full_width, height / full_height)
    if scale <= 1:
        scaled = (max(width, round(full_width * scale)), max(height, round(full_height * scale)))
        return _Geometry(scaled, requested, requested)
    window = (
        min(full_width, max(1, round(full_height * width / height))),
        min(full_height, max(1, round(full_width * height / width))),
    )
    return _Geometry(original, window, requested if padding else window)


def _corner(image: Image.Image, window: tuple[int, int], *, smart: bool) -> tuple[int, int]:
    """Return the top-left corner of the crop."""
    if smart:
        gray = image.convert("RGBA").convert("L")
        # The filter does not change the outermost pixels; they must not count as edges.
        edges = gray.filter(ImageFilter.FIND_EDGES)
        edges.paste(0, (0, 0, edges.width, 1))
        edges.paste(0, (0, edges.height - 1, edges.width, edges.height))
        edges.paste(0, (0, 0, 1, edges.height))
        edges.paste(0, (edges.width - 1, 0, edges.width, edges.height))
        box = edges.point([0] * 32 + [255] * 224).getbbox()
        if box is not None:
            x = _busiest(edges.crop((0, box[1], edges.width, box[3])), window[0], horizontal=True)
            y = _busiest(edges.crop((box[0], 0, box[2], edges.height)), window[1], horizontal=False)
            return x, y
    return (image.width - window[0]) // 2, 0


def _busiest(edges: Image.Image, length: int, *, horizontal: bool) -> int:
    """Return the start of the interval of `length` with the most edges; of several the middle one."""
    whole = edges.width if horizontal else edges.height
    if length >= whole:
        return 0
    line = edges.convert("F").resize((whole, 1) if horizontal else (1, whole), Image.Resampling.BOX)
    weights = [_number(line.getpixel((at, 0) if horizontal else (0, at))) for at in range(whole)]
    total = sum(weights[:length])
    sums = [total]
    for at in range(length, whole):
        total += weights[at] - weights[at - length]
        sums.append(total)
    most = max(sums)
    best = [at for at, value in enumerate(sums) if math.isclose(value, most, rel_tol=1e-3, abs_tol=1e-6)]
    return best[len(best) // 2]


def _number(value: object) -> float:
    assert isinstance(value, float)
    return value


def _centred(image: Image.Image, canvas: tuple[int, int]) -> Image.Image:
    if image.size == canvas:
        return image
    sheet = Image.new(image.mode, canvas, "white")
    sheet.paste(image, ((canvas[0] - image.width) // 2, (canvas[1] - image.height) // 2))
    return sheet


def _encode(image: Image.Image) -> bytes:
    target = io.BytesIO()
    if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        image.save(target, "PNG", compress_level=3)
    else:
        image.convert("RGB").save(target, "JPEG", quality=85)
    return target.getvalue()
