"""The ASGI middleware in which requests meet their fate and get into the journal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from email.utils import format_datetime

import attrs
import httpx
import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .body_faults import BODIES
from .connection_faults import UNREACHED, WIRES, Step
from .connection_playback import leaves_within, line_of, play
from .emulated_reply import Reply
from .error_responses import REFUSALS, out_of_quota, throttled
from .paging_faults import DETOURS
from .plans import Emulator, Fate
from .request_journal import Ending

__all__ = ["ADMIN_PATH", "Stage"]

ADMIN_PATH = "/__admin"

_ALTERATIONS = {**BODIES, **DETOURS}


@attrs.define
class _Course:
    """How far a request got. One that ends without a word of it was aborted."""

    status: int | None = None
    ending: Ending = "aborted"


class Stage:
    """Wraps the service: refuses, delays, alters and cuts off replies as its `Emulator` decides, and records all."""

    def __init__(self, app: ASGIApp, emulator: Emulator) -> None:
        self._app = app
        self._emulator = emulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith(ADMIN_PATH):
            await self._app(scope, receive, send)
            return
        line = line_of(scope)
        try:
            record, fate = self._emulator.receive(scope, None if line is None else line.number)
        except ValueError as error:
            await self._send(Reply.json(400, msgspec.json.encode({"error": str(error)})), send)
            return
        if line is not None:
            line.idle_timeout = self._emulator.profile.idle_timeout
        course = _Course()
        try:
            await self._run(fate, course, scope, receive, self._noting(course, send))
        except httpx.TransportError:
            course.ending = "cut"
            raise
        except Exception:
            course.status, course.ending = 500, "answered"  # by Starlette, further out
            raise
        finally:
            cause = None if fate is None else fate.cause
            self._emulator.finish(attrs.evolve(record, status=course.status, ending=course.ending, fault=cause))

    async def _run(self, fate: Fate | None, course: _Course, scope: Scope, receive: Receive, send: Send) -> None:
        if fate is None or fate.is_ordinary:
            await self._app(scope, receive, send)
            return
        if fate.fault in UNREACHED:
            await _play(UNREACHED[fate.fault](fate.case), course, scope, receive, send)
            return
        reply = await self._reply(fate, scope, receive)
        if fate.latency > 0.0 and await leaves_within(fate.latency, receive):
            return
        if fate.fault in WIRES:
            reply = attrs.evolve(reply, headers={**reply.headers, "date": self._date()})
            course.status = reply.status
            await _play(WIRES[fate.fault](reply, fate.case), course, scope, receive, send)
        else:
            await self._send(reply, send)

    async def _reply(self, fate: Fate, scope: Scope, receive: Receive) -> Reply:
        profile = self._emulator.profile
        if fate.refusal is not None:
            if fate.refusal.limit == "quota":
                return out_of_quota(fate.refusal.wait, by_gateway=profile.quota_by_gateway)
            return throttled(fate.refusal.wait, profile.retry_after, fate.case.now)
        if fate.fault in REFUSALS:
            return REFUSALS[fate.fault](fate.case)
        reply = await self._ask(scope, receive)
        if fate.fault in _ALTERATIONS and reply.status == 200:
            return _ALTERATIONS[fate.fault](reply, fate.case)
        return reply

    async def _ask(self, scope: Scope, receive: Receive) -> Reply:
        """The service's own reply."""
        status, headers, body = 500, dict[str, str](), bytearray()

        async def keep(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers.update((name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"])
            else:
                body.extend(message.get("body", b""))

        await self._app(scope, receive, keep)
        return Reply(status, headers, bytes(body))

    async def _send(self, reply: Reply, send: Send) -> None:
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.pairs()})
        await send({"type": "http.response.body", "body": reply.body})

    def _noting(self, course: _Course, send: Send) -> Send:
        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                course.status = message["status"]
                headers = [pair for pair in message["headers"] if pair[0] != b"date"]
                message = {**message, "headers": [*headers, (b"date", self._date().encode())]}
            elif not message.get("more_body", False):
                course.ending = "answered"
            await send(message)

        return noting

    def _date(self) -> str:
        """By the emulator's clock, which dates in `Retry-After` go by as well."""
        return format_datetime(self._emulator.now().astimezone(UTC), usegmt=True)


async def _play(steps: Iterator[Step], course: _Course, scope: Scope, receive: Receive, send: Send) -> None:
    if not await play(steps, scope, receive, send):
        course.ending = "cut"
