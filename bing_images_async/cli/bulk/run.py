"""Running the queries whose results are missing, and appending every result before another query starts."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from typing import Any, cast

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint
from attrs import define, evolve, field

from ..._fan_out import STOP_ON, Outcome
from ..._session import ImageSearchSession
from ...errors import BingImagesError, BudgetExceededError, DeadlineExceededError
from ...params import SearchParams
from .checkpoint import Checkpoint
from .input_file import Source, check_same
from .input_rows import Row
from .results import copied_line, encode, outcome_line, refusal_line
from .tally import Tally
from .timeline import Bucket

__all__ = ["Run"]

_STOP_ON = STOP_ON | {BudgetExceededError}
"""Errors that end the run. The query that met one has no result, so a resumed run repeats it."""
_INTERVAL = 0.25  # seconds between two updates of the progress display
_SYNC_EVERY = 8  # intervals between two flushes of the output to the disk


@define
class Run:
    """One run, from the state of the checkpoint to the end of the input or to an error that ends it."""

    session: ImageSearchSession
    checkpoint: Checkpoint
    source: Source
    limits: Mapping[str, Any]
    """Arguments of `fan_out`."""
    total: int | None
    """Queries in the input, if known."""
    repeat: bool = False
    """Send a request for every row, even if the result of an equal one is known."""
    write: Callable[[dict[str, Any]], None] | None = None
    """Called with every result, for an output on stdout."""
    show: Callable[[Run], None] = lambda _: None
    """Called now and then."""

    stopped_by: BingImagesError | None = None
    """The error that ended the run."""
    sent: Bucket = field(init=False, factory=Bucket)
    """Requests of all runs."""
    started: float = field(factory=time.time)
    """Time of day; identifies the run."""
    _began: float = field(init=False, factory=time.monotonic)
    _before: Bucket = field(init=False)
    _known: int = field(init=False)
    _number: int = field(init=False, default=0)
    _under_way: dict[int, Row] = field(init=False, factory=dict[int, Row])
    _waiting: dict[str, list[Row]] = field(init=False, factory=dict[str, list[Row]])
    """Rows with the same search as one that is under way, by digest."""
    _room: anyio.Semaphore = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._before = evolve(self.tally.timeline.total)
        self._known = self.tally.queries
        # A query holds its place until its result is appended: a kill loses at most `concurrency` of them.
        self._room = anyio.Semaphore(self.limits["concurrency"])

    @property
    def tally(self) -> Tally:
        """All results in the output."""
        return self.checkpoint.tally

    @property
    def seconds(self) -> float:
        """Duration of this run so far."""
        return time.monotonic() - self._began

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the pace of this run; `None` if unknown."""
        done = self.tally.queries - self._known
        return self.seconds / done * (self.total - self.tally.queries) if done and self.total is not None else None

    def _count(self) -> None:
        stats = self.session.stats
        self.sent = Bucket(stats.attempts, stats.throttled, stats.retries)
        self.sent.add(self._before)

    async def __call__(self) -> None:
        """Run. Raises `click.UsageError` if the input cannot be read, or is not the one of the checkpoint."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._keep_up)
                await self._search()
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise _innermost(group) from None
        finally:
            self._count()
            self.tally.timeline.advance(self.started, self.seconds)

    async def _search(self) -> None:
        async with self.source.stream() as rows:
            outcomes = self.session.fan_out(self._queries(rows), stop_on=_STOP_ON, **self.limits)
            try:
                async with outcomes:
                    async for outcome in outcomes:
                        await self._take(outcome)
                        self._room.release()
            except DeadlineExceededError as error:  # while waiting for the input
                self.stopped_by = self.stopped_by or error

    async def _queries(self, rows: AsyncIterable[Row | Exception]) -> AsyncGenerator[SearchParams]:
        """Yield the queries without a result, as places become free."""
        async for row in rows:
            if isinstance(row, Exception):
                raise row
            if check_same(row, self.checkpoint.digests):
                continue
            if row.params is None:
                self._append(refusal_line(row, self._position()))
                continue
            if await self._is_shared(row):
                continue
            await self._room.acquire()
            if self.stopped_by is not None:
                return
            self._under_way[self._number] = row
            self._number += 1
            yield row.params

    async def _is_shared(self, row: Row) -> bool:
        """Give the row the result of an equal one, now or when that arrives; return whether there is one."""
        if self.repeat:
            return False
        known = self.checkpoint.result_of(row.digest)
        if known is not None:
            self._append(copied_line(known, row, self._position()))
            await checkpoint()  # many equal rows in succession would block the event loop
        elif row.digest in self._waiting:
            self._waiting[row.digest].append(row)
        else:
            self._waiting[row.digest] = []
            return False
        return True

    async def _take(self, outcome: Outcome) -> None:
        row = self._under_way.pop(outcome.index)
        equal = self._waiting.pop(row.digest, [])
        error = outcome.error
        if error is not None and _ends_run(error):
            self.stopped_by = self.stopped_by or error
            return
        line = outcome_line(row, outcome, self._position())
        self._append(line)
        known = encode(line)
        for other in equal:
            self._append(copied_line(known, other, self._position()))
            await checkpoint()

    def _position(self) -> dict[str, Any]:
        return {"started": self.started, "at": round(self.seconds, 3), "rate": self.session.stats.rate}

    def _append(self, line: dict[str, Any]) -> None:
        self.checkpoint.append(encode(line))
        if self.write is not None:
            self.write(line)

    async def _keep_up(self) -> None:
        """Update the display, and flush the output to the disk."""
        while True:
            for _ in range(_SYNC_EVERY):
                self._count()
                self.show(self)
                await anyio.sleep(_INTERVAL)
            await to_thread.run_sync(self.checkpoint.sync)


def _ends_run(error: BingImagesError) -> bool:
    is_late = isinstance(error, DeadlineExceededError) and error.waited_for == "the run"
    return is_late or isinstance(error, tuple(_STOP_ON))


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
