"""Requests over time, in a bounded number of buckets however long the run is."""

from __future__ import annotations

from attrs import define, field

__all__ = ["Bucket", "Timeline"]

_MAX_BUCKETS = 360


@define
class Bucket:
    """What happened in one interval."""

    requests: int = 0
    throttled: int = 0
    retries: int = 0
    rate: float | None = None
    """The lowest pace in the interval, in requests per second; `None` if unpaced."""

    def add(self, other: Bucket) -> None:
        """Add another bucket to this one."""
        self.requests += other.requests
        self.throttled += other.throttled
        self.retries += other.retries
        self.rate = min((rate for rate in (self.rate, other.rate) if rate is not None), default=None)


@define
class Timeline:
    """The runs over one output, one after the other; time between two runs does not count."""

    width: float = 0.5
    """Seconds per bucket; doubles when there are too many."""
    buckets: list[Bucket] = field(factory=list[Bucket])
    starts: list[float] = field(factory=list[float])
    """When each run began, in seconds of work."""
    seconds: float = 0.0
    """Of work, in all runs so far."""
    total: Bucket = field(factory=Bucket)
    _run: float = field(init=False, default=-1.0)

    def advance(self, run: float, at: float) -> None:
        """Record that `run` (named by its time of day) has worked for `at` seconds."""
        if run != self._run:
            self._run = run
            self.starts.append(self.seconds)
        self.seconds = max(self.seconds, self.starts[-1] + at)

    def add(self, run: float, at: float, what: Bucket) -> None:
        """Add what was finished `at` seconds after the start of `run`."""
        self.advance(run, at)
        self.total.add(what)
        time = self.starts[-1] + at
        while time >= self.width * _MAX_BUCKETS:
            self.width *= 2
            for first, second in zip(self.buckets[::2], self.buckets[1::2], strict=False):
                first.add(second)
            self.buckets = self.buckets[::2]
        place = int(time / self.width)
        self.buckets += [Bucket() for _ in range(place + 1 - len(self.buckets))]
        self.buckets[place].add(what)
