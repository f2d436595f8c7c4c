"""The pictures in a folder of the user: listing, analysis and reading of files."""

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import attrs
import resvg_py
from PIL import Image, ImageOps

from .analysis import SIDE, analyse
from .captions import PictureCaption, caption_of
from .filters import LICENSES
from .index_file import IndexEntry, RenderSpec
from .picture import Picture
from .tokenizer import slugify

_SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".jpe", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".svg"])
# Pixels of the longer side of an SVG, which has no pixels of its own.
_VECTOR_SIDE = 1024
_VIEW_BOX = re.compile(
    r"""\bviewBox\s*=\s*["']\s*[-+\d.eE]+[\s,]+[-+\d.eE]+[\s,]+([\d.eE+]+)[\s,]+([\d.eE+]+)\s*["']"""
)
_WIDTH_HEIGHT = [re.compile(rf"""\s{side}\s*=\s*["']\s*([\d.]+)""") for side in ("width", "height")]
_MAX_VECTOR_RATIO = 20
_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    KeyError,
    TypeError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@attrs.frozen
class FolderFile:
    """A file with the suffix of a picture, in the state of the listing."""

    path: str
    """Relative to the folder, with slashes."""
    modified: int
    """Nanoseconds since the epoch."""
    size: int
    """Bytes."""


def listing(root: Path) -> list[FolderFile]:
    """Return all files below `root` with the suffix of a picture, sorted by path, without hidden ones.

    Raises:
        NotADirectoryError: `root` is not a folder.
    """
    if not root.is_dir():
        raise NotADirectoryError(f"no folder of pictures: {root}")
    found: list[FolderFile] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            file = Path(folder, name)
            if name.startswith(".") or file.suffix.casefold() not in _SUFFIXES:
                continue
            try:
                status = file.stat()
                described = max((side.stat().st_mtime_ns for side in sidecars(file)), default=0)
            except OSError:
                continue
            modified = max(status.st_mtime_ns, described)
            found.append(FolderFile(file.relative_to(root).as_posix(), modified, status.st_size))
    return sorted(found, key=lambda entry: entry.path)


def sidecars(file: Path) -> list[Path]:
    """Return the files that describe a picture: `boat.txt` or `boat.jpg.txt`, and the same with `.json`."""
    names = (file.with_suffix(suffix) for suffix in (".txt", ".json"))
    longer = (file.with_name(file.name + suffix) for suffix in (".txt", ".json"))
    return [path for path in (*names, *longer) if path.is_file()]


@attrs.define
class FolderScan:
    """Reads the pictures of a folder. Entries of unchanged files are taken from an earlier scan."""

    root: Path
    found: list[FolderFile]
    known: Mapping[FolderFile, IndexEntry]
    progress: Callable[[int, int], None] | None = None
    skipped: int = 0
    """Number of unreadable files; counted while reading."""

    def records(self) -> Iterator[IndexEntry]:
        """Yield the readable pictures."""
        for done, entry in enumerate(self.found):
            if self.progress is not None and done % 20 == 0:
                self.progress(done, len(self.found))
            record = self.known.get(entry)
            if record is None:
                try:
                    record = _read(self.root, entry)
                except _UNREADABLE:
                    self.skipped += 1
                    continue
            yield record
        if self.progress is not None:
            self.progress(len(self.found), len(self.found))


def entry_of(render_spec: RenderSpec) -> FolderFile:
    """Return the file of a stored picture."""
    return FolderFile(render_spec["path"], render_spec["modified"], render_spec["size"])


class FolderOriginals:
    """Reads pictures from their files."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def original(self, render_spec: RenderSpec, picture: Picture) -> bytes:
        """Return the unchanged file."""
        del picture
        path: str = render_spec["path"]
        return (self._root / path).read_bytes()

    def image(self, render_spec: RenderSpec, picture: Picture, scaled: tuple[int, int]) -> Image.Image:
        """Return the picture, upright and scaled; the first frame of an animation."""
        path = self._root / render_spec["path"]
        if picture.encoding_format == "svg":
            image = _draw(path.read_text(encoding="utf-8", errors="replace"), max(scaled))
        else:
            image = _upright(path, scaled)
        return image.convert("RGBA").resize(scaled, Image.Resampling.LANCZOS)


def _read(root: Path, entry: FolderFile) -> IndexEntry:
    path = root / entry.path
    if path.suffix.casefold() == ".svg":
        text = path.read_text(encoding="utf-8", errors="replace")
        small, size, encoding, moves = _draw(text, SIDE), _vector_size(text), "svg", False
        caption = caption_of(path, entry.path, None, sidecars(path))
    else:
        with Image.open(path) as image:
            encoding = {"mpo": "jpeg"}.get(str(image.format).lower(), str(image.format).lower())
            moves = encoding == "gif" and getattr(image, "n_frames", 1) > 1
            turned = image.getexif().get(0x0112, 1) >= 5
            size = (image.height, image.width) if turned else image.size
            caption = caption_of(path, entry.path, image, sidecars(path))
        small = _upright(path, (SIDE, SIDE))
        small.thumbnail((SIDE, SIDE))
    picture = _picture(entry, caption, small, size, encoding)
    if moves:
        picture = attrs.evolve(picture, image_type="AnimatedGif")
    render_spec: RenderSpec = {"path": entry.path, "modified": entry.modified, "size": entry.size}
    return IndexEntry(picture, render_spec)


def _picture(
    entry: FolderFile, caption: PictureCaption, small: Image.Image, size: tuple[int, int], encoding: str
) -> Picture:
    seen = analyse(small)
    image_id = hashlib.sha1(f"folder/{entry.path}".encode("utf-8", "surrogateescape"), usedforsecurity=False)
    digest = image_id.hexdigest()
    return Picture(
        image_id=digest.upper(),
        names=caption.names,
        keywords=caption.keywords,
        category=caption.category,
        tags=tuple(dict.fromkeys((*caption.keywords[:10], caption.category))),
        width=size[0],
        height=size[1],
        content_size=entry.size,
        encoding_format=encoding,
        color=seen.color,
        is_monochrome=seen.is_monochrome,
        accent_color=seen.accent_color,
        is_transparent=seen.is_transparent,
        image_type=seen.image_type,
        image_content=None,
        creative_commons=caption.license if caption.license in LICENSES else "",
        is_family_friendly=True,
        date_published=datetime.fromtimestamp(entry.modified // 1_000_000_000, UTC),
        phash=seen.phash,
        attribution=caption.attribution,
        license_name=caption.license,
        license_url="",
        source_url="",
        slug="-".join(filter(None, (slugify(Path(entry.path).stem), digest[:10]))),
    )


def _upright(path: Path, wanted: tuple[int, int]) -> Image.Image:
    with Image.open(path) as image:
        # JPEG files can be decoded at 1/2, 1/4 or 1/8 of their size, which is many times faster.
        image.draft("RGB", wanted)
        has_alpha = image.has_transparency_data
        return ImageOps.exif_transpose(image).convert("RGBA" if has_alpha else "RGB")


def _vector_size(svg: str) -> tuple[int, int]:
    root = svg[svg.find("<svg") :].partition(">")[0]
    if box := _VIEW_BOX.search(root):
        width, height = float(box[1]), float(box[2])
    else:
        sides = [pattern.search(root) for pattern in _WIDTH_HEIGHT]
        width, height = (float(side[1]) if side else 0.0 for side in sides)
    if min(width, height) <= 0 or max(width, height) > _MAX_VECTOR_RATIO * min(width, height):
        raise ValueError("an SVG file without a size, or a bar rather than a picture")
    scale = _VECTOR_SIDE / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _draw(svg: str, longest: int) -> Image.Image:
    width, height = _vector_size(svg)
    scale = longest / max(width, height)
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=max(1, round(width * scale)), height=max(1, round(height * scale))
    )
    return Image.open(io.BytesIO(png)).convert("RGBA")
