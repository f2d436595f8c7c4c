"""Totals, failures and examples of all results in the output, in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import define, field

from .timeline import Bucket, Timeline

__all__ = ["Entry", "Failures", "HISTOGRAM", "Tally", "decode_entry"]

HISTOGRAM = {"nothing": 1, "1 to 9": 10, "10 to 34": 35, "35 to 99": 100, "100 to 299": 300, "300 or more": 10**9}
"""Label and upper bound (exclusive) of the number of images of a query."""
_MAX_SAMPLES = 60
_MAX_LISTED = 8
_MAX_QUERY = 200  # characters of a query that are kept


class _Error(msgspec.Struct):
    kind: str
    message: str


class _Run(msgspec.Struct):
    started: float
    at: float
    elapsed: float
    throttled: int
    retries: int
    rate: float | None


class Entry(msgspec.Struct):
    """The part of a result line that the bookkeeping needs."""

    index: int
    digest: str
    query: str
    requests: int
    run: _Run
    error: _Error | None
    images: list[msgspec.Raw]


decode_entry = msgspec.json.Decoder(Entry).decode
"""Decode a line of the output. Raises `msgspec.DecodeError` for a line that is not a result."""

_Ranked = list[tuple[float, str]]


@define
class Failures:
    """The failures of one kind."""

    kind: str
    number: int = 0
    first: list[tuple[int, str, str]] = field(factory=list[tuple[int, str, str]])
    """Index, query and message of the first ones."""

    @property
    def message(self) -> str:
        """The message of the first one."""
        return self.first[0][2]

    @property
    def examples(self) -> list[str]:
        """The queries of the first ones."""
        return [query for _, query, _ in self.first]


@define
class Tally:
    """The results so far."""

    queries: int = 0
    failed: int = 0
    empty: int = 0
    """Answered without images."""
    images: int = 0
    kinds: dict[str, Failures] = field(factory=dict[str, Failures])
    histogram: list[int] = field(factory=lambda: [0] * len(HISTOGRAM))
    listed: dict[str, _Ranked] = field(factory=lambda: {"first": [], "most images": [], "nothing found": []})
    """(rank, query) of some queries, by the reason why they are listed; the lowest rank comes first."""
    slowest: _Ranked = field(factory=list[tuple[float, str]])
    timeline: Timeline = field(factory=Timeline)
    _samples: dict[int, tuple[str, bytes]] = field(init=False, factory=dict[int, tuple[str, bytes]])
    _sample_step: int = field(init=False, default=1)

    def add(self, entry: Entry) -> None:
        """Count one result."""
        index, query, found, run = entry.index, entry.query[:_MAX_QUERY], len(entry.images), entry.run
        self.queries += 1
        self.images += found
        self.timeline.add(run.started, run.at, Bucket(entry.requests, run.throttled, run.retries, run.rate))
        _insert(self.listed["first"], (index, query), _MAX_LISTED)
        if entry.requests:
            _insert(self.slowest, (-run.elapsed, query), 5)
        if found:
            _insert(self.listed["most images"], (-found, query), _MAX_LISTED)
            self._sample(index, query, entry.images[0])
        if entry.error is not None:
            self.failed += 1
            failures = self.kinds.setdefault(entry.error.kind, Failures(entry.error.kind))
            failures.number += 1
            _insert(failures.first, (index, query, entry.error.message), 3)
            return
        self.histogram[sum(found >= bound for bound in HISTOGRAM.values())] += 1
        if not found:
            self.empty += 1
            _insert(self.listed["nothing found"], (index, query), _MAX_LISTED)

    @property
    def failures(self) -> list[Failures]:
        """The most frequent kind first."""
        return sorted(self.kinds.values(), key=lambda failures: (-failures.number, failures.kind))

    def _sample(self, index: int, query: str, image: msgspec.Raw) -> None:
        """Keep every n-th first image; n doubles when there are too many."""
        if index % self._sample_step:
            return
        self._samples[index] = query, bytes(image)
        if len(self._samples) > _MAX_SAMPLES:
            self._sample_step *= 2
            self._samples = {at: kept for at, kept in self._samples.items() if at % self._sample_step == 0}

    def samples(self, number: int) -> list[tuple[str, Mapping[str, Any]]]:
        """Return (query, first image) of queries that are spread over the input."""
        kept = [self._samples[index] for index in sorted(self._samples)]
        number = min(number, len(kept))
        return [(query, json.loads(image)) for query, image in (kept[at * len(kept) // number] for at in range(number))]


def _insert(ranked: list[Any], item: Any, number: int) -> None:
    """Insert the item and keep the `number` lowest."""
    ranked.append(item)
    ranked.sort()
    del ranked[number:]
