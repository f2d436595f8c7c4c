"""The service on a real socket: for the command line, and on a thread for tests and users."""

import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.types import ASGIApp

from .http_protocol import LineProtocol


def serve(app: ASGIApp, host: str = "127.0.0.1", port: int = 0, *, bound: Callable[[str], None] | None = None) -> None:
    """Serves until interrupted. Prints nothing.

    port: 0 takes a free one. bound: called with the base URL as soon as connections are accepted.
    Raises OSError if the address cannot be had.
    """
    with _listen(host, port) as listener:
        if bound is not None:
            bound(_url(listener))
        _server(app).run(sockets=[listener])


@contextmanager
def running_server(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> Generator[str]:
    """Serves on a thread of its own while the block runs, and gives the base URL."""
    with _listen(host, port) as listener:
        server = _server(app)
        thread = Thread(target=server.run, args=([listener],), name="bing-images-emulator", daemon=True)
        thread.start()
        try:
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket: clients may connect from now on, even before the server's loop has started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, which is what asyncio goes by when it turns off Nagle's algorithm on the connections. Otherwise
    # headers and body of each reply are 40 ms apart.
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
        date_header=False,  # the app dates its replies itself, by the clock that its Retry-After goes by
        http=LineProtocol,
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)
