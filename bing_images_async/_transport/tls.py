"""The TLS context that is not made before it is needed."""

from __future__ import annotations

import ssl
from functools import partial

import anyio
import anyio.to_thread
import httpx

__all__ = ["TLSContext"]


class TLSContext:
    """The context given, or one with certifi's certificates, made when it is first asked for."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._lock = anyio.Lock()

    async def get(self) -> ssl.SSLContext:
        """The context; the same for everybody."""
        async with self._lock:
            if self._context is None:
                # 20 ms of reading and parsing certificates, kept off the event loop.
                self._context = await anyio.to_thread.run_sync(partial(httpx.create_ssl_context, trust_env=False))
            return self._context
