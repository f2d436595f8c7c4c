"""Helpers for tests of faults over sockets: a server that fails until it is told to stop, and a session on it."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
import leaks
import pytest
from session_kit import page
from support.raw_server import Play, RawConnection, RawServer, answer

from bing_images_async import ImageSearchSession, RetryPolicy
from bing_images_async._transport.pool import ConnectionPool
from bing_images_async._transport.tls import TLSContext
from bing_images_async.errors import BingImagesError
from bing_images_async.models import ImageAnswer

KEY = "k3y0n1yf0rth3s3rv1c31t5e1fnev3r0"
"""The key of every session here. It is never a local variable: those in tracebacks are looked at too."""

PAGE = json.dumps(page("boat")).encode()
GOOD = answer(PAGE, b"Content-Type: application/json")
ATTEMPTS = 3


@attrs.define(eq=False)
class Faulty:
    """Behaviour of a server: `fault` for the first `times` connections or until `healed` is set, then good answers.

    A fault given as bytes is the response to every request, on a connection that stays open.
    """

    fault: Play | bytes
    times: float = float("inf")
    healed: bool = False

    async def __call__(self, connection: RawConnection) -> None:
        if callable(self.fault) and not self.healed and connection.number < self.times:
            await self.fault(connection)
            return
        while True:
            await connection.request()
            await connection.send(GOOD if self.healed or callable(self.fault) else self.fault)


@attrs.define(eq=False)
class FaultySession:
    """A server, a session on it, and its connections."""

    server: RawServer
    play: Faulty
    session: ImageSearchSession
    pool: ConnectionPool

    async def search(self) -> ImageAnswer:
        """Send one call; a call that hangs fails the test."""
        with anyio.fail_after(10):
            return await self.session.search("boat")

    async def fails(self, kind: type[BingImagesError], attempts: int) -> BingImagesError:
        """Check that one call ends in exactly this error after so many attempts, and that nothing stays open."""
        with pytest.raises(BingImagesError) as caught:
            await self.search()
        error = caught.value
        assert type(error) is kind, repr(error)
        assert len(error.attempts) == attempts
        assert self.pool.open_connections == 0
        await self.server.until_open(0)
        assert_secret(error)
        return error

    async def heals(self) -> None:
        """Stop the fault, and check that the next call succeeds without a retry and keeps its connection.

        If the server has closed a kept connection meanwhile, the request is sent again.
        """
        self.play.healed = True
        answered = await self.search()
        assert [image.name for image in answered.value] == ["boat"]
        assert [attempt.status for attempt in answered.meta.attempts] in ([200], [None, 200])
        await self.at_rest()

    async def at_rest(self) -> None:
        """Check that there is one idle connection, at both ends, and nothing else."""
        stats = self.session.stats
        assert (stats.permits_in_use, stats.waiting, stats.in_flight) == (0, 0, 0), stats
        assert self.pool.open_connections == self.pool.idle_connections == 1
        await self.server.until_open(1)


def assert_secret(error: BaseException) -> None:
    """Check that the key is neither in `error` nor in its causes."""
    assert leaks.in_error(KEY, error) == []


def assert_logs_secret(records: list[logging.LogRecord]) -> None:
    """Check that no log record contains the key, not even debug records of httpx and httpcore."""
    assert [place for record in records for place in leaks.in_record(KEY, record)] == []


@asynccontextmanager
async def faulty_session(
    play: Faulty,
    *,
    server_tls: ssl.SSLContext | None = None,
    client_tls: ssl.SSLContext | None = None,
    base_url: str | None = None,
    **options: Any,
) -> AsyncGenerator[FaultySession]:
    """Open a session with its own connections on a server; `base_url` may contain `{port}`."""
    options = {"retry": RetryPolicy(attempts=ATTEMPTS, base=0.0), "rate_limit": None, **options}
    async with RawServer(play, server_tls) as server:
        pool = ConnectionPool(tls=TLSContext(client_tls))
        with pytest.MonkeyPatch.context() as patch:  # for the certificates of tests
            patch.setattr("bing_images_async._session._own_pool", lambda **_: pool)
            session = ImageSearchSession(
                KEY, base_url=(base_url or server.url).format(port=server.port), allow_http=True, **options
            )
        async with session:
            yield FaultySession(server, play, session, pool)
