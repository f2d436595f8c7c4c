"""Record of the requests that reached the server."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

import attrs


@attrs.define
class Entry:
    """One request. time: virtual seconds of its arrival. status: `None` until, or if never, answered."""

    number: int
    time: float
    connection: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    status: int | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@attrs.define
class Journal:
    entries: list[Entry] = attrs.field(factory=list)

    @property
    def statuses(self) -> Counter[int | None]:
        return Counter(entry.status for entry in self.entries)

    @property
    def times(self) -> list[float]:
        return [entry.time for entry in self.entries]

    def between(self, start: float, end: float) -> list[Entry]:
        return [entry for entry in self.entries if start <= entry.time < end]

    def busiest(self, window: float) -> int:
        """Return the most arrivals in any half-open window of so many seconds."""
        times = sorted(self.times)
        ends = [bisect_left(times, time + window) for time in times]
        return max((end - start for start, end in enumerate(ends)), default=0)
