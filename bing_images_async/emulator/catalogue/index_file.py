"""The file a catalogue is kept in: its tables, how they are written, and how the file comes to be there."""

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

VERSION = 3
"""Part of every file's fingerprint: a file of another version is built anew."""

Recipe = dict[str, Any]
"""What whoever draws the originals needs to know of one picture: JSON values."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE pictures (
    id INTEGER PRIMARY KEY, image_id TEXT NOT NULL UNIQUE, last INTEGER NOT NULL, category TEXT NOT NULL,
    phash TEXT NOT NULL, record TEXT NOT NULL, recipe TEXT NOT NULL
);
CREATE TABLE titles (
    language TEXT, title TEXT, picture INTEGER, name TEXT, PRIMARY KEY (language, title, picture)
) WITHOUT ROWID;
CREATE TABLE vocabulary (
    language TEXT, word TEXT, frequency INTEGER, PRIMARY KEY (language, word)
) WITHOUT ROWID;
"""
# Contentless: the index alone, for what it points to is in `pictures`. Porter's stemmer makes one word of
# "cat" and "cats"; it does no harm to other languages, since words and queries go through the same one.
_INDEXES = """
CREATE VIRTUAL TABLE words_{0} USING fts5(
    name, keywords, facets, content='', tokenize='porter unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE parts_{0} USING fts5(name, content='', tokenize='trigram');
"""


@attrs.frozen
class Record:
    """One picture on its way into a catalogue."""

    picture: Picture
    recipe: Recipe
    last: bool = False
    """Ranked after everything that is not."""
    also: tuple[str, ...] = ()
    """Texts it is found by that are not shown."""


def write(file: Path, fingerprint: str, records: Iterable[Record], skipped: Callable[[], int] = int) -> None:
    """Write a catalogue so that it is either there in whole or not at all.

    It is built under another name and then moved into place: whoever builds the same one at the same time
    does no harm, the later one wins.

    Args:
        file: Where it shall be.
        fingerprint: Tells later whether it is still the right one.
        records: The pictures.
        skipped: Asked at the end how many could not be read.

    Raises:
        OSError: The folder cannot be written to.
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
                facts = {"fingerprint": fingerprint, "skipped": str(skipped())}
                connection.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())
            _compact(connection)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def _fill(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
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
                json.dumps(record.recipe),
            ),
        )
        for language, name in picture.names.items():
            _index(connection, number, language, name, record)
            if not record.last:
                vocabulary[language].update(_words(name))
        vocabulary["en"].update(word for keyword in picture.keywords for word in _words(keyword))
    for language, counts in vocabulary.items():
        rows = ((language, word, count) for word, count in counts.items())
        connection.executemany("INSERT INTO vocabulary VALUES (?, ?, ?)", rows)


def _index(connection: sqlite3.Connection, number: int, language: str, name: str, record: Record) -> None:
    picture = record.picture
    is_english = language == "en"
    texts = (
        name,
        " ".join((*picture.keywords, *record.also)) if is_english else "",
        f"{picture.category} {picture.color}" if is_english else "",
    )
    connection.execute(
        f"INSERT INTO words_{language} (rowid, name, keywords, facets) VALUES (?, ?, ?, ?)",  # noqa: S608  # our own names
        (number, *(" ".join(index_tokens(text)) for text in texts)),
    )
    connection.execute("INSERT OR IGNORE INTO titles VALUES (?, ?, ?, ?)", (language, title_key(name), number, name))
    if not record.last:
        connection.execute(
            f"INSERT INTO parts_{language} (rowid, name) VALUES (?, ?)",  # noqa: S608  # our own names
            (number, fold(name)),
        )


def _words(text: str) -> list[str]:
    return [word for word in index_tokens(text) if len(word) > 2 and word.isalpha()]


def _compact(connection: sqlite3.Connection) -> None:
    for language in LANGUAGES:
        for table in ("words", "parts"):
            connection.execute(f"INSERT INTO {table}_{language} ({table}_{language}) VALUES ('optimize')")  # noqa: S608  # our own names
    connection.commit()
    connection.execute("VACUUM")


def _to_json(picture: Picture) -> str:
    fields = attrs.asdict(picture, recurse=False)
    fields["date_published"] = (picture.date_published - _EPOCH).total_seconds()
    fields["phash"] = f"{picture.phash:016X}"
    return json.dumps(fields, ensure_ascii=False)


def from_json(text: str, epoch: datetime = _EPOCH) -> Picture:
    """The picture as it was written; its date is counted from `epoch`."""
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
    """Open a catalogue for reading; None if there is none, a damaged one, or one that is something else.

    Its fingerprint must begin with the one given. The connection may be used from any thread, by one at a
    time.
    """
    if not file.is_file():
        return None
    try:
        uri = f"{file.resolve().as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    except sqlite3.Error:
        return None
    try:
        (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        found = connection.execute("SELECT value FROM meta WHERE key = 'fingerprint'").fetchone()
    except sqlite3.DatabaseError:
        sound, found = "damaged", None
    if sound == "ok" and found is not None and found[0].startswith(fingerprint):
        return connection
    connection.close()
    return None


def cache_folder() -> Path:
    """Where catalogues are kept: `$BING_IMAGES_CACHE`, else `bing-images` in the platform's cache folder."""
    if chosen := os.environ.get("BING_IMAGES_CACHE"):
        return Path(chosen)
    return _platform_cache() / "bing-images"


def _platform_cache() -> Path:
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base)
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home, as containers have
        return Path(tempfile.gettempdir())
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    return home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"


def short_hash(text: str) -> str:
    """Twelve characters that stand for a text in a file name."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]
