"""TLS context of a pool, created at the first https request."""

from __future__ import annotations

import errno
import os
import ssl

import anyio
import anyio.to_thread
import httpcore
import httpx

from ..errors import InvalidRequestError

__all__ = ["TLSContext"]


class TLSContext:
    """A given TLS context, or one that trusts given certificates, those of the environment, or those of certifi.

    Args:
        verify: a context, or the path of a PEM file or of a folder of hashed certificates (OpenSSL, c_rehash).
        trust_env: use `SSL_CERT_FILE` and `SSL_CERT_DIR` if `verify` is `None`.
    """

    def __init__(self, verify: ssl.SSLContext | str | None = None, *, trust_env: bool = False) -> None:
        self._verify = verify
        self._trust_env = trust_env
        self._context = verify if isinstance(verify, ssl.SSLContext) else None
        self._lock = anyio.Lock()

    async def get(self) -> ssl.SSLContext:
        """Return the context, the same for every connection.

        Raises:
            InvalidRequestError: the certificates of `verify` or of the environment cannot be loaded.
            httpcore.ConnectError: this process cannot open more files.
        """
        if self._context is not None:
            return self._context
        async with self._lock:
            if self._context is None:
                # In a thread, because loading the certificates would block the event loop.
                self._context = await anyio.to_thread.run_sync(self._make)
            return self._context

    def _make(self) -> ssl.SSLContext:
        try:
            if isinstance(self._verify, str):
                if os.path.isdir(self._verify):  # noqa: PTH112  # OpenSSL needs the str
                    return ssl.create_default_context(capath=self._verify)
                return ssl.create_default_context(cafile=self._verify)
            return httpx.create_ssl_context(trust_env=self._trust_env)
        except (OSError, ValueError) as fault:
            if isinstance(fault, OSError) and fault.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
                raise httpcore.ConnectError(str(fault)) from fault
            raise InvalidRequestError(
                f"{self._source()} cannot be used: the certificates cannot be loaded ({fault}). "
                "It must be a file of PEM certificates, a folder of hashed ones, or an ssl.SSLContext.",
                parameter="verify",
            ) from None

    def _source(self) -> str:
        """Return the source of the certificates, for messages."""
        if self._verify is not None:
            return f"verify={self._verify!r}"
        variables = ("SSL_CERT_FILE", "SSL_CERT_DIR") if self._trust_env else ()
        return next((f"{name}={os.environ[name]!r}" for name in variables if os.environ.get(name)), "certifi's file")
