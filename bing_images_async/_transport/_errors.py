"""The errors of httpcore and h11 under the names that httpx has for them."""

from __future__ import annotations

from typing import Final

import h11
import httpcore
import httpx

__all__ = ["FOREIGN", "as_httpx"]

_NAMES: Final[dict[type[BaseException], type[httpx.TransportError]]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.TimeoutException: httpx.TimeoutException,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.NetworkError: httpx.NetworkError,
    httpcore.ProxyError: httpx.ProxyError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.ProtocolError: httpx.ProtocolError,
    h11.LocalProtocolError: httpx.LocalProtocolError,
    h11.RemoteProtocolError: httpx.RemoteProtocolError,
}

FOREIGN: Final = tuple(_NAMES)


def as_httpx(error: BaseException) -> httpx.TransportError | None:
    """The error that httpx would raise in the place of `error`; `None` if it would leave it as it is."""
    kind = next((_NAMES[kind] for kind in type(error).__mro__ if kind in _NAMES), None)
    return None if kind is None else kind(str(error))
