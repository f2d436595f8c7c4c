"""Asking what is not done yet, and keeping every answer before its place is given to another query."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
from anyio import to_thread
from attrs import define, field, frozen

from ..._fan_out import STOP_ON, Outcome
from ..._pipeline.call import OnOutage
from ..._session import ImageSearchSession
from ...errors import BingImagesError, BudgetExceededError, DeadlineExceededError
from ...params import SearchParams
from .checkpoint import Store
from .input_file import Feed, Source
from .input_rows import Row
from .results import Record, entry_of, refused, to_bytes
from .stats_sampler import Watch

__all__ = ["Limits", "Run"]

_ENDING = STOP_ON | {BudgetExceededError}
"""Errors after which nothing more is asked. Who met them is asked again when the run goes on."""
_FLUSH = 2.0  # seconds between two flushes of the output to the disk
_LOOK = 0.25  # seconds between two looks at the session
_FEW = 60  # samples for the report, if it is not known how many queries there are


@frozen(kw_only=True)
class Limits:
    """How far and how fast to go."""

    concurrency: int
    pages: int | None
    images: int | None
    """Per query."""
    timeout: float | None
    """Seconds for all of it."""
    on_outage: OnOutage


@define
class Run:
    """One run, from where the store is to the end of the input or to what stops it."""

    session: ImageSearchSession
    store: Store
    source: Source
    limits: Limits
    form: str
    """Of the output."""
    total: int | None
    """Queries in the input, if that is known."""
    retry_failed: bool
    watch: Watch
    show: Callable[[Run], None] = lambda _: None
    """Is called now and then."""

    known: int = 0
    """Queries that were done before."""
    answered: int = 0
    failed: int = 0
    images: int = 0
    stopped_by: BingImagesError | None = None
    """What ended the run before its time."""
    _asked: int = field(init=False, default=0)
    _under_way: dict[int, Row] = field(init=False, factory=dict[int, Row])
    _room: anyio.Semaphore = field(init=False)

    def __attrs_post_init__(self) -> None:
        # A query has its place until its answer is kept, so that no more than `concurrency` are lost with the process.
        self._room = anyio.Semaphore(self.limits.concurrency)

    @property
    def done(self) -> int:
        """Queries that need not be asked any more, for now."""
        return self.known + self.answered + self.failed

    async def __call__(self) -> None:
        """Ask. Raises `click.UsageError` for an input that cannot be read on, or is not the one of the journal."""
        limits = self.limits
        feed = Feed(self.source)
        outcomes = self.session.fan_out(
            self._questions(feed),
            concurrency=limits.concurrency,
            on_outage=limits.on_outage,
            pages=limits.pages,
            limit=limits.images,
            stop_on=_ENDING,
            timeout=limits.timeout,
        )
        try:
            async with _beside(self._flush), _beside(self._look), feed, outcomes:
                async for outcome in outcomes:
                    self._take(outcome)
                    self._room.release()
        except DeadlineExceededError as error:  # while the input made one wait
            self.stopped_by = self.stopped_by or error
        finally:
            self.watch.look(self.session.stats)
            self.store.journal.note(watch=self.watch.notes())

    async def _questions(self, feed: Feed) -> AsyncGenerator[SearchParams]:
        """What is to be asked, as there is room."""
        async for row in feed:
            done = self.store.done(row.index, row.digest)
            if done is not None and not (done.has_failed and self.retry_failed):
                self.known += 1
                continue
            if row.params is None:
                self._keep(refused(row), 0.0)
                continue
            await self._room.acquire()
            if self.stopped_by is not None:
                return
            self._under_way[self._asked] = row
            self._asked += 1
            yield row.params

    def _take(self, outcome: Outcome) -> None:
        row = self._under_way.pop(outcome.index)
        error = outcome.error
        if error is not None and _ends_it(error):
            self.stopped_by = self.stopped_by or error
            return
        self._keep(Record.of(row, outcome), outcome.elapsed)

    def _keep(self, record: Record, elapsed: float) -> None:
        index = record.row.index
        sampled = index < _FEW if self.total is None else index % max(1, self.total // _FEW) == 0
        self.store.put(entry_of(record, elapsed, sampled=sampled), to_bytes[self.form](record))
        self.images += len(record.images)
        if record.error is None:
            self.answered += 1
        else:
            self.failed += 1

    # --- beside it

    async def _look(self) -> None:
        while True:
            self.watch.look(self.session.stats)
            self.store.journal.note(watch=self.watch.notes())
            self.show(self)
            await anyio.sleep(_LOOK)

    async def _flush(self) -> None:
        while True:
            await anyio.sleep(_FLUSH)
            end = self.store.end
            await to_thread.run_sync(self.store.sync)
            self.store.mark(end)


def _ends_it(error: BingImagesError) -> bool:
    is_late = isinstance(error, DeadlineExceededError) and error.waited_for == "the run"
    return is_late or isinstance(error, tuple(_ENDING))


@asynccontextmanager
async def _beside(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
    """`work` is under way while the block is; an error of either arrives bare."""
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            yield
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise _bare(group) from None


def _bare(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
