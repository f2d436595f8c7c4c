"""uvicorn's HTTP, with the connection within reach of the app."""

from __future__ import annotations

from itertools import count
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from .faults.connection_playback import LINE, SocketLine

__all__ = ["LineProtocol"]

_numbers = count(1)


class LineProtocol(H11Protocol):
    """One connection. The scope of every request on it holds its `SocketLine` in `state`."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        self._line = SocketLine(next(_numbers))
        super().__init__(config, server_state, {**app_state, LINE: self._line}, _loop)
        self._usual_timeout = config.timeout_keep_alive

    def connection_made(self, transport: Any) -> None:
        self._line.attach(transport)
        super().connection_made(transport)

    def on_response_complete(self) -> None:
        idle = self._line.idle_timeout
        self.timeout_keep_alive = self._usual_timeout if idle is None else idle  # type: ignore[assignment]  # seconds
        super().on_response_complete()

    def shutdown(self) -> None:
        if self._line.is_taken:  # uvicorn would wait for a reply that is not to come
            self._line.reset()
        else:
            super().shutdown()
