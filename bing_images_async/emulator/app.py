"""The ASGI application: which path leads where."""

import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .api.details_endpoint import details
from .api.endpoint import gated, gateway_reply
from .api.error_bodies import Fault, GatewayError, service_body
from .api.search_endpoint import search
from .api.search_history import FileHistory, MemoryHistory
from .api.service_state import Service
from .api.trending_endpoint import trending
from .catalogue.factories import Catalogue
from .faults.admin import admin_route
from .faults.middleware import Stage
from .faults.plans import Emulator
from .faults.profiles import Profile
from .web import media, pages

PREFIXES = ("", "/v7.0", "/bing/v7.0", "/api/v7")
"""Where the API answers. The last is what the links within answers name."""


def create_app(
    catalogue: Catalogue,
    *,
    keys: Collection[str] | None = None,
    key_header: str | None = None,
    seed: int = 0,
    now: Callable[[], datetime] | None = None,
    history: Path | None = None,
    invent_modules: bool = False,
    profile: Profile | str | None = None,
    admin: bool = False,
    middleware: Sequence[Middleware] = (),
) -> Starlette:
    """An Image Search API v7 service over `catalogue`, which stays the caller's to close.

    keys: the keys that are let in; None lets in every key and no key.
    key_header: one more header that may carry the key, beside the two the API knows.
    seed: decides the habits (overlaps, gaps, estimates); the same seed gives the same answers.
    now: the clock, aware and in UTC.
    history: SQLite file that keeps what was searched for, for trending; None keeps it in memory.
    invent_modules: make up shops, recipes and people, so that details has all of its modules.
    profile: limits, latency and faults, or the names of ready-made ones ("free+slow"). `app.state.emulator` has it,
        to be changed at any time, and the journal of what came in.
    admin: serve `/__admin` to callers on this machine, which does the same over HTTP.
    middleware: wrapped around every request, the first outermost. It sees the final replies, errors included, but
        not what faults do to the connection.

    Raises ValueError for a profile that there is not.
    """
    service = Service(
        catalogue=catalogue,
        keys=None if keys is None else frozenset(keys),
        key_header=key_header,
        seed=seed,
        now=now or _utc_now,
        invented=invent_modules,
        history=MemoryHistory() if history is None else FileHistory(history),
        identities=random.Random(seed),  # noqa: S311 - they only have to differ
    )

    emulator = Emulator(Profile.of(profile), seed=seed, keys=service.keys, key_header=key_header, now=service.now)

    async def not_served(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = "Resource not found" if error.status_code == 404 else error.detail
        return gateway_reply(service, GatewayError(error.status_code, message, error.headers))

    async def failed(request: Request, error: Exception) -> Response:
        fault = Fault("ServerError", "UnexpectedError", "An unexpected error occurred.")
        return Response(service_body(fault), 500, media_type="application/json; charset=utf-8")

    app = Starlette(
        routes=[*_api_routes(service), *_web_routes(service), *([admin_route(emulator)] if admin else [])],
        middleware=[*middleware, Middleware(Stage, emulator)],
        exception_handlers={HTTPException: not_served, Exception: failed},
    )
    app.state.emulator = emulator
    return app


def _api_routes(service: Service) -> list[Route]:
    endpoints = {
        "search": (search, ["GET"]),
        "details": (details, ["GET", "POST"]),
        "trending": (trending, ["GET"]),
    }
    return [
        Route(f"{prefix}/images/{name}", gated(service, handler), methods=methods)
        for prefix in PREFIXES
        for name, (handler, methods) in endpoints.items()
    ]


def _web_routes(service: Service) -> list[Route]:
    def serving(
        handler: Callable[[Service, Request], Awaitable[Response]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await handler(service, request)

        return endpoint

    paths = {
        "/": pages.home,
        "/web/images/search": pages.results,
        "/collection/{subject:path}": pages.collection,
        "/page/{short}/{name}": pages.picture_page,
        "/content/{short}/{name}": media.content,
        "/cdn/{short}/{name}": media.content,
        "/th": media.thumbnail,
        "/favicon.ico": media.favicon,
    }
    return [Route(path, serving(handler)) for path, handler in paths.items()]


def _utc_now() -> datetime:
    return datetime.now(UTC)
