"""The ASGI application: its paths and settings."""

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

from .allowed_hosts import AllowedHosts, HostMiddleware
from .api.details_endpoint import details
from .api.endpoint import api_endpoint, gateway_response
from .api.error_bodies import ErrorEntry, GatewayError, service_body
from .api.search_endpoint import search
from .api.search_history import FileHistory, MemoryHistory
from .api.service_state import ServiceState
from .api.trending_endpoint import trending
from .catalogue.interface import Catalogue
from .cors import CrossOriginMiddleware
from .faults.admin import admin_route
from .faults.emulator import Emulator
from .faults.middleware import FaultMiddleware
from .faults.profiles import Profile
from .web import html_pages, image_files

PREFIXES = ("", "/v7.0", "/bing/v7.0", "/api/v7")
"""Prefixes of the API's paths. `searchLink`s in answers use the last."""


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
    allowed_hosts: Collection[str] = (),
    middleware: Sequence[Middleware] = (),
) -> Starlette:
    """Create an Image Search API v7 service over `catalogue`. It does not close the catalogue.

    keys: the accepted keys; None accepts every key and no key.
    key_header: name of one more header that may contain the key, besides the two of the API.
    seed: determines overlaps, gaps and estimates; the same seed gives the same answers.
    now: the clock; returns aware datetimes in UTC.
    history: SQLite file for the search history, from which trending is computed; None keeps it in memory.
    invent_modules: invent shops, recipes and people, so that details has all modules.
    profile: limits, latency and faults, or names of ready-made profiles ("free+slow"). `app.state.emulator` has the
        profile, which may be changed at any time, and the journal of requests.
    admin: serve `/__admin` to clients on this machine: the same over HTTP.
    allowed_hosts: names and addresses that requests may have in `Host`, and whose web pages may send uploads and read
        a private catalogue; "*" allows all. Loopback names and the address that a request came to always are allowed.
    middleware: ASGI middleware around every request, the first outermost. It receives the final responses, errors
        included, but not the effects of connection faults.

    Raises ValueError for an unknown profile and an invalid host.
    """
    state = ServiceState(
        catalogue=catalogue,
        keys=None if keys is None else frozenset(keys),
        key_header=key_header,
        seed=seed,
        now=now or _utc_now,
        invent_modules=invent_modules,
        history=MemoryHistory() if history is None else FileHistory(history),
        id_source=random.Random(seed),  # noqa: S311 - ids must differ, not be secret
    )

    hosts = AllowedHosts(allowed_hosts)
    emulator = Emulator(Profile.of(profile), seed=seed, keys=state.keys, key_header=key_header, now=state.now)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = "Resource not found" if error.status_code == 404 else error.detail
        return gateway_response(state, GatewayError(error.status_code, message, error.headers))

    async def unexpected_error(request: Request, error: Exception) -> Response:
        entry = ErrorEntry("ServerError", "UnexpectedError", "An unexpected error occurred.")
        return Response(service_body(entry), 500, media_type="application/json; charset=utf-8")

    app = Starlette(
        routes=[*_api_routes(state), *_web_routes(state), *([admin_route(emulator)] if admin else [])],
        middleware=[
            *middleware,
            Middleware(HostMiddleware, hosts),
            # An attribute of the catalogues of folders; other implementations of the protocol may lack it.
            Middleware(CrossOriginMiddleware, hosts, is_private=getattr(catalogue, "is_private", False)),
            Middleware(FaultMiddleware, emulator),
        ],
        exception_handlers={HTTPException: http_error, Exception: unexpected_error},
    )
    app.state.emulator = emulator
    return app


def _api_routes(state: ServiceState) -> list[Route]:
    endpoints = {
        "search": (search, ["GET"]),
        "details": (details, ["GET", "POST"]),
        "trending": (trending, ["GET"]),
    }
    return [
        Route(f"{prefix}/images/{name}", api_endpoint(state, handler), methods=methods)
        for prefix in PREFIXES
        for name, (handler, methods) in endpoints.items()
    ]


def _web_routes(state: ServiceState) -> list[Route]:
    def serving(
        handler: Callable[[ServiceState, Request], Awaitable[Response]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await handler(state, request)

        return endpoint

    paths = {
        "/": html_pages.home,
        "/web/images/search": html_pages.results,
        "/collection/{subject:path}": html_pages.collection,
        "/page/{short}/{name}": html_pages.picture_page,
        "/content/{short}/{name}": image_files.content,
        "/cdn/{short}/{name}": image_files.content,
        "/th": image_files.thumbnail,
        "/favicon.ico": image_files.favicon,
    }
    return [Route(path, serving(handler)) for path, handler in paths.items()]


def _utc_now() -> datetime:
    return datetime.now(UTC)
