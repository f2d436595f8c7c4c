"""Walking the pages of one query.

`nextOffset` of each answer is the offset of the next page; it may skip, repeat or go back, pages overlap,
and the estimate of matches is no more than that. So images are told apart by their id, and the
walk ends by rules that hold against any of it (API page "Page through results"; each rule names itself in
`ImagePager.stop_reason`).
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from types import TracebackType
from typing import Any, Literal, Self

import anyio
import anyio.abc
from attrs import evolve

from . import _checks as checks
from .models import Attempt, Image, ImageAnswer
from .params import UNSET, SearchParams

__all__ = ["Dedupe", "ImagePager", "StopReason"]

Dedupe = Literal["image_id", "content_url"]

StopReason = Literal[
    "limit",
    "max_pages",
    "empty_page",
    "no_next_offset",
    "offset_repeats",
    "nothing_new",
    "estimate",
    "offset_too_large",
]

_LARGEST_PAGE = 150
_LARGEST_OFFSET = 65_535  # the documentation's unsigned short

Fetch = Callable[[SearchParams], Awaitable[ImageAnswer]]


class ImagePager:
    """The images of a query, page after page: an async iterator that holds nothing between two of them.

        pager = session.iter_images("bird", limit=500)
        async for image in pager: ...

    It may be left at any image, and goes on where it was. `pages()` walks whole answers instead. Inside
    `async with pager:` the next page is fetched while you look at this one, if the limit needs it.

    Raises what `session.search` raises; the next step after an error asks for the same page again.
    """

    stop_reason: StopReason | None
    """Why there are no more images: `limit` (as many as asked for), `max_pages`, or by the service: `empty_page`,
    `no_next_offset`, `offset_repeats` (or goes back), `nothing_new` (only known images), `offset_too_large`, and, if
    asked for, `estimate`. `None` while there may be more."""
    requests: int
    """Pages that were fetched."""
    duplicates: int
    """Images that were passed over because they had come before."""
    total_estimated_matches: int | None
    """Of the latest page."""
    first: ImageAnswer | None
    """The first answer of this walk."""
    attempts: tuple[Attempt, ...]
    """What it took to get the latest page."""

    def __init__(
        self,
        fetch: Fetch,
        params: SearchParams,
        *,
        limit: int | None = None,
        page_size: int | None = None,
        max_pages: int | None = None,
        dedupe: Dedupe | None = "image_id",
        stop_at_estimate: bool = False,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        checks.integer("limit", limit, 1, 2**31)
        checks.integer("page_size", page_size, 1, _LARGEST_PAGE)
        checks.integer("max_pages", max_pages, 1, 2**31)
        checks.one_of_texts("dedupe", dedupe, ("image_id", "content_url"))
        self._fetch = fetch
        self._limit = limit
        self._max_pages = max_pages
        self._dedupe: Dedupe | None = dedupe
        self._stop_at_estimate = checks.flag("stop_at_estimate", stop_at_estimate)
        # One size for the whole walk: another size in mid-walk shifts what is on which page.
        size = page_size or params.count or min(_LARGEST_PAGE, limit or _LARGEST_PAGE)
        self._params = evolve(params, count=size)
        self._offset = params.offset or 0
        self._page_offset = self._offset
        self._page: deque[Image] = deque()
        self._seen: set[int] = set()
        self._given = 0
        self._ahead: _ReadAhead | None = None
        self.stop_reason = None
        self.requests = 0
        self.duplicates = 0
        self.total_estimated_matches = None
        self.first = None
        self.attempts = ()
        if state is not None:
            self._restore(state)

    # --- one image after the other

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Image:
        while not self._page:
            if self.stop_reason is not None:
                raise StopAsyncIteration
            await self._next_page()
        self._given += 1
        return self._page.popleft()

    # --- one page after the other

    def pages(self) -> Pages:
        """The answers themselves, as the service sent them, duplicates included; the same walk, the same limits."""
        return Pages(self)

    async def _next_page(self) -> ImageAnswer:
        asked = self._offset
        answer = await (self._fetch(self._question()) if self._ahead is None else self._ahead.take(self._question()))
        self.requests += 1
        self.attempts = answer.meta.attempts
        self.first = self.first or answer
        self.total_estimated_matches = answer.total_estimated_matches
        self._keep_context(answer)
        self._page_offset = asked
        self.stop_reason = self._verdict(answer, asked, self._take_in(answer))
        if self.stop_reason is None:
            assert answer.next_offset is not None
            self._offset = answer.next_offset
            if self._ahead is not None:
                self._ahead.start(self._question())
        return answer

    def _take_in(self, answer: ImageAnswer) -> int:
        """Keep what is new and within the limit; how many that are."""
        before = len(self._page)
        for image in answer.value:
            if self._is_full():
                break
            marks = self._marks(image)
            if marks.isdisjoint(self._seen):
                self._seen |= marks
                self._page.append(image)
            else:
                self.duplicates += 1
        return len(self._page) - before

    def _is_full(self) -> bool:
        return self._limit is not None and self._given + len(self._page) >= self._limit

    def _verdict(self, answer: ImageAnswer, asked: int, fresh: int) -> StopReason | None:
        if self._is_full():
            return "limit"
        if not answer.value:
            return "empty_page"
        if answer.next_offset is None:
            return "no_next_offset"
        if answer.next_offset <= asked:
            return "offset_repeats"
        if not fresh:
            return "nothing_new"
        estimate = answer.total_estimated_matches
        if self._stop_at_estimate and estimate is not None and answer.next_offset >= estimate:
            return "estimate"
        if answer.next_offset > _LARGEST_OFFSET:
            return "offset_too_large"
        if self._max_pages is not None and self.requests >= self._max_pages:
            return "max_pages"
        return None

    def _question(self) -> SearchParams:
        return evolve(self._params, offset=self._offset)

    def _keep_context(self, answer: ImageAnswer) -> None:
        """Ask for all pages as the same client in the same market: with others, results would shift."""
        kept: dict[str, Any] = {}
        if self._params.client_id is UNSET and answer.meta.client_id is not None:
            kept["client_id"] = answer.meta.client_id
        if self._params.market is UNSET and self._params.country_code in {UNSET, None} and answer.meta.market:
            kept["market"] = answer.meta.market
        if kept:
            self._params = evolve(self._params, **kept)

    # --- duplicates

    def _marks(self, image: Image) -> set[int]:
        """Eight bytes for each name by which the image is known."""
        if self._dedupe is None:
            return set()
        names = [image.image_id or image.content_url]
        if self._dedupe == "content_url":
            names = [image.image_id, image.content_url]
        return {int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) for name in names if name}

    # --- going on later

    @property
    def state(self) -> dict[str, Any]:
        """Where the walk is, as plain data for JSON; `iter_images(..., state=...)` goes on from there.

        Images that were fetched and not taken yet are fetched again: none is lost and none comes twice.
        """
        untaken = {mark for image in self._page for mark in self._marks(image)}
        seen = sorted(self._seen - untaken)
        return {
            # A page that the limit cut short may hold more.
            "offset": self._page_offset if self._page or self.stop_reason == "limit" else self._offset,
            "given": self._given,
            "requests": self.requests,
            "duplicates": self.duplicates,
            "client_id": None if self._params.client_id is UNSET else self._params.client_id,
            "market": None if self._params.market is UNSET else self._params.market,
            "stop_reason": None if self._page else self.stop_reason,
            "seen": base64.b64encode(b"".join(mark.to_bytes(8) for mark in seen)).decode(),
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        try:
            seen = base64.b64decode(state["seen"], validate=True)
            self._seen = {int.from_bytes(seen[at : at + 8]) for at in range(0, len(seen), 8)}
            self._offset = self._page_offset = int(state["offset"])
            self._given = int(state["given"])
            self.requests = int(state["requests"])
            self.duplicates = int(state["duplicates"])
            self.stop_reason = state["stop_reason"]
            kept = {name: state[name] for name in ("client_id", "market") if state[name] is not None}
        except (KeyError, TypeError, ValueError) as fault:
            raise checks.refuse("state", state, f"it is no state of an ImagePager ({fault!r})") from None
        self._params = evolve(self._params, **kept)
        if self.stop_reason in {"limit", "max_pages"}:
            self.stop_reason = None
        if self._limit is not None and self._given >= self._limit:
            self.stop_reason = "limit"

    # --- reading ahead

    async def __aenter__(self) -> Self:
        self._ahead = _ReadAhead(self._fetch)
        await self._ahead.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await ahead.close()


class Pages:
    """The answers of an `ImagePager`, an async iterator."""

    def __init__(self, pager: ImagePager) -> None:
        self._pager = pager

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ImageAnswer:
        pager = self._pager
        if pager.stop_reason is not None:
            raise StopAsyncIteration
        answer = await pager._next_page()
        pager._given += len(pager._page)
        pager._page.clear()
        return answer


class _ReadAhead:
    """Fetches one page before it is asked for, in a task that ends with the block it belongs to."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._tasks: anyio.abc.TaskGroup | None = None
        self._question: SearchParams | None = None
        self._landed = anyio.Event()
        self._answer: ImageAnswer | None = None
        self._error: Exception | None = None

    async def open(self) -> None:
        self._tasks = await anyio.create_task_group().__aenter__()

    def start(self, question: SearchParams) -> None:
        assert self._tasks is not None
        self._question, self._landed, self._answer, self._error = question, anyio.Event(), None, None
        self._tasks.start_soon(self._run, question, name="read ahead")

    async def take(self, question: SearchParams) -> ImageAnswer:
        """The page that was fetched ahead, or one that is fetched now."""
        if self._question != question:
            return await self._fetch(question)
        await self._landed.wait()
        self._question = None
        if self._error is not None:
            raise self._error
        assert self._answer is not None
        return self._answer

    async def close(self) -> None:
        assert self._tasks is not None
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _run(self, question: SearchParams) -> None:
        try:
            self._answer = await self._fetch(question)
        except Exception as error:  # noqa: BLE001  # raised where the page is asked for
            self._error = error
        finally:
            self._landed.set()
