"""What a session does, second by second, in a bounded number of figures however long it takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import asdict, define, field

from ..._pipeline.stats import SessionStats

__all__ = ["Bucket", "Watch"]

_MOST = 360  # buckets
_RECENT = 10.0  # seconds that the rate of the moment is taken over


@define
class Bucket:
    """What happened in one stretch of time."""

    requests: int = 0
    throttled: int = 0
    retries: int = 0
    rate: float | None = None
    """Requests per second that the pace allowed, at least; `None` if there was none."""

    def add(self, other: Bucket) -> None:
        """Both together."""
        self.requests += other.requests
        self.throttled += other.throttled
        self.retries += other.retries
        rates = [rate for rate in (self.rate, other.rate) if rate is not None]
        self.rate = min(rates, default=None)


@define
class Watch:
    """Looks at the figures of a session now and then. The clock stands still between a run and the one that goes on."""

    clock: Callable[[], float]
    """Seconds, of any origin."""
    width: float = 0.5
    """Seconds per bucket; doubles when there are too many."""
    buckets: list[Bucket] = field(factory=list[Bucket])
    starts: list[float] = field(factory=list[float])
    """When a run began or went on, in seconds of work."""
    _worked: float = field(init=False, default=0.0)
    _began: float = field(init=False, default=0.0)
    _seen: tuple[int, int, int] = field(init=False, default=(0, 0, 0))
    _recent: deque[tuple[float, int]] = field(init=False, factory=deque[tuple[float, int]])

    @classmethod
    def going_on(cls, clock: Callable[[], float], notes: Any) -> Watch:
        """A watch that begins now, after what `notes` tell of earlier runs (`None` for none)."""
        watch = cls(clock)
        if notes is not None:
            watch.width, watch._worked, watch.starts = notes["width"], notes["worked"], notes["starts"]
            watch.buckets = [Bucket(*bucket) for bucket in notes["buckets"]]
        watch._began = clock() - watch._worked
        watch.starts.append(watch._worked)
        return watch

    @property
    def seconds(self) -> float:
        """Of work, in all runs."""
        return self.clock() - self._began

    @property
    def here(self) -> float:
        """Seconds of this run."""
        return self.seconds - self._worked

    @property
    def total(self) -> Bucket:
        """All buckets together."""
        total = Bucket()
        for bucket in self.buckets:
            total.add(bucket)
        return total

    @property
    def requests_per_second(self) -> float:
        """In the last seconds."""
        if len(self._recent) < 2:
            return 0.0
        (first, before), (last, after) = self._recent[0], self._recent[-1]
        return (after - before) / (last - first) if last > first else 0.0

    def look(self, stats: SessionStats) -> None:
        """Note what has happened since the last look."""
        now = self.seconds
        attempts, throttled, retries = self._seen
        self._seen = (stats.attempts, stats.throttled, stats.retries)
        news = Bucket(stats.attempts - attempts, stats.throttled - throttled, stats.retries - retries, stats.rate)
        self._bucket(now).add(news)
        self._recent.append((now, stats.attempts))
        while now - self._recent[0][0] > _RECENT:
            self._recent.popleft()

    def _bucket(self, now: float) -> Bucket:
        while now >= self.width * _MOST:
            self.width *= 2
            pairs = zip(self.buckets[::2], [*self.buckets[1::2], Bucket()], strict=False)
            for first, second in pairs:
                first.add(second)
            self.buckets = self.buckets[::2]
        place = int(now / self.width)
        self.buckets += [Bucket() for _ in range(place + 1 - len(self.buckets))]
        return self.buckets[place]

    def notes(self) -> dict[str, Any]:
        """For the journal, in JSON; `going_on` reads them."""
        return {
            "width": self.width,
            "worked": self.seconds,
            "starts": self.starts,
            "buckets": [list(asdict(bucket).values()) for bucket in self.buckets],
        }
