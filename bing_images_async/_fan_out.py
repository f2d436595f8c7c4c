"""Many queries at once: a few workers, one shared iterator, outcomes as they come.

Nothing is read before there is room for it and nothing is kept once it is handed over: a hundred
thousand queries take no more memory than a hundred. What runs in the background runs inside the
`async with` block and ends with it.
"""

from __future__ import annotations

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
    requests: int = 1
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
    """False if the run had ended before it came to this query."""
    requests: int = 0
    """Pages that were fetched."""
    attempts: tuple[Attempt, ...] = ()
    elapsed: float = 0.0
    """Seconds of work on this query."""
    stop_reason: str | None = None
    """Why there are no more images, if pages were walked (`ImagePager.stop_reason`)."""

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
    under way is finished and handed over first, then that error is raised.
    """

    def __init__(
        self,
        queries: Queries,
        search: Search,
        *,
        concurrency: int,
        ordered: bool,
        stop_on: frozenset[type[BingImagesError]],
        timeout: float | None,
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
        self._tasks: anyio.abc.TaskGroup | None = None
        self._outcomes: MemoryObjectReceiveStream[Outcome] | None = None
        self._moved = anyio.Event()

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            raise InvalidRequestError("A run can be entered once: call fan_out() again.", parameter="queries")
        self._began = anyio.current_time()
        send, self._outcomes = anyio.create_memory_object_stream[Outcome](0)
        self._tasks = await anyio.create_task_group().__aenter__()
        with send:
            for _ in range(self._concurrency):
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
            await self._source.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if self._outcomes is None:
            raise InvalidRequestError("Enter the run first: `async with session.fan_out(...) as outcomes:`.")
        while self._delivered not in self._late:
            try:
                outcome = await self._outcomes.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                if self._source.error is not None:
                    error, self._source.error = self._source.error, None
                    raise error from None
                raise StopAsyncIteration from None
            if not self._ordered:
                return self._deliver(outcome)
            self._late[outcome.index] = outcome
        return self._deliver(self._late.pop(self._delivered))

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
        with send:
            while (item := await self._source.next()) is not None:
                index, query = item
                await self._keep_in_window(index)
                await send.send(await self._outcome(index, query))

    async def _keep_in_window(self, index: int) -> None:
        """In an ordered run, do not run ahead of the consumer by more than two rounds."""
        while self._ordered and index - self._delivered >= 2 * self._concurrency:
            await self._moved.wait()

    async def _outcome(self, index: int, query: Query) -> Outcome:
        if self._stopped_by is not None:
            return Outcome(query=query, index=index, error=self._stopped_by, was_sent=False)
        began = anyio.current_time()
        found: Found | None = None
        error: BingImagesError | None = None
        left = None if self._timeout is None else max(0.0, self._timeout - (began - self._began))
        try:
            with anyio.move_on_after(left) as scope:
                found = await self._search(query)
            if scope.cancelled_caught:
                error = self._stopped_by = self._out_of_time()
        except BingImagesError as fault:
            error = fault
        elapsed = anyio.current_time() - began
        if found is None:
            assert error is not None
            found = Found(images=(), error=error, requests=0, attempts=error.attempts)
        if isinstance(found.error, self._stop_on):
            self._stopped_by = found.error
        return Outcome(
            query=query,
            index=index,
            answer=found.answer,
            error=found.error,
            images=found.images,
            requests=found.requests,
            attempts=found.attempts,
            elapsed=elapsed,
            stop_reason=found.stop_reason,
        )

    def _out_of_time(self) -> BingImagesError:
        return DeadlineExceededError(
            f"The run did not end within its timeout of {self._timeout:g} s. Give it more, or none.",
            waited_for="the run",
        )


class _Source(Generic[T]):
    """The input, one item at a time, whoever asks; its error is kept for the consumer."""

    def __init__(self, queries: Iterable[T] | AsyncIterable[T]) -> None:
        self._plain: Iterator[T] | None = None
        self._async: AsyncIterator[T] | None = None
        if isinstance(queries, str | bytes):
            raise InvalidRequestError("queries is a single text: give a list of queries.", parameter="queries")
        if isinstance(queries, AsyncIterable):
            self._async = aiter(cast("AsyncIterable[T]", queries))
        elif isinstance(queries, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            self._plain = iter(queries)
        else:
            raise InvalidRequestError("queries must be an iterable or async iterable.", parameter="queries")
        self._turn = anyio.Lock()
        self._index = 0
        self._is_done = False
        self.error: BaseException | None = None

    async def next(self) -> tuple[int, T] | None:
        async with self._turn:
            if self._is_done:
                return None
            try:
                item = (
                    next(self._plain) if self._plain is not None else await anext(cast("AsyncIterator[T]", self._async))
                )
            except (StopIteration, StopAsyncIteration):
                self._is_done = True
                return None
            except Exception as error:  # noqa: BLE001  # the consumer's to see, once what is under way has ended
                self._is_done = True
                self.error = error
                return None
            self._index += 1
            return self._index - 1, item

    async def aclose(self) -> None:
        """End an async generator that was not read to its end."""
        close = getattr(self._async, "aclose", None)
        if close is not None:
            await close()
