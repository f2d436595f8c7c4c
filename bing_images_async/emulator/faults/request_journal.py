"""The journal of requests and their results, for assertions in tests."""

from __future__ import annotations

import sys
from collections import OrderedDict
from hashlib import blake2b
from threading import Lock
from typing import Any, Literal

import attrs

__all__ = ["Ending", "Journal", "Record", "fingerprint"]

Ending = Literal["open", "answered", "cut", "aborted"]
"""open: in flight. answered: a reply was sent. cut: a fault ended the connection. aborted: the client disconnected,
or was cancelled, before the reply."""


@attrs.frozen(kw_only=True)
class Record:
    """One request. It holds a fingerprint of the key, never the key."""

    number: int
    """Number of the request, from 1, in order of arrival."""
    time: float
    """Seconds from the first request to this one."""
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    key: str | None
    """Fingerprint of the key; None without one."""
    connection: int | None
    """Number of the connection, from 1; None in process."""
    status: int | None = None
    """Status of the reply; None without one."""
    fault: str | None = None
    """Name of the fault that was applied, or of the limit that was exceeded ("rate", "quota")."""
    elapsed: float | None = None
    """Seconds from arrival to end."""
    ending: Ending = "open"

    def as_json(self) -> dict[str, Any]:
        return attrs.asdict(self)


_RECORD_BYTES = 600
_PAIR_BYTES = 64


class Journal:
    """The last requests: at most `size` of them, and at most `max_bytes` of memory. Thread-safe."""

    def __init__(self, size: int = 10_000, max_bytes: int = 16 * 2**20) -> None:
        self._size = size
        self._max_bytes = max_bytes
        self._bytes = 0
        self._records: OrderedDict[int, Record] = OrderedDict()
        self._lock = Lock()

    @property
    def records(self) -> tuple[Record, ...]:
        """Return a copy, in order of arrival."""
        with self._lock:
            return tuple(self._records.values())

    @property
    def in_flight(self) -> int:
        """Return the number of requests in flight."""
        return sum(record.ending == "open" for record in self.records)

    def __len__(self) -> int:
        return len(self._records)

    def clear(self) -> None:
        """Remove all records. Requests in flight are not recorded when they end."""
        with self._lock:
            self._records.clear()
            self._bytes = 0

    def add(self, record: Record) -> None:
        with self._lock:
            self._records[record.number] = record
            self._bytes += _memory_of(record)
            while self._records and (len(self._records) > self._size or self._bytes > self._max_bytes):
                _, oldest = self._records.popitem(last=False)
                self._bytes -= _memory_of(oldest)

    def finish(self, record: Record) -> None:
        """Replace the record with the same number, unless it was removed."""
        with self._lock:
            if record.number in self._records:
                self._records[record.number] = record


def _memory_of(record: Record) -> int:
    """Return the bytes of a record. What changes at its end (status, times) has a fixed size."""
    texts = (record.method, record.path, *(text for pair in record.query for text in pair))
    return _RECORD_BYTES + len(record.query) * _PAIR_BYTES + sum(map(sys.getsizeof, texts))


def fingerprint(key: str, seed: int) -> str:
    """Return 8 hexadecimal digits: enough to tell keys apart, too few to recover the key."""
    return blake2b(key.encode(), digest_size=4, key=str(seed).encode()[:64]).hexdigest()
