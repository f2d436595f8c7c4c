"""The simulation itself: a harness that lies would make every test on it worthless."""

from __future__ import annotations

import time
from random import Random
from typing import Any, Literal

import anyio
import httpcore
import httpx
import pytest
from sim import (
    ConnectFault,
    Cut,
    Entry,
    Keys,
    Link,
    Outage,
    Quota,
    Reply,
    Server,
    SlidingWindow,
    Trace,
    World,
    fixed_schedule,
)
from sim.pipe import Pipe

from bing_images_async.testing import run, virtual_time

pytestmark = pytest.mark.anyio

URL = "http://sim/v7.0/images/search?q=boat"
CUT_UPLOADS = pytest.mark.filterwarnings("ignore:Async generator 'httpcore:ResourceWarning")
"""httpcore leaves the iterator of a request body to the garbage collector, and trio warns of it."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param, patience=0.2)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


class _PooledTransport(httpx.AsyncBaseTransport):
    """httpcore's own pool over the simulated network; errors stay httpcore's."""

    def __init__(self, world: World) -> None:
        self._pool = httpcore.AsyncConnectionPool(network_backend=world.network, max_connections=None)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._pool.request(
            request.method,
            str(request.url),
            headers=request.headers.raw,
            content=await request.aread(),
            extensions=request.extensions,
        )
        return httpx.Response(answer.status, headers=answer.headers, content=answer.content)

    async def aclose(self) -> None:
        await self._pool.aclose()


def _client(world: World, timeout: float = 5.0) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=_PooledTransport(world), timeout=timeout)


async def _failure(server: Server, *, timeout: float = 5.0, url: str = URL, **world_options: Any) -> type[Any]:
    async with World(server, **world_options) as world, _client(world, timeout) as client:
        try:
            await client.get(url)
        except Exception as error:  # noqa: BLE001 - which one is the question
            return type(error)
    return type(None)


async def test_answers_and_connections_are_real_http() -> None:
    """A body, its headers and the request's own come through; the second request reuses the connection."""
    server = Server(lambda entry: Reply(body=entry.body[::-1], headers=(("X-Path", entry.path),)))
    async with World(server) as world, _client(world) as client:
        first = await client.post(URL, content=b"abc", headers={"X-Seen": "yes"})
        second = await client.post(URL, content=b"def")
    assert (first.content, second.content) == (b"cba", b"fed")
    assert first.headers["x-path"] == "/v7.0/images/search"
    assert world.journal.entries[0].headers["x-seen"] == "yes"
    assert [entry.status for entry in world.journal.entries] == [200, 200]
    assert world.network.dialled == 1
    assert world.network.open_streams == set()


@pytest.mark.parametrize("chunked", [False, True])
async def test_fragments_make_the_same_answer(chunked: bool) -> None:
    """Whatever the pieces, the bytes are the same."""
    body = bytes(range(256)) * 20
    server = Server(lambda entry: Reply(body=body, chunked=chunked))
    async with World(server, link=Link(fragment=7), seed=3) as world, _client(world) as client:
        assert (await client.get(URL)).content == body


async def test_latency_is_honoured() -> None:
    """Connecting is one round trip, the call another, and the server's work comes on top."""
    async with World(Server(latency=0.05), link=Link(latency=0.01)) as world, _client(world) as client:
        await client.get(URL)
        assert anyio.current_time() == pytest.approx(0.09)
        await client.get(URL)
        assert anyio.current_time() == pytest.approx(0.16)
    assert world.journal.times == pytest.approx([0.03, 0.10])


def test_jitter_stays_in_its_bounds_and_varies() -> None:
    """200 one-way delays of 20 ± 15 ms."""
    link, random = Link(latency=0.02, jitter=0.015), Random(5)
    delays = [link.delay(random) for _ in range(200)]
    assert 0.005 <= min(delays) < 0.007
    assert 0.033 < max(delays) <= 0.035


@CUT_UPLOADS
async def test_writers_wait_for_room() -> None:
    """An upload beyond the window to a server that the network hides times out while writing."""
    outage = Outage(0.5, 100.0, "silence")
    async with World(link=Link(latency=0.1, window=1_000), outages=[outage]) as world, _client(world, 2.0) as client:
        await client.get(URL)
        await anyio.sleep(1)
        with pytest.raises(httpcore.WriteTimeout):
            await client.post(URL, content=b"x" * 5_000)


@pytest.mark.parametrize(
    ("fault", "scheme", "expected"),
    [
        ("refused", "http", httpcore.ConnectError),
        ("dns", "http", httpcore.ConnectError),
        ("reset", "http", httpcore.ConnectError),
        ("silence", "http", httpcore.ConnectTimeout),
        ("tls_reset", "https", httpcore.ConnectError),
        ("tls_silence", "https", httpcore.ConnectTimeout),
        ("certificate", "https", httpcore.ConnectError),
        (None, "https", type(None)),
    ],
)
async def test_faults_in_connecting(fault: ConnectFault | None, scheme: str, expected: type[Any]) -> None:
    """Each comes up as what httpcore makes of the real one."""
    url = URL.replace("http", scheme)
    assert await _failure(Server(), url=url, connecting=lambda number: fault) is expected


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (Cut("before"), httpcore.ReadError),
        (Cut("head"), httpcore.ReadError),
        (Cut("body"), httpcore.ReadError),
        (Cut("before", "close"), httpcore.RemoteProtocolError),
        (Cut("head", "close"), httpcore.RemoteProtocolError),
        (Cut("body", "half_close"), httpcore.RemoteProtocolError),
        (Cut("body", "stall"), httpcore.ReadTimeout),
    ],
)
async def test_cut_answers(cut: Cut, expected: type[Any]) -> None:
    """An answer breaks off where and how it was told to."""
    server = Server(lambda entry: Reply(body=b"x" * 1_000, cut=cut))
    assert await _failure(server, link=Link(latency=0.01)) is expected


async def test_cut_in_the_body_comes_after_half_of_it() -> None:
    """The head is there, and half of the bytes."""
    server = Server(lambda entry: Reply(body=b"x" * 1_000, cut=Cut("body")))
    async with (
        World(server) as world,
        httpcore.AsyncConnectionPool(network_backend=world.network) as pool,
        pool.stream("GET", URL) as answer,
    ):
        got = b""
        try:
            async for chunk in answer.aiter_stream():
                got += chunk
        except httpcore.ReadError:
            got += b", reset"
    assert (answer.status, got) == (200, b"x" * 500 + b", reset")


async def test_drip_takes_its_time_and_fools_the_read_timeout() -> None:
    """Eleven bytes of body and its head at 0.2 s a byte, none of which is late by itself."""
    server = Server(lambda entry: Reply(body=b"hello world", drip=0.2))
    async with World(server) as world, _client(world, timeout=1.0) as client:
        answer = await client.get(URL)
    head = len("HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 11\r\n\r\n")
    assert answer.content == b"hello world"
    assert anyio.current_time() == pytest.approx(0.2 * (head + 11), abs=0.3)


async def test_raw_bytes_replace_an_answer() -> None:
    """A status line that is none."""
    assert await _failure(Server(lambda entry: Reply(raw=b"nonsense\r\n\r\n"))) is httpcore.RemoteProtocolError


async def test_loss_swallows_the_rest() -> None:
    """What is lost never arrives, and neither does what follows."""
    assert await _failure(Server(), link=Link(loss=1.0)) is httpcore.ReadTimeout


async def test_what_follows_a_loss_is_lost_too() -> None:
    """A direction that the network has swallowed bytes of stays silent: no answer ever has a hole in it."""
    silent = True
    pipe = Pipe(Link(), Random(0), silent=lambda: silent)
    await pipe.send(b"lost")
    silent = False
    await pipe.send(b"late")
    with anyio.move_on_after(100) as patience:
        await pipe.receive(10)
    assert patience.cancelled_caught


async def test_idle_connections_are_closed_by_the_server() -> None:
    """The client sees it before the next request, and dials anew."""
    async with World(Server(idle=2.0)) as world, _client(world) as client:
        await client.get(URL)
        await anyio.sleep(3)
        await client.get(URL)
    assert world.network.dialled == 2


async def test_stale_keep_alive() -> None:
    """A close that is still on its way when the request leaves: sent, and never answered."""
    server = Server(lambda entry: Reply(closes=True), latency=0.05)
    async with World(server, link=Link(latency=0.2, jitter=0.1), seed=1) as world, _client(world) as client:
        results: list[int | None] = []
        for _ in range(20):
            try:
                results.append((await client.get(URL)).status_code)
            except httpcore.RemoteProtocolError:
                results.append(None)
    assert 200 in results
    assert None in results


@pytest.mark.parametrize(
    ("how", "new", "old"),
    [
        ("refused", httpcore.ConnectError, httpcore.ReadError),
        ("silence", httpcore.ConnectTimeout, httpcore.ReadTimeout),
    ],
)
async def test_outages(how: Literal["refused", "silence"], new: type[Exception], old: type[Exception]) -> None:
    """New and old connections fail while it lasts, each in its way; before and after, all is well."""
    outage = Outage(10.0, 70.0, how)
    async with World(link=Link(latency=0.01), outages=[outage]) as world, _client(world, 2.0) as client:
        await client.get(URL)
        await anyio.sleep(20)
        with pytest.raises(old):
            await client.get(URL)
        with pytest.raises(new):
            await client.get(URL)
        await anyio.sleep(60)
        assert (await client.get(URL)).status_code == 200
    assert [entry.status for entry in world.journal.between(0, 10)] == [200]


async def test_keys_and_quota() -> None:
    """401 without the key, 403 after the last of the quota, with the words the service uses."""
    server = Server(gates=[Keys({"good"}), Quota(2)])
    good = {"Ocp-Apim-Subscription-Key": "good"}
    async with World(server) as world, _client(world) as client:
        answers = [await client.get(URL, headers=headers) for headers in ({}, good, good, good)]
    assert [answer.status_code for answer in answers] == [401, 200, 200, 403]
    assert "replenished in 30.00:00:00." in answers[-1].json()["message"]


@pytest.mark.parametrize("counts_rejected", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_limiter_is_a_sliding_window(seed: int, counts_rejected: bool) -> None:
    """300 random arrivals get what counting the last second by hand gives."""
    random, limit, now = Random(seed), 5, 0.0
    window = SlidingWindow(limit, counts_rejected=counts_rejected)
    counted: list[float] = []
    for number in range(300):
        now += random.expovariate(7.0)
        busy = sum(now - 1.0 < earlier <= now for earlier in counted)
        refused = window(Entry(number, now, 0, "GET", "/", {})) is not None
        assert refused is (busy >= limit)
        if counts_rejected or not refused:
            counted.append(now)


def test_limiter_counts_each_key_apart_and_says_when_to_return() -> None:
    """Whole seconds, rounded up; the other key is not touched."""
    window = SlidingWindow(1, window=3.0)
    assert window(Entry(0, 0.0, 0, "GET", "/", {"ocp-apim-subscription-key": "a"})) is None
    refusal = window(Entry(1, 0.5, 0, "GET", "/", {"ocp-apim-subscription-key": "a"}))
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (429, (("Retry-After", "3"),))
    assert window(Entry(2, 0.5, 0, "GET", "/", {"ocp-apim-subscription-key": "b"})) is None


async def test_journal_finds_the_busiest_window() -> None:
    """The same as trying every start."""
    async with World() as world, _client(world, 60.0) as client, anyio.create_task_group() as tasks:
        for delay in [0.0, 0.1, 0.95, 1.05, 1.06, 1.07, 3.0]:
            tasks.start_soon(_get_after, client, delay)
    assert world.journal.busiest(1.0) == 5
    assert world.journal.statuses == {200: 7}


async def _get_after(client: httpx.AsyncClient, delay: float) -> None:
    await anyio.sleep(delay)
    await client.get(URL)


def _random_scenario(seed: int, backend: Literal["asyncio", "trio"]) -> tuple[str, int]:
    """40 clients, some of them impatient, on a bad network."""
    cuts: list[Cut | None] = [None, None, None, Cut("before"), Cut("head"), Cut("body", "close")]

    def respond(entry: Entry) -> Reply:
        return Reply(cut=Random(f"{seed}/{entry.number}").choice(cuts))

    async def call(world: World, client: httpx.AsyncClient, number: int) -> None:
        random = Random(f"{seed}/client {number}")
        await anyio.sleep(random.uniform(0, 0.2))
        with anyio.move_on_after(random.uniform(0.01, 0.3)) as patience:
            try:
                status = (await client.get(URL)).status_code
                world.note(f"client {number}", f"got {status}")
            except httpcore.NetworkError as error:
                world.note(f"client {number}", type(error).__name__)
            except httpcore.ProtocolError as error:
                world.note(f"client {number}", type(error).__name__)
        if patience.cancelled_caught:
            world.note(f"client {number}", "gave up")

    async def main() -> tuple[str, int]:
        link = Link(latency=0.02, jitter=0.01, fragment=40, loss=0.001)
        server = Server(respond, gates=[SlidingWindow(30)], latency=lambda random: random.uniform(0.01, 0.1))
        async with World(server, seed=seed, link=link) as world:
            async with _client(world) as client, anyio.create_task_group() as tasks:
                for number in range(40):
                    tasks.start_soon(call, world, client, number)
            assert world.network.open_streams == set()
        return world.trace_digest(), len(world.trace.events)

    with fixed_schedule(seed):
        return run(main, backend=backend)


def test_same_seed_same_trace(backend: Literal["asyncio", "trio"]) -> None:
    """Twice the same for each of ten seeds, never the same for two."""
    traces = [_random_scenario(seed, backend) for seed in range(10)]
    assert traces == [_random_scenario(seed, backend) for seed in range(10)]
    assert len({digest for digest, _ in traces}) == 10
    assert min(events for _, events in traces) > 80


def test_the_seed_decides_the_order_of_tasks(backend: Literal["asyncio", "trio"]) -> None:
    """Eight tasks that wake up together do so in one order per seed; on trio, in several for several seeds."""

    def order(seed: int) -> str:
        woken: list[str] = []

        async def wake(name: str) -> None:
            await anyio.sleep(1)
            woken.append(name)

        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                for name in "abcdefgh":
                    tasks.start_soon(wake, name)

        with fixed_schedule(seed):
            run(main, backend=backend)
        return "".join(woken)

    orders = [order(seed) for seed in range(5)]
    assert orders == [order(seed) for seed in range(5)]
    assert len(set(orders)) == (5 if backend == "trio" else 1)


def test_trace_does_not_order_what_is_simultaneous() -> None:
    """Actors at one instant are sorted; one actor's own order counts."""
    one, two, three = Trace(), Trace(), Trace()
    for trace, order in ((one, "abA"), (two, "baA"), (three, "Aba")):
        for letter in order:
            trace.record(1.0, f"actor {letter.lower()}", letter)
    assert one.digest() == two.digest()
    assert one.digest() != three.digest()


def test_an_hour_of_requests_takes_no_time(backend: Literal["asyncio", "trio"]) -> None:
    """One request a minute for an hour, in a fraction of a second."""

    async def main() -> float:
        async with World(Server(latency=0.05)) as world, _client(world) as client:
            for _ in range(60):
                await client.get(URL)
                await anyio.sleep(60)
        return anyio.current_time()

    started = time.perf_counter()
    assert run(main, backend=backend) > 3_600
    assert time.perf_counter() - started < 2.0
