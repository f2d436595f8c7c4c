"""Thumbnails by the rules that the API's documentation gives for `w`, `h`, `c` and `p` (resize and crop).

* One side given: the other follows. Both: the picture is fitted in and the rest is white.
* `p=0`: no white; the answer is then smaller than asked.
* `c=4`, blind ratio: a picture too tall loses its bottom, one too wide loses both sides evenly.
* `c=7`, smart ratio: the same cut, placed where most is to be seen; blind where nothing stands out.
* Pictures are never enlarged: one smaller than asked is centred on white.
"""

import io
import math
from collections.abc import Callable

import attrs
from PIL import Image, ImageFilter

from .picture import Picture

DEFAULT_WIDTH = 474
"""Widest default thumbnail, in pixels; seen in answers since 2020."""
MAX_SIDE = 4096
BLIND, SMART = 4, 7


@attrs.frozen
class _Plan:
    scaled: tuple[int, int]
    """The whole picture after scaling."""
    window: tuple[int, int]
    """What is kept of it."""
    canvas: tuple[int, int]
    """What it is centred on."""


def default_size(picture: Picture) -> tuple[int, int]:
    """Width and height of the thumbnail that is made when nothing is asked for."""
    return _plan((picture.width, picture.height), None, None, crop=False, padding=True).canvas


def make(
    draw: Callable[[tuple[int, int]], Image.Image],
    original: tuple[int, int],
    *,
    width: int | None,
    height: int | None,
    crop: int | None,
    padding: bool,
) -> bytes:
    """The encoded thumbnail: JPEG, or PNG if the picture has transparent parts.

    Args:
        draw: Gives the whole picture at a size (never larger than the original).
        original: Width and height of the original.
        width: Asked width in pixels, or None; likewise `height`.
        crop: 4 (blind), 7 (smart) or None; needs both sides, else it is ignored, like any other number.
        padding: False: leave out the white (`p=0`).

    Raises:
        ValueError: A side is not within 1 to `MAX_SIDE`.
    """
    for side in (width, height):
        if side is not None and not 1 <= side <= MAX_SIDE:
            raise ValueError(f"a thumbnail's side must be 1 to {MAX_SIDE} pixels, not {side}")
    plan = _plan(original, width, height, crop=crop in {BLIND, SMART}, padding=padding)
    image = draw(plan.scaled)
    if plan.window != plan.scaled:
        left, top = _corner(image, plan.window, smart=crop == SMART)
        image = image.crop((left, top, left + plan.window[0], top + plan.window[1]))
    return _encode(_centred(image, plan.canvas))


def _plan(original: tuple[int, int], width: int | None, height: int | None, *, crop: bool, padding: bool) -> _Plan:
    full_width, full_height = original
    if width is not None and height is not None:
        asked = (width, height)
        if crop:
            return _cropped(original, asked, padding=padding)
    elif height is not None:
        asked = (max(1, round(height * full_width / full_height)), height)
    else:
        width = width if width is not None else min(DEFAULT_WIDTH, full_width)
        asked = (width, max(1, round(width * full_height / full_width)))
    scale = min(1.0, asked[0] / full_width, asked[1] / full_height)
    scaled = (max(1, round(full_width * scale)), max(1, round(full_height * scale)))
    return _Plan(scaled, scaled, asked if padding else scaled)


def _cropped(original: tuple[int, int], asked: tuple[int, int], *, padding: bool) -> _Plan:
    """Cut to the asked ratio: out of the picture scaled to cover what is asked, or out of the original itself."""
    (full_width, full_height), (width, height) = original, asked
    scale = max(width / full_width, height / full_height)
    if scale <= 1:
        scaled = (max(width, round(full_width * scale)), max(height, round(full_height * scale)))
        return _Plan(scaled, asked, asked)
    window = (
        min(full_width, max(1, round(full_height * width / height))),
        min(full_height, max(1, round(full_width * height / width))),
    )
    return _Plan(original, window, asked if padding else window)


def _corner(image: Image.Image, window: tuple[int, int], *, smart: bool) -> tuple[int, int]:
    """Top-left corner of the part to keep."""
    if smart:
        gray = image.convert("RGBA").convert("L")
        # The filter leaves the outermost pixels as they are; they must not count as edges.
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
    """Start of the stretch of `length` with the most edges; of equal ones the middle one."""
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
