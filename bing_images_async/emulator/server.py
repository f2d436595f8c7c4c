"""The service on a socket, served by uvicorn: in the foreground, or on a thread."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from threading import Thread
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from .faults.connection_playback import CONNECTION_KEY, ServerConnection

__all__ = ["running_server", "serve"]

_connection_numbers = count(1)


def serve(app: ASGIApp, host: str = "127.0.0.1", port: int = 0, *, bound: Callable[[str], None] | None = None) -> None:
    """Serve until interrupted. Print nothing.

    port: 0 takes a free one. bound: called with the base URL as soon as connections are accepted.
    Raises OSError if the address cannot be bound.
    """
    with _listen(host, port) as listener:
        if bound is not None:
            bound(_url(listener))
        _server(app).run(sockets=[listener])


@contextmanager
def running_server(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> Generator[str]:
    """Serve on a thread while the block runs, and return the base URL."""
    with _listen(host, port) as listener:
        server = _server(app)
        thread = Thread(target=server.run, args=([listener],), name="bing-images-emulator", daemon=True)
        thread.start()
        try:
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join()


class _HttpProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol of one connection; `state` of each scope has its `ServerConnection`."""

    def __init__(
        self, config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None
    ) -> None:
        self._connection = ServerConnection(next(_connection_numbers))
        super().__init__(config, server_state, {**app_state, CONNECTION_KEY: self._connection}, _loop)
        self._default_timeout = config.timeout_keep_alive

    def connection_made(self, transport: Any) -> None:
        self._connection.attach(transport)
        super().connection_made(transport)

    def on_response_complete(self) -> None:
        idle = self._connection.idle_timeout
        self.timeout_keep_alive = self._default_timeout if idle is None else idle  # type: ignore[assignment]  # seconds
        super().on_response_complete()

    def shutdown(self) -> None:
        if self._connection.is_taken:  # uvicorn would wait for the end of a reply that a fault has replaced
            self._connection.reset()
        else:
            super().shutdown()


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Clients may connect from now on, even before the server's event loop runs."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle's algorithm only where the protocol is TCP by name. With it, headers and body of each
    # reply are 40 ms apart.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except BaseException:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,  # the app sets `Date` by its own clock, which dates in Retry-After use as well
        http=_HttpProtocol,
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)
