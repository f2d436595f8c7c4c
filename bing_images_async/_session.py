"""The session: one `httpx.AsyncClient`, the chain around it, and the three endpoints."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar, Unpack

import anyio
import httpx
from attrs import evolve, fields

from . import _checks as checks
from ._engine import Engine, SessionStats
from ._flow.chain import Call, Middleware, OnOutage, Priority
from ._flow.pool import ConnectionPool
from ._flow.rate_limit import RateLimit
from ._flow.retry import RetryPolicy
from ._lifecycle import Lifecycle, finish
from ._options import CommonOptions, DetailsOptions, SearchOptions
from ._settings import KeyLike, View, ViewOptions, environment, key_source
from ._upload import read_upload
from ._wire.auth import Auth, SubscriptionKey
from ._wire.exchange import Request, Upload
from ._wire.faults import api_error
from ._wire.reply import decipher, redirect_error
from ._wire.request import Service, build
from .errors import InvalidRequestError, SessionStateError
from .events import Hub, Observer
from .models import Answer, ImageAnswer, ImageInsights, TrendingImages
from .params import (
    JSON_LD,
    UNSET,
    CommonParams,
    DetailsParams,
    Location,
    SafeSearch,
    SearchParams,
    TrendingParams,
    Unset,
)

if TYPE_CHECKING:
    from .emulator import Catalogue

__all__ = ["DEFAULT_BASE_URL", "ImageSearchSession", "LOCAL_ORIGIN"]

A = TypeVar("A", bound=Answer)
P = TypeVar("P", bound=CommonParams)

DEFAULT_BASE_URL = "https://api.bing.microsoft.com/v7.0"
LOCAL_ORIGIN = "http://local.bing-images"
"""Where the URLs in answers of a local session lie; `session.fetch` gets them."""

_CLOSING = 5.0  # seconds


class ImageSearchSession:
    """A session with an Image Search API v7 service, to be shared by all tasks of an event loop.

        async with ImageSearchSession(key) as session:
            answer = await session.search("paper boat", count=20)

    Parameters
    ----------
    api_key: the key, an `ApiKey`, or a function (plain or async) that returns it and is asked before every
        attempt. `None` sends no key; on Microsoft's hosts that is an `InvalidRequestError`.
    base_url: who answers: a host, a host with a version path, or the URL of an endpoint.
    auth: how the key is shown: `SubscriptionKey()` (the default), `Bearer()` or `HeaderKey("x-apikey")`.
    market … location: defaults for every call; `CommonParams` explains them.
    rate_limit: the quota of the key, which is never exceeded; `None` sends as fast as permits allow.
    max_concurrency: requests under way at once, at most.
    retry: how often and how patiently failed attempts are repeated.
    timeout: seconds (or a timedelta) that a whole call may take, waits included; `None` for no limit.
    on_outage: while the service is down, `"fail"` raises at once, `"wait"` waits with the call's clock stopped.
    priority: `"interactive"` calls pass `"bulk"` ones wherever there is a queue; use `with_options`.
    coalesce: equal calls that are under way at the same time share one request.
    client: an `httpx.AsyncClient` of yours. It is used as it is, never closed and never configured; its cookies,
        headers and redirect settings play no part.
    headers, params: sent with every call, as a gateway's second header, or Custom Search's `customConfig`.
    keep_raw: keep the parsed JSON on `answer.raw`.
    allow_http: let the key travel over plain HTTP to a host that is not this machine.
    middleware: links of your own, run once per attempt, before it waits for anything.
    observers: are told what happens (`bing_images_async.events`).
    seed: of the jitter, for tests that must repeat.

    Raises `InvalidRequestError` for a setting that cannot be.
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
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008  # frozen
        timeout: float | timedelta | None = 30.0,
        on_outage: OnOutage = "fail",
        client: httpx.AsyncClient | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        priority: Priority = "interactive",
        coalesce: bool = False,
        keep_raw: bool = False,
        allow_http: bool = False,
        middleware: Sequence[Middleware] = (),
        observers: Sequence[Observer] = (),
        seed: int | None = None,
    ) -> None:
        has_key = api_key is not None
        try:
            key = key_source(api_key)
        finally:
            del api_key  # tracebacks can show the variables of this frame
        self._service = Service.at(base_url)
        self._service.check_key(has_key, allow_http=checks.flag("allow_http", allow_http))
        self._auth_header = (auth or SubscriptionKey()).header("")[0]
        view = {
            "market": market,
            "country_code": country_code,
            "accept_language": accept_language,
            "set_lang": set_lang,
            "safe_search": safe_search,
            "user_agent": user_agent,
            "client_id": client_id,
            "client_ip": client_ip,
            "location": location,
            "timeout": timeout,
            "retry": retry,
            "on_outage": on_outage,
            "priority": priority,
            "coalesce": coalesce,
            "headers": headers,
            "params": params,
            "keep_raw": keep_raw,
        }
        self._view = View.of(view, self._auth_header)
        checks.integer("max_concurrency", checks.required("max_concurrency", max_concurrency), 1, 100_000)
        pool = ConnectionPool(max_idle=max_concurrency) if client is None else None
        self._resources = AsyncExitStack()
        if pool is not None:
            client = _own_client(pool)
            self._resources.push_async_callback(client.aclose)
        assert client is not None
        self._engine = Engine(
            client,
            pool,
            key,
            auth or SubscriptionKey(),
            rate_limit=None if rate_limit is None else checks.instance("rate_limit", rate_limit, RateLimit),
            max_concurrency=max_concurrency,
            longest_pause=retry.max_retry_after,
            middleware=middleware,
            hub=Hub(observers),
            draw=random.Random(seed),  # noqa: S311  # jitter, no secrets
        )
        self._send = self._engine.chain(self._view.retry)
        self._lifecycle = Lifecycle()
        self._is_sibling = False
        self._local: Any = None

    # --- other ways to make one

    @classmethod
    def local(
        cls,
        folder: str | os.PathLike[str] | None = None,
        *,
        catalogue: Catalogue | None = None,
        progress: Callable[[int, int], None] | None = None,
        **session_options: Any,
    ) -> Self:
        """A session on the library's own service, inside this process: no key, no network.

        It searches the artwork of OpenMoji, or the pictures in `folder`, or a `catalogue` of the emulator.
        Nothing is paced. The index is opened, or built on first use, when the session is entered;
        `progress(done, total)` is called from the thread that builds. `session_options` are those of the
        constructor. `session.fetch(url)` gets the images that answers point to.

        Raises `ImportError` if the extra `emulator` is not installed.
        """
        from .emulator.local import LocalService

        session_options.setdefault("rate_limit", None)
        for name in ("base_url", "client", "allow_http"):
            if name in session_options:
                raise InvalidRequestError(f"{name} has no place in a local session.", parameter=name)
        service = LocalService(folder, catalogue=catalogue, progress=progress)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(service), cookies=_no_cookies(), trust_env=False)
        session = cls(base_url=f"{LOCAL_ORIGIN}/v7.0", client=client, allow_http=True, **session_options)
        session._local = service
        return session

    @classmethod
    def from_env(cls, **session_options: Any) -> Self:
        """A session as the environment says: `BING_IMAGES_KEY` or `BING_IMAGES_KEY_FILE`, and `BING_IMAGES_URL`.

        With none of them set it is `local()`. `session_options` are those of the constructor.
        Raises `InvalidRequestError` if both forms of the key are set, or the file cannot be read.
        """
        key, url = environment()
        if key is None and url is None:
            return cls.local(**session_options)
        return cls(key, base_url=url or DEFAULT_BASE_URL, **session_options)

    def with_options(self, **options: Unpack[ViewOptions]) -> Self:
        """A sibling with other settings: same client, same key, same limits; it costs next to nothing.

        It lives as long as the session it came from, and is neither entered nor closed itself.
        """
        sibling = object.__new__(type(self))  # copy.copy would pickle, which sessions refuse
        sibling.__dict__.update(self.__dict__)
        sibling._view = self._view.changed(options, self._auth_header)
        if sibling._view.retry != self._view.retry:
            sibling._send = self._engine.chain(sibling._view.retry)
        sibling._is_sibling = True
        return sibling

    # --- life

    async def __aenter__(self) -> Self:
        if self._is_sibling:
            raise SessionStateError(
                "A sibling made by with_options() lives in the session it came from: enter that one."
            )
        self._lifecycle.open()
        try:
            if self._local is not None:
                await self._resources.enter_async_context(self._local)
        except BaseException:
            self._lifecycle.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the session and, unless it was given one, its client. May be called twice; takes 5 s at most."""
        if self._is_sibling:
            raise SessionStateError("A sibling made by with_options() is closed with the session it came from.")
        self._lifecycle.close()
        await finish(self._resources.aclose, within=_CLOSING)

    # --- the three endpoints

    async def search(self, query: str | SearchParams, **options: Unpack[SearchOptions]) -> ImageAnswer:
        """Images for a query: one page of them (`GET /images/search`).

        `query` is the text, or `SearchParams`, of which `options` then change what they name.

        Raises `InvalidRequestError` before anything is sent, an `ApiError` for what the service refuses, and the
        other errors of `bing_images_async.errors` if no proper answer came.
        """
        return await self._ask("search", self._search_params(query, options), ImageAnswer)

    async def details(self, params: DetailsParams | None = None, **options: Unpack[DetailsOptions]) -> ImageInsights:
        """What the service knows of one image (`/images/details`): by token, by address, or uploaded.

        Without `modules` everything is asked for. Raises the same errors as `search`.
        """
        question = _changed(params, DetailsParams, options)
        upload = None
        if question.image is not None:
            self._lifecycle.check()
            upload = await read_upload(question.image)
        return await self._ask("details", question, ImageInsights, upload=upload)

    async def trending(self, params: TrendingParams | None = None, **options: Unpack[CommonOptions]) -> TrendingImages:
        """What people search for today, by category (`GET /images/trending`). Raises the same errors as `search`."""
        return await self._ask("trending", _changed(params, TrendingParams, options), TrendingImages)

    async def fetch(self, url: str) -> bytes:
        """A file of the session's own service: an original or a thumbnail of an answer, 16 MiB at most.

        Meant for `local()` and for services that keep their images themselves; it never sends the key. Raises
        `InvalidRequestError` for an address elsewhere, and the errors of `search`.
        """
        self._lifecycle.check()
        origin = self._service.origin
        if not f"{url}/".startswith(f"{origin}/"):
            raise checks.refuse("url", url, f"it must lie under {origin}/; other hosts are not this session's business")
        started = anyio.current_time()
        call = Call("fetch", Request("GET", url), started=started, deadline=started + self._view.timeout)
        reply = await self._engine.fetch(call)
        if 300 <= reply.status < 400:
            raise redirect_error(reply)
        if reply.status != 200:
            raise api_error(reply)
        return reply.body

    # --- from a question to an answer

    def _search_params(self, query: str | SearchParams, options: Mapping[str, Any]) -> SearchParams:
        if isinstance(query, SearchParams):
            return _changed(query, SearchParams, options)
        return _made(SearchParams, query, **options)

    async def _ask(self, endpoint: str, params: CommonParams, kind: type[A], upload: Upload | None = None) -> A:
        self._lifecycle.check()
        view = self._view
        question = params.with_defaults(view.defaults)
        request = build(
            self._service,
            endpoint,
            question,
            extra_params=view.params,
            extra_headers=view.headers,
            upload=upload,
        )
        started = anyio.current_time()
        call = Call(
            endpoint,
            request,
            started=started,
            deadline=started + view.timeout,
            priority=view.priority,
            on_outage=view.on_outage,
            coalesce=view.coalesce,
        )
        with self._engine.watch(call, question):
            reply = await self._send(call)
            return decipher(
                reply,
                kind,
                attempts=tuple(call.attempts),
                elapsed=anyio.current_time() - started,
                keep_raw=view.keep_raw,
                json_ld=question.accept == JSON_LD,
            )

    @property
    def stats(self) -> SessionStats:
        """A snapshot of the session and all its siblings."""
        return self._engine.stats()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self._service.base}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A session cannot be pickled: make one in each process.")


def _made(kind: type[P], *args: Any, **options: Any) -> P:
    """The parameters `kind`; a name it does not have is an `InvalidRequestError`, not a `TypeError`."""
    _check_names(kind, options)
    return kind(*args, **options)


def _changed(params: P | None, kind: type[P], options: Mapping[str, Any]) -> P:
    if params is None:
        return _made(kind, **options)
    _check_names(kind, options)
    return evolve(params, **options) if options else params


def _check_names(kind: type[CommonParams], options: Mapping[str, Any]) -> None:
    unknown = options.keys() - {a.alias for a in fields(kind)}
    if unknown:
        name = min(unknown)
        raise InvalidRequestError(f"{kind.__name__} has no parameter {name!r}.", parameter=name)


def _own_client(pool: ConnectionPool) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=pool, cookies=_no_cookies(), trust_env=False, timeout=None)


def _no_cookies() -> CookieJar:
    """A jar that takes no cookie: they are barred beside a client id, and would tie users to each other."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))
