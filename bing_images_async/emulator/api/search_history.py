"""The search history by market and day, from which trending is computed.

It is kept in memory, or in a SQLite file that survives a restart. The file is opened and closed for each operation: a
search is recorded once, not once per page, and nothing remains to be closed.
"""

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

import attrs

WINDOW = timedelta(days=7)
"""Age up to which a search counts."""

MAX_QUERIES = 10_000
"""Number of distinct queries per market and day; beyond it only known queries are counted."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS searches (
    market TEXT NOT NULL, day TEXT NOT NULL, query TEXT NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (market, day, query)
) WITHOUT ROWID
"""


class History(Protocol):
    @property
    def blocking(self) -> bool:
        """Calls access a file and belong in a worker thread."""
        ...

    def record(self, market: str, query: str, day: date) -> None:
        """Count one search that found something."""
        ...

    def popular(self, market: str, day: date) -> Counter[str]:
        """Return the number of searches per query in the week that ends with `day`."""
        ...


def normalized(query: str) -> str:
    """Return the query without differences of case and blanks."""
    return " ".join(query.casefold().split())


@attrs.frozen
class MemoryHistory:
    blocking = False
    _days: dict[tuple[str, date], Counter[str]] = attrs.field(factory=dict[tuple[str, date], Counter[str]], init=False)

    def record(self, market: str, query: str, day: date) -> None:
        if (market, day) not in self._days:
            for old in [key for key in self._days if key[1] <= day - WINDOW]:
                del self._days[old]
            self._days[market, day] = Counter()
        counts = self._days[market, day]
        text = normalized(query)
        if text in counts or len(counts) < MAX_QUERIES:
            counts[text] += 1

    def popular(self, market: str, day: date) -> Counter[str]:
        total: Counter[str] = Counter()
        for (where, when), counts in self._days.items():
            if where == market and day - WINDOW < when <= day:
                total.update(counts)
        return total


@attrs.frozen
class FileHistory:
    """A history in a SQLite file. The file is created with the first record; its folder must exist."""

    blocking = True
    path: Path

    def record(self, market: str, query: str, day: date) -> None:
        with closing(self._open()) as database, database:
            database.execute("DELETE FROM searches WHERE day <= ?", ((day - WINDOW).isoformat(),))
            database.execute(
                "INSERT INTO searches SELECT ?1, ?2, ?3, 0 WHERE "
                "(SELECT count(*) FROM searches WHERE market = ?1 AND day = ?2) < ?4 ON CONFLICT DO NOTHING",
                (market, day.isoformat(), normalized(query), MAX_QUERIES),
            )
            database.execute(
                "UPDATE searches SET times = times + 1 WHERE market = ? AND day = ? AND query = ?",
                (market, day.isoformat(), normalized(query)),
            )

    def popular(self, market: str, day: date) -> Counter[str]:
        with closing(self._open()) as database:
            rows: list[tuple[str, int]] = database.execute(
                "SELECT query, sum(times) FROM searches WHERE market = ? AND day > ? AND day <= ? GROUP BY query",
                (market, (day - WINDOW).isoformat(), day.isoformat()),
            ).fetchall()
        return Counter(dict(rows))

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path)
        database.execute("PRAGMA synchronous = OFF")  # counts of searches may be lost in a power cut
        database.execute(_SCHEMA)
        return database
