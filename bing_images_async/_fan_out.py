"""Many queries at once: a few workers, one shared iterator, outcomes as they come.

Nothing is read before there is room for it and nothing is kept once it is handed over: a hundred
thousand queries take no more memory than a hundred. What runs in the background runs inside the
`async with` block and ends with it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sized
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

import anyio
import anyio.abc
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from attrs import field, frozen

from .errors import (
    AuthenticationError,
    BingImagesError,
    DeadlineExceededError,
    InvalidRequestError,
    QuotaExhaustedError,
    SessionStateError,
)
from .models import Attempt, Image, ImageAnswer
from .params import SearchParams

__all__ = ["FanOut", "Found", "Outcome", "Progress", "STOP_ON"]

STOP_ON: frozenset[type[BingImagesError]] = frozenset({AuthenticationError, QuotaExhaustedError})
"""Errors after which the other queries of a run would fare no better."""

Query = str | SearchParams
Queries = Iterable[Query] | AsyncIterable[Query]


@frozen(kw_only=True)
class Found:
    """What one query brought: its first answer, all of its images, and what that took; or how far it came."""

    answer: ImageAnswer | None = None
    images: tuple[Image, ...]
    error: BingImagesError | None = None
    attempts: tuple[Attempt, ...] = ()
    stop_reason: str | None = None


@frozen(kw_only=True)
class Outcome:
    """How one query of a run ended: exactly one of `answer` and `error` is not `None`."""

    query: Query
    """As it was given."""
    index: int
    """Its place in the input, from 0."""
    answer: ImageAnswer | None = None
    """The answer, or the first of them if several pages were asked for."""
    images: tuple[Image, ...] = field(default=(), repr=lambda images: f"<{len(images)} images>")
    """The images of all its pages, each once; if a page failed, those that came before it."""
    error: BingImagesError | None = None
    was_sent: bool = True
    """False if nothing was sent for it: the run had ended before, the budget was spent, a latch held, or the query
    itself was refused."""
    attempts: tuple[Attempt, ...] = ()
    """What was tried, for all of its pages. Unknown, and so empty, if the time of the run was up meanwhile."""
    elapsed: float = 0.0
    """Seconds of work on this query, waiting for permits and quota included."""
    stop_reason: str | None = None
    """Why there are no more images, if pages were walked (`ImagePager.stop_reason`)."""

    @property
    def requests(self) -> int:
        """Requests that were sent for it, retries included: what may be billed."""
        return len(self.attempts)

    def unwrap(self) -> ImageAnswer:
        """The answer. Raises the error if there is one."""
        if self.error is not None:
            raise self.error
        assert self.answer is not None
        return self.answer


@frozen(kw_only=True)
class Progress:
    """How far a run is, after each outcome."""

    done: int
    failed: int
    total: int | None
    """`None` if the input does not know its length."""
    requests: int
    """Sent so far, retries included."""
    elapsed: float
    """Seconds since the run began."""

    @property
    def seconds_left(self) -> float | None:
        """By the pace so far."""
        if self.total is None or self.done == 0:
            return None
        return self.elapsed / self.done * (self.total - self.done)


Search = Callable[[Query], Awaitable[Found]]
T = TypeVar("T")


class FanOut:
    """A run over many queries. Enter it, then iterate: `Outcome`s, one for each query.

    What the block raises arrives bare, after everything in the background has ended. If the input raises, what is
    under way is finished and handed over first, then that error is raised; so is what is no error of this library,
    such as a middleware's own.
    """

    def __init__(
        self,
        queries: Queries,
        search: Search,
        *,
        concurrency: int,
        ordered: bool,
        stop_on: frozenset[type[BingImagesError]],
        timeout: float,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._source = _Source(queries)
        self._total = len(queries) if isinstance(queries, Sized) else None
        self._search = search
        self._concurrency = concurrency
        self._ordered = ordered
        self._stop_on = tuple(stop_on)
        self._timeout = timeout
        self._progress = progress
        self._stopped_by: BingImagesError | None = None
        self._late: dict[int, Outcome] = {}
        self._delivered = self._failed = self._requests = 0
        self._began = 0.0
        self._deadline = math.inf
        self._tasks: anyio.abc.TaskGroup | None = None
        self._outcomes: MemoryObjectReceiveStream[Outcome] | None = None
        self._moved = anyio.Event()
        self._scopes: list[anyio.CancelScope] = []

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            raise SessionStateError("This run was entered before: call fan_out() again for another.")
        self._began = anyio.current_time()
        self._deadline = self._began + self._timeout
        send, self._outcomes = anyio.create_memory_object_stream[Outcome](0)
        self._tasks = await anyio.create_task_group().__aenter__()
        with send:
            for _ in range(self._concurrency if self._total is None else min(self._concurrency, self._total)):
                self._tasks.start_soon(self._work, send.clone(), name="fan-out worker")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._tasks is not None
        assert self._outcomes is not None
        self._tasks.cancel_scope.cancel()
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:
            self._outcomes.close()
            self._late.clear()
            self._scopes.clear()
            await self._source.aclose()
        if error is None:
            self._source.raise_fault(urgent=True)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if self._outcomes is None:
            raise SessionStateError("Enter the run first: `async with session.fan_out(...) as outcomes:`.")
        while not self._ordered or self._delivered not in self._late:
            try:
                outcome = await self._outcomes.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                break
            if not self._ordered:
                return self._deliver(outcome)
            self._late[outcome.index] = outcome
        if self._late:  # the least of them is the next, unless a query that broke the run left a gap
            return self._deliver(self._late.pop(min(self._late)))
        self._source.raise_fault()
        raise StopAsyncIteration

    def _deliver(self, outcome: Outcome) -> Outcome:
        self._delivered += 1
        self._failed += outcome.error is not None
        self._requests += outcome.requests
        moved, self._moved = self._moved, anyio.Event()
        moved.set()
        if self._progress is not None:
            self._progress(
                Progress(
                    done=self._delivered,
                    failed=self._failed,
                    total=self._total,
                    requests=self._requests,
                    elapsed=anyio.current_time() - self._began,
                )
            )
        return outcome

    # --- the workers

    async def _work(self, send: MemoryObjectSendStream[Outcome]) -> None:
        with send, anyio.CancelScope() as scope:
            self._scopes.append(scope)
            try:
                while (item := await self._next()) is not None:
                    index, query = item
                    await self._keep_in_window(index)
                    await send.send(await self._outcome(index, query))
            except (anyio.get_cancelled_exc_class(), anyio.BrokenResourceError):
                raise
            except BaseException as fault:  # noqa: BLE001  # not an outcome but the end of the run
                self._end(fault)

    def _end(self, fault: BaseException) -> None:
        """End the run early. What is no `Exception` (Ctrl-C, `SystemExit`) does not wait for what is in flight."""
        self._source.fail(fault)
        self._moved.set()  # nobody need wait for this one's turn
        if not isinstance(fault, Exception):
            for scope in self._scopes:
                scope.cancel()

    async def _next(self) -> tuple[int, Query] | None:
        """The next query. An input that has to be waited for is waited for as long as the run may take."""
        with anyio.CancelScope(deadline=self._deadline if self._source.is_async else math.inf):
            return await self._source.next()
        self._source.fail(self._out_of_time())
        return None

    async def _keep_in_window(self, index: int) -> None:
        """In an ordered run, do not run ahead of the consumer by more than two rounds."""
        while self._ordered and index - self._delivered >= 2 * self._concurrency and not self._source.has_failed:
            await self._moved.wait()

    async def _outcome(self, index: int, query: Query) -> Outcome:
        began = anyio.current_time()
        if self._stopped_by is None and began >= self._deadline:
            self._stopped_by = self._out_of_time()
        if self._stopped_by is not None:
            # A copy: errors that are raised collect tracebacks, and what was tried was another query.
            error = copy.copy(self._stopped_by)
            error.attempts = ()
            return Outcome(query=query, index=index, error=error, was_sent=False)
        found, was_sent = await self._found(query)
        if isinstance(found.error, self._stop_on):
            self._stopped_by = found.error
        return Outcome(
            query=query,
            index=index,
            answer=found.answer,
            error=found.error,
            images=found.images,
            was_sent=was_sent,
            attempts=found.attempts,
            elapsed=anyio.current_time() - began,
            stop_reason=found.stop_reason,
        )

    async def _found(self, query: Query) -> tuple[Found, bool]:
        """What a query brought, and whether anything was sent for it."""
        try:
            with anyio.CancelScope(deadline=self._deadline):
                found = await self._search(query)
                return found, found.error is None or bool(found.attempts)
        except BingImagesError as error:
            return Found(images=(), error=error, attempts=error.attempts), bool(error.attempts)
        self._stopped_by = self._out_of_time()
        return Found(images=(), error=self._stopped_by), True  # for all that is known here

    def _out_of_time(self) -> BingImagesError:
        return DeadlineExceededError(
            f"The run did not end within its timeout of {self._timeout:g} s. Give it more, or none.",
            waited_for="the run",
        )


class _Source(Generic[T]):
    """The input, one item at a time, whoever asks; what ends it early is kept for the consumer."""

    def __init__(self, queries: Iterable[T] | AsyncIterable[T]) -> None:
        self._plain: Iterator[T] | None = None
        self._async: AsyncIterator[T] | None = None
        if isinstance(queries, str | bytes):
            raise InvalidRequestError("queries is a single text: give a list of queries.", parameter="queries")
        if isinstance(queries, AsyncIterable):
            self._async = aiter(queries)
        elif isinstance(queries, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # users may give anything
            self._plain = iter(queries)
        else:
            raise InvalidRequestError("queries must be an iterable or async iterable.", parameter="queries")
        self._turn = anyio.Lock()
        self._index = 0
        self._is_done = False
        self._fault: BaseException | None = None

    @property
    def is_async(self) -> bool:
        """The next item may have to be waited for."""
        return self._async is not None

    @property
    def has_failed(self) -> bool:
        """It ended early."""
        return self._fault is not None

    async def next(self) -> tuple[int, T] | None:
        """An item and its place, or `None` at the end, whatever the end is."""
        async with self._turn:
            if self._is_done:
                return None
            try:
                item = await anext(self._async) if self._async is not None else next(cast("Iterator[T]", self._plain))
            except (StopIteration, StopAsyncIteration):
                self._is_done = True
                return None
            except Exception as fault:  # noqa: BLE001  # the consumer's to see, once what is under way has ended
                self.fail(fault)
                return None
            self._index += 1
            return self._index - 1, item

    def fail(self, fault: BaseException) -> None:
        """Nothing more comes, because of `fault`; the first one counts, unless a later one is no `Exception`."""
        self._is_done = True
        if self._fault is None or (isinstance(self._fault, Exception) and not isinstance(fault, Exception)):
            self._fault = fault

    def raise_fault(self, *, urgent: bool = False) -> None:
        """Raise what ended the input early, once; if `urgent`, only what is no `Exception`."""
        if self._fault is None or (urgent and isinstance(self._fault, Exception)):
            return
        fault, self._fault = self._fault, None
        raise fault

    async def aclose(self) -> None:
        """End an async generator that was not read to its end."""
        close = getattr(self._async, "aclose", None)
        if close is not None:
            await close()
