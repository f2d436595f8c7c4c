"""The service of every measurement, in a process of its own and as cheap as Python allows.

    with serving(latency=0.1, tls=True) as server:
        server.url, server.ca, server.tell("journal")

It answers any GET with the same page; the answer is made once, head and body. Faults and a quota are settings. Paths
below `/-/` control it: `calm` ends the resets, and each, such as `journal`, says what has happened so far.
"""

import asyncio
import gzip
import json
import socket
import ssl
import struct
import tempfile
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any, cast

import attrs

from .page import HEADERS, page
from .processes import HERE, Library, started


@attrs.frozen
class Server:
    """A running service: `url` without a path, and with TLS `ca`, the file of the authority to trust."""

    url: str
    ca: str | None

    def tell(self, what: str) -> Any:
        """Send a control request and return its result; blocks for a millisecond."""
        context = ssl.create_default_context(cafile=self.ca) if self.ca else None
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        with urllib.request.build_opener(*handlers).open(f"{self.url}/-/{what}", timeout=10) as response:
            return json.load(response)


@contextmanager
def serving(library: Library = HERE, *, tls: bool = False, **settings: Any) -> Iterator[Server]:
    """A service with these settings of `Service` while the block runs; TLS needs trustme in the library's Python."""
    loop = "asyncio" if library == HERE else "uvloop"  # only environments of ours have it
    with tempfile.TemporaryDirectory() as folder:
        ca = f"{folder}/ca.pem" if tls else ""
        with started(library, "server:serve", loop=loop, **settings, ca=ca) as process:
            assert process.stdout is not None
            try:
                port = int(process.stdout.readline())
                yield Server(f"{'https' if ca else 'http'}://127.0.0.1:{port}", ca or None)
            finally:
                process.terminate()


_RESET = struct.pack("ii", 1, 0)


@attrs.define(kw_only=True, slots=False)
class Service:
    """How the service behaves, and what its connections share."""

    latency: float = 0.0
    """Seconds from a request to its answer."""
    images: int = 35
    gzip: bool = False
    ca: str = ""
    """With TLS, the file into which the server writes its certificate authority."""
    connecting: float = 0.0
    """Seconds that a TLS handshake takes at most, evenly spread."""
    resets: float = 0.0
    """Share of the requests after which the connection is reset, and again as many that are reset inside the body."""
    quota: int = 0
    """Requests in a sliding window of a second; more get a 429. 0: no limit."""
    answers: int = 0
    """Answers per connection; the next request is read and the connection closed. 0: no limit."""
    closes: bool = False
    """Whether each connection is closed after its answer, as that says."""

    random: Random = attrs.field(init=False, factory=lambda: Random(7))
    journal: dict[str, int] = attrs.field(init=False, factory=Counter)
    answer: bytes = attrs.field(init=False)
    _granted: deque[float] = attrs.field(init=False, factory=deque)

    def __attrs_post_init__(self) -> None:
        body, headers = page(self.images), dict(HEADERS)
        if self.gzip:
            body, headers["Content-Encoding"] = gzip.compress(body, 6, mtime=0), "gzip"
        if self.closes:
            headers["Connection"] = "close"
        self.answer = _answer(body, headers)
        self.is_plain = not (self.resets or self.quota or self.answers or self.closes)

    def is_throttled(self, now: float) -> bool:
        """Note a request, and return whether the quota refuses it."""
        while self._granted and self._granted[0] <= now - 1.0:
            self._granted.popleft()
        is_throttled = 0 < self.quota <= len(self._granted)
        if not is_throttled:
            self._granted.append(now)
        self.journal["requests"] += 1
        self.journal["throttled"] += is_throttled
        self.journal["most in a second"] = max(self.journal["most in a second"], len(self._granted))
        return is_throttled

    def control(self, what: bytes) -> Any:
        if what == b"calm":
            self.resets = 0.0
        # "open" is without the connection of this request.
        return {**self.journal, "open": self.journal["open"] - 1, "cpu": time.process_time()}


class _Connection(asyncio.Protocol):
    _transport: asyncio.Transport

    def __init__(self, service: Service) -> None:
        self._service = service
        self._rest = b""
        self._answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        self._transport.set_write_buffer_limits(high=1 << 20)  # a page fits in at once: no second wake-up for its rest
        self._service.journal["open"] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.journal["open"] -= 1

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for request in requests:
            if request.startswith(b"GET /-/"):
                self._write(_answer(json.dumps(self._service.control(request[7:].split(b" ", 1)[0])).encode(), {}))
            elif self._service.is_plain:
                self._later(self._service.answer)
            else:
                self._answer_or_fail()

    def _answer_or_fail(self) -> None:
        service = self._service
        self._answered += 1
        if service.is_throttled(asyncio.get_running_loop().time()):
            self._write(_answer(b"", {}, "429 Too Many Requests"))
        elif 0 < service.answers < self._answered:
            self._transport.close()
        else:
            draw, whole = service.random.random(), len(service.answer)
            length = 0 if draw < service.resets else whole // 2 if draw < 2 * service.resets else whole
            self._later(service.answer[:length], length < whole)

    def _later(self, answer: bytes, is_cut: bool = False) -> None:
        if latency := self._service.latency:
            asyncio.get_running_loop().call_later(latency, self._write, answer, is_cut)
        else:
            self._write(answer, is_cut)

    def _write(self, answer: bytes, is_cut: bool = False) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(answer)
        if is_cut:  # the connection is reset once that has arrived
            asyncio.get_running_loop().call_later(0.002, self._reset)
        elif self._service.closes:
            self._transport.close()

    def _reset(self) -> None:
        if not self._transport.is_closing():
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()


def _answer(body: bytes, headers: dict[str, str], status: str = "200 OK") -> bytes:
    lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": len(body)}.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


async def serve(**given: Any) -> None:
    """Accept connections by hand, so that the handshake of each can begin after a while; print the port first."""
    service, loop, tasks = Service(**given), asyncio.get_running_loop(), set[asyncio.Task[object]]()
    context = _certified(service.ca) if service.ca else None

    async def connect(accepted: socket.socket) -> None:
        await asyncio.sleep(service.random.uniform(0, service.connecting))
        with suppress(OSError):  # the client has given up
            await loop.connect_accepted_socket(lambda: _Connection(service), accepted, ssl=context)

    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listening:
        listening.setblocking(False)
        print(listening.getsockname()[1], flush=True)
        while True:
            accepted, _ = await loop.sock_accept(listening)
            tasks.add(task := asyncio.ensure_future(connect(accepted)))
            task.add_done_callback(tasks.discard)


def _certified(ca: str) -> ssl.SSLContext:
    import trustme

    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context
