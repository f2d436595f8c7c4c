"""What can be asked of a session: the three endpoints, the pages of a query, runs over many queries."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Iterable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any, Self, TypeVar, Unpack, cast

from attrs import evolve, fields

from . import _validation as checks
from ._fan_out import STOP_ON, FanOut, Found, Outcome, Progress
from ._options import CommonOptions, DetailsOptions, SearchOptions
from ._paging import LARGEST_PAGE, Dedupe, ImagePager
from ._pipeline.budget import Estimate
from ._pipeline.call import OnOutage
from ._pipeline.pipeline import Pipeline
from ._protocol.error_mapping import api_error
from ._protocol.messages import Reply, Upload
from ._protocol.response_reading import redirect_error
from ._settings import View, seconds
from ._upload import read_upload
from .errors import BingImagesError, InvalidRequestError
from .models import Answer, Image, ImageAnswer, ImageInsights, TrendingImages
from .params import CommonParams, DetailsParams, SearchParams, TrendingParams

__all__ = ["Endpoints"]

A = TypeVar("A", bound=Answer)
P = TypeVar("P", bound=CommonParams)


class Endpoints(ABC):
    """Questions to answers; `ImageSearchSession` adds the settings, the life and the chain."""

    # --- one call

    async def search(self, query: str | SearchParams, **options: Unpack[SearchOptions]) -> ImageAnswer:
        """Images for a query: one page of them (`GET /images/search`).

        `query` is the text, or `SearchParams`, of which `options` then change what they name.

        Raises `InvalidRequestError` before anything is sent, an `ApiError` for what the service refuses, and the
        other errors of `bing_images_async.errors` if no proper answer came.
        """
        self._check_life()
        return await self._ask("search", _search_params(query, options), ImageAnswer)

    async def details(self, params: DetailsParams | None = None, **options: Unpack[DetailsOptions]) -> ImageInsights:
        """What the service knows of one image (`/images/details`): by token, by address, or uploaded.

        Without `modules` everything is asked for. Raises the same errors as `search`.
        """
        self._check_life()
        question = _changed(params, DetailsParams, options)
        upload = None if question.image is None else await read_upload(question.image)
        return await self._ask("details", question, ImageInsights, upload)

    async def trending(self, params: TrendingParams | None = None, **options: Unpack[CommonOptions]) -> TrendingImages:
        """What people search for today, by category (`GET /images/trending`). Raises the same errors as `search`."""
        self._check_life()
        return await self._ask("trending", _changed(params, TrendingParams, options), TrendingImages)

    async def fetch(self, url: str) -> bytes:
        """A file of the session's own service: an original or a thumbnail of an answer, 16 MiB at most.

        Meant for `local()` and for services that keep their images themselves; it never sends the key. Raises
        `InvalidRequestError` for an address elsewhere, and the errors of `search`.
        """
        self._check_life()
        if not f"{url}/".startswith(f"{self._origin}/"):
            raise checks.refuse("url", url, f"it must lie under {self._origin}/; this session fetches nothing else")
        reply = await self._get(url)
        if 300 <= reply.status < 400:
            raise redirect_error(reply)
        if reply.status != 200:
            raise api_error(reply)
        return reply.body

    # --- one query, many pages

    def iter_images(
        self,
        query: str | SearchParams,
        *,
        limit: int | None = None,
        page_size: int | None = None,
        max_pages: int | None = None,
        dedupe: Dedupe | None = "image_id",
        stop_at_estimate: bool = False,
        state: Mapping[str, Any] | None = None,
        **options: Unpack[SearchOptions],
    ) -> ImagePager:
        """The images of a query, page after page; nothing is sent before the first is asked for.

        `limit`: this many images, if there are as many. `page_size`: 1 to 150 per request (by default as many as
        `limit` needs). `max_pages`: this many requests at most. `dedupe`: images are the same if their `image_id`
        is (or their address, where there is none); with `"content_url"` both must be new; `None` keeps all.
        `stop_at_estimate`: believe the service's estimate of matches. `state`: go on where another pager was
        (`ImagePager.state`). Raises `InvalidRequestError` for parameters that cannot be.
        """
        return ImagePager(
            self.search,
            # With the session's defaults in place the pager sees what is sent, and adopts nothing against it.
            _search_params(query, options).merged(self._view.defaults),
            limit=limit,
            page_size=page_size,
            max_pages=max_pages,
            dedupe=dedupe,
            stop_at_estimate=stop_at_estimate,
            state=state,
        )

    # --- many queries

    def fan_out(
        self,
        queries: Iterable[str | SearchParams] | AsyncIterable[str | SearchParams],
        *,
        concurrency: int | None = None,
        on_outage: OnOutage = "wait",
        ordered: bool = False,
        pages: int | None = None,
        limit: int | None = None,
        stop_on: Iterable[type[BingImagesError]] = STOP_ON,
        timeout: float | timedelta | None = None,
        progress: Callable[[Progress], None] | None = None,
        **options: Unpack[SearchOptions],
    ) -> FanOut:
        """Search for many queries at once.

            async with session.fan_out(queries) as outcomes:
                async for outcome in outcomes: ...

        The input is read as there is room; a slow consumer slows the run down. One failing query stops no other.
        Each query has the session's `timeout` for itself, in which waiting for permits and quota does not count.

        `concurrency`: queries under way at once (by default the session's `max_concurrency`). `ordered`: outcomes in
        the order of the input instead of as they come. `pages`, `limit`: for each query its first pages, or its
        first images. `stop_on`: errors that end the run; what was not sent by then is reported with that error and
        `was_sent=False`. `timeout`: seconds for the whole run, with the same end; an async input that has not come to
        its end by then is left, and `DeadlineExceededError` raised after the last outcome. `progress` is called after
        each outcome. `options` are those of `search`, for every query. A failed attempt is repeated up to four times
        unless the session was given a `retry`. Raises `InvalidRequestError` for arguments that cannot be; what is
        wrong with a single query is its own outcome.
        """
        self._check_life()
        _search_params("any", options)  # what is wrong for every query is no outcome of each
        errors = _error_classes(stop_on)
        checks.integer("pages", pages, 1, 2**31)
        checks.integer("limit", limit, 1, 2**31)
        sibling = self._for_a_run(on_outage)

        async def search(query: str | SearchParams) -> Found:
            params = _search_params(query, options)
            if pages is None and limit is None:
                answer = await sibling.search(params)
                return Found(answer=answer, images=answer.value, attempts=answer.meta.attempts)
            return await _walk(ImagePager(sibling._one_item(), params, limit=limit, max_pages=pages))

        return FanOut(
            queries,
            search,
            concurrency=checks.integer("concurrency", concurrency, 1, 100_000) or self._max_concurrency,
            ordered=checks.flag("ordered", ordered),
            stop_on=errors,
            timeout=seconds("timeout", timeout),
            progress=progress,
        )

    async def search_all(
        self, queries: Iterable[str | SearchParams] | AsyncIterable[str | SearchParams], **options: Any
    ) -> list[Outcome]:
        """All outcomes of `fan_out(queries, **options)`, in the order of the input."""
        async with self.fan_out(queries, **options) as outcomes:
            found = [outcome async for outcome in outcomes]
        return sorted(found, key=lambda outcome: outcome.index)

    def estimate(
        self,
        queries: int | Collection[str | SearchParams],
        limit: int | None = None,
        *,
        pages: int | None = None,
        count: int | None = None,
    ) -> Estimate:
        """What a run over `queries`, or over so many of them, would take; nothing is sent.

        `limit`, `pages` and `count` as they will be given to `fan_out`. Raises `InvalidRequestError` for arguments that
        cannot be, among them an iterator, which could be read only once.
        """
        checks.integer("limit", limit, 1, 2**31)
        checks.integer("pages", pages, 1, 2**31)
        checks.integer("count", count, 1, LARGEST_PAGE)
        most = min(limit or pages or 1, pages or limit or 1)  # each page but the last brings at least one image

        def usual(size: int | None) -> int:
            """Pages of a query with this `count` of its own."""
            size = count or size or min(LARGEST_PAGE, limit or LARGEST_PAGE)
            return most if limit is None else min(most, math.ceil(limit / size))

        if isinstance(queries, int):
            number = checks.required("queries", checks.integer("queries", queries, 0, 10**12))
            requests = number * usual(None)
        else:
            number = len(_collection(queries))
            requests = sum(usual(query.count if isinstance(query, SearchParams) else None) for query in queries)
        attempts = self._for_a_run("wait")._view.retry.attempts
        return self._engine.estimate(queries=number, requests=requests, most=number * most * attempts)

    # --- what a session adds

    _engine: Pipeline
    _view: View

    @abstractmethod
    async def _ask(self, endpoint: str, params: CommonParams, kind: type[A], upload: Upload | None = None) -> A:
        """Send a question and read the answer."""

    @abstractmethod
    async def _get(self, url: str) -> Reply:
        """A file, without the key."""

    @abstractmethod
    def _for_a_run(self, on_outage: OnOutage) -> Self:
        """A sibling for many queries."""

    @abstractmethod
    def _one_item(self) -> Callable[[SearchParams], Awaitable[ImageAnswer]]:
        """A `search` whose calls have the session's `timeout` together, not each."""

    @abstractmethod
    def _check_life(self) -> None:
        """Raises `SessionStateError` if the session cannot be used here and now."""

    @property
    @abstractmethod
    def _origin(self) -> str:
        """Scheme, host and port of the service."""

    @property
    @abstractmethod
    def _max_concurrency(self) -> int:
        """Attempts under way at once, at most."""


async def _walk(pager: ImagePager) -> Found:
    """All pages of one query; if one fails, what came before it is kept."""
    images: list[Image] = []
    try:
        async for image in pager:
            images.append(image)  # noqa: PERF401  # what came before an error is kept
    except BingImagesError as error:
        return Found(images=tuple(images), error=error, attempts=pager.attempts + error.attempts)
    return Found(answer=pager.first, images=tuple(images), attempts=pager.attempts, stop_reason=pager.stop_reason)


def _error_classes(stop_on: Any) -> frozenset[type[BingImagesError]]:
    try:
        kinds: frozenset[Any] = frozenset(stop_on)
        if all(issubclass(kind, BingImagesError) for kind in kinds):  # pyright: ignore[reportUnnecessaryIsInstance]  # users may give anything
            return kinds
    except TypeError:
        pass
    raise checks.refuse("stop_on", stop_on, "it must be classes of bing_images_async.errors")


def _collection(queries: Any) -> Collection[str | SearchParams]:
    if isinstance(queries, str | bytes) or not isinstance(queries, Collection):
        raise checks.refuse("queries", queries, "give a list of queries, or how many there are")
    return cast("Collection[str | SearchParams]", queries)


def _search_params(query: str | SearchParams, options: Mapping[str, Any]) -> SearchParams:
    if isinstance(query, SearchParams):
        return _changed(query, SearchParams, options)
    return _made(SearchParams, query, **options)


def _made(kind: type[P], *args: Any, **options: Any) -> P:
    """The parameters `kind`; a name it does not have is an `InvalidRequestError`, not a `TypeError`."""
    _check_names(kind, options)
    return kind(*args, **options)


def _changed(params: P | None, kind: type[P], options: Mapping[str, Any]) -> P:
    if params is None:
        return _made(kind, **options)
    checks.instance("params", params, kind)
    _check_names(kind, options)
    return evolve(params, **options) if options else params


def _check_names(kind: type[CommonParams], options: Mapping[str, Any]) -> None:
    unknown = options.keys() - _names(kind) if options else ()
    if unknown:
        name = min(unknown)
        raise InvalidRequestError(f"{kind.__name__} has no parameter {name!r}.", parameter=name)


def _read_names(kind: Any) -> frozenset[str]:
    return frozenset(a.alias for a in fields(kind))


_names: Callable[[Any], frozenset[str]] = cache(_read_names)
