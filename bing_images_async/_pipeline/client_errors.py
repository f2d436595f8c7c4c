"""Translation of the HTTP client's errors into the library's own, for clients of httpx and of httpx2."""

from __future__ import annotations

import errno
import socket
import ssl
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Final, TypeVar, cast

from .._transport.proxy import ProxyRefusedError
from ..errors import (
    AttemptTimeoutError,
    BingImagesError,
    ConnectionFailedError,
    InvalidRequestError,
    UnexpectedRedirectError,
)
from .redaction import Redaction, bare_copy

__all__ = ["find", "httpx_of", "translate"]

_RETRYABLE_PROXY_STATUSES: Final = frozenset({500, 502, 503, 504})

_CLIENT: Final = frozenset({"httpx", "httpx2", "idna", "encodings"})
"""Packages in which an `AsyncClient` parses URLs."""

_LIMITS: Final = {
    errno.EMFILE: "open files of this process; see ulimit -n",
    errno.ENFILE: "open files of this machine",
    errno.ENOBUFS: "memory for sockets",
    errno.ENOMEM: "memory",
    errno.EADDRNOTAVAIL: "local addresses and ports",
}
"""Errors of the operating system if a process has no resources for another connection, and the resource."""

_SEND_STEP: Final = f"{__package__}.send"

E = TypeVar("E", bound=BaseException)


def httpx_of(client: object) -> ModuleType:
    """Return the package of an `AsyncClient`, httpx or httpx2; raise `TypeError` for any other object."""
    for name in ("httpx", "httpx2"):
        module = sys.modules.get(name)
        if module is not None and isinstance(client, module.AsyncClient):
            return module
    raise TypeError("not an AsyncClient of httpx or httpx2")


def translate(fault: BaseException, module: ModuleType, redaction: Redaction) -> BingImagesError | None:
    """Return the error that stands for `fault`, or `None` if `fault` does not come from the client or the network.

    The cause of the returned error is a copy of `fault` that holds no request and no traceback.
    """
    if isinstance(fault, UnicodeError | module.InvalidURL | module.RemoteProtocolError) and _is_of_client(fault):
        return UnexpectedRedirectError(
            "The service redirected to something that is not a URL. Redirects are not followed; check base_url."
        )
    if not _is_of_network(fault, module):
        return None
    message = redaction.of_text(str(fault))
    described = f"{type(fault).__name__}: {message}" if message else type(fault).__name__
    error: BingImagesError
    if (limit := _limit_of(fault)) is not None:
        error = ConnectionFailedError(
            f"No connection: out of {_LIMITS[limit]} ({errno.errorcode[limit]}). "
            "Lower max_concurrency, use one session for all tasks, or raise the limit.",
            limit=errno.errorcode[limit],
        )
    elif isinstance(fault, module.TimeoutException | TimeoutError):
        error = AttemptTimeoutError(f"The service did not answer in time ({described}).")
    elif isinstance(fault, module.InvalidURL | module.UnsupportedProtocol):
        error = InvalidRequestError(f"base_url cannot be used ({described}).", parameter="base_url")
    elif isinstance(fault, module.ProxyError):
        refusal = find(fault, ProxyRefusedError)
        error = ConnectionFailedError(
            f"No connection through the proxy ({described}). Check proxy= or HTTPS_PROXY, and its credentials.",
            retryable=refusal is None or refusal.status in _RETRYABLE_PROXY_STATUSES,
        )
    elif find(fault, ssl.SSLCertVerificationError) is not None:
        error = ConnectionFailedError(
            f"The service's certificate is not valid ({described}). Check base_url; for a private certificate "
            'authority pass verify="ca.pem", or trust_env=True to use SSL_CERT_FILE.',
            retryable=False,
        )
    else:
        error = ConnectionFailedError(
            f"No reply ({described}). Check base_url and the network.",
            retryable=not isinstance(fault, module.LocalProtocolError),
        )
    error.__cause__ = bare_copy(fault, message)
    return error


def find(fault: BaseException | None, kind: type[E]) -> E | None:
    """Return the first error of class `kind` among `fault`, its causes and its contexts."""
    return next((error for error in _errors_behind(fault) if isinstance(error, kind)), None)


def _errors_behind(fault: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, the errors that caused it, and the members of groups among them."""
    pending, seen = [fault], set[int]()
    while pending:
        error = pending.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        pending.append(error.__cause__ or error.__context__)
        if isinstance(error, BaseExceptionGroup):
            pending += cast("BaseExceptionGroup[BaseException]", error).exceptions


def _limit_of(fault: BaseException) -> int | None:
    """Return the error number of the resource limit of this process that prevented a connection, if any.

    An address that is not available counts only if no other attempt failed in another way: on a machine without
    IPv6 every attempt with IPv6 ends like that.
    """
    errors = [error for error in _errors_behind(fault) if isinstance(error, OSError) and error.errno is not None]
    if any(isinstance(error, socket.gaierror) for error in errors):
        try:
            socket.socket().close()
        except OSError as error:  # a resolver without a socket reports an unknown name
            errors = [error]
    numbers = [error.errno for error in errors]
    others = [number for number in numbers if number != errno.EADDRNOTAVAIL]
    return next((number for number in others or numbers if number in _LIMITS), None)


def _is_of_network(fault: BaseException, module: ModuleType) -> bool:
    """Return true for errors of httpx, and for an `OSError`, which a transport of the user's may raise."""
    if isinstance(fault, module.HTTPError | module.StreamError | module.InvalidURL):
        return True
    return isinstance(fault, OSError) and fault.filename is None  # with a file name it comes from a hook


def _is_of_client(fault: BaseException) -> bool:
    """Return true if `AsyncClient` itself raised the error, and not a transport or a hook.

    The client itself only parses the URL of a redirect, and this can fail with many kinds of error.
    """
    trace = fault.__traceback__
    innermost = ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in _CLIENT and module != _SEND_STEP:
            return False
        innermost = module
        trace = trace.tb_next
    return not innermost.endswith("._transports.default")
