"""A v7-like service on loopback that records each request and answers as its script says."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
from attrs import frozen

from support.raw_server import RawConnection, RawServer, answer

__all__ = ["Last", "Received", "RequestReader", "Script", "V7Service", "json_answer", "keyed", "paged"]

TLS_HANDSHAKE = b"\x16"
TOTAL = 100
"""Images that match any query."""


@frozen
class Received:
    """One request as it came over the wire."""

    connection: int
    """The number of the connection, from 0."""
    method: str
    target: str
    """The path and query, or the whole URL where a proxy receives it."""
    headers: Mapping[str, str]
    """Names in lower case."""
    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}


class RequestReader:
    """Reads requests from a connection, with bodies by length or in chunks; `anyio.EndOfStream` at its end."""

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection
        self._buffer = b""

    async def request(self) -> Received:
        head = await self._until(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = start.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await self._until(b"\r\n"), 16):
                body += (await self._exactly(size + 2))[:-2]
            await self._until(b"\r\n")
        else:
            body = await self._exactly(int(headers.get("content-length", 0)))
        return Received(self._connection.number, method, target, headers, head, body)

    def rest(self) -> bytes:
        """What was read beyond the last request."""
        rest, self._buffer = self._buffer, b""
        return rest

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._buffer += await self._connection.some()
            if self._buffer.startswith(TLS_HANDSHAKE):
                raise anyio.EndOfStream  # a client that expects TLS
        end = self._buffer.index(mark) + len(mark)
        return self._take(end)

    async def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._buffer += await self._connection.some()
        return self._take(size)

    def _take(self, size: int) -> bytes:
        part, self._buffer = self._buffer[:size], self._buffer[size:]
        return part


class Last(bytes):
    """An answer after which the connection is closed."""


Script = Callable[[Received], bytes | None]
"""The bytes that answer a request; `None` closes the connection without an answer."""


def json_answer(body: Any, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """A complete response with a JSON body."""
    return answer(json.dumps(body).encode(), b"Content-Type: application/json", *headers, status=status)


def paged(received: Received) -> bytes:
    """Answer with the page that was asked for; images have the query and their index as name."""
    if not received.path.endswith("/images/search"):
        kind = "ImageInsights" if received.path.endswith("/images/details") else "TrendingImages"
        return json_answer({"_type": kind})
    query = received.query
    first, count = int(query.get("offset", 0)), int(query.get("count", 35))
    names = [f"{query['q']} {index}" for index in range(first, min(first + count, TOTAL))]
    return json_answer(
        {
            "_type": "Images",
            "totalEstimatedMatches": TOTAL,
            "nextOffset": first + len(names),
            "value": [{"name": name, "imageId": name, "contentUrl": f"http://pictures.test/{name}"} for name in names],
        }
    )


def keyed(requests: list[Received], key: str) -> list[Received]:
    """Those of `requests` that hold `key` anywhere."""
    return [received for received in requests if key.encode() in received.head + received.body]


class V7Service:
    """The service; use it as an async context manager."""

    def __init__(self, script: Script = paged, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        """Every request so far, in the order in which they arrived."""
        self.script = script
        self.server = RawServer(self._play, tls)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def connections(self) -> int:
        """Connections that were ever accepted."""
        return len(self.server.accepted)

    @property
    def targets(self) -> list[str]:
        """The paths and queries of all requests."""
        return [received.target for received in self.requests]

    async def _play(self, connection: RawConnection) -> None:
        reader = RequestReader(connection)
        while True:
            received = await reader.request()
            self.requests.append(received)
            response = self.script(received)
            if response is None:
                return
            await connection.send(response)
            if isinstance(response, Last):
                return

    async def __aenter__(self) -> V7Service:
        await self.server.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.__aexit__(kind, error, trace)
