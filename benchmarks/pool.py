"""What a request costs: CPU time of the client per request, by transport and requests in flight.

    python -m benchmarks.pool [asyncio|trio]

A server in a process of its own answers every request on loopback with a page of 55 KB. Each figure is
the median of alternating rounds. "Bare" is httpcore's connection without any pool, one for each worker: the floor
under every transport made of it, such as httpx's. The whole run takes half a minute.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import httpcore
import httpx

from bing_images_async._transport.carrier import Outgoing
from bing_images_async._transport.pool import ConnectionPool

IN_FLIGHT = (1, 16, 64, 256)
ROUNDS = 3
ROUND_SECONDS = 0.7
BODY = bytes(55_000)

Send = Callable[[], Coroutine[Any, Any, None]]


class _Server(asyncio.Protocol):
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            self.transport.write(self.response)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def _server() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-m", "benchmarks.pool", "serve"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/images/search?q=paper+boat"
        finally:
            process.terminate()


@asynccontextmanager
async def _ours(url: str, in_flight: int) -> AsyncIterator[list[Send]]:
    async with ConnectionPool(max_idle=in_flight) as pool:

        async def send() -> None:
            incoming = await pool.send(Outgoing("GET", url, []))
            assert sum([len(piece) async for piece in incoming]) == len(BODY)
            await incoming.aclose()

        yield [send] * in_flight


@asynccontextmanager
async def _httpx(url: str, in_flight: int) -> AsyncIterator[list[Send]]:
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with httpx.AsyncHTTPTransport(limits=limits) as transport:

        async def send() -> None:
            response = await transport.handle_async_request(httpx.Request("GET", url))
            assert len(await response.aread()) == len(BODY)

        yield [send] * in_flight


@asynccontextmanager
async def _bare(url: str, in_flight: int) -> AsyncIterator[list[Send]]:
    def through(connection: httpcore.AsyncHTTPConnection) -> Send:
        async def send() -> None:
            response = await connection.handle_async_request(
                httpcore.Request("GET", url, headers=[(b"Host", b"127.0.0.1")])
            )
            assert len(await response.aread()) == len(BODY)
            await response.aclose()

        return send

    connections = [httpcore.AsyncHTTPConnection(httpcore.URL(url).origin) for _ in range(in_flight)]
    yield [through(connection) for connection in connections]
    for connection in connections:
        await connection.aclose()


async def _round(senders: list[Send]) -> float:
    """Microseconds of CPU per request, with every sender always busy."""
    done = 0
    until = 0.0

    async def work(send: Send) -> None:
        nonlocal done
        while time.perf_counter() < until:
            await send()
            done += 1

    async with anyio.create_task_group() as tasks:  # connects
        for send in senders:
            tasks.start_soon(send)
    until = time.perf_counter() + ROUND_SECONDS
    started = time.process_time()
    async with anyio.create_task_group() as tasks:
        for send in senders:
            tasks.start_soon(work, send)
    return (time.process_time() - started) / done * 1e6


async def _measure(url: str) -> None:
    print(f"{'in flight':>9} {'bare':>8} {'pool':>8} {'httpx':>8}   CPU µs per request (pool/bare, httpx/pool)")
    for in_flight in IN_FLIGHT:
        figures: dict[str, list[float]] = {"bare": [], "pool": [], "httpx": []}
        for number in range(ROUNDS):
            async with _bare(url, in_flight) as senders:
                figures["bare"].append(await _round(senders))
            async with _ours(url, in_flight) as senders:
                figures["pool"].append(await _round(senders))
            if number and in_flight > 64:
                continue  # one round takes seconds, since each request scans all connections
            async with _httpx(url, in_flight) as senders:
                figures["httpx"].append(await _round(senders))
        bare, pool, theirs = (statistics.median(values) for values in figures.values())
        print(f"{in_flight:>9} {bare:>8.0f} {pool:>8.0f} {theirs:>8.0f}   {pool / bare:.2f}, {theirs / pool:.2f}")


def main(backend: str = "asyncio") -> None:
    if backend == "serve":
        asyncio.run(_serve())
        return
    with _server() as url:
        anyio.run(_measure, url, backend=backend)


if __name__ == "__main__":
    main(*sys.argv[1:])
