"""Sends hostile bodies to a session over a socket and prints what each costs, as JSON: a line for each body.

`python hostile_answers.py asyncio|trio short|long`. A process of its own, so that its memory can be measured.
"""

from __future__ import annotations

import ctypes
import gc
import gzip
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

from bing_images_async import ImageSearchSession, RetryPolicy
from bing_images_async.errors import BingImagesError

MIB = 2**20
ITEMS = [b"{}", b"1", b"null", b"[]", b'""', b'{"width":""}', b'{"name":1}', b'{"a":{}}']
LISTS = {
    "search": (b'{"_type":"Images","value":[', b"]}"),
    "expansions": (b'{"_type":"Images","queryExpansions":[', b"]}"),
    "unknown": (b'{"_type":"Images","x":[', b"]}"),
    "bare": (b"[", b"]"),
    "errors": (b'{"_type":"ErrorResponse","errors":[', b"]}"),
    "detail": (b'{"detail":[', b"]}"),
}
OTHERS = {
    "brackets": b"[" * 4_000_000,
    "markup": b"<!--<script" * 300_000,
    "words": b'{"message":"' + b"your monthly in 1 " * 200_000 + b'"}',
    "text": b"your quota in 9" * 250_000,
    "blanks": b" " * 4_000_000,
}


def bodies(length: str) -> Iterator[tuple[str, bytes]]:
    """Yield names and bodies: of 16 MiB, which is too large, and of almost 4 MiB, which is read."""
    sizes = {"long": (16 * MIB, 4 * MIB - 64, 256 * 2**10 - 64), "short": (16 * MIB, 4 * MIB - 64)}[length]
    lists = LISTS if length == "long" else {name: LISTS[name] for name in ("search", "errors")}
    for name, (head, tail) in lists.items():
        for item in ITEMS if length == "long" else ITEMS[:3]:
            for size in sizes:
                count = (size - len(head) - len(tail)) // (len(item) + 1)
                yield f"{name} {item.decode()} {size / MIB:.2f} MiB", head + b",".join([item] * count) + tail
    yield from OTHERS.items()


class Server(threading.Thread):
    """Answers every request with `status` and `body`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.response = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def set(self, status: int, body: bytes, *, compressed: bool) -> None:
        encoding = b"Content-Encoding: gzip\r\n" if compressed else b""
        head = b"HTTP/1.1 %d Hm\r\n%bContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, encoding, len(body))
        self.response = head + body

    def run(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                connection.recv(65_536)
                try:
                    connection.sendall(self.response)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65_536):
                        pass
                except OSError:
                    pass


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Give the MiB by which the resident memory rose at most inside the block (Linux)."""
    rise: list[float] = []
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what an earlier body left free would not count
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    yield rise
    rise.append((_memory("VmHWM") - before) / 1024)


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


async def cost(session: ImageSearchSession) -> dict[str, Any]:
    """Make one call; how long the event loop was held up, in CPU time and by the clock, and how it ended."""
    ended: list[str] = []
    stall = stall_by_clock = 0.0

    async def call() -> None:
        try:
            await session.search("boat")
            ended.append("an answer")
        except BingImagesError as error:
            ended.append(type(error).__name__)

    async with anyio.create_task_group() as tasks:
        with peak_memory() as rise:
            tasks.start_soon(call)
            while not ended:
                began, clock = time.thread_time(), time.perf_counter()
                await anyio.lowlevel.checkpoint()
                stall = max(stall, time.thread_time() - began)
                stall_by_clock = max(stall_by_clock, time.perf_counter() - clock)
    return {"stall": stall, "stall_by_clock": stall_by_clock, "memory": rise[0], "ended": ended[0]}


async def main(length: str) -> None:
    server = Server()
    server.start()
    options: dict[str, Any] = {
        "rate_limit": None,
        "retry": RetryPolicy(attempts=1),
        "base_url": f"http://127.0.0.1:{server.port}",
    }
    for name, body in bodies(length):
        compressed = gzip.compress(body)
        for status in (200, 403):
            for is_compressed in (True, False):
                server.set(status, compressed if is_compressed else body, compressed=is_compressed)
                async with ImageSearchSession("k" * 32, **options) as session:
                    measured = await cost(session)
                where = f"{name}, {status}{', gzip' if is_compressed else ''}"
                held = min(len(body), 4 * MIB) / MIB
                print(json.dumps({"body": where, "size": held, **measured}), flush=True)


if __name__ == "__main__":
    anyio.run(main, sys.argv[2], backend=sys.argv[1])
