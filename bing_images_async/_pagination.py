"""Pagination: the pages of one query over `offset` and `count`.

`nextOffset` of each answer is the offset of the next page; it may skip, repeat or go back, pages overlap,
and the estimate of matches is no more than that. So images are told apart by their id, and the
walk ends by rules that hold against any of it (API page "Page through results"; each rule names itself in
`ImagePager.stop_reason`).
"""

from __future__ import annotations

import base64
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from hashlib import blake2b
from types import TracebackType
from typing import Any, Literal, Self, get_args

import anyio
from attrs import evolve

from . import _validation as checks
from .errors import InvalidRequestError, SessionStateError
from .models import Attempt, Image, ImageAnswer
from .params import UNSET, SearchParams

__all__ = ["Dedupe", "ImagePager", "LARGEST_PAGE", "Pages", "StopReason"]

Fetch = Callable[[SearchParams], Awaitable[ImageAnswer]]

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

LARGEST_PAGE = 150
"""Images that one request can bring."""

_LARGEST_OFFSET = 65_535  # the documentation's unsigned short
_MARK_FORMAT = ">Q"  # 8 bytes: a chance of 1 in 10^10 that any two of 65,535 images share one


class ImagePager:
    """The images of a query, page after page: an async iterator that holds nothing between two of them.

        pager = session.iter_images("bird", limit=500)
        async for image in pager: ...

    It may be left at any image, and goes on where it was. `pages()` walks whole answers instead. Inside
    `async with pager:` the next page is fetched while you look at this one, if the limit needs it.

    Raises what `session.search` raises; the next step after an error asks for the same page again. One task at a
    time: a second one that asks while a page is on its way gets a `SessionStateError`.
    """

    requests: int
    """Pages that were fetched."""
    duplicates: int
    """Images that were passed over because they had come before."""
    total_estimated_matches: int | None
    """Of the latest page."""
    first: ImageAnswer | None
    """The first answer of this walk."""
    attempts: tuple[Attempt, ...]
    """What it took to get the pages so far: the attempts for each of them, one after the other."""

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
        checks.integer("page_size", page_size, 1, LARGEST_PAGE)
        checks.integer("max_pages", max_pages, 1, 2**31)
        self._fetch = fetch
        self._limit = limit
        self._max_pages = max_pages
        self._dedupe = checks.one_of_texts("dedupe", dedupe, get_args(Dedupe))
        self._stop_at_estimate = checks.flag("stop_at_estimate", stop_at_estimate)
        # One size for the whole walk: another size in mid-walk shifts what is on which page.
        size = page_size or params.count or min(LARGEST_PAGE, limit or LARGEST_PAGE)
        self._params = evolve(params, count=size)
        self._offset = self._page_offset = params.offset or 0
        self._end: StopReason | None = None
        self._page: deque[Image] = deque()
        self._seen: set[int] = set()
        self._given = self._pages = self._duplicates_before = 0
        self._taken = 0  # images given of this page
        self._taken_before = 0  # images of the page to be fetched that were given in an earlier walk
        self._is_cut = False  # the limit left images of this page out
        self._is_fetching = False
        self._ahead: _ReadAhead | None = None
        self.requests = 0
        self.duplicates = 0
        self.total_estimated_matches = None
        self.first = None
        self.attempts = ()
        if state is not None:
            self._restore(state, keep_size=page_size is None)

    @property
    def stop_reason(self) -> StopReason | None:
        """Why there are no more images; `None` while there may be more.

        `limit` (as many as asked for), `max_pages`, or by the service: `empty_page`, `no_next_offset`,
        `offset_repeats` (or goes back), `nothing_new` (only known images), `offset_too_large`, and, if asked for,
        `estimate`.
        """
        return None if self._page else self._why_no_page()

    # --- one image after the other

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Image:
        while not self._page:
            if self._why_no_page() is not None:
                raise StopAsyncIteration
            await self._next_page()
        self._given += 1
        self._taken += 1
        return self._page.popleft()

    # --- one page after the other

    def pages(self) -> Pages:
        """The answers themselves, as the service sent them, duplicates included; the same walk, the same limits.

        It begins with the next page: what is left of one under way is passed over.
        """
        return Pages(self._step)

    async def _step(self) -> ImageAnswer | None:
        """The next answer, if there is one."""
        self._pass_over()
        if self._why_no_page() is not None:
            return None
        answer = await self._next_page()
        self._pass_over()
        return answer

    def _pass_over(self) -> None:
        """All images of this page count as given, those beyond the limit too."""
        self._given += len(self._page)
        self._taken += len(self._page)
        self._page.clear()
        self._is_cut = False

    async def _next_page(self) -> ImageAnswer:
        asked = self._offset
        answer = await self._get(self._question())
        self.requests += 1
        self.attempts += answer.meta.attempts
        self.first = self.first or answer
        self.total_estimated_matches = answer.total_estimated_matches
        self._keep_context(answer)
        self._pages += 1
        self._page_offset = asked
        self._taken, self._taken_before = self._taken_before, 0
        fresh = self._take_in(answer)
        self._end = self._ending(answer, asked, is_new=fresh + self._taken > 0)
        if self._end is None:
            assert answer.next_offset is not None
            self._offset = answer.next_offset
        if self._ahead is not None and self._why_no_page() is None:
            self._ahead.start(self._question())
        return answer

    async def _get(self, question: SearchParams) -> ImageAnswer:
        if self._is_fetching:
            raise SessionStateError("Another task waits for a page of this ImagePager: each task needs its own.")
        self._is_fetching = True
        try:
            return await (self._fetch(question) if self._ahead is None else self._ahead.take(question))
        finally:
            self._is_fetching = False

    def _take_in(self, answer: ImageAnswer) -> int:
        """Keep what is new and within the limit; how many that are."""
        self._is_cut = False
        self._duplicates_before = self.duplicates
        skip = self._taken if self._dedupe is None else 0
        for position, image in enumerate(answer.value):
            if self._is_full():
                self._is_cut = True
                break
            marks = self._marks(image)
            if position < skip or not marks.isdisjoint(self._seen):
                self.duplicates += 1
            else:
                self._seen |= marks
                self._page.append(image)
        # What an earlier walk gave of this very page was no duplicate.
        self.duplicates = max(self._duplicates_before, self.duplicates - self._taken)
        return len(self._page)

    # --- when it ends

    def _is_full(self) -> bool:
        return self._limit is not None and self._given + len(self._page) >= self._limit

    def _why_no_page(self) -> StopReason | None:
        """Why no further page is fetched, if so."""
        if self._is_full():
            return "limit"
        if self._end is None and self._max_pages is not None and self._pages >= self._max_pages:
            return "max_pages"
        return self._end

    def _ending(self, answer: ImageAnswer, asked: int, *, is_new: bool) -> StopReason | None:
        """What in the answer says that it is the last."""
        if not answer.value:
            return "empty_page"
        if answer.next_offset is None:
            return "no_next_offset"
        if answer.next_offset <= asked:
            return "offset_repeats"
        if not is_new:
            return "nothing_new"
        estimate = answer.total_estimated_matches
        if self._stop_at_estimate and estimate is not None and answer.next_offset >= estimate:
            return "estimate"
        if answer.next_offset > _LARGEST_OFFSET:
            return "offset_too_large"
        return None

    # --- what is asked

    def _question(self) -> SearchParams:
        return evolve(self._params, offset=self._offset)

    def _keep_context(self, answer: ImageAnswer) -> None:
        """Ask for all pages as the same client in the same market: with others, results would shift.

        What the service says, and could not be sent as a parameter, is ignored.
        """
        if self._params.client_id is UNSET and answer.meta.client_id is not None:
            self._adopt(client_id=answer.meta.client_id)
        if self._params.market is UNSET and self._params.country_code in {UNSET, None} and answer.meta.market:
            self._adopt(market=answer.meta.market)

    def _adopt(self, **parameter: Any) -> None:
        with suppress(InvalidRequestError):
            self._params = evolve(self._params, **parameter)

    # --- duplicates

    def _marks(self, image: Image) -> set[int]:
        """Eight bytes for each name by which the image is known; without any it is known by all that it says."""
        if self._dedupe is None:
            return set()
        names = [image.image_id or image.content_url]
        if self._dedupe == "content_url":
            names = [image.image_id, image.content_url]
        known = [name for name in names if name] or [repr(image)]
        return {int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) for name in known}

    # --- going on later

    @property
    def state(self) -> dict[str, Any]:
        """Where the walk is, as plain data for JSON; `iter_images(..., state=...)` goes on from there.

        It may be continued with other limits. A page of which images were not taken yet is fetched again: none is
        lost and none comes twice.
        """
        is_left = bool(self._page) or self._is_cut
        untaken = {mark for image in self._page for mark in self._marks(image)}
        marks = b"".join(struct.pack(_MARK_FORMAT, mark) for mark in sorted(self._seen - untaken))
        return {
            "offset": self._page_offset if is_left else self._offset,
            "page_size": self._params.count,
            "taken": self._taken if is_left else self._taken_before,
            "given": self._given,
            "pages": self._pages - is_left,
            "requests": self.requests,
            "duplicates": self._duplicates_before if is_left else self.duplicates,
            "client_id": None if self._params.client_id is UNSET else self._params.client_id,
            "market": None if self._params.market is UNSET else self._params.market,
            "end": None if is_left else self._end,
            "seen": base64.b64encode(marks).decode(),
        }

    def _restore(self, state: Mapping[str, Any], *, keep_size: bool) -> None:
        try:
            names = ("offset", "taken", "given", "pages", "requests", "duplicates")
            counts = {name: checks.required(name, checks.integer(name, state[name], 0, 2**31)) for name in names}
            packed = base64.b64decode(state["seen"], validate=True)
            marks = [number for (number,) in struct.iter_unpack(_MARK_FORMAT, packed)]
            kept = {name: state[name] for name in ("client_id", "market") if state[name] is not None}
            if keep_size:
                kept["count"] = checks.required("page_size", state["page_size"])
            self._params = evolve(self._params, **kept)
            self._end = checks.one_of_texts("end", state["end"], get_args(StopReason))
        except (InvalidRequestError, KeyError, TypeError, ValueError, struct.error) as fault:
            raise checks.refuse("state", state, f"it is no state of an ImagePager ({fault!r})") from None
        self._offset = self._page_offset = counts["offset"]
        self._taken_before = counts["taken"]
        self._given, self._pages = counts["given"], counts["pages"]
        self.requests, self.duplicates = counts["requests"], counts["duplicates"]
        self._seen = set(marks)

    # --- reading ahead

    async def __aenter__(self) -> Self:
        if self._ahead is not None:
            raise SessionStateError("This ImagePager reads ahead already: it is inside its own `async with`.")
        ahead = _ReadAhead(self._fetch)
        await ahead.open()
        self._ahead = ahead
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await ahead.close()


class Pages:
    """The answers of an `ImagePager`, an async iterator."""

    def __init__(self, step: Callable[[], Awaitable[ImageAnswer | None]]) -> None:
        self._step = step

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ImageAnswer:
        answer = await self._step()
        if answer is None:
            raise StopAsyncIteration
        return answer


class _ReadAhead:
    """Holds one page that is on its way, in a task that ends with the block it belongs to."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._tasks = anyio.create_task_group()
        self._question: SearchParams | None = None
        self._landed = anyio.Event()
        self._answer: ImageAnswer | None = None
        self._error: BaseException | None = None

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
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # noqa: BLE001  # raised where the page is asked for
            self._error = error
        finally:
            self._landed.set()
