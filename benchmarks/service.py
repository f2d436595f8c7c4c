"""A small Image Search service in a process of its own, for measurements: a latency, a quota, and resets.

    with service(latency=0.05, resets=0.05) as url: ...

It answers any path on 127.0.0.1 with the same page, `latency` seconds after the question. Of `resets` it resets the
connection instead, and as often again inside the body. Beyond `quota` requests in a sliding window of a second it
answers 429. `tell(url, "calm")` ends the resets, `tell(url, "journal")` says what has happened.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import struct
import subprocess
import sys
import urllib.request
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from random import Random
from typing import Any

import attrs

__all__ = ["service", "tell"]

_IMAGE = {"name": "Paper boat", "contentUrl": "https://pictures.example/boat.png", "width": 800, "height": 600}
_PAGE = json.dumps({"_type": "Images", "totalEstimatedMatches": 1, "value": [_IMAGE]}).encode()
_WINDOW = 1.0  # seconds
_LINGER = struct.pack("ii", 1, 0)


@contextmanager
def service(**settings: float) -> Generator[str]:
    """Runs while the block does, and gives the URL."""
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    with subprocess.Popen([sys.executable, "-m", __name__, *arguments], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def tell(url: str, what: str) -> dict[str, Any]:
    """The journal of the service, after `what` was done; blocks for a millisecond."""
    with urllib.request.urlopen(f"{url}/{what}", timeout=5) as response:
        journal: dict[str, Any] = json.load(response)
    return journal


@attrs.define
class _Settings:
    latency: float = 0.0
    resets: float = 0.0
    quota: int = 0


@attrs.define
class _Journal:
    """What has happened so far."""

    requests: int = 0
    throttled: int = 0
    open: int = 0
    """Connections, without the one that asks for this."""
    most: int = 0
    """Requests in any window of a second, at most."""
    first: float = 0.0
    last: float = 0.0
    """When requests came, in seconds."""


class _Service:
    def __init__(self, settings: _Settings) -> None:
        self.settings = settings
        self.journal = _Journal()
        self._random = Random(7)
        self._let_in: deque[float] = deque()
        self._recent: deque[float] = deque()

    def is_throttled(self, now: float) -> bool:
        """Notes the request; true if it is one too many."""
        journal = self.journal
        journal.requests += 1
        journal.first, journal.last = journal.first or now, now
        self._recent.append(now)
        for queue in (self._recent, self._let_in):
            while queue and queue[0] <= now - _WINDOW:
                queue.popleft()
        journal.most = max(journal.most, len(self._recent))
        if self.settings.quota and len(self._let_in) >= self.settings.quota:
            journal.throttled += 1
            return True
        self._let_in.append(now)
        return False

    def fault(self) -> str | None:
        chance = self._random.random()
        if chance >= 2 * self.settings.resets:
            return None
        return "before" if chance < self.settings.resets else "inside"


class _Connection(asyncio.Protocol):
    def __init__(self, service: _Service) -> None:
        self._service = service
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._service.journal.open += 1

    def connection_lost(self, error: Exception | None) -> None:
        self._service.journal.open -= 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            self._asked(head.split(b" ", 2)[1].strip(b"/"))

    def _asked(self, path: bytes) -> None:
        if path in {b"calm", b"journal"}:
            if path == b"calm":
                self._service.settings.resets = 0.0
            journal = self._service.journal
            self._answer(json.dumps(attrs.asdict(journal) | {"open": journal.open - 1}).encode())
            return
        loop = asyncio.get_running_loop()
        if self._service.is_throttled(loop.time()):
            self._answer(b"", "429 Too Many Requests")
            return
        fault = self._service.fault()
        if fault == "before":
            loop.call_later(self._service.settings.latency, self._reset)
        else:
            loop.call_later(self._service.settings.latency, self._page, fault == "inside")

    def _page(self, breaks_off: bool) -> None:
        self._answer(_PAGE, share=0.5 if breaks_off else 1.0)
        if breaks_off:  # once the half of it has arrived
            asyncio.get_running_loop().call_later(0.002, self._reset)

    def _answer(self, body: bytes, status: str = "200 OK", share: float = 1.0) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        if not self._transport.is_closing():
            self._transport.write(head + body[: round(len(body) * share)])

    def _reset(self) -> None:
        if not self._transport.is_closing():
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            self._transport.abort()


async def _serve(settings: _Settings) -> None:
    service = _Service(settings)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(service), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser()
    for field in attrs.fields(_Settings):
        parser.add_argument(f"--{field.name}", type=float, default=field.default)
    asyncio.run(_serve(_Settings(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
