"""The same faults over a real socket: bytes, resets and idle connections as a client meets them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any

import anyio
import httpx
import pytest
from faults_kit import SEARCH, impression
from service_kit import NOON, pictures
from test_faults_in_process import SHOWN

from bing_images_async.emulator import Emulator, FaultRule, Profile, create_app, running_server

pytestmark = pytest.mark.anyio

QUICK = {"drip": 0.0, "delay": 1e-2}
SHOWN_HERE = {**SHOWN, "refuse": "ReadError"}
"""A listening socket refuses all or nobody, so a refused request is one reset before the first byte."""


@pytest.fixture(scope="module")
def server() -> Generator[tuple[str, Emulator]]:
    app = create_app(pictures(), now=lambda: NOON, admin=True)
    with running_server(app) as base:
        yield base, app.state.emulator


@pytest.fixture
async def one(server: tuple[str, Emulator], anyio_backend: Any) -> AsyncGenerator[httpx.AsyncClient]:
    server[1].journal.clear()
    async with httpx.AsyncClient(base_url=server[0], timeout=5) as client:
        yield client
    server[1].profile = Profile()


async def settled(emulator: Emulator) -> None:
    """Until no request is in flight; the server runs in another thread and hears of an end a little later."""
    with anyio.fail_after(5):
        while emulator.journal.in_flight:
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize(("fault", "shown"), SHOWN_HERE.items())
async def test_fault_on_a_socket_has_its_effect(
    server: tuple[str, Emulator], one: httpx.AsyncClient, fault: str, shown: str
) -> None:
    """And the next request is served."""
    server[1].profile = Profile(faults=[FaultRule(fault, first=1, last=1, amount=QUICK.get(fault))])
    assert [await impression(one), await impression(one)] == [shown, "200 Images"]


async def test_reset_arrives_after_the_sent_bytes(server: tuple[str, Emulator], one: httpx.AsyncClient) -> None:
    """The status and half of the body are there, then the connection breaks."""
    server[1].profile = Profile(faults="reset-body; amount=0.5")
    received = 0

    async def read(response: httpx.Response) -> None:
        nonlocal received
        async for chunk in response.aiter_raw():
            received += len(chunk)

    async with one.stream("GET", SEARCH, headers={"Accept-Encoding": "identity"}) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.ReadError):
            await read(response)
    assert received == pytest.approx(int(response.headers["content-length"]) / 2, abs=1)
    await settled(server[1])
    assert [(entry.status, entry.ending) for entry in server[1].journal.records] == [(200, "cut")]


def raw_reply(base: str, fault: str, *, patience: float = 5.0) -> tuple[bytes, BaseException | None]:
    """All bytes of the reply to one request on a plain socket, and what ended them; None is an orderly end."""
    host, port = base.removeprefix("http://").split(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=patience) as peer:
        peer.sendall(f"GET {SEARCH} HTTP/1.1\r\nHost: localhost\r\nX-Emulator-Fault: {fault}\r\n\r\n".encode())
        try:
            while data := peer.recv(65_536):
                received += data
        except OSError as error:
            return received, error
    return received, None


def test_reset_and_close_are_rst_and_fin(server: tuple[str, Emulator]) -> None:
    """RST for a reset, FIN for a close, and nothing before either if there should be nothing."""
    for fault in ("refuse", "reset"):
        received, error = raw_reply(server[0], fault)
        assert (received, type(error)) == (b"", ConnectionResetError)
    assert raw_reply(server[0], "close") == (b"", None)
    received, error = raw_reply(server[0], "reset-head")
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in received
    assert isinstance(error, ConnectionResetError)
    received, error = raw_reply(server[0], "half-close-body")
    assert b"\r\n\r\n" in received
    assert error is None


def test_drip_on_a_socket_sends_single_bytes(server: tuple[str, Emulator]) -> None:
    host, port = server[0].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as peer:
        peer.sendall(f"GET {SEARCH} HTTP/1.1\r\nHost: localhost\r\nX-Emulator-Fault: drip\r\n\r\n".encode())
        started = time.monotonic()
        assert [peer.recv(100) for _ in range(3)] == [b"H", b"T", b"T"]
        assert 0.5 < time.monotonic() - started < 2


async def test_idle_timeout_closes_idle_connections_only(server: tuple[str, Emulator], one: httpx.AsyncClient) -> None:
    server[1].profile = Profile(idle_timeout=1.0, latency=1.3)
    for _ in range(2):
        await one.get(SEARCH)
    first, second = (entry.connection for entry in server[1].journal.records)
    assert first == second
    server[1].profile = Profile(idle_timeout=0.0)
    host, port = server[0].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=2) as peer:
        peer.sendall(f"GET {SEARCH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        received = b""
        while data := peer.recv(65_536):
            received += data
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" not in received.lower()


@pytest.mark.parametrize("profile", [Profile(faults="hang"), Profile(faults="hang-body"), Profile(latency=60.0)])
async def test_client_that_disconnects_is_recorded_as_aborted(
    server: tuple[str, Emulator], one: httpx.AsyncClient, profile: Profile
) -> None:
    server[1].profile = profile
    with anyio.move_on_after(0.2):
        await one.get(SEARCH)
    await settled(server[1])
    (entry,) = server[1].journal.records
    assert entry.ending == "aborted"
    assert entry.elapsed is not None
    assert entry.elapsed < 5


def test_upload_refused_unread_leaves_the_server_usable(server: tuple[str, Emulator]) -> None:
    """On a plain socket, as httpx on trio leaves the generator of an upload behind when it is cut off."""
    host, port = server[0].removeprefix("http://").split(":")

    def upload(fault: str) -> bytes:
        head = "POST /v7.0/images/details HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n"
        head += f"X-Emulator-Fault: {fault}"
        with socket.create_connection((host, int(port)), timeout=5) as peer:
            peer.sendall(head.encode() + b"\r\n\r\n" + b"x" * 900_000)
            return peer.recv(65_536)

    assert upload("503").startswith(b"HTTP/1.1 503 ")
    with pytest.raises(ConnectionError):
        upload("reset")
    assert httpx.get(server[0] + SEARCH).status_code == 200


def test_server_that_stops_resets_hanging_connections() -> None:
    started = time.monotonic()
    with running_server(create_app(pictures(), profile=Profile(faults="hang"))) as base:
        host, port = base.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as peer:
            peer.sendall(f"GET {SEARCH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            threading.Event().wait(0.2)
            leaving = time.monotonic()
    assert leaving - started < 2
    assert time.monotonic() - leaving < 1.5


async def test_date_header_is_sent_once_by_the_emulators_clock(one: httpx.AsyncClient) -> None:
    for path in (SEARCH, "/favicon.ico"):
        assert (await one.get(path)).headers.get_list("date") == ["Wed, 06 May 2026 12:00:00 GMT"]


async def test_admin_over_a_socket_sets_the_profile(server: tuple[str, Emulator], one: httpx.AsyncClient) -> None:
    await one.post("/__admin", json={"profile": "retired"})
    assert (await one.get(SEARCH)).status_code == 410
    assert (await one.get("/__admin", headers={"Host": "rebound.example"})).status_code == 421


async def test_rate_limit_of_a_burst_returns_429(server: tuple[str, Emulator], one: httpx.AsyncClient) -> None:
    server[1].profile = Profile(qps=10, window=60.0)
    statuses: list[int] = []

    async def ask() -> None:
        statuses.append((await one.get(SEARCH)).status_code)

    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(ask)
    assert (statuses.count(200), statuses.count(429)) == (10, 20)
