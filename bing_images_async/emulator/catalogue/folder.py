"""The pictures in a folder of the user: listing, analysis and reading of files."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import attrs
from PIL import Image

from .analysis import SIDE, analyse
from .captions import PictureCaption, caption_of
from .filters import LICENSES
from .image_decoding import FOLDER_LIMIT, decode_image, opened_image
from .index_file import IndexEntry, LeftOut, RenderSpec
from .picture import Picture
from .regular_files import open_regular, regular_file
from .svg_check import check_svg
from .svg_renderer import SvgRenderer
from .tokenizer import slugify

_SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".jpe", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".svg"])
_UNSUPPORTED = frozenset((
    ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".psd", ".xcf", ".ico", ".tga", ".eps", ".svgz",
    ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".raw",
))  # fmt: skip
"""Suffixes of pictures that cannot be read; they are reported, other files are ignored."""
_MAX_SVG = 8 * 2**20
_ORIENTATION = 0x0112


@attrs.frozen
class FolderFile:
    """A file with the suffix of a picture, in the state of the listing."""

    path: str
    """Relative to the folder, with slashes."""
    modified: int
    """Nanoseconds since the epoch; the latest change of the file and its sidecars."""
    size: int
    """Bytes."""


@attrs.frozen
class FolderListing:
    """The files of a folder that may be pictures, and those that are left out, both sorted by path."""

    files: tuple[FolderFile, ...]
    left_out: tuple[LeftOut, ...]


def list_folder(root: Path) -> FolderListing:
    """List all files below `root` (resolved) with the suffix of a picture, without hidden ones.

    Raises:
        NotADirectoryError: `root` is not a folder.
    """
    if not root.is_dir():
        raise NotADirectoryError(f"no folder of pictures: {root}")
    files: list[FolderFile] = []
    left_out: list[LeftOut] = []

    def unreadable(error: OSError) -> None:
        left_out.append(LeftOut(_relative(root, Path(error.filename)), _reason(error)))

    for folder, folders, names in os.walk(root, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            file = Path(folder, name)
            suffix = file.suffix.casefold()
            path = _relative(root, file)
            if name.startswith(".") or suffix not in _SUFFIXES | _UNSUPPORTED:
                continue
            if suffix in _UNSUPPORTED:
                left_out.append(LeftOut(path, f"the format {suffix[1:]} is not supported"))
                continue
            try:
                status = regular_file(root, file)
            except OSError as error:
                left_out.append(LeftOut(path, _reason(error)))
                continue
            described = (regular_file(root, sidecar).st_mtime_ns for sidecar in sidecars(root, file))
            files.append(FolderFile(path, max(status.st_mtime_ns, *described, 0), status.st_size))
    return FolderListing(
        tuple(sorted(files, key=lambda file: file.path)), tuple(sorted(left_out, key=lambda file: file.path))
    )


def sidecars(root: Path, file: Path) -> list[Path]:
    """Return the files that describe a picture: `boat.txt` or `boat.jpg.txt`, and the same with `.json`."""
    found: list[Path] = []
    for suffix in (".txt", ".json"):
        for path in (file.with_suffix(suffix), file.with_name(file.name + suffix)):
            try:
                regular_file(root, path)
            except OSError:
                continue
            found.append(path)
    return found


@attrs.define
class FolderScan:
    """Reads the pictures of a folder. Entries of unchanged files are taken from an earlier scan."""

    root: Path
    listing: FolderListing
    known: Mapping[FolderFile, IndexEntry]
    renderer: SvgRenderer
    progress: Callable[[int, int], None] | None = None
    left_out: list[LeftOut] = attrs.field(factory=list[LeftOut], init=False)
    """The files of the listing that turned out to be unreadable."""

    def entries(self) -> Iterator[IndexEntry]:
        """Yield the readable pictures."""
        files = self.listing.files
        for done, file in enumerate(files):
            if self.progress is not None and done % 20 == 0:
                self.progress(done, len(files))
            entry = self.known.get(file)
            if entry is None:
                try:
                    entry = _read(self.root, file, self.renderer)
                except (OSError, ValueError) as error:
                    self.left_out.append(LeftOut(file.path, _reason(error)))
                    continue
            yield entry
        if self.progress is not None:
            self.progress(len(files), len(files))

    def all_left_out(self) -> tuple[LeftOut, ...]:
        """Return all files that were left out, sorted by path. Precondition: `entries` is exhausted."""
        return tuple(sorted((*self.listing.left_out, *self.left_out), key=lambda file: file.path))


def file_of(render_spec: RenderSpec) -> FolderFile:
    """Return the file of a stored picture."""
    return FolderFile(render_spec["path"], render_spec["modified"], render_spec["size"])


class FolderOriginals:
    """Reads pictures from their files, as long as those are the files that were indexed."""

    def __init__(self, root: Path, renderer: SvgRenderer) -> None:
        self._root = root
        self._renderer = renderer

    def verify(self, render_spec: RenderSpec) -> None:
        """Raise FileNotFoundError if the file was removed or changed since it was indexed."""
        path: str = render_spec["path"]
        try:
            status = regular_file(self._root, self._root / path)
        except OSError as error:
            raise FileNotFoundError(f"{path}: {_reason(error)}") from None
        if (status.st_mtime_ns, status.st_size) != (render_spec["changed"], render_spec["size"]):
            raise FileNotFoundError(f"{path}: it has changed since it was indexed")

    def original(self, render_spec: RenderSpec, picture: Picture) -> bytes:
        """Return the file. Raises FileNotFoundError as `verify`, and if it is no picture of the indexed format."""
        data = self._data(render_spec)
        try:
            if picture.encoding_format == "svg":
                check_svg(data)
                return data
            with opened_image(data) as image:
                found = _encoding_of(image)
        except ValueError as error:
            raise FileNotFoundError(f"{render_spec['path']}: {error}") from None
        if found != picture.encoding_format:
            raise FileNotFoundError(f"{render_spec['path']}: it is {found} now")
        return data

    def image(self, render_spec: RenderSpec, picture: Picture, scaled: tuple[int, int]) -> Image.Image:
        """Return the picture, upright and scaled; the first frame of an animation. Raises as `original`."""
        self.verify(render_spec)
        with open_regular(self._root, self._root / render_spec["path"]) as source:
            try:
                if picture.encoding_format == "svg":
                    image = _render(self._renderer, source.read(_MAX_SVG + 1), max(scaled))
                else:
                    image = decode_image(source, scaled, FOLDER_LIMIT)
            except ValueError as error:
                raise FileNotFoundError(f"{render_spec['path']}: {error}") from None
        return image.convert("RGBA").resize(scaled, Image.Resampling.LANCZOS)

    def close(self) -> None:
        """End the process that renders SVGs (idempotent)."""
        self._renderer.close()

    def _data(self, render_spec: RenderSpec) -> bytes:
        self.verify(render_spec)
        with open_regular(self._root, self._root / render_spec["path"]) as source:
            return source.read()


def _read(root: Path, file: FolderFile, renderer: SvgRenderer) -> IndexEntry:
    """Read and analyse a picture. Raises OSError and ValueError."""
    path = root / file.path
    moves = False
    with open_regular(root, path) as source:
        changed = os.fstat(source.fileno()).st_mtime_ns
        if path.suffix.casefold() == ".svg":
            data = source.read(_MAX_SVG + 1)
            document = check_svg(data)
            small, size, encoding = _render(renderer, data, SIDE), (document.width, document.height), "svg"
            caption = caption_of(root, file.path, None, sidecars(root, path))
        else:
            with opened_image(source) as image:
                encoding = _encoding_of(image)
                moves = encoding == "gif" and getattr(image, "n_frames", 1) > 1
                turned = image.getexif().get(_ORIENTATION, 1) >= 5
                size = (image.height, image.width) if turned else image.size
                caption = caption_of(root, file.path, image, sidecars(root, path))
            source.seek(0)
            small = decode_image(source, (SIDE, SIDE), FOLDER_LIMIT)
            small.thumbnail((SIDE, SIDE))
    picture = _picture(file, caption, small, size, encoding)
    if moves:
        picture = attrs.evolve(picture, image_type="AnimatedGif")
    render_spec: RenderSpec = {"path": file.path, "modified": file.modified, "size": file.size, "changed": changed}
    return IndexEntry(picture, render_spec)


def _picture(
    file: FolderFile, caption: PictureCaption, small: Image.Image, size: tuple[int, int], encoding: str
) -> Picture:
    seen = analyse(small)
    image_id = hashlib.sha1(f"folder/{file.path}".encode("utf-8", "surrogateescape"), usedforsecurity=False)
    digest = image_id.hexdigest()
    return Picture(
        image_id=digest.upper(),
        names=caption.names,
        keywords=caption.keywords,
        category=caption.category,
        tags=tuple(dict.fromkeys((*caption.keywords[:10], caption.category))),
        width=size[0],
        height=size[1],
        content_size=file.size,
        encoding_format=encoding,
        color=seen.color,
        is_monochrome=seen.is_monochrome,
        accent_color=seen.accent_color,
        is_transparent=seen.is_transparent,
        image_type=seen.image_type,
        image_content=None,
        creative_commons=caption.license if caption.license in LICENSES else "",
        is_family_friendly=True,
        date_published=datetime.fromtimestamp(file.modified // 1_000_000_000, UTC),
        phash=seen.phash,
        attribution=caption.attribution,
        license_name=caption.license,
        license_url="",
        source_url="",
        slug="-".join(filter(None, (slugify(Path(file.path).stem), digest[:10]))),
    )


def _encoding_of(image: Image.Image) -> str:
    encoding = str(image.format).lower()
    return {"mpo": "jpeg", "dib": "bmp"}.get(encoding, encoding)


def _render(renderer: SvgRenderer, data: bytes, longest: int) -> Image.Image:
    document = check_svg(data)
    scale = longest / max(document.width, document.height)
    width, height = max(1, round(document.width * scale)), max(1, round(document.height * scale))
    return Image.open(io.BytesIO(renderer.render(document, width, height))).convert("RGBA")


def _relative(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
