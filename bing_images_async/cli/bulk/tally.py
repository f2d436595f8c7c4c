"""The journal of a run: which queries are done, in SQLite, one transaction each.

It is written ahead (WAL), so that a process which is killed leaves whole transactions behind, and is held by one
process at a time. The results themselves are in the output; the journal knows up to where that is good. Only
failures are kept here, for they reach the output at the end, when it is clear that they are final.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import astuple, frozen

__all__ = ["Done", "Entry", "Failures", "Journal", "JournalError", "Totals", "Which"]

_SCHEMA = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
BEGIN IMMEDIATE;
{forget}
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queries (
    place INTEGER PRIMARY KEY, digest BLOB NOT NULL, query TEXT NOT NULL, images INTEGER NOT NULL,
    requests INTEGER NOT NULL, elapsed REAL NOT NULL, kind TEXT, message TEXT, sample TEXT,
    until INTEGER, checksum INTEGER, record BLOB
);
COMMIT;
"""
_FORGET = "DROP TABLE IF EXISTS facts; DROP TABLE IF EXISTS queries;"  # another version may have had other columns
_VERSION = "1"

Which = Literal["first", "most images", "nothing found", "slowest"]
_SOME: Mapping[Which, str] = {
    "first": "SELECT query, elapsed FROM queries ORDER BY place LIMIT ?",
    "most images": "SELECT query, elapsed FROM queries WHERE images > 0 ORDER BY images DESC, place LIMIT ?",
    "nothing found": "SELECT query, elapsed FROM queries WHERE until NOTNULL AND images = 0 ORDER BY place LIMIT ?",
    "slowest": "SELECT query, elapsed FROM queries WHERE requests > 0 ORDER BY elapsed DESC, place LIMIT ?",
}


class JournalError(Exception):
    """The file is no journal of ours, or it cannot be read, written or had to ourselves."""


@frozen(kw_only=True)
class Entry:
    """What is noted of one query."""

    index: int
    digest: bytes
    query: str
    images: int
    requests: int
    elapsed: float
    kind: str | None = None
    """The name of the error, if it failed."""
    message: str | None = None
    sample: str | None = None
    """JSON of its first image, for the report; of some queries only."""


@frozen
class Done:
    """A query that needs not be asked again, unless it failed and is to be retried."""

    digest: bytes
    has_failed: bool


@frozen
class Totals:
    """All queries of the journal together."""

    queries: int
    failed: int
    empty: int
    """Answered, but nothing was found."""
    images: int
    requests: int


@frozen
class Failures:
    """The failures of one kind."""

    kind: str
    number: int
    message: str
    """Of the first."""
    examples: tuple[str, ...]


class Journal:
    """Opens or makes the journal in `path`, and holds it; `None` makes one that goes away with the process.

    `anew` empties it, once it is held. Every method raises `JournalError` if the file fails it.
    """

    def __init__(self, path: Path | None, *, anew: bool = False) -> None:
        self._path = path
        try:
            self._base = sqlite3.connect(path or "", isolation_level=None, timeout=0.2)
        except sqlite3.Error as error:
            raise self._wrong(error) from None
        try:
            self._base.executescript(_SCHEMA.format(forget=_FORGET if anew else ""))
            self._check_version()
        except sqlite3.Error as error:
            self._base.close()
            raise self._wrong(error) from None
        except BaseException:
            self._base.close()
            raise

    def _check_version(self) -> None:
        version = self.fact("version")
        if version is None:
            self.note(version=_VERSION)
        elif version != _VERSION:
            raise JournalError(f"{self._path} was written by another version of this program.")

    # --- facts of the whole run

    def fact(self, name: str) -> Any:
        """What was noted under this name; `None` if nothing was."""
        rows = self._run("SELECT value FROM facts WHERE name = ?", name).fetchall()
        return json.loads(rows[0][0]) if rows else None

    def note(self, **facts: Any) -> None:
        """Keep facts, as JSON."""
        for name, value in facts.items():
            self._run("REPLACE INTO facts VALUES (?, ?)", name, json.dumps(value))

    # --- queries

    def done(self, index: int) -> Done | None:
        """Is this query done?"""
        row = self._run("SELECT digest, until IS NULL FROM queries WHERE place = ?", index).fetchone()
        return None if row is None else Done(row[0], bool(row[1]))

    def add(self, entry: Entry, until: int, checksum: int) -> None:
        """An answer, which is in the output up to byte `until`."""
        self._add(entry, until, checksum, None)

    def add_failure(self, entry: Entry, record: bytes) -> None:
        """A failure; `record` is what the output will say of it."""
        self._add(entry, None, None, record)

    def _add(self, entry: Entry, until: int | None, checksum: int | None, record: bytes | None) -> None:
        values = (*astuple(entry), until, checksum, record)
        self._run("REPLACE INTO queries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *values)

    def failures(self) -> Iterator[bytes]:
        """What the output will say of failures, in the order of the input."""
        for (record,) in self._run("SELECT record FROM queries WHERE until IS NULL ORDER BY place"):
            yield record

    # --- how far the output is good

    def ends(self, after: int) -> Iterator[tuple[int, int]]:
        """(end, checksum) of the records of the output that end behind byte `after`, in their order."""
        yield from self._run("SELECT until, checksum FROM queries WHERE until > ? ORDER BY until", after)

    def last_end(self, up_to: int) -> int:
        """Where the last record ends that does so at byte `up_to` or before; 0 if there is none."""
        return int(self._run("SELECT IFNULL(MAX(until), 0) FROM queries WHERE until <= ?", up_to).fetchone()[0])

    def forget(self, behind: int) -> None:
        """Forget the queries whose records end behind this byte: the output does not have them."""
        self._run("DELETE FROM queries WHERE until > ?", behind)

    # --- for summaries and reports

    def last_index(self) -> int:
        """The highest place that is known, -1 for none."""
        return int(self._run("SELECT IFNULL(MAX(place), -1) FROM queries").fetchone()[0])

    def totals(self) -> Totals:
        """Sums."""
        row = self._run(
            "SELECT COUNT(*), SUM(until IS NULL), SUM(until NOTNULL AND images = 0), SUM(images), SUM(requests)"
            " FROM queries"
        ).fetchone()
        return Totals(*(int(number or 0) for number in row))

    def failures_by_kind(self, examples: int) -> list[Failures]:
        """The most frequent kind first, each with some of its queries."""
        kinds = self._run(
            "SELECT kind, COUNT(*) AS number, MIN(place) FROM queries WHERE until IS NULL"
            " GROUP BY kind ORDER BY number DESC, kind"
        ).fetchall()
        found: list[Failures] = []
        for kind, number, first in kinds:
            message = self._run("SELECT message FROM queries WHERE place = ?", first).fetchone()[0]
            some = self._run(
                "SELECT query FROM queries WHERE until IS NULL AND kind = ? ORDER BY place LIMIT ?", kind, examples
            )
            found.append(Failures(kind, number, message, tuple(row[0] for row in some)))
        return found

    def some(self, which: Which, number: int) -> list[tuple[str, float]]:
        """(query, seconds) of so many queries of one sort."""
        return self._run(_SOME[which], number).fetchall()

    def images_per_query(self, bounds: tuple[int, ...]) -> list[int]:
        """How many answered queries found fewer images than each bound, and no fewer than the one before."""
        statement = "SELECT COUNT(*) FROM queries WHERE until NOTNULL AND images >= ? AND images < ?"
        ranges = zip((0, *bounds), bounds, strict=False)
        return [int(self._run(statement, low, high).fetchone()[0]) for low, high in ranges]

    def samples(self, number: int) -> list[tuple[str, Mapping[str, Any]]]:
        """(query, first image) of queries that are spread over the run."""
        rows = self._run("SELECT query, sample FROM queries WHERE sample NOTNULL ORDER BY place").fetchall()
        step = max(1, len(rows) // number)
        return [(query, json.loads(sample)) for query, sample in rows[::step][:number]]

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def _run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        try:
            return self._base.execute(statement, values)
        except sqlite3.Error as error:
            raise self._wrong(error) from None

    def _wrong(self, error: sqlite3.Error) -> JournalError:
        if "locked" in str(error):
            return JournalError(f"{self._path} is in use: another run writes to the same output.")
        return JournalError(f"The journal {self._path} cannot be used: {error}.")
