"""A synthetic catalogue: every query finds all pictures, in an order that depends on the query.

It needs no files, is deterministic for a seed, and fast enough for benchmarks of clients. Its pictures are mosaics of
8 by 8 fields, rendered on demand; the fields are the picture's perceptual hash.
"""

import functools
import hashlib
import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from heapq import nsmallest

from PIL import Image

from . import thumbnail_renderer
from .filters import COLORS, LICENSES, accepts
from .image_decoding import UPLOAD_LIMIT, decode_here
from .image_encoding import encode
from .picture import Filters, Hits, Picture
from .query_parser import SearchQuery

_NO_FILTERS = Filters()
_SHADES = {
    "Black": "101010", "Blue": "2458C8", "Brown": "7A4A20", "Gray": "808080", "Green": "2E8B3D",
    "Orange": "F08A1C", "Pink": "F28CB8", "Purple": "7B3FB0", "Red": "D2281E", "Teal": "138F8C",
    "White": "F4F4F4", "Yellow": "EBC81E",
}  # fmt: skip
_WORDS = (
    "boat", "bridge", "castle", "cloud", "desk", "field", "forest", "garden", "harbour", "hill",
    "house", "island", "kite", "ladder", "lamp", "market", "meadow", "mill", "mountain", "path",
    "pond", "river", "road", "tower",
)  # fmt: skip
_LANGUAGE_WORDS = {
    "en": "Picture", "de": "Bild", "es": "Imagen", "fr": "Image", "it": "Immagine", "pt": "Imagem",
    "ja": "画像", "ko": "그림", "zh": "图片", "ru": "Картинка", "tr": "Resim",
}  # fmt: skip
_CATEGORIES = ("animals", "buildings", "food", "nature", "people", "travel")
_LICENSE_NAMES = {
    "Attribution": "CC BY 4.0", "AttributionShareAlike": "CC BY-SA 4.0",
    "AttributionNoDerivs": "CC BY-ND 4.0", "AttributionNonCommercial": "CC BY-NC 4.0",
    "AttributionNonCommercialShareAlike": "CC BY-NC-SA 4.0",
    "AttributionNonCommercialNoDerivs": "CC BY-NC-ND 4.0", "PublicNoRightsReserved": "CC0 1.0",
}  # fmt: skip
_SIZES = (
    (64, 64),
    (160, 120),
    (320, 240),
    (480, 480),
    (640, 480),
    (480, 720),
    (800, 600),
    (1024, 768),
    (1920, 1080),
)


class SyntheticCatalogue:
    """`total` synthetic pictures. No method blocks, so that it is called on the event loop."""

    blocking = False

    def __init__(self, total: int, seed: int, today: datetime) -> None:
        """See `synthetic`."""
        self._total = total
        self._seed = seed
        self._today = today
        self._ids = {_image_id(seed, number): number for number in range(total)}
        self._made: list[Picture | None] = [None] * total
        self._order = functools.lru_cache(maxsize=4096)(self._find_order)
        self._accepted = functools.lru_cache(maxsize=64)(self._find_accepted)

    def __len__(self) -> int:
        return self._total

    def search(
        self,
        text: str,
        *,
        language: str,
        filters: Filters,
        offset: int,
        limit: int,
        first_id: str | None = None,
        now: datetime,
    ) -> Hits:
        """Return all pictures that pass the filters, in an order that depends on the text.

        A text without a word finds nothing. The picture `first_id` is first.
        """
        del language
        order = self._order(text)
        if order is None:
            return Hits((), 0, None, matched_all=True)
        start, step = order
        if filters == _NO_FILTERS and first_id is None:
            numbers = [
                (start + step * place) % self._total for place in range(offset, min(offset + limit, self._total))
            ]
            return Hits(tuple(map(self._picture, numbers)), self._total, None, matched_all=True)
        accepted = self._accepted(filters, now if filters.freshness is not None else None)
        found = [number for place in range(self._total) if (number := (start + step * place) % self._total) in accepted]
        first = self._ids.get(first_id.upper()) if first_id is not None else None
        if first is not None:
            found = [first, *(number for number in found if number != first)]
        return Hits(tuple(map(self._picture, found[offset : offset + limit])), len(found), None, matched_all=True)

    def get(self, image_id: str) -> Picture | None:
        """Return the picture with this id (in either case), or None."""
        number = self._ids.get(image_id.upper())
        return None if number is None else self._picture(number)

    def similar(self, phash: int, *, limit: int, exclude: str | None = None) -> tuple[Picture, ...]:
        """Return the pictures with the fewest different fields, nearest first."""
        pictures = (picture for picture in map(self._picture, range(self._total)) if picture.image_id != exclude)
        return tuple(nsmallest(limit, pictures, key=lambda picture: (picture.phash ^ phash).bit_count()))

    def fingerprint(self, data: bytes) -> int:
        """Return the fields of a picture, reduced to a mosaic; ValueError if the bytes are no picture."""
        rgba = decode_here(data, (64, 64), UPLOAD_LIMIT).convert("RGBA").resize((8, 8), Image.Resampling.BOX)
        fields = list(Image.alpha_composite(Image.new("RGBA", (8, 8), "white"), rgba).convert("L").tobytes())
        middle = (min(fields) + max(fields)) / 2
        return sum(1 << place for place, value in enumerate(fields) if value < middle)

    def content(self, picture: Picture) -> bytes:
        """Render the original, `content_size` bytes long."""
        frames = [_mosaic(picture, (picture.width, picture.height))]
        if picture.encoding_format == "gif":
            frames.append(frames[0].transpose(Image.Transpose.FLIP_LEFT_RIGHT))
        return encode(frames, picture.encoding_format, picture.content_size, picture.attribution)

    def thumbnail(
        self, picture: Picture, *, width: int | None, height: int | None, crop: int | None, padding: bool
    ) -> bytes:
        """Return a thumbnail by the rules of `thumbnail_renderer.render`."""
        draw = functools.partial(_mosaic, picture)
        size = (picture.width, picture.height)
        return thumbnail_renderer.render(draw, size, width=width, height=height, crop=crop, padding=padding)

    def related(self, text: str, *, language: str, limit: int) -> tuple[str, ...]:
        """Return the text with another word appended."""
        del language
        order = self._order(text)
        if order is None:
            return ()
        return tuple(f"{text} {_WORDS[(order[0] + place) % len(_WORDS)]}" for place in range(min(limit, len(_WORDS))))

    def topics(self, language: str) -> Mapping[str, tuple[str, ...]]:
        """Return the same topics for every language."""
        del language
        share = len(_WORDS) // len(_CATEGORIES)
        return {name.capitalize(): _WORDS[at * share :][:share] for at, name in enumerate(_CATEGORIES)}

    def close(self) -> None:
        """Do nothing: there are no files."""

    def _find_order(self, text: str) -> tuple[int, int] | None:
        """Return start and step of the order. The step is coprime to `total`, so that each picture comes once."""
        query = SearchQuery.parse(text)
        if not self._total or not (query.groups or query.everything):
            return None
        normal = " ".join(text.casefold().split())
        digest = hashlib.blake2b(f"{self._seed}/{normal}".encode("utf-8", "replace"), digest_size=16).digest()
        step = int.from_bytes(digest[8:]) % self._total
        while math.gcd(step, self._total) != 1:
            step += 1
        return int.from_bytes(digest[:8]) % self._total, step

    def _find_accepted(self, filters: Filters, now: datetime | None) -> frozenset[int]:
        moment = now or self._today
        return frozenset(number for number in range(self._total) if accepts(self._picture(number), filters, moment))

    def _picture(self, number: int) -> Picture:
        made = self._made[number]
        if made is None:
            made = self._made[number] = _invent(self._seed, number, self._today)
        return made


def synthetic(total: int = 1_000, seed: int = 0, *, today: datetime | None = None) -> SyntheticCatalogue:
    """Create a catalogue of `total` synthetic pictures.

    Args:
        total: Number of pictures, and of results of every query.
        seed: Determines pictures and orders.
        today: Aware. The pictures' dates lie in the ninety days before it; default: last midnight, UTC.
            Set it if answers must be equal on other days.
    """
    if total < 0:
        raise ValueError(f"total must not be negative, but is {total}")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return SyntheticCatalogue(total, seed, midnight if today is None else today)


def _image_id(seed: int, number: int) -> str:
    return hashlib.sha1(f"synthetic/{seed}/{number}".encode(), usedforsecurity=False).hexdigest().upper()


def _invent(seed: int, number: int, today: datetime) -> Picture:
    image_id = _image_id(seed, number)
    chance = random.Random(image_id)  # noqa: S311  (variety, not security)
    color, word, license_ = chance.choice(COLORS), chance.choice(_WORDS), chance.choice(LICENSES)
    width, height = chance.choice(_SIZES)
    encoding = chance.choices(("jpeg", "png", "gif"), (6, 3, 1))[0]
    kind = {"jpeg": "Photo", "gif": "AnimatedGif"}.get(encoding) or chance.choice(("Clipart", "Line"))
    category = chance.choice(_CATEGORIES)
    return Picture(
        image_id=image_id,
        names={code: f"{label} {number}: {color.lower()} {word}" for code, label in _LANGUAGE_WORDS.items()},
        keywords=(word, color.lower(), category),
        category=category,
        tags=(word, color.lower(), category),
        width=width,
        height=height,
        # An upper bound in every format; see `image_encoding`.
        content_size=6_000 + width * height // 20 + chance.randrange(4_000),
        encoding_format=encoding,
        color=color,
        is_monochrome=color in {"Black", "Gray", "White"},
        accent_color=_SHADES[color],
        is_transparent=encoding == "png" and chance.random() < 0.5,
        image_type=kind,
        image_content=chance.choice(("Face", "Portrait", None, None)),
        creative_commons=license_,
        is_family_friendly=chance.random() < 0.95,
        date_published=today - timedelta(seconds=chance.choice((1, 7, 30, 90)) * 86_400 * chance.uniform(0.1, 0.95)),
        # At least one field is dark and one light, so that `fingerprint` can recover the hash.
        phash=(chance.getrandbits(64) | 1) & ~(1 << 63),
        attribution=f"Synthetic picture {number}",
        license_name=_LICENSE_NAMES[license_],
        license_url="https://creativecommons.org/licenses/",
        source_url="",
        slug=f"{word}-{number}",
    )


def _mosaic(picture: Picture, size: tuple[int, int]) -> Image.Image:
    """Render dark fields in the picture's colour (darkened if it is pale), on white or on transparency."""
    fields = bytes(255 if picture.phash >> place & 1 else 0 for place in range(64))
    mask = Image.frombytes("L", (8, 8), fields).resize(size, Image.Resampling.NEAREST)
    shade = tuple(min(channel, 200) for channel in bytes.fromhex(picture.accent_color))
    ink = Image.new("RGBA", size, (*shade, 255))
    ground = Image.new("RGBA", size, (255, 255, 255, 0 if picture.is_transparent else 255))
    ground.paste(ink, mask=mask)
    return ground if picture.is_transparent else ground.convert("RGB")
