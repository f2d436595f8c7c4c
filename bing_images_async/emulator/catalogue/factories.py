"""Functions that open a catalogue, or build it on first use."""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from . import openmoji
from .folder import FolderFile, FolderOriginals, FolderScan, file_of, list_folder
from .index_file import VERSION, IndexEntry, LeftOut, cache_folder, connect, from_json, no_files, short_hash, write
from .sqlite_catalogue import Originals, SqliteCatalogue
from .svg_renderer import SvgRenderer

Progress = Callable[[int, int], None]
"""Callback with the number of processed pictures and their total."""


def open_openmoji(
    cache: Path | None = None,
    progress: Progress | None = None,
    *,
    only: Sequence[str] | None = None,
    today: datetime | None = None,
) -> SqliteCatalogue:
    """Open the default catalogue, all of OpenMoji. The first call builds it in about ten seconds.

    Args:
        cache: Folder of the index file; default `store.cache_folder()`. If it cannot be written to, the
            catalogue is built in a temporary folder and deleted when closed.
        progress: Called while building.
        only: Names of the drawings (`openmoji.codes()`); default all.
        today: Aware. The pictures' dates lie in the half year before it, so that some are always fresh;
            default: last midnight, UTC.
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
    """Open a catalogue of the pictures in a folder and its subfolders.

    Only files that are new or changed (by path, time and size) are read again. Files that cannot be read, are no
    regular files, or are links that lead out of the folder are left out; `left_out` of the catalogue has the reasons.

    Args:
        folder: The folder of the pictures; nothing is written into it.
        cache: As for `open_openmoji`.
        progress: Called while reading.

    Raises:
        NotADirectoryError: The folder does not exist.
    """
    root = folder.resolve()
    listing = list_folder(root)
    contents = "\n".join(f"{file.path}\t{file.modified}\t{file.size}" for file in listing.files)
    left_out = "\n".join(f"{file.path}\t{file.reason}" for file in listing.left_out)
    fingerprint = f"{_FOLDER_PREFIX} contents={short_hash(contents)} left_out={short_hash(left_out)}"
    name = f"folder-{short_hash(str(root))}.sqlite3"
    renderer = SvgRenderer()
    scan = FolderScan(root, listing, _known((cache or cache_folder()) / name), renderer, progress)
    originals = FolderOriginals(root, renderer)
    try:
        return _open(name, fingerprint, cache, scan.entries, originals, left_out=scan.all_left_out, is_private=True)
    except BaseException:
        renderer.close()
        raise


_FOLDER_PREFIX = f"version={VERSION} folder"


def _known(file: Path) -> dict[FolderFile, IndexEntry]:
    """Return the entries of an earlier index of the folder, if it is valid."""
    connection = connect(file, _FOLDER_PREFIX)
    if connection is None:
        return {}
    with contextlib.closing(connection):
        rows = connection.execute("SELECT record, render_spec FROM pictures").fetchall()
    records = (IndexEntry(from_json(record), json.loads(render_spec)) for record, render_spec in rows)
    return {file_of(record.render_spec): record for record in records}


def _open(
    name: str,
    fingerprint: str,
    cache: Path | None,
    records: Callable[[], Iterable[IndexEntry]],
    originals: Originals,
    *,
    epoch: datetime | None = None,
    left_out: Callable[[], Iterable[LeftOut]] = no_files,
    is_private: bool = False,
) -> SqliteCatalogue:
    """Open the index file `name` if it is valid and has this fingerprint, else build it first."""
    folder = cache or cache_folder()
    cleanup: Callable[[], None] | None = None
    connection = connect(folder / name, fingerprint)
    if connection is None:
        if not _can_write(folder):
            temporary = tempfile.TemporaryDirectory(prefix="bing-images-", ignore_cleanup_errors=True)
            folder, cleanup = Path(temporary.name), temporary.cleanup
        write(folder / name, fingerprint, records(), left_out)
        connection = connect(folder / name, fingerprint)
    if connection is None:
        raise OSError(f"the catalogue at {folder / name} could not be read after it was written. Check the disk.")
    return SqliteCatalogue(connection, originals, epoch=epoch, is_private=is_private, on_close=cleanup)


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
