"""Image search inside a FastAPI service.

pip install fastapi uvicorn
export BING_IMAGES_KEY=...  # or BING_IMAGES_URL=local: to search the artwork of OpenMoji, without a key
uvicorn --app-dir examples fastapi_app:app
curl 'http://127.0.0.1:8000/images?q=paper+boat&timeout=2'

One session for the life of the service, shared by all of its requests; a deadline for each of them; the library's
errors as statuses; and when a client goes away, what was done for it ends, down to the request to the search service.
It does not start without a key or URL in the environment (`ImageSearchSession.from_env`).
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bing_images_async import ImageSearchSession
from bing_images_async.errors import (
    AttemptTimeoutError,
    BadRequestError,
    BingImagesError,
    BudgetExceededError,
    DeadlineExceededError,
    InvalidRequestError,
    QuotaExhaustedError,
    RateLimitedError,
    ServiceUnavailableError,
)


class CancelOnDisconnect:
    """ASGI middleware that ends a handler whose client has gone away.

    Servers only say so to those who ask (`receive`), and frameworks do not ask while a handler runs: it would go on
    to its end, and keep its place in every queue, for nobody. Tasks that run after the answer are left alone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # The body passes through here, for the word that the client left comes after it, by the same way.
        incoming, outgoing = anyio.create_memory_object_stream[Message](16)
        is_answered = False
        fault: Exception | None = None

        async def listen() -> None:
            while (message := await receive())["type"] != "http.disconnect":
                await incoming.send(message)
            if is_answered:
                incoming.close()
            else:
                tasks.cancel_scope.cancel()

        async def hear() -> Message:
            try:
                return await outgoing.receive()
            except anyio.EndOfStream:
                return {"type": "http.disconnect"}

        async def answer(message: Message) -> None:
            nonlocal is_answered
            is_answered = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        with incoming, outgoing:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                try:
                    await self.app(scope, hear, answer)
                except Exception as error:  # noqa: BLE001  # raised below, where no group is put around it
                    fault = error
                tasks.cancel_scope.cancel()
        if fault is not None:
            raise fault


def search_session(
    request: Request, timeout: Annotated[float, Query(gt=0, le=10, description="seconds")] = 5.0
) -> ImageSearchSession:
    """The dependency: a sibling of the service's session with the time that this request has."""
    session: ImageSearchSession = request.state.session
    return session.with_options(timeout=timeout)


Session = Annotated[ImageSearchSession, Depends(search_session)]

STATUSES: tuple[tuple[int, tuple[type[BingImagesError], ...]], ...] = (
    (400, (InvalidRequestError, BadRequestError)),
    (503, (RateLimitedError, ServiceUnavailableError, QuotaExhaustedError, BudgetExceededError)),
    (504, (DeadlineExceededError, AttemptTimeoutError)),
    (502, (BingImagesError,)),
)
"""Whose fault it is: the client's, the load's, the time's, or the search service's."""


async def as_status(_: Request, error: Exception) -> JSONResponse:
    """What went wrong with the search, for the client."""
    status = next(status for status, kinds in STATUSES if isinstance(error, kinds))
    wait = getattr(error, "retry_after", None)
    headers = {} if wait is None else {"Retry-After": str(math.ceil(wait))}
    return JSONResponse({"error": type(error).__name__, "message": str(error)}, status, headers)


async def images(session: Session, q: str, count: Annotated[int, Query(ge=1, le=150)] = 20) -> list[dict[str, Any]]:
    """Images for a query."""
    answer = await session.search(q, count=count)
    return [{"name": image.name, "url": image.content_url, "page": image.host_page_url} for image in answer.value]


async def health(request: Request) -> dict[str, Any]:
    """What the session is doing."""
    stats = request.state.session.stats
    return {"in_flight": stats.in_flight, "waiting": stats.waiting, "breaker": stats.breaker}


def create_app(open_session: Callable[[], ImageSearchSession] = ImageSearchSession.from_env) -> FastAPI:
    """The service, on a session of its own."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_session() as session:
            yield {"session": session}

    app = FastAPI(title="Images", lifespan=lifespan)
    app.add_middleware(CancelOnDisconnect)
    app.add_exception_handler(BingImagesError, as_status)
    app.get("/images")(images)
    app.get("/health")(health)
    return app


app = create_app()
