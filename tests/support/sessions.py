"""Sessions with a client of their own or a lent one, and a series of calls with faults on the way."""

from __future__ import annotations

import functools
import socket
import ssl
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import httpx
import pytest

from bing_images_async import ImageSearchSession, RetryPolicy

from .service import Received, Script, json_answer, paged

__all__ = [
    "JOURNEY",
    "KEY",
    "KINDS",
    "Kind",
    "clear_network_settings",
    "connect",
    "faults_of_the_journey",
    "journey",
    "resolve_test_names",
    "usual_certificates",
]

KEY = "k3y0f4ll7h3t3st5th4t1st0b3s33nby"
"""The key of every session here. It is never a local variable of a test: tracebacks show those."""

Kind = Literal["own", "lent"]
KINDS: tuple[Kind, ...] = ("own", "lent")
"""The client of a session: its own, or an `httpx.AsyncClient` on its default transport that it was lent."""

UNAVAILABLE = json_answer({"error": {"code": "503", "message": "Busy"}}, status=b"503 Service Unavailable")


@functools.cache
def usual_certificates() -> ssl.SSLContext:
    """The context that every `httpx.AsyncClient` would make for itself, made once."""
    return httpx.create_ssl_context(trust_env=False)


@asynccontextmanager
async def connect(url: str, kind: Kind = "own", **options: Any) -> AsyncGenerator[ImageSearchSession]:
    """An entered session on the service at `url`, unpaced, whose retries do not wait."""
    options = {"rate_limit": None, "retry": RetryPolicy(attempts=3, base=0.0), "allow_http": True, **options}
    if kind == "own":
        async with ImageSearchSession(KEY, base_url=url, **options) as session:
            yield session
        return
    async with (
        httpx.AsyncClient(trust_env=False, verify=usual_certificates()) as client,
        ImageSearchSession(KEY, base_url=url, client=client, **options) as session,
    ):
        yield session


JOURNEY = 7
"""Requests that a journey sends."""


def faults_of_the_journey() -> Script:
    """Answer the first "busy" with 503 and close the connection instead of answering the first "stale"."""
    seen: Counter[str] = Counter()

    def script(received: Received) -> bytes | None:
        query = received.query.get("q", "")
        seen[query] += 1
        if seen[query] == 1 and query == "busy":
            return UNAVAILABLE
        if seen[query] == 1 and query == "stale":
            return None
        return paged(received)

    return script


async def journey(session: ImageSearchSession) -> None:
    """Calls that need `JOURNEY` requests: plain, retried after a 503, on a stale connection, of two pages."""
    with anyio.fail_after(20):
        names = [image.name for image in (await session.search("boat", count=2)).value]
        names += [image.name for image in (await session.search("busy", count=1)).value]
        names += [image.name for image in (await session.search("stale", count=1)).value]
        names += [image.name async for image in session.iter_images("many", limit=4, page_size=2)]
    assert names == ["boat 0", "boat 1", "busy 0", "stale 0", "many 0", "many 1", "many 2", "many 3"]
    assert session.stats.attempts == JOURNEY


def clear_network_settings(patch: pytest.MonkeyPatch) -> None:
    """Remove what the environment says about proxies and certificates."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        patch.delenv(name, raising=False)
        patch.delenv(name.upper(), raising=False)


def resolve_test_names(patch: pytest.MonkeyPatch) -> None:
    """Let every name under `.test` stand for 127.0.0.1."""
    real = socket.getaddrinfo

    def resolve(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return real("127.0.0.1" if str(name).endswith(".test") else host, *arguments, **options)

    patch.setattr(socket, "getaddrinfo", resolve)
