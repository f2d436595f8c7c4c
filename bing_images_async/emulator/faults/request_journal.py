"""What came in and what became of it, for tests to assert on."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from threading import Lock
from typing import Any, Literal

import attrs

__all__ = ["Ending", "Journal", "Record", "fingerprint"]

Ending = Literal["open", "answered", "cut", "aborted"]
"""open: not over yet. answered: a reply was sent. cut: a fault took hold of the connection, to its end.
aborted: the client had left, or was cancelled, before that."""


@attrs.frozen(kw_only=True)
class Record:
    """One request. It holds no key, only what tells one key from another."""

    number: int
    """From 1, in the order in which they came."""
    time: float
    """When it came: seconds since the first one."""
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    key: str | None
    """Fingerprint of the key it came with; None without one."""
    connection: int | None
    """Number of the connection, from 1; None in process, where there are none."""
    status: int | None = None
    """What was answered; None if nothing was, or not yet."""
    fault: str | None = None
    """The fault that befell it, or the limit it ran into ("rate", "quota")."""
    elapsed: float | None = None
    """Seconds until it was over."""
    ending: Ending = "open"

    def as_json(self) -> dict[str, Any]:
        return attrs.asdict(self)


class Journal:
    """The last `size` requests. May be read from any thread."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._records: OrderedDict[int, Record] = OrderedDict()
        self._lock = Lock()

    @property
    def records(self) -> tuple[Record, ...]:
        """A copy, in the order in which they came."""
        with self._lock:
            return tuple(self._records.values())

    @property
    def in_flight(self) -> int:
        """How many requests are not over yet."""
        return sum(record.ending == "open" for record in self.records)

    def __len__(self) -> int:
        return len(self._records)

    def clear(self) -> None:
        """Forgets everything; what is in flight will not come back."""
        with self._lock:
            self._records.clear()

    def add(self, record: Record) -> None:
        with self._lock:
            self._records[record.number] = record
            if len(self._records) > self._size:
                self._records.popitem(last=False)

    def finish(self, record: Record) -> None:
        """Puts it in the place of the one with the same number, unless that is forgotten."""
        with self._lock:
            if record.number in self._records:
                self._records[record.number] = record


def fingerprint(key: str, seed: int) -> str:
    """8 hexadecimal digits: too few to find the key by, enough to tell keys apart."""
    return blake2b(key.encode(), digest_size=4, key=str(seed).encode()[:64]).hexdigest()
