"""Fetching one page before it is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from ..models import ImageAnswer
from ..params import SearchParams

__all__ = ["Fetch", "ReadAhead"]

Fetch = Callable[[SearchParams], Awaitable[ImageAnswer]]


class ReadAhead:
    """Holds one page that is on its way, in a task that ends with the block it belongs to."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._tasks = anyio.create_task_group()
        self._question: SearchParams | None = None
        self._landed = anyio.Event()
        self._answer: ImageAnswer | None = None
        self._error: Exception | None = None

    async def open(self) -> None:
        """Begin the block."""
        await self._tasks.__aenter__()

    def start(self, question: SearchParams) -> None:
        """Fetch what `question` asks for, beside whatever else is done."""
        self._question, self._landed, self._answer, self._error = question, anyio.Event(), None, None
        self._tasks.start_soon(self._run, question, name="read ahead")

    async def take(self, question: SearchParams) -> ImageAnswer:
        """The page that was fetched ahead, or one that is fetched now."""
        if self._question != question:
            return await self._fetch(question)
        await self._landed.wait()
        self._question = None
        answer, error = self._answer, self._error
        self._answer = self._error = None
        if error is not None:
            raise error
        assert answer is not None
        return answer

    async def close(self) -> None:
        """End the block; a page on its way is given up."""
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _run(self, question: SearchParams) -> None:
        try:
            self._answer = await self._fetch(question)
        except Exception as error:  # noqa: BLE001  # raised where the page is asked for
            self._error = error
        finally:
            self._landed.set()
