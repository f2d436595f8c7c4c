"""The session: its connections or the client it was lent, the chain around them, and the three endpoints."""

from __future__ import annotations

import os
import pathlib
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeVar, Unpack

import anyio
import httpx
from attrs import evolve

from . import _validation as checks
from ._endpoints import Endpoints
from ._lifecycle import Lifecycle, finish
from ._pipeline.budget import Budget
from ._pipeline.call import Call, Middleware, OnOutage, Priority
from ._pipeline.pipeline import Pipeline, SessionStats
from ._pipeline.rate_limit import RateLimit
from ._pipeline.retry import RetryPolicy
from ._pipeline.send import httpx_of
from ._protocol.credentials import Auth, SubscriptionKey
from ._protocol.messages import Reply, Request, Upload
from ._protocol.request_building import Service, build
from ._protocol.response_reading import decipher
from ._settings import KeyLike, View, ViewOptions, auth_header, environment, hidden, key_source
from ._transport.client import make_client
from ._transport.pool import ConnectionPool
from ._transport.proxy import Proxies
from ._transport.tls import TLSContext
from .errors import InvalidRequestError, SessionStateError
from .events import Dispatcher, Observer
from .models import Answer, ImageAnswer
from .params import (
    JSON_LD,
    UNSET,
    CommonParams,
    Location,
    SafeSearch,
    SearchParams,
    Unset,
)

if TYPE_CHECKING:
    from .emulator import Catalogue, Profile

__all__ = ["DEFAULT_BASE_URL", "ImageSearchSession", "LOCAL_ORIGIN"]

A = TypeVar("A", bound=Answer)

DEFAULT_BASE_URL = "https://api.bing.microsoft.com/v7.0"
LOCAL_ORIGIN = "http://local.bing-images"
"""Where the URLs in answers of a local session lie; `session.fetch` gets them."""

DEFAULT_RETRY = RetryPolicy()
RUN_RETRY = RetryPolicy(attempts=5)
"""Of runs over many queries, unless the session was given a policy."""

_QUEUES = ("permit", "rate_limit", "breaker", "latch")
"""Waits that are no time of a query in a run over many."""

_CLOSING = 5.0  # seconds


class ImageSearchSession(Endpoints):
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
    client: an `httpx.AsyncClient` (or `httpx2.AsyncClient`) of yours. It is used as it is, never closed and never
        configured; its cookies, headers and redirect settings play no part. `session.client` is the client in use.
    proxy: URL of an HTTP proxy (`http://` or `https://`, with user and password if it wants them).
    verify: an `ssl.SSLContext`, or the path of a file (PEM) or folder of certificates to trust instead of certifi's.
    trust_env: honour `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and `SSL_CERT_DIR`. What is
        given as `proxy` or `verify` comes first.
    headers, params: sent with every call, as a gateway's second header, or Custom Search's `customConfig`.
    budget: the most requests to be sent, retries and pages included.
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
        self._service = Service.at(base_url)
        self._service.check_key(has_key, allow_http=checks.flag("allow_http", allow_http))
        self._auth_header = auth_header(auth)
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
        checks.callables("middleware", middleware)
        checks.callables("observers", observers)
        self._view = View.of(view, self._auth_header)
        checks.integer("max_concurrency", checks.required("max_concurrency", max_concurrency), 1, 100_000)
        self._resources = AsyncExitStack()
        pool: ConnectionPool | None = None
        if client is None:
            proxies, tls = _network_settings(proxy, verify, trust_env=checks.flag("trust_env", trust_env))
            pool = _own_pool(max_idle=max_concurrency, proxies=proxies, tls=tls)
            client = make_client(pool)
            self._resources.push_async_callback(client.aclose)
        else:
            _check_lent(client, proxy=proxy, verify=verify, trust_env=trust_env)
        self.client: Final = client
        """The `httpx.AsyncClient` in use: the session's own, or the one it was lent."""
        self._pipeline = Pipeline(
            client,
            pool,
            key,
            auth or SubscriptionKey(),
            self._service.origin,
            rate_limit=None if rate_limit is None else checks.instance("rate_limit", rate_limit, RateLimit),
            max_concurrency=max_concurrency,
            longest_pause=retry.max_retry_after,
            budget=None if budget is None else checks.instance("budget", budget, Budget),
            middleware=middleware,
            events=Dispatcher(observers),
            draw=random.Random(seed),  # noqa: S311  # jitter, no secrets
        )
        self._send = self._pipeline.chain(self._view.retry)
        self._lifecycle = Lifecycle()
        self._is_sibling = False
        self._local: Any = None

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

        It searches the artwork of OpenMoji, or the pictures in `folder`, or a `catalogue` of the emulator. A
        `profile` gives it limits and faults (docs/emulator.md).
        Any key is accepted, and nothing is paced. The index is opened, or built on first use, when the session is
        entered; `progress(done, total)` is called from the thread that builds. `session_options` are those of the
        constructor. `session.fetch(url)` gets the images that answers point to.

        Raises `ImportError` if the extra `emulator` is not installed, and `InvalidRequestError` for a folder or a
        profile that does not exist.
        """
        try:
            key = hidden(api_key)
        finally:
            del api_key  # tracebacks can show the variables of this frame
        from .emulator.local import LocalService

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
        return session

    @classmethod
    def from_env(cls, **session_options: Any) -> Self:
        """A session as the environment says: `BING_IMAGES_KEY` or `BING_IMAGES_KEY_FILE`, and `BING_IMAGES_URL`.

        With none of them set it is `local()`. `session_options` are those of the constructor.
        Raises `InvalidRequestError` if both forms of the key are set, or the file cannot be read.
        """
        if session_options.pop("api_key", None) is not None:
            raise InvalidRequestError("from_env() takes the key from the environment alone.", parameter="api_key")
        key, url = environment()
        if key is None and url is None:
            return cls.local(**session_options)
        return cls(key, base_url=url or DEFAULT_BASE_URL, **session_options)

    def with_options(self, **options: Unpack[ViewOptions]) -> Self:
        """A sibling with other settings: same client, same key, same limits; it costs next to nothing.

        It lives as long as the session it came from, and is neither entered nor closed itself.
        """
        sibling = object.__new__(type(self))  # copy.copy would pickle, which sessions refuse
        vars(sibling).update(vars(self))
        sibling._view = self._view.changed(options, self._auth_header)
        if sibling._view.retry != self._view.retry:
            sibling._send = self._pipeline.chain(sibling._view.retry)
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
        except (FileNotFoundError, NotADirectoryError) as fault:
            self._lifecycle.close()
            raise checks.refuse("folder", fault.filename, "it must be a folder that exists") from None
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

    # --- what the endpoints stand on

    async def _ask(self, endpoint: str, params: CommonParams, kind: type[A], upload: Upload | None = None) -> A:
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
            counts_queueing=view.counts_queueing,
            coalesce=view.coalesce,
        )
        with self._pipeline.watch(call, question):
            reply = await self._send(call)
            return decipher(
                reply,
                kind,
                attempts=tuple(call.attempts),
                elapsed=anyio.current_time() - started,
                keep_raw=view.keep_raw,
                json_ld=question.accept == JSON_LD,
            )

    async def _get(self, url: str) -> Reply:
        started = anyio.current_time()
        call = Call("fetch", Request("GET", url), started=started, deadline=started + self._view.timeout)
        return await self._pipeline.fetch(call)

    def _check_life(self) -> None:
        self._lifecycle.check()

    @property
    def _origin(self) -> str:
        return self._service.origin

    @property
    def _max_concurrency(self) -> int:
        return self._pipeline.max_concurrency

    def _for_a_run(self, on_outage: OnOutage) -> Self:
        changes: dict[str, Any] = {"on_outage": on_outage}
        if self._view.retry is DEFAULT_RETRY:
            changes["retry"] = RUN_RETRY
        sibling = self.with_options(**changes)
        sibling._view = evolve(sibling._view, counts_queueing=False)
        return sibling

    def _one_item(self) -> Callable[[SearchParams], Awaitable[ImageAnswer]]:
        left = self._view.timeout

        async def search(params: SearchParams) -> ImageAnswer:
            nonlocal left
            sibling = self.with_options()
            sibling._view = evolve(self._view, timeout=max(left, 1e-3))
            answer = await sibling.search(params)
            queued = sum(sum(attempt.waited.get(what, 0.0) for what in _QUEUES) for attempt in answer.meta.attempts)
            left -= answer.meta.elapsed - queued
            return answer

        return search

    @property
    def stats(self) -> SessionStats:
        """A snapshot of the session and all its siblings."""
        return self._pipeline.stats()

    def __repr__(self) -> str:
        service = getattr(self, "_service", None)  # tracebacks show sessions that could not be made, too
        return f"<{type(self).__name__} on {'no service' if service is None else service.base}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A session cannot be pickled: make one in each process.")


def _own_pool(*, max_idle: int, proxies: Proxies, tls: TLSContext) -> ConnectionPool:
    """The connections of a session that was lent no client."""
    return ConnectionPool(max_idle=max_idle, proxies=proxies, tls=tls)


def _network_settings(
    proxy: str | None, verify: ssl.SSLContext | str | None, *, trust_env: bool
) -> tuple[Proxies, TLSContext]:
    path = None if isinstance(verify, ssl.SSLContext) else checks.text("verify", verify)
    if path is not None and not pathlib.Path(path).exists():
        raise checks.refuse("verify", verify, "there is no such file or folder")
    if checks.text("proxy", proxy) is None and trust_env:
        return Proxies.from_env(), TLSContext(verify, trust_env=True)
    return Proxies.fixed(proxy), TLSContext(verify, trust_env=trust_env)


def _check_lent(client: object, **settings: object) -> None:
    """Raises `InvalidRequestError` for what is no client, and for settings that a lent client has itself."""
    try:
        httpx_of(client)
    except TypeError:
        raise checks.refuse("client", client, "it must be an httpx.AsyncClient (or httpx2.AsyncClient)") from None
    for name, value in settings.items():
        if value is not None and value is not False:
            raise InvalidRequestError(
                f"{name} and client exclude each other: give {name} to the client that you lend.", parameter=name
            )
