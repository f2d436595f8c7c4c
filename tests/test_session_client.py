"""`session.client` is a full `httpx.AsyncClient`: methods, bodies, timeouts, redirects, streams; no cookie is kept."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from support.certificates import trusting
from support.raw_server import RawConnection, RawServer, answer
from support.service import Received, V7Service, json_answer, keyed, paged
from support.sessions import KEY, KINDS, Kind, connect, usual_certificates

from bing_images_async import ImageSearchSession
from bing_images_async.errors import SessionStateError, UnexpectedRedirectError

pytestmark = pytest.mark.anyio

LARGE = bytes(range(256)) * 2**17  # 32 MiB, more than a session takes for an answer
LEAVES_GENERATORS = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
"""For trio, which warns of generators of httpx's that nobody closes when a stream is left."""
SHORT = 0.1
"""Seconds; a timeout that is meant to be reached."""


def routes(received: Received) -> bytes:
    """Answer by path what the tests below need."""
    path = received.path
    if path == "/echo":
        return json_answer({"method": received.method, "body": received.body.decode("latin-1"), **received.headers})
    if path == "/large":
        return answer(LARGE)
    if path == "/chunks":
        parts = (LARGE[start : start + 65_536] for start in range(0, len(LARGE), 65_536))
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    if path == "/gzip":
        return answer(gzip.compress(b'{"a": 1}'), b"Content-Encoding: gzip")
    if path == "/empty":
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    if path == "/unchanged":
        return b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"
    if path == "/moved":
        return b"HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n"
    if path == "/cookie":
        return json_answer({}, b"Set-Cookie: a=b; Path=/", b"Set-Cookie: c=d")
    if received.method == "HEAD":
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-Found: yes\r\n\r\n"
    return paged(received)


# --- methods and bodies -----------------------------------------------------------------------------------------------


async def test_head_has_headers_and_no_body_and_keeps_the_connection() -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        response = await session.client.head(f"{service.url}/thing")
        assert (response.status_code, response.headers["content-length"], response.headers["x-found"]) == (
            200,
            "1000",
            "yes",
        )
        assert response.content == b""
        assert (await session.client.get(f"{service.url}/echo")).json()["method"] == "GET"
        assert service.connections == 1


@pytest.mark.parametrize(("path", "status"), [("empty", 204), ("unchanged", 304)])
async def test_answers_without_a_body_keep_the_connection(path: str, status: int) -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        response = await session.client.get(f"{service.url}/{path}")
        assert (response.status_code, response.content) == (status, b"")
        assert (await session.client.get(f"{service.url}/echo")).status_code == 200
        assert service.connections == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"])
async def test_any_method_is_sent_as_it_is(method: str) -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        response = await session.client.request(method, f"{service.url}/echo", params={"a": "ü"})
        assert response.json()["method"] == method
        assert service.targets == ["/echo?a=%C3%BC"]


async def test_bodies_of_every_kind_arrive_whole() -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        client, url = session.client, f"{service.url}/echo"
        assert (await client.post(url, content=b"bytes")).json()["body"] == "bytes"
        assert (await client.post(url, json={"a": 1})).json()["body"] == '{"a":1}'
        assert (await client.post(url, data={"a": "1"})).json()["body"] == "a=1"
        assert "picture" in (await client.post(url, files={"image": b"picture"})).json()["body"]
        assert (await client.post(url, content=b"")).json()["content-length"] == "0"
        assert service.connections == 1


async def test_a_streamed_body_is_sent_in_chunks_as_it_comes() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(100):
            await anyio.lowlevel.checkpoint()
            yield b"%03d" % number * 1_000

    async with V7Service(routes) as service, connect(service.url) as session:
        response = await session.client.post(f"{service.url}/echo", content=parts())
        assert response.json()["transfer-encoding"] == "chunked"
        assert service.requests[0].body == b"".join(b"%03d" % number * 1_000 for number in range(100))
        await session.client.get(f"{service.url}/echo")
        assert service.connections == 1


async def test_a_streamed_body_with_a_length_is_sent_with_it() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"12345"
        await anyio.lowlevel.checkpoint()
        yield b"67890"

    async with V7Service(routes) as service, connect(service.url) as session:
        response = await session.client.post(f"{service.url}/echo", content=parts(), headers={"Content-Length": "10"})
        assert response.json()["body"] == "1234567890"
        assert "transfer-encoding" not in service.requests[0].headers


async def test_a_streamed_body_that_fails_raises_its_error_and_drops_the_connection() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        await anyio.lowlevel.checkpoint()
        raise ZeroDivisionError("of the body")

    async with V7Service(routes) as service, connect(service.url) as session:
        with pytest.raises(ZeroDivisionError, match="of the body"):
            await session.client.post(f"{service.url}/echo", content=parts())
        assert session.stats.open_connections == 0
        await service.server.until_open(0)
        assert service.requests == []
        assert (await session.search("boat", count=1)).value[0].name == "boat 0"


async def test_credentials_of_a_request_are_sent() -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        response = await session.client.get(f"{service.url}/echo", auth=("user", "password"))
        assert response.json()["authorization"] == "Basic dXNlcjpwYXNzd29yZA=="


async def test_requests_of_the_client_never_hold_the_key() -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        await session.search("boat")
        await session.client.get(f"{service.url}/echo")
        await session.client.post(f"{service.url}/echo", json={})
        assert len(keyed(service.requests, KEY)) == 1


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["large", "chunks"])
async def test_a_large_download_is_whole(path: str) -> None:
    """The limits on answers are the session's; a client that is used directly has none."""
    async with V7Service(routes) as service, connect(service.url) as session:
        response = await session.client.get(f"{service.url}/{path}")
        assert response.content == LARGE
        assert session.stats.open_connections == session.stats.idle_connections == 1


async def test_a_gzip_body_is_decoded_once() -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        assert (await session.client.get(f"{service.url}/gzip")).json() == {"a": 1}
        async with session.client.stream("GET", f"{service.url}/gzip") as response:
            raw = b"".join([part async for part in response.aiter_raw()])
        assert gzip.decompress(raw) == b'{"a": 1}'


async def test_an_answer_has_what_httpx_documents() -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        response = await session.client.get(f"{service.url}/echo")
        assert (response.http_version, response.reason_phrase, response.is_success) == ("HTTP/1.1", "OK", True)
        assert response.elapsed.total_seconds() > 0
        assert response.request.url.path == "/echo"
        assert response.raise_for_status() is response


@LEAVES_GENERATORS
@pytest.mark.parametrize("path", ["large", "chunks"])
async def test_a_stream_left_early_drops_its_connection(path: str) -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        async with session.client.stream("GET", f"{service.url}/{path}") as response:
            async for part in response.aiter_raw():
                assert LARGE.startswith(part[:1_000]) or path == "chunks"
                break
        assert session.stats.open_connections == 0
        await service.server.until_open(0)
        assert (await session.search("boat", count=1)).value[0].name == "boat 0"
        assert service.connections == 2


async def test_a_stream_that_is_not_read_at_all_drops_its_connection() -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        async with session.client.stream("GET", f"{service.url}/large") as response:
            assert response.status_code == 200
        assert session.stats.open_connections == 0
        await service.server.until_open(0)


async def test_a_stream_read_to_its_end_keeps_its_connection() -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        for _ in range(3):
            async with session.client.stream("GET", f"{service.url}/chunks") as response:
                size = 0
                async for part in response.aiter_raw():
                    size += len(part)
            assert size == len(LARGE)
        assert service.connections == 1


async def test_many_streams_at_once_have_a_connection_each() -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        async with (
            session.client.stream("GET", f"{service.url}/large") as first,
            session.client.stream("GET", f"{service.url}/large") as second,
        ):
            assert await second.aread() == await first.aread() == LARGE
            await session.search("boat")
        assert session.stats.open_connections == session.stats.idle_connections


# --- timeouts ---------------------------------------------------------------------------------------------------------


async def _silent(connection: RawConnection) -> None:
    await connection.until_closed()


async def test_connect_timeout_of_a_request_is_honoured() -> None:
    """A listener whose queue is full answers no further connection (Linux)."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        async with connect("http://127.0.0.1:9") as session:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            with anyio.fail_after(10), pytest.raises(httpx.ConnectTimeout):
                await session.client.get(url, timeout=httpx.Timeout(None, connect=SHORT))
            assert session.stats.open_connections == 0


async def test_connect_timeout_of_a_request_holds_for_the_tls_handshake() -> None:
    async with RawServer(_silent) as server, connect("http://127.0.0.1:9", verify=trusting()) as session:
        url = server.url.replace("http:", "https:")
        with anyio.fail_after(10), pytest.raises(httpx.ConnectTimeout):
            await session.client.get(url, timeout=httpx.Timeout(None, connect=SHORT))
        assert session.stats.open_connections == 0
        await server.until_open(0)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"])
async def test_read_timeout_of_a_request_is_honoured(sent: bytes) -> None:
    async def fall_silent(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(sent)
        await connection.until_closed()

    async with RawServer(fall_silent) as server, connect(server.url) as session:
        with anyio.fail_after(10), pytest.raises(httpx.ReadTimeout):
            await session.client.get(server.url, timeout=httpx.Timeout(None, read=SHORT))
        assert session.stats.open_connections == 0
        await server.until_open(0)


@LEAVES_GENERATORS
async def test_write_timeout_of_a_request_is_honoured() -> None:
    """A connection that nobody accepts takes some megabytes and no more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        async with connect(url) as session:
            with anyio.fail_after(10), pytest.raises(httpx.WriteTimeout):
                await session.client.post(url, content=LARGE, timeout=httpx.Timeout(None, write=SHORT))
            assert session.stats.open_connections == 0


async def test_timeout_of_the_client_holds_for_its_requests_only() -> None:
    """A session has a time limit for attempts; the client's is for those who use the client."""

    async def fall_silent(connection: RawConnection) -> None:
        await connection.request()
        await connection.until_closed()

    async with RawServer(fall_silent) as server, connect(server.url) as session:
        session.client.timeout = httpx.Timeout(SHORT)
        with anyio.fail_after(10), pytest.raises(httpx.ReadTimeout):
            await session.client.get(server.url)


async def test_a_request_without_timeouts_waits() -> None:
    asked = anyio.Event()

    async def wait(connection: RawConnection) -> None:
        await connection.request()
        asked.set()
        await connection.cut_off.wait()
        await connection.send(answer(b"late"))

    async with RawServer(wait) as server, connect(server.url) as session:
        bodies: list[bytes] = []

        async def get() -> None:
            bodies.append((await session.client.get(server.url, timeout=None)).content)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(get)
            await asked.wait()
            server.accepted[0].cut_off.set()
        assert bodies == [b"late"]


# --- faults -----------------------------------------------------------------------------------------------------------


async def test_faults_of_the_network_are_httpx_errors_for_who_uses_the_client() -> None:
    async def play(connection: RawConnection) -> None:
        request = await connection.request()
        if b"/garbage" in request:
            await connection.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        elif b"/half" in request:
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")

    async with RawServer(play) as server, connect(server.url) as session:
        with pytest.raises(httpx.ConnectError):
            await session.client.get("http://127.0.0.1:9/")
        with pytest.raises(httpx.UnsupportedProtocol):
            await session.client.get("ftp://127.0.0.1/")
        for path in ("closed", "garbage", "half"):
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                await session.client.get(f"{server.url}/{path}")
        assert session.stats.open_connections == 0


async def test_a_connection_closed_while_idle_is_not_used_again() -> None:
    async def once(connection: RawConnection) -> None:
        await connection.request()
        await connection.send(answer(b"hello"))

    async with RawServer(once) as server, connect(server.url) as session:
        for _ in range(5):
            assert (await session.client.get(server.url)).content == b"hello"
            await server.until_open(0)


# --- cookies and redirects --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_cookies_of_the_service_are_never_kept_by_calls(kind: Kind) -> None:
    def script(received: Received) -> bytes:
        return paged(received).replace(b"\r\n", b"\r\nSet-Cookie: a=b; Path=/\r\n", 1)

    async with V7Service(script) as service, connect(service.url, kind) as session:
        await session.search("boat")
        await session.search("boat")
        await session.details(image=b"picture")
        assert ["cookie" in received.headers for received in service.requests] == [False] * 3
        if kind == "own":
            assert len(session.client.cookies) == 0


async def test_cookies_are_not_kept_by_the_sessions_own_client() -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        await session.client.get(f"{service.url}/cookie")
        assert "cookie" not in (await session.client.get(f"{service.url}/echo")).json()
        await session.search("boat")
        assert ["cookie" in received.headers for received in service.requests] == [False] * 3
        assert len(session.client.cookies) == 0


async def test_cookies_of_a_lent_client_play_no_part_in_calls() -> None:
    async with (
        V7Service(routes) as service,
        httpx.AsyncClient(trust_env=False, cookies={"mine": "1"}) as client,
        ImageSearchSession(KEY, base_url=service.url, client=client, rate_limit=None) as session,
    ):
        await session.search("boat")
        assert "cookie" not in service.requests[0].headers
        assert dict(client.cookies) == {"mine": "1"}
        assert (await client.get(f"{service.url}/echo")).json()["cookie"] == "mine=1"


async def test_defaults_of_a_lent_client_play_no_part_in_calls() -> None:
    async with (
        V7Service(routes) as service,
        httpx.AsyncClient(
            trust_env=False,
            base_url="http://other.test/base",
            headers={"x-mine": "1", "user-agent": "mine"},
            params={"mine": "1"},
            auth=("user", "password"),
            verify=usual_certificates(),
        ) as client,
        ImageSearchSession(KEY, base_url=service.url, client=client, rate_limit=None) as session,
    ):
        await session.search("boat")
        (received,) = service.requests
        assert received.query == {"q": "boat"}
        assert [name for name in ("x-mine", "authorization") if name in received.headers] == []
        assert received.headers["user-agent"] != "mine"


async def test_redirects_are_followed_by_the_client_if_it_is_asked_to() -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        response = await session.client.get(f"{service.url}/moved")
        assert (response.status_code, response.headers["location"]) == (302, "/echo")
        followed = await session.client.get(f"{service.url}/moved", follow_redirects=True)
        assert (followed.status_code, [step.status_code for step in followed.history]) == (200, [302])


@pytest.mark.parametrize("kind", KINDS)
async def test_redirects_are_not_followed_by_calls_even_if_the_client_follows_them(kind: Kind) -> None:
    def script(received: Received) -> bytes:
        return b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"

    async with V7Service(script) as service, connect(service.url, kind) as session:
        session.client.follow_redirects = True
        with pytest.raises(UnexpectedRedirectError):
            await session.search("boat")
        assert len(service.requests) == 1


# --- life -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_client_that_was_closed_is_a_state_error_of_the_session(kind: Kind) -> None:
    async with V7Service() as service, connect(service.url, kind) as session:
        await session.search("boat")
        await session.client.aclose()
        with pytest.raises(SessionStateError, match="closed"):
            await session.search("boat")
        assert len(service.requests) == 1


async def test_the_client_of_a_closed_session_is_closed() -> None:
    async with V7Service() as service:
        async with connect(service.url) as session:
            client: Any = session.client
            await session.search("boat")
        assert client.is_closed
        await service.server.until_open(0)
        with pytest.raises(RuntimeError, match="closed"):
            await client.get(service.url)


async def test_searches_and_requests_of_the_client_share_the_connections() -> None:
    async with V7Service(routes) as service, connect(service.url) as session:
        await session.search("boat")
        body = (await session.client.get(f"{service.url}/echo")).json()
        await session.search("boat")
        assert service.connections == 1
        assert json.dumps(body).find(KEY) == -1
