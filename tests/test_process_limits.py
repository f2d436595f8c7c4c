"""A process without room for another connection: the error says so, and the service is not blamed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from bing_images_async import RetryPolicy
from bing_images_async.errors import BingImagesError, ConnectionFailedError
from bing_images_async.testing import session_for

pytestmark = pytest.mark.anyio


def caused_by(*causes: OSError) -> Callable[[httpx.Request], httpx.Response]:
    """A handler that fails to connect for these reasons, as anyio reports them through httpcore."""
    cause: BaseException = (
        causes[0] if len(causes) == 1 else ExceptionGroup("multiple connection attempts failed", causes)
    )

    def handler(request: httpx.Request) -> httpx.Response:
        failure = OSError("All connection attempts failed")
        failure.__cause__ = cause
        raise httpx.ConnectError(str(failure)) from failure

    return handler


def failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("causes", "limit"),
    [
        ([errno.EMFILE], "EMFILE"),
        ([errno.ENFILE], "ENFILE"),
        ([errno.ENOBUFS], "ENOBUFS"),
        ([errno.ENOMEM], "ENOMEM"),
        ([errno.EADDRNOTAVAIL], "EADDRNOTAVAIL"),
        ([errno.ECONNREFUSED, errno.EMFILE], "EMFILE"),
        ([errno.EADDRNOTAVAIL, errno.EADDRNOTAVAIL], "EADDRNOTAVAIL"),
        ([errno.EADDRNOTAVAIL, errno.ECONNREFUSED], None),  # a machine without IPv6, and a service that is down
        ([errno.ECONNREFUSED], None),
        ([errno.ENETUNREACH], None),
    ],
)
async def test_connection_failure_names_the_limit_that_was_reached(causes: list[int], limit: str | None) -> None:
    """It may be retried, but the circuit breaker and the concurrency limit learn nothing from it."""
    handler = caused_by(*map(failed, causes))
    async with session_for(handler, retry=RetryPolicy(attempts=2, base=0), max_concurrency=8) as session:
        ended: list[BingImagesError] = []
        for _ in range(20):
            with pytest.raises(BingImagesError) as caught:
                await session.search("boat")
            ended.append(caught.value)
        first = ended[0]
        assert isinstance(first, ConnectionFailedError)
        assert (first.limit, len(first.attempts)) == (limit, 2)
        assert (limit or "No reply") in str(first)
        assert limit is None or {str(error) for error in ended} == {str(first)}
        assert (session.stats.breaker, session.stats.permits) == (("closed", 8) if limit else ("open", 4))


PROGRAM = """
import os, resource, sys
import anyio, httpx
from bing_images_async import ImageSearchSession
from bing_images_async.errors import ConnectionFailedError

async def main(backend, kind, url):
    options = {"client": httpx.AsyncClient(verify=False)} if kind == "lent" else {}
    async with ImageSearchSession("k" * 32, base_url=url, allow_http=True, rate_limit=None, **options) as session:
        most, held = resource.getrlimit(resource.RLIMIT_NOFILE), []
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, most[1]))
        try:
            while True:
                held.append(os.open(os.devnull, 0))
        except OSError:
            pass
        found = set()

        async def call(number):
            try:
                await session.search(f"boat {number}")
            except ConnectionFailedError as error:
                found.add(error.limit)

        async with anyio.create_task_group() as tasks:
            for number in range(15):
                tasks.start_soon(call, number)
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, most)
        print(found, session.stats.breaker)
        if kind == "lent":
            await session.client.aclose()

for kind in ("own", "lent"):
    for url in ("http://127.0.0.1:9", "https://127.0.0.1:9", "http://gateway.invalid"):
        anyio.run(main, sys.argv[1], kind, url, backend=sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_NOFILE")
def test_connection_without_descriptors_is_no_outage(anyio_backend: str) -> None:
    """For sockets, for the file of certificates, and for the resolver, which then knows no name."""
    program = [sys.executable, "-c", PROGRAM, anyio_backend]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ran.stdout.splitlines() == ["{'EMFILE'} closed"] * 6, ran.stderr
