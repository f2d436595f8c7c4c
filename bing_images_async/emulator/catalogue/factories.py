"""The catalogue behind the service: what it must be able to do, and the ways to open one."""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from . import openmoji
from .folder import FolderOriginals, Found, Scan, entry_of, listing
from .index_file import VERSION, Record, cache_folder, connect, from_json, short_hash, write
from .picture import Filters, Hits, Picture
from .sqlite_catalogue import Originals, SqliteCatalogue

Progress = Callable[[int, int], None]
"""Told how many of how many pictures are done."""


class Catalogue(Protocol):
    """Searchable pictures. All methods may be called from any thread, several at once."""

    blocking: bool
    """True: calls touch a file, so an event loop should leave them to a thread; False: memory only."""

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
        """Find pictures, best first. Any text is a query."""
        ...

    def get(self, image_id: str) -> Picture | None:
        """The picture with this id, or None."""
        ...

    def similar(self, phash: int, *, limit: int, exclude: str | None = None) -> tuple[Picture, ...]:
        """The pictures that look most alike, nearest first, without the one to exclude (an image id)."""
        ...

    def fingerprint(self, data: bytes) -> int:
        """The perceptual hash of an encoded picture; ValueError if the bytes are none."""
        ...

    def content(self, picture: Picture) -> bytes:
        """The original file."""
        ...

    def thumbnail(
        self, picture: Picture, *, width: int | None, height: int | None, crop: int | None, padding: bool
    ) -> bytes:
        """A smaller rendering, JPEG or (with transparent parts) PNG; ValueError for a senseless size."""
        ...

    def related(self, text: str, *, language: str, limit: int) -> tuple[str, ...]:
        """Other queries worth making."""
        ...

    def topics(self, language: str) -> Mapping[str, tuple[str, ...]]:
        """Category title to queries that find pictures."""
        ...

    def close(self) -> None:
        """Let go of files. Calling it again does nothing."""
        ...


def open_openmoji(
    cache: Path | None = None,
    progress: Progress | None = None,
    *,
    only: Sequence[str] | None = None,
    today: datetime | None = None,
) -> SqliteCatalogue:
    """The default catalogue: all of OpenMoji. The first call builds it in some ten seconds, later ones open it.

    Args:
        cache: Folder to keep it in; default `store.cache_folder()`. If it cannot be written to, the
            catalogue is built in a temporary folder and deleted when closed.
        progress: Called while building.
        only: The drawings to take (`openmoji.codes()`); default all.
        today: Aware. The pictures' dates lie in the half year before it, so that there are always fresh ones;
            default is last midnight, UTC.
    """
    chosen = openmoji.codes() if only is None else sorted(only)
    fingerprint = f"version={VERSION} {openmoji.fingerprint()} drawings={short_hash(' '.join(chosen))}"
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return _open(
        f"openmoji-{short_hash(fingerprint)}.sqlite3",
        fingerprint,
        cache,
        lambda: openmoji.records(chosen, progress),
        openmoji.OpenMojiOriginals(),
        epoch=midnight if today is None else today,
    )


def open_folder(folder: Path, cache: Path | None = None, progress: Progress | None = None) -> SqliteCatalogue:
    """A catalogue of the pictures in a folder and below.

    Only files that are new or changed (by path, time and size) are read again. Files that cannot be read
    are left out and counted in `skipped`.

    Args:
        folder: Where the pictures are; nothing is written there.
        cache: As for `open_openmoji`.
        progress: Called while reading.

    Raises:
        NotADirectoryError: There is no such folder.
    """
    root = folder.resolve()
    found = listing(root)
    contents = "\n".join(f"{entry.path}\t{entry.modified}\t{entry.size}" for entry in found)
    fingerprint = f"{_FOLDER_PREFIX} contents={short_hash(contents)}"
    name = f"folder-{short_hash(str(root))}.sqlite3"
    known = _known((cache or cache_folder()) / name)
    scan = Scan(root, found, known, progress)
    return _open(name, fingerprint, cache, scan.records, FolderOriginals(root), skipped=lambda: scan.skipped)


_FOLDER_PREFIX = f"version={VERSION} folder"


def _known(file: Path) -> dict[Found, Record]:
    """What an earlier scan of the folder read, if it is still legible."""
    connection = connect(file, _FOLDER_PREFIX)
    if connection is None:
        return {}
    with contextlib.closing(connection):
        rows = connection.execute("SELECT record, recipe FROM pictures").fetchall()
    records = (Record(from_json(record), json.loads(recipe)) for record, recipe in rows)
    return {entry_of(record.recipe): record for record in records}


def _open(
    name: str,
    fingerprint: str,
    cache: Path | None,
    records: Callable[[], Iterable[Record]],
    originals: Originals,
    *,
    epoch: datetime | None = None,
    skipped: Callable[[], int] = int,
) -> SqliteCatalogue:
    """Open the file called `name` if it is sound and has this fingerprint, else write it first."""
    folder = cache or cache_folder()
    cleanup: Callable[[], None] | None = None
    connection = connect(folder / name, fingerprint)
    if connection is None:
        if not _can_write(folder):
            temporary = tempfile.TemporaryDirectory(prefix="bing-images-", ignore_cleanup_errors=True)
            folder, cleanup = Path(temporary.name), temporary.cleanup
        write(folder / name, fingerprint, records(), skipped)
        connection = connect(folder / name, fingerprint)
    if connection is None:
        raise OSError(f"the catalogue at {folder / name} could not be read back; is the disk sound?")
    return SqliteCatalogue(connection, originals, epoch=epoch, on_close=cleanup)


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
