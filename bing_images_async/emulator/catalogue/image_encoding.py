"""Encoding of pictures to files of an exact size.

A catalogue states `content_size` before it renders an original: rendering takes tens of milliseconds, which is minutes
for a whole corpus, and the file-size filters need all sizes. So the size is estimated generously, and the file is
encoded at the best quality that leaves room for a comment with the attribution, padded with blanks to the exact size.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence

from PIL import Image

# From best to smallest: JPEG qualities, numbers of colours (0: all).
_LADDERS = {"jpeg": (90, 80, 70, 55, 40, 25, 10), "png": (0, 128, 32, 8, 2), "gif": (64, 32, 16, 8, 4, 2)}
FORMATS = tuple(_LADDERS)


def encode(frames: Sequence[Image.Image], encoding: str, size: int, note: str) -> bytes:
    """Encode a picture as `jpeg`, `png` or `gif` (of all frames), exactly `size` bytes long, with `note` inside.

    If even the lowest quality does not fit, the result is that, and longer than `size`.
    """
    comment = note.encode("ascii", "replace")
    data = b""
    for quality in _LADDERS[encoding]:
        data = _encode_at(frames, encoding, quality)
        room = size - len(data)
        if room >= len(comment) + 16:
            return _PADDERS[encoding](data, comment.ljust(room), room)
    return data


def _encode_at(frames: Sequence[Image.Image], encoding: str, quality: int) -> bytes:
    target = io.BytesIO()
    if encoding == "jpeg":
        frames[0].convert("RGB").save(target, "JPEG", quality=quality)
    elif encoding == "png":
        _with_colors(frames[0], quality).save(target, "PNG")
    else:
        first, *others = (_with_colors(frame.convert("RGB"), quality) for frame in frames)
        first.save(target, "GIF", save_all=True, append_images=others, duration=120, loop=0)
    return target.getvalue()


def _with_colors(image: Image.Image, colors: int) -> Image.Image:
    if colors == 0:
        return image
    method = Image.Quantize.FASTOCTREE if image.mode == "RGBA" else Image.Quantize.MEDIANCUT
    return image.quantize(colors, method=method, dither=Image.Dither.NONE)


def _pad_png(data: bytes, text: bytes, room: int) -> bytes:
    """Insert a tEXt chunk (PNG specification, 11.3.4.3) before the last chunk, IEND."""
    body = b"tEXt" + (b"Comment\0" + text)[: room - 12]
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:-12] + chunk + data[-12:]


def _pad_jpeg(data: bytes, text: bytes, room: int) -> bytes:
    """Insert COM segments (ITU T.81, B.2.4.5) after the start marker. The length includes its own two bytes."""
    segments = b"".join(
        b"\xff\xfe" + struct.pack(">H", length - 2) + text[at : at + length - 4]
        for at, length in _portions(room, least=4, most=65_537)
    )
    return data[:2] + segments + data[2:]


def _pad_gif(data: bytes, text: bytes, room: int) -> bytes:
    """Insert a comment extension (GIF89a, 24) before the trailer: blocks of up to 255 bytes after their lengths."""
    blocks = b"".join(
        bytes([length - 1]) + text[at : at + length - 1] for at, length in _portions(room - 3, least=2, most=256)
    )
    return data[:-1] + b"\x21\xfe" + blocks + b"\0" + data[-1:]


def _portions(total: int, *, least: int, most: int) -> Iterator[tuple[int, int]]:
    """Split `total` bytes into pieces of `least` to `most` bytes; yield (start, length)."""
    at = 0
    while total - at > most:
        length = most if total - at - most >= least else most - least
        yield at, length
        at += length
    yield at, total - at


_PADDERS: dict[str, Callable[[bytes, bytes, int], bytes]] = {
    "jpeg": _pad_jpeg,
    "png": _pad_png,
    "gif": _pad_gif,
}
