"""Decoding of image files within limits of memory, one at a time, in one thread."""

import io
import os
import threading
import warnings
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import BinaryIO

from PIL import Image, JpegImagePlugin, UnidentifiedImageError

__all__ = ["FOLDER_LIMIT", "UPLOAD_LIMIT", "decode_here", "decode_image", "opened_image"]

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "AVIF")
"""Pillow has decoders of more formats; some of them start other programs."""

UPLOAD_LIMIT = 36 * 2**20
"""Largest memory, in bytes, of the pixels of an uploaded picture while it is decoded."""
FOLDER_LIMIT = 512 * 2**20
"""The same for a file of the user's folder."""

_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
# These decoders keep frames of their own besides Pillow's image.
_DECODER_BYTES_PER_PIXEL = {"WEBP": 20, "AVIF": 16}
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_NEAREST = Image.Resampling.NEAREST

_opening = threading.Lock()


def decode_image(source: bytes | BinaryIO, wanted: tuple[int, int], limit: int) -> Image.Image:
    """Return a picture, upright, in mode RGB or RGBA, reduced to about twice the wanted size or less.

    The size is limited before pixels are decoded. JPEG files are decoded at 1/2, 1/4 or 1/8 of their size; other
    formats are reduced before their mode is converted.

    Args:
        source: The encoded picture; of an animation the first frame is used.
        wanted: Width and height that the caller needs.
        limit: `UPLOAD_LIMIT` or `FOLDER_LIMIT`.

    Raises:
        ValueError: The bytes are no picture, or one of an unknown format, or one with too many pixels.
    """
    return _decoder(os.getpid()).submit(decode_here, source, wanted, limit).result()


@cache
def _decoder(process: int) -> ThreadPoolExecutor:
    """Return the thread that decodes all pictures of a process.

    The limits hold for the process only if one picture is decoded at a time, and only if always by the same thread:
    the C library keeps freed memory for each thread that allocated some.
    """
    del process  # a forked process has no threads, and needs one of its own
    return ThreadPoolExecutor(1, thread_name_prefix="bing-images-decoder")


def decode_here(source: bytes | BinaryIO, wanted: tuple[int, int], limit: int) -> Image.Image:
    """Do what `decode_image` does in the thread of the caller, for a catalogue that must not wait for threads."""
    with opened_image(source) as image:
        coefficients = _progressive_bytes(image)
        image.draft("RGB", wanted)
        size = max(_decoded_bytes(image), coefficients)
        if size > limit:
            raise ValueError(f"it has too many pixels: {size // 2**20} MiB, of {limit // 2**20} MiB allowed")
        orientation = image.getexif().get(_ORIENTATION, 1)
        reduced = _reduced(image, wanted, limit)
        converted = reduced.convert("RGBA" if reduced.has_transparency_data else "RGB")
        transposition = _TRANSPOSITIONS.get(orientation)
        return converted if transposition is None else converted.transpose(transposition)


@contextmanager
def opened_image(source: bytes | BinaryIO) -> Generator[Image.Image]:
    """Open a picture, of which only the header is read. No other picture is opened meanwhile.

    Raises:
        ValueError: The bytes are no picture, or one of an unknown format. Errors of Pillow within the block become
            this error as well: on damaged files Pillow raises exceptions of nearly any class.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    with _opening, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # on damaged files; they would reach stderr
        try:
            with Image.open(file, formats=FORMATS) as image:
                yield image
        except UnidentifiedImageError:
            raise ValueError("it is no picture, or of a format that is not supported") from None
        except Image.DecompressionBombError:
            raise ValueError("it has too many pixels") from None
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(f"it is damaged: {str(error) or type(error).__name__}") from error


def _decoded_bytes(image: Image.Image) -> int:
    per_pixel = _DECODER_BYTES_PER_PIXEL.get(image.format or "", _BYTES_PER_PIXEL.get(image.mode, 4))
    return image.width * image.height * per_pixel


def _progressive_bytes(image: Image.Image) -> int:
    """Return the memory for the coefficients of a progressive JPEG, which libjpeg needs at full size."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or "progressive" not in image.info:
        return 0
    factors = [(horizontal, vertical) for _, horizontal, vertical, _ in image.layer]
    widest, highest = max(h for h, _ in factors), max(v for _, v in factors)
    samples = sum(h * v / (widest * highest) for h, v in factors)
    return round(image.width * image.height * samples * 2)


def _reduced(image: Image.Image, wanted: tuple[int, int], limit: int) -> Image.Image:
    factor = min(image.width // (2 * wanted[0]), image.height // (2 * wanted[1]))
    if image.mode.startswith("I;16"):
        smaller = image.resize((image.width // max(1, factor), image.height // max(1, factor)), _NEAREST)
        return smaller.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if factor < 2:
        return image
    if image.mode in {"1", "P"}:  # indexes into a palette cannot be averaged
        return image.resize((image.width // factor, image.height // factor), _NEAREST)
    if image.mode in {"RGBA", "LA"} and 2 * _decoded_bytes(image) > limit:
        # `reduce` makes a copy of these modes, premultiplied by alpha.
        return Image.merge(image.mode, [image.getchannel(band).reduce(factor) for band in image.getbands()])
    return image.reduce(factor)
