"""The index file of a catalogue: tables of a SQLite database, and its creation."""

import contextlib
import hashlib
import json
import os
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from .emoji_names import LANGUAGES
from .picture import Picture
from .tokenizer import fold, index_tokens, title_key

VERSION = 7
"""Part of the fingerprint: an index file of another version is rebuilt."""

RenderSpec = dict[str, Any]
"""The data from which the original of a picture is rendered or read: JSON values."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE left_out (path TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE pictures (
    id INTEGER PRIMARY KEY, image_id TEXT NOT NULL UNIQUE, last INTEGER NOT NULL, category TEXT NOT NULL,
    phash TEXT NOT NULL, record TEXT NOT NULL, render_spec TEXT NOT NULL
);
CREATE TABLE titles (
    language TEXT, title TEXT, picture INTEGER, name TEXT, PRIMARY KEY (language, title, picture)
) WITHOUT ROWID;
CREATE TABLE vocabulary (
    language TEXT, word TEXT, frequency INTEGER, PRIMARY KEY (language, word)
) WITHOUT ROWID;
"""
# Contentless tables: the texts are in `pictures`. Porter's stemmer maps "cat" and "cats" to one term; it is harmless
# for other languages, because names and queries pass the same stemmer.
_INDEXES = """
CREATE VIRTUAL TABLE words_{0} USING fts5(
    name, keywords, facets, content='', tokenize='porter unicode61 remove_diacritics 2 categories ''L* N* Co M*'''
);
CREATE VIRTUAL TABLE parts_{0} USING fts5(name, content='', tokenize='trigram');
"""


@attrs.frozen
class LeftOut:
    """A file that is not in the catalogue, and the reason."""

    path: str
    reason: str


def no_files() -> tuple[LeftOut, ...]:
    """Return the empty list of files that were left out."""
    return ()


@attrs.frozen
class IndexEntry:
    """A picture to be written into an index file."""

    picture: Picture
    render_spec: RenderSpec
    last: bool = False
    """Ranks after all pictures without this flag."""
    also: tuple[str, ...] = ()
    """Searchable texts that are not displayed."""
    aliases: tuple[str, ...] = ()
    """English names that are not displayed; a query that equals one finds this picture first."""


def write(
    file: Path, fingerprint: str, records: Iterable[IndexEntry], left_out: Callable[[], Iterable[LeftOut]] = no_files
) -> None:
    """Write an index file atomically.

    It is built under a temporary name and renamed; of two concurrent builds the later one wins.

    Args:
        file: Path of the index file.
        fingerprint: Identifies the content; `connect` compares it.
        records: The pictures.
        left_out: Called at the end; returns the files that were left out.

    Raises:
        OSError: The folder is not writable.
    """
    handle, name = tempfile.mkstemp(prefix=file.stem, suffix=".building", dir=file.parent)
    os.close(handle)
    unfinished = Path(name)
    try:
        with contextlib.closing(sqlite3.connect(unfinished)) as connection:
            connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _TABLES)
            for language in LANGUAGES:
                connection.executescript(_INDEXES.format(language))
            with connection:
                _fill(connection, records)
                connection.execute("INSERT INTO meta VALUES ('fingerprint', ?)", (fingerprint,))
                rows = ((_storable(file.path), file.reason) for file in left_out())
                connection.executemany("INSERT INTO left_out VALUES (?, ?)", rows)
            _compact(connection)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def _fill(connection: sqlite3.Connection, records: Iterable[IndexEntry]) -> None:
    vocabulary: dict[str, Counter[str]] = {language: Counter() for language in LANGUAGES}
    for number, record in enumerate(records, 1):
        picture = record.picture
        connection.execute(
            "INSERT INTO pictures VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                picture.image_id,
                record.last,
                picture.category,
                f"{picture.phash:016X}",
                _to_json(picture),
                json.dumps(record.render_spec),
            ),
        )
        for language, name in picture.names.items():
            _index(connection, number, language, name, record)
            if not record.last:
                vocabulary[language].update(_words(name))
        if not record.last:
            aliases = [("alias", title_key(alias), number, alias) for alias in record.aliases]
            connection.executemany("INSERT OR IGNORE INTO titles VALUES (?, ?, ?, ?)", aliases)
        vocabulary["en"].update(word for keyword in picture.keywords for word in _words(keyword))
    for language, counts in vocabulary.items():
        rows = ((language, word, count) for word, count in counts.items())
        connection.executemany("INSERT INTO vocabulary VALUES (?, ?, ?)", rows)


def _index(connection: sqlite3.Connection, number: int, language: str, name: str, record: IndexEntry) -> None:
    picture = record.picture
    is_english = language == "en"
    texts = (
        name,
        " ".join((*picture.keywords, *record.also)) if is_english else "",
        f"{picture.category} {picture.color}" if is_english else "",
    )
    connection.execute(
        f"INSERT INTO words_{language} (rowid, name, keywords, facets) VALUES (?, ?, ?, ?)",  # noqa: S608  # fixed names
        (number, *(" ".join(index_tokens(text)) for text in texts)),
    )
    connection.execute("INSERT OR IGNORE INTO titles VALUES (?, ?, ?, ?)", (language, title_key(name), number, name))
    if not record.last:
        connection.execute(
            f"INSERT INTO parts_{language} (rowid, name) VALUES (?, ?)",  # noqa: S608  # fixed names
            (number, fold(name)),
        )


def _storable(path: str) -> str:
    """Return the path of a file without the lone surrogates of names that are not UTF-8."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _words(text: str) -> list[str]:
    return [word for word in index_tokens(text) if len(word) > 2 and word.isalpha()]


def _compact(connection: sqlite3.Connection) -> None:
    for language in LANGUAGES:
        for table in ("words", "parts"):
            connection.execute(f"INSERT INTO {table}_{language} ({table}_{language}) VALUES ('optimize')")  # noqa: S608  # fixed names
    connection.commit()
    connection.execute("VACUUM")


def _to_json(picture: Picture) -> str:
    fields = attrs.asdict(picture, recurse=False)
    fields["date_published"] = (picture.date_published - _EPOCH).total_seconds()
    fields["phash"] = f"{picture.phash:016X}"
    return json.dumps(fields, ensure_ascii=False)


def from_json(text: str, epoch: datetime = _EPOCH) -> Picture:
    """Return a stored picture; its date is relative to `epoch`."""
    fields = json.loads(text)
    return Picture(
        **fields
        | {
            "date_published": epoch + timedelta(seconds=fields["date_published"]),
            "phash": int(fields["phash"], 16),
            "keywords": tuple(fields["keywords"]),
            "tags": tuple(fields["tags"]),
        }
    )


def connect(file: Path, fingerprint: str) -> sqlite3.Connection | None:
    """Open an index file read-only. Return None if it is missing, damaged, or has another fingerprint.

    The stored fingerprint must begin with the given one. Any thread may use the connection, one at a time.
    """
    if not file.is_file():
        return None
    try:
        uri = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    except sqlite3.Error:
        return None
    try:
        (state,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        stored = connection.execute("SELECT value FROM meta WHERE key = 'fingerprint'").fetchone()
    except sqlite3.DatabaseError:
        state, stored = "damaged", None
    if state == "ok" and stored is not None and stored[0].startswith(fingerprint):
        return connection
    connection.close()
    return None


def cache_folder() -> Path:
    """Return the folder of index files: `$BING_IMAGES_CACHE`, else `bing-images` in the platform's cache folder."""
    if chosen := os.environ.get("BING_IMAGES_CACHE"):
        return Path(chosen)
    return _platform_cache() / "bing-images"


def _platform_cache() -> Path:
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base)
    try:
        home = Path.home()
    except RuntimeError:  # no home folder, as in containers
        return Path(tempfile.gettempdir())
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    return home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"


def short_hash(text: str) -> str:
    """Return a hash of a text, 12 characters, for file names."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]
