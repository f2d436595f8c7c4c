"""ASGI middleware that applies faults, latency and limits, and records each request in the journal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from email.utils import format_datetime

import attrs
import httpx
import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .body_faults import BODY_FAULTS
from .connection_faults import CONNECTION_FAULTS, NO_REPLY_FAULTS, Step
from .connection_playback import connection_of, disconnects_within, run_steps
from .emulated_reply import EmulatedReply
from .emulator import Emulator
from .error_responses import ERROR_RESPONSES, quota_exceeded, rate_limited
from .paging_faults import PAGING_FAULTS
from .plans import Plan
from .request_journal import Ending

__all__ = ["ADMIN_PATH", "FaultMiddleware"]

ADMIN_PATH = "/__admin"

_ANSWER_FAULTS = {**BODY_FAULTS, **PAGING_FAULTS}


@attrs.define
class _Progress:
    """How far a request got. A request that ends without a reply counts as aborted."""

    status: int | None = None
    ending: Ending = "aborted"


class FaultMiddleware:
    """Apply the plan that the `Emulator` makes for each API call, and record every request."""

    def __init__(self, app: ASGIApp, emulator: Emulator) -> None:
        self._app = app
        self._emulator = emulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith(ADMIN_PATH):
            await self._app(scope, receive, send)
            return
        connection = connection_of(scope)
        try:
            record, plan = self._emulator.receive(scope, None if connection is None else connection.number)
        except ValueError as error:
            await self._send(EmulatedReply.json(400, msgspec.json.encode({"error": str(error)})), send)
            return
        if connection is not None:
            connection.idle_timeout = self._emulator.profile.idle_timeout
        progress = _Progress()
        try:
            await self._run(plan, progress, scope, receive, self._tracking(progress, send))
        except httpx.TransportError:
            progress.ending = "cut"
            raise
        except Exception:
            progress.status, progress.ending = 500, "answered"  # by Starlette's outermost middleware
            raise
        finally:
            cause = None if plan is None else plan.cause
            self._emulator.finish(attrs.evolve(record, status=progress.status, ending=progress.ending, fault=cause))

    async def _run(self, plan: Plan | None, progress: _Progress, scope: Scope, receive: Receive, send: Send) -> None:
        if plan is None or plan.is_ordinary:
            await self._app(scope, receive, send)
            return
        if plan.fault in NO_REPLY_FAULTS:
            await _run_steps(NO_REPLY_FAULTS[plan.fault](plan.context), progress, scope, receive, send)
            return
        reply = await self._reply(plan, scope, receive)
        if plan.latency > 0.0 and await disconnects_within(plan.latency, receive):
            return
        if plan.fault in CONNECTION_FAULTS:
            reply = attrs.evolve(reply, headers={**reply.headers, "date": self._date()})
            progress.status = reply.status
            await _run_steps(CONNECTION_FAULTS[plan.fault](reply, plan.context), progress, scope, receive, send)
        else:
            await self._send(reply, send)

    async def _reply(self, plan: Plan, scope: Scope, receive: Receive) -> EmulatedReply:
        profile = self._emulator.profile
        if plan.exceeded is not None:
            if plan.exceeded.limit == "quota":
                return quota_exceeded(plan.exceeded.wait, by_gateway=profile.quota_by_gateway)
            return rate_limited(plan.exceeded.wait, profile.retry_after, plan.context.now)
        if plan.fault in ERROR_RESPONSES:
            return ERROR_RESPONSES[plan.fault](plan.context)
        reply = await self._call_app(scope, receive)
        if plan.fault in _ANSWER_FAULTS and reply.status == 200:
            return _ANSWER_FAULTS[plan.fault](reply, plan.context)
        return reply

    async def _call_app(self, scope: Scope, receive: Receive) -> EmulatedReply:
        """Return the reply of the service, complete."""
        status, headers, body = 500, dict[str, str](), bytearray()

        async def keep(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers.update((name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"])
            else:
                body.extend(message.get("body", b""))

        await self._app(scope, receive, keep)
        return EmulatedReply(status, headers, bytes(body))

    async def _send(self, reply: EmulatedReply, send: Send) -> None:
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.asgi_headers()})
        await send({"type": "http.response.body", "body": reply.body})

    def _tracking(self, progress: _Progress, send: Send) -> Send:
        async def tracking(message: Message) -> None:
            if message["type"] == "http.response.start":
                progress.status = message["status"]
                headers = [pair for pair in message["headers"] if pair[0] != b"date"]
                message = {**message, "headers": [*headers, (b"date", self._date().encode())]}
            elif not message.get("more_body", False):
                progress.ending = "answered"
            await send(message)

        return tracking

    def _date(self) -> str:
        """Return the `Date` header by the emulator's clock, which dates in `Retry-After` use as well."""
        return format_datetime(self._emulator.now().astimezone(UTC), usegmt=True)


async def _run_steps(steps: Iterator[Step], progress: _Progress, scope: Scope, receive: Receive, send: Send) -> None:
    if not await run_steps(steps, scope, receive, send):
        progress.ending = "cut"
