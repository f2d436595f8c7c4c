"""The session: its settings, its life, and everything that can be asked of it."""

from __future__ import annotations

import math
import os
import random
import ssl
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import cache, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar, Unpack, cast

import anyio
import httpx
from attrs import define, evolve, fields, frozen

from . import _validation as checks
from ._config import (
    LOCAL_URL,
    KeyLike,
    OptionChanges,
    SessionOptions,
    auth_header,
    check_lent_client,
    environment,
    hidden,
    key_source,
    missing_environment,
    network_settings,
    seconds,
)
from ._fan_out import STOP_ON, FanOut, Found, Outcome, Progress
from ._lifecycle import Lifecycle, finish
from ._logging import with_logging
from ._pagination import LARGEST_PAGE, Dedupe, ImagePager
from ._pipeline.budget import Budget, Estimate
from ._pipeline.call import Call, CallState, Middleware, OnOutage, Priority, Send
from ._pipeline.pipeline import Pipeline
from ._pipeline.rate_limit import RateLimit
from ._pipeline.retry import RetryPolicy
from ._pipeline.stats import SessionStats
from ._protocol.credentials import Auth, SubscriptionKey
from ._protocol.error_mapping import api_error
from ._protocol.messages import Request, Upload
from ._protocol.request_building import Service, build
from ._protocol.response_reading import read_response, redirect_error
from ._transport.client import make_client
from ._transport.pool import ConnectionPool
from ._transport.proxy import Proxies
from ._transport.tls import TLSContext
from ._upload import read_upload
from .errors import BingImagesError, InvalidRequestError, SessionStateError
from .events import Dispatcher, Observer
from .models import Answer, Image, ImageAnswer, ImageInsights, TrendingImages
from .params import (
    UNSET,
    CommonParams,
    DetailsParams,
    Location,
    SafeSearch,
    SearchParams,
    TrendingParams,
    Unset,
)
from .params.common import JSON_LD
from .params.keywords import CommonOptions, DetailsOptions, SearchOptions

if TYPE_CHECKING:
    from .emulator import Catalogue, Profile

__all__ = ["DEFAULT_BASE_URL", "ImageSearchSession", "LOCAL_ORIGIN"]

A = TypeVar("A", bound=Answer)
P = TypeVar("P", bound=CommonParams)

DEFAULT_BASE_URL = "https://api.bing.microsoft.com/v7.0"
LOCAL_ORIGIN = "http://local.bing-images"
"""Origin of the URLs in answers of a local session; `session.fetch` gets them."""

DEFAULT_RETRY = RetryPolicy()
RUN_RETRY = RetryPolicy(attempts=5)
"""For runs over many queries, unless the session was given a policy."""

_CLOSE_TIMEOUT = 5.0  # seconds
_LEAST_TIMEOUT = 1e-3  # seconds


@frozen
class _Shared:
    """What a session and its siblings have in common."""

    client: httpx.AsyncClient
    service: Service
    auth_header: str
    pipeline: Pipeline
    resources: AsyncExitStack
    lifecycle: Lifecycle


@define
class _Allowance:
    """The seconds that several calls may take together; `None` for no limit."""

    left: float | None


class ImageSearchSession:
    """A session with an Image Search API v7 service, to be shared by all tasks of an event loop.

        async with ImageSearchSession(key) as session:
            answer = await session.search("paper boat", count=20)

    Args:
        api_key: The key, an `ApiKey`, or a function (plain or async) that returns it and is called before every
            attempt. `None` sends no key; on Microsoft's hosts that is an `InvalidRequestError`.
        base_url: The service: a host, a host with a version path, or the URL of an endpoint.
        auth: How the key is sent: `SubscriptionKey()` (the default), `Bearer()` or `HeaderKey("x-apikey")`.
        market, country_code, accept_language, set_lang, safe_search, user_agent, client_id, client_ip, location:
            Defaults for every call; `CommonParams` explains them.
        rate_limit: The quota of the key, never exceeded; `None` sends as fast as `max_concurrency` allows.
        max_concurrency: Most concurrent requests.
        retry: How often, and after which waits, failed attempts are repeated.
        timeout: Seconds (or a timedelta) that a whole call may take, waits included; `None` for no limit.
        on_outage: While the service is down, `"fail"` raises at once; `"wait"` waits with the call's clock paused.
        client: An `httpx.AsyncClient` (or `httpx2.AsyncClient`) of yours, lent to the session: used as it is, never
            closed and never configured. Its cookies, headers and redirect settings play no part.
        proxy: URL of an HTTP proxy (`http://` or `https://`, with user and password if it needs them).
        verify: An `ssl.SSLContext`, or the path of a file (PEM) or folder of certificates to trust instead of
            certifi's.
        trust_env: Honour `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR`.
            `proxy` and `verify` come first.
        headers, params: Sent with every call, such as a gateway's second header, or Custom Search's `customConfig`.
        priority: `"interactive"` calls pass `"bulk"` ones in every queue; usually set by `with_options`.
        coalesce: Equal calls that are in flight at the same time share one request.
        keep_raw: Keep the parsed JSON on `answer.raw`.
        allow_http: Let the key travel over plain HTTP to a host that is not this machine.
        budget: The most requests to be sent, retries and pages included.
        middleware: Steps of your own, run once per attempt, before the attempt waits for anything.
        observers: Called with every event (`bing_images_async.events`).
        seed: Of the jitter, for tests that must repeat.

    Raises:
        InvalidRequestError: A setting is not allowed.
    """

    def __init__(
        self,
        api_key: KeyLike | None = None,
        *,
        base_url: str = DEFAULT_BASE_URL,
        auth: Auth | None = None,
        market: str | Unset | None = UNSET,
        country_code: str | Unset | None = UNSET,
        accept_language: str | Unset | None = UNSET,
        set_lang: str | Unset | None = UNSET,
        safe_search: SafeSearch | str | Unset | None = UNSET,
        user_agent: str | Unset | None = UNSET,
        client_id: str | Unset | None = UNSET,
        client_ip: str | Unset | None = UNSET,
        location: Location | Unset | None = UNSET,
        rate_limit: RateLimit | None = RateLimit(3, per=1.0, burst=1, jitter=0.03),  # noqa: B008  # frozen
        max_concurrency: int = 64,
        retry: RetryPolicy = DEFAULT_RETRY,
        timeout: float | timedelta | None = 30.0,
        on_outage: OnOutage = "fail",
        client: httpx.AsyncClient | None = None,
        proxy: str | None = None,
        verify: ssl.SSLContext | str | None = None,
        trust_env: bool = False,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        priority: Priority = "interactive",
        coalesce: bool = False,
        keep_raw: bool = False,
        allow_http: bool = False,
        budget: Budget | None = None,
        middleware: Sequence[Middleware] = (),
        observers: Sequence[Observer] = (),
        seed: int | None = None,
    ) -> None:
        has_key = api_key is not None
        try:
            key = key_source(api_key)
        finally:
            del api_key  # tracebacks can show the variables of this frame
        changeable = {name: value for name, value in locals().items() if name in OptionChanges.__annotations__}
        service = Service.at(base_url)
        service.check_key(has_key, allow_http=checks.flag("allow_http", allow_http))
        header = auth_header(auth)
        self._options = SessionOptions.of(changeable, header)
        checks.callables("middleware", middleware)
        checks.callables("observers", observers)
        checks.integer("max_concurrency", checks.required("max_concurrency", max_concurrency), 1, 100_000)
        resources = AsyncExitStack()
        pool: ConnectionPool | None = None
        if client is None:
            proxies, tls = network_settings(proxy, verify, trust_env=trust_env)
            pool = _own_pool(max_idle=max_concurrency, proxies=proxies, tls=tls)
            client = make_client(pool)
            resources.push_async_callback(client.aclose)
        else:
            check_lent_client(client, proxy=proxy, verify=verify, trust_env=trust_env)
        self._seed, self._draw = seed, random.Random(seed)  # noqa: S311  # jitter, no secrets
        pipeline = Pipeline(
            client,
            pool,
            key,
            auth or SubscriptionKey(),
            service.origin,
            rate_limit=None if rate_limit is None else checks.instance("rate_limit", rate_limit, RateLimit),
            max_concurrency=max_concurrency,
            longest_pause=retry.max_retry_after,
            budget=None if budget is None else checks.instance("budget", budget, Budget),
            middleware=middleware,
            events=Dispatcher(with_logging(observers)),
            draw=self._draw,
        )
        self._shared = _Shared(client, service, header, pipeline, resources, Lifecycle())
        self._send: Send = pipeline.build(self._options.retry)
        self._is_sibling = False
        self._local: Any = None
        self._folder: str | None = None

    # --- other ways to make one

    @classmethod
    def local(
        cls,
        folder: str | os.PathLike[str] | None = None,
        *,
        api_key: KeyLike | None = None,
        catalogue: Catalogue | None = None,
        profile: Profile | str | None = None,
        progress: Callable[[int, int], None] | None = None,
        **session_options: Any,
    ) -> Self:
        """A session on the library's own service, inside this process: no key, no network.

        The index is opened, or built on first use, when the session is entered. `session.fetch(url)` gets the images
        that answers point to. Nothing is paced.

        Args:
            folder: Search the pictures in this folder; by default the artwork of OpenMoji.
            api_key: Any key is accepted.
            catalogue: Search a catalogue of the emulator.
            profile: Limits and faults of the service (docs/emulator.md).
            progress: Called with (done, total) from the thread that builds the index.
            session_options: Options of the constructor.

        Raises:
            ImportError: The extra `emulator` is not installed.
            InvalidRequestError: There is no such folder or profile, or an option has no place here.
        """
        try:
            key = hidden(api_key)
        finally:
            del api_key  # tracebacks can show the variables of this frame
        from .emulator.local import LocalService

        if not isinstance(folder, str | os.PathLike | None):  # pyright: ignore[reportUnnecessaryIsInstance]  # users may give anything
            raise checks.refuse("folder", folder, "it must be the path of a folder")
        session_options.setdefault("rate_limit", None)
        for name in ("base_url", "client", "allow_http", "proxy", "verify", "trust_env"):
            if name in session_options:
                raise InvalidRequestError(f"{name} has no place in a local session.", parameter=name)
        try:
            service = LocalService(folder, catalogue=catalogue, profile=profile, progress=progress)
        except ValueError as fault:
            raise InvalidRequestError(str(fault), parameter="profile") from None
        client = httpx.AsyncClient(transport=httpx.ASGITransport(service), trust_env=False)
        session = cls(key, base_url=f"{LOCAL_ORIGIN}/v7.0", client=client, allow_http=True, **session_options)
        session._local = service
        session._folder = None if folder is None else os.fspath(folder)
        return session

    @classmethod
    def from_env(cls, **session_options: Any) -> Self:
        """A session as the environment says: `BING_IMAGES_KEY` or `BING_IMAGES_KEY_FILE`, and `BING_IMAGES_URL`.

        `BING_IMAGES_URL=local:` is `local()`, for which options of the network are ignored. Without it the service is
        Microsoft's, which needs a key.

        Args:
            session_options: Options of the constructor.

        Raises:
            InvalidRequestError: None of the variables is set, both forms of the key are, or the file cannot be read.
        """
        if session_options.pop("api_key", None) is not None:
            raise InvalidRequestError("from_env() takes the key from the environment alone.", parameter="api_key")
        key, url = environment()
        if url == LOCAL_URL:
            for_networks = ("allow_http", "proxy", "trust_env", "verify")
            return cls.local(
                api_key=key, **{name: value for name, value in session_options.items() if name not in for_networks}
            )
        if key is None and url is None:
            raise missing_environment()
        return cls(key, base_url=url or DEFAULT_BASE_URL, **session_options)

    def with_options(self, **options: Unpack[OptionChanges]) -> Self:
        """A sibling with other settings: same client, same key, same limits; it costs next to nothing.

        It lives as long as the session it came from, and is neither entered nor closed itself.
        """
        return self._sibling(self._options.changed(options, self._shared.auth_header))

    def _sibling(self, options: SessionOptions) -> Self:
        sibling = object.__new__(type(self))
        sibling._shared = self._shared
        sibling._options = options
        same_retry = options.retry == self._options.retry
        sibling._send = self._send if same_retry else self._shared.pipeline.build(options.retry)
        sibling._is_sibling = True
        sibling._local = self._local
        return sibling

    # --- life

    async def __aenter__(self) -> Self:
        if self._is_sibling:
            raise SessionStateError(
                "A sibling made by with_options() lives in the session it came from: enter that one."
            )
        lifecycle = self._shared.lifecycle
        lifecycle.open()
        if self._seed is None:
            self._draw.seed()  # workers that were forked from one process must not draw the same
        try:
            if self._local is not None:
                await self._shared.resources.enter_async_context(self._local)
        except BaseException as fault:
            lifecycle.close()
            if self._folder is not None and isinstance(fault, OSError) and not os.path.isdir(self._folder):  # noqa: PTH112, ASYNC240
                raise checks.refuse("folder", self._folder, "it must be a folder that exists") from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the session and, unless it was lent one, its client. May be called twice; takes 5 s at most.

        Calls in flight end with `SessionStateError`.

        Raises:
            SessionStateError: This is a sibling, or the session was entered in another event loop or process.
        """
        if self._is_sibling:
            raise SessionStateError("A sibling made by with_options() is closed with the session it came from.")
        self._shared.lifecycle.close()
        self._shared.pipeline.close()
        await finish(self._shared.resources.aclose, within=_CLOSE_TIMEOUT)

    @property
    def client(self) -> httpx.AsyncClient:
        """The `httpx.AsyncClient` in use: the session's own, or the one it was lent.

        The session's own follows no redirects, keeps no cookies and reads nothing from the environment.
        """
        return self._shared.client

    @property
    def stats(self) -> SessionStats:
        """A snapshot of the session and all its siblings."""
        return self._shared.pipeline.stats()

    def __repr__(self) -> str:
        shared = getattr(self, "_shared", None)  # tracebacks show sessions that could not be made, too
        return f"<{type(self).__name__} on {'no service' if shared is None else shared.service.base}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A session cannot be pickled: make one in each process.")

    # --- one call

    async def search(self, query: str | SearchParams, **options: Unpack[SearchOptions]) -> ImageAnswer:
        """One page of images for a query (`GET /images/search`).

        Args:
            query: The text, or `SearchParams`, of which `options` then change what they name.
            options: The fields of `SearchParams`.

        Raises:
            InvalidRequestError: A parameter is not allowed; nothing was sent.
            ApiError: The service refused.
            BingImagesError: No proper answer came; see `bing_images_async.errors`.
        """
        return await self._ask("search", _search_params(query, options), ImageAnswer)

    async def details(self, params: DetailsParams | None = None, **options: Unpack[DetailsOptions]) -> ImageInsights:
        """Insights about one image (`/images/details`): by token, by address, or uploaded.

        Without `modules` all modules are asked for. Raises the errors of `search`.
        """
        self._shared.lifecycle.check()
        question = _changed(params, DetailsParams, options)
        upload = None if question.image is None else await read_upload(question.image)
        return await self._ask("details", question, ImageInsights, upload=upload)

    async def trending(self, params: TrendingParams | None = None, **options: Unpack[CommonOptions]) -> TrendingImages:
        """Popular searches of today, by category (`GET /images/trending`). Raises the errors of `search`."""
        return await self._ask("trending", _changed(params, TrendingParams, options), TrendingImages)

    async def fetch(self, url: str) -> bytes:
        """A file of the session's own service: an original or a thumbnail of an answer, 16 MiB at most.

        Meant for `local()` and for services that keep their images themselves. The key is not sent.

        Raises:
            InvalidRequestError: The URL is not one of the service.
            BingImagesError: As `search`.
        """
        shared = self._shared
        shared.lifecycle.check()
        origin = shared.service.origin
        if not f"{url}/".startswith(f"{origin}/"):
            raise checks.refuse("url", url, f"it must lie under {origin}/; this session fetches nothing else")
        reply = await shared.pipeline.fetch(self._new_call("fetch", Request("GET", url), self._options.timeout))
        if 300 <= reply.status < 400:
            raise redirect_error(reply)
        if reply.status != 200:
            raise api_error(reply)
        return reply.body

    async def _ask(
        self,
        endpoint: str,
        params: CommonParams,
        kind: type[A],
        *,
        upload: Upload | None = None,
        allowance: _Allowance | None = None,
    ) -> A:
        """Send a question and read the answer, within `allowance` if there is one, else within `timeout`."""
        options, shared = self._options, self._shared
        shared.lifecycle.check()
        question = params.with_defaults(options.defaults)
        request = build(
            shared.service,
            endpoint,
            question,
            extra_params=tuple(options.params.items()),
            extra_headers=options.headers,
            upload=upload,
        )
        call = self._new_call(endpoint, request, options.timeout if allowance is None else allowance.left)
        with shared.pipeline.watch(call, question):
            reply = await self._send(call)
            ended = anyio.current_time()
            if allowance is not None and allowance.left is not None:
                allowance.left = max(call.deadline - ended, _LEAST_TIMEOUT)
            return read_response(
                reply,
                kind,
                attempts=call.attempts,
                elapsed=ended - call.started,
                keep_raw=options.keep_raw,
                json_ld=question.accept == JSON_LD,
            )

    def _new_call(self, endpoint: str, request: Request, timeout: float | None) -> Call:
        options, started = self._options, anyio.current_time()
        return Call(
            endpoint,
            request,
            started,
            options.priority,
            options.on_outage,
            options.coalesce,
            counts_queueing=options.counts_queueing,
            state=CallState(math.inf if timeout is None else started + timeout),
        )

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

        Args:
            query: The text, or `SearchParams`, of which `options` then change what they name.
            limit: The most images.
            page_size: Images per request, 1 to 150; by default as many as `limit` needs.
            max_pages: The most requests.
            dedupe: Two images are the same if their `image_id` is (or their address, where there is none); with
                `"content_url"` both must be new; `None` keeps all.
            stop_at_estimate: Stop at the service's estimate of matches.
            state: Continue where another pager was (`ImagePager.state`).
            options: The fields of `SearchParams`.

        Raises:
            InvalidRequestError: A parameter is not allowed.
        """
        return ImagePager(
            self.search,
            # With the session's defaults in place the pager sees what is sent, and adopts nothing against it.
            _search_params(query, options).merged(self._options.defaults),
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

        The input is read as there is room; a slow consumer slows the run down. A query that fails stops no other.
        Each query has the session's `timeout` for itself, in which waiting for permits and quota does not count. A
        failed attempt is repeated up to four times unless the session was given a `retry`.

        Args:
            queries: Any iterable or async iterable of texts and `SearchParams`.
            concurrency: Queries in progress at once; by default the session's `max_concurrency`.
            on_outage: As in the session.
            ordered: Give outcomes in the order of the input instead of as they complete.
            pages: For each query its first pages.
            limit: For each query its first images.
            stop_on: Errors that end the run; what was not sent by then is reported with that error and
                `was_sent=False`.
            timeout: Seconds for the whole run, with the same end. An async input that has not ended by then is left,
                and `DeadlineExceededError` is raised after the last outcome.
            progress: Called after each outcome.
            options: The fields of `SearchParams`, for every query.

        Raises:
            InvalidRequestError: An argument is not allowed. What is wrong with a single query is its own outcome.
        """
        self._shared.lifecycle.check()
        _check_names(SearchParams, options)
        SearchParams.check(options)  # what is wrong for every query is no outcome of each
        errors = _error_classes(stop_on)
        checks.integer("pages", pages, 1, 2**31)
        checks.integer("limit", limit, 1, 2**31)
        sibling = self._for_a_run(on_outage)

        async def search(query: str | SearchParams) -> Found:
            params = _search_params(query, options)
            if pages is None and limit is None:
                answer = await sibling.search(params)
                return Found(answer=answer, images=answer.value, attempts=answer.meta.attempts)
            allowance = _Allowance(sibling._options.timeout)
            fetch = partial(sibling._ask, "search", kind=ImageAnswer, allowance=allowance)
            return await _walk(ImagePager(fetch, params, limit=limit, max_pages=pages))

        return FanOut(
            queries,
            search,
            concurrency=checks.integer("concurrency", concurrency, 1, 100_000) or self._shared.pipeline.max_concurrency,
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
        """Requests, cost and time of a run over `queries`, or over so many of them; nothing is sent.

        `limit`, `pages` and `count` as they will be given to `fan_out`.

        Raises:
            InvalidRequestError: An argument is not allowed, among them an iterator, which could be read only once.
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
        attempts = self._for_a_run("wait")._options.retry.attempts
        return self._shared.pipeline.estimate(queries=number, requests=requests, most=number * most * attempts)

    def _for_a_run(self, on_outage: OnOutage) -> Self:
        """A sibling for many queries: more attempts, and waiting in queues does not count against the timeout."""
        retry = RUN_RETRY if self._options.retry is DEFAULT_RETRY else self._options.retry
        return self._sibling(evolve(self._options, on_outage=on_outage, retry=retry, counts_queueing=False))


async def _walk(pager: ImagePager) -> Found:
    """All pages of one query; if one fails, the images before it are kept."""
    images: list[Image] = []
    try:
        async for image in pager:
            images.append(image)  # noqa: PERF401  # what came before an error is kept
    except BingImagesError as error:
        return Found(images=tuple(images), error=error, attempts=pager.attempts + error.attempts)
    return Found(answer=pager.first, images=tuple(images), attempts=pager.attempts, stop_reason=pager.stop_reason)


def _own_pool(*, max_idle: int, proxies: Proxies, tls: TLSContext) -> ConnectionPool:
    """The connections of a session that was lent no client."""
    return ConnectionPool(max_idle=max_idle, proxies=proxies, tls=tls)


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


# --- keyword arguments to parameters


def _search_params(query: str | SearchParams, options: Mapping[str, Any]) -> SearchParams:
    if isinstance(query, SearchParams):
        return _changed(query, SearchParams, options)
    _check_names(SearchParams, options)
    return SearchParams(query, **options)


def _changed(params: P | None, kind: type[P], options: Mapping[str, Any]) -> P:
    _check_names(kind, options)
    if params is None:
        return kind(**options)
    checks.instance("params", params, kind)
    return evolve(params, **options) if options else params


def _check_names(kind: type[CommonParams], options: Mapping[str, Any]) -> None:
    """Raise `InvalidRequestError`, not `TypeError`, for a name that `kind` does not have."""
    unknown = options.keys() - _names(kind) if options else ()
    if unknown:
        name = min(unknown)
        raise InvalidRequestError(f"{kind.__name__} has no parameter {name!r}.", parameter=name)


def _read_names(kind: Any) -> frozenset[str]:
    return frozenset(a.alias for a in fields(kind))


_names: Callable[[Any], frozenset[str]] = cache(_read_names)
