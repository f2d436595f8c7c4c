"""The service that clients are measured against, in a process of its own: as cheap as Python allows.

    with serving(plan.peers, latency=0.1, tls=True) as server:
        server.url, server.ca

It answers any GET with the same page, `latency` seconds after the request has come. The whole answer is made once,
head and body; a request costs one search for the empty line, a timer and a write. `server.cpu()` tells what it has
used itself, so that a table can say whether the server was what held the client up.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from .machine import pin_server
from .page import page

__all__ = ["Server", "serving"]

_ROOT = Path(__file__).parents[2]
_USAGE = b"GET /cpu-seconds "
_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-cache",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "x-content-type-options": "nosniff",
    "BingAPIs-TraceId": "7B1D6C2A9E0F4D53A8C4E6F10B2D3C4E",
    "BingAPIs-SessionId": "2F8C0A6E51B74C0E9D1A3B5C7E9F1021",
    "BingAPIs-Market": "en-US",
    "X-MSEdge-ClientID": "3C1E5A7F9B2D4C6E8A0B1D3F5C7E9A2B",
    "X-MSEdge-Ref": "Ref A: 5E7C9A1B3D5F Ref B: DB3EDGE0817 Ref C: 2025-08-01T12:00:00Z",
}
"""Those of the contract's recordings that a client may look at, and the usual noise."""


class Server:
    """A server that runs: `url` without a path, and with TLS `ca`, the file with the authority to trust."""

    def __init__(self, url: str, ca: Path | None) -> None:
        self.url = url
        self.ca = ca
        context = None if ca is None else ssl.create_default_context(cafile=ca)
        handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
        self._opener = urllib.request.build_opener(*handlers)

    def cpu(self) -> float:
        """Seconds of CPU time the server has used so far; blocks for a millisecond."""
        with self._opener.open(f"{self.url}/cpu-seconds", timeout=10) as response:
            return float(response.read())


@contextmanager
def serving(
    python: Path, *, latency: float = 0.0, tls: bool = False, zipped: bool = False, images: int = 35
) -> Iterator[Server]:
    """A server of pages with so many `images`, while the block runs. `python` needs trustme for TLS, else nothing."""
    arguments = [
        f"--latency={latency}",
        f"--images={images}",
        *(["--tls"] if tls else []),
        *(["--gzip"] if zipped else []),
    ]
    with tempfile.TemporaryDirectory() as folder:
        ca = Path(folder, "ca.pem")
        command = [str(python), "-P", "-m", __name__, f"--ca={ca}", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
            assert process.stdout is not None
            try:
                port = int(process.stdout.readline())
                yield Server(f"{'https' if tls else 'http'}://127.0.0.1:{port}", ca if tls else None)
            finally:
                process.terminate()


def _answer(headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": len(body)}.items()]
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode() + body


def _page_answer(images: int, zipped: bool) -> bytes:
    body = page(images)
    if not zipped:
        return _answer(_HEADERS, body)
    # Level 6 is what most services use; the client pays for reading, which hardly depends on it.
    return _answer({**_HEADERS, "Content-Encoding": "gzip"}, gzip.compress(body, 6, mtime=0))


class _Connection(asyncio.Protocol):
    def __init__(self, answer: bytes, latency: float, later: Callable[..., object]) -> None:
        self._answer = answer
        self._latency = latency
        self._later = later
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        # A page fits in at once: no second wake-up for the rest of it.
        self._transport.set_write_buffer_limits(high=1 << 20)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        *requests, self._rest = data.split(b"\r\n\r\n")
        for request in requests:
            if request.startswith(_USAGE):
                self._write(_answer({}, json.dumps(time.process_time()).encode()))
            elif self._latency:
                self._later(self._latency, self._write, self._answer)
            else:
                self._write(self._answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def _serve(answer: bytes, latency: float, context: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(answer, latency, loop.call_later), "127.0.0.1", 0, backlog=4096, ssl=context
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _certified(ca_file: Path) -> ssl.SSLContext:
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def _loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--images", type=int, default=35)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--ca", type=Path, required=True)
    chosen = parser.parse_args()
    pin_server()
    context = _certified(chosen.ca) if chosen.tls else None
    with asyncio.Runner(loop_factory=_loop) as runner:
        try:
            runner.run(_serve(_page_answer(chosen.images, chosen.gzip), chosen.latency, context))
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()
