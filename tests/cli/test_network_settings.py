"""Proxies and certificates from the environment, which the command line always honours, over sockets."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import trustme

Run = Any

BODY = json.dumps({"_type": "Images", "value": [{"name": "n", "imageId": "A", "contentUrl": "http://h/a"}]}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Server:
    """Answers every request with an image, or opens a tunnel for CONNECT; `heads` are the request lines."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.heads: list[str] = []
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                if self._tls is None:
                    self._answer(connection)
                    return
                with self._tls.wrap_socket(connection, server_side=True) as stream:
                    self._answer(stream)
        except OSError:
            return  # the client has left, or does not trust the certificate

    def _answer(self, stream: socket.socket) -> None:
        while head := _head(stream):
            line = head.partition(b"\r\n")[0].decode()
            self.heads.append(line)
            if line.startswith("CONNECT"):
                stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                _tunnel(stream, int(line.split()[1].rpartition(":")[2]))
                return
            stream.sendall(ANSWER)


def _head(stream: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = stream.recv(1)
        if not part:
            return b""
        head += part
    return head


def _tunnel(stream: socket.socket, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as target:
        back = Thread(target=_copy, args=(target, stream), daemon=True)
        back.start()
        _copy(stream, target)
        back.join(5)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(tls)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """A server whose certificate is from a private authority, and the file with that authority."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
    with serving(tls) as server:
        yield server, str(tmp_path / "ca.pem")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, **variables}


@pytest.mark.parametrize("command", [["search", "cat"], ["doctor"]])
def test_command_line_uses_a_plain_proxy(run: Run, command: list[str]) -> None:
    """The name of the service need not resolve here."""
    with serving() as proxy:
        done = run(*command, env=environment(
            BING_IMAGES_URL="http://service.invalid/v7.0", HTTP_PROXY=f"http://user:secret@127.0.0.1:{proxy.port}",
        ))  # fmt: skip
    assert done.returncode == 0
    assert proxy.heads[0].startswith("GET http://service.invalid/v7.0/images/search?q=cat")
    assert b"secret" not in done.stdout + done.stderr


def test_command_line_uses_a_connect_proxy_and_a_private_authority(run: Run, secure: tuple[Server, str]) -> None:
    server, authority = secure
    with serving() as proxy:
        done = run("search", "cat", "--json", env=environment(
            BING_IMAGES_URL=f"https://localhost:{server.port}/v7.0", HTTPS_PROXY=f"http://127.0.0.1:{proxy.port}",
            SSL_CERT_FILE=authority,
        ))  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)["value"][0]["imageId"]) == (0, "A")
    assert proxy.heads == [f"CONNECT localhost:{server.port} HTTP/1.1"]
    assert [head.split("?")[0] for head in server.heads] == ["GET /v7.0/images/search"]


def test_command_line_honours_no_proxy(run: Run) -> None:
    with serving() as server, serving() as proxy:
        done = run("bulk", "-", input=b"cat\n", env=environment(
            BING_IMAGES_URL=f"http://127.0.0.1:{server.port}/v7.0", ALL_PROXY=f"http://127.0.0.1:{proxy.port}",
            NO_PROXY="127.0.0.1",
        ))  # fmt: skip
    assert (done.returncode, proxy.heads, len(server.heads)) == (0, [], 1)


def test_command_line_without_the_authority_advises_its_variable(run: Run, secure: tuple[Server, str]) -> None:
    """Not a parameter of the library."""
    server, _ = secure
    done = run("search", "cat", env=environment(BING_IMAGES_URL=f"https://localhost:{server.port}/v7.0"))
    assert done.returncode == 4
    assert b"set SSL_CERT_FILE to a file with its certificate" in done.stderr
    assert b"verify=" not in done.stderr
    assert b"trust_env" not in done.stderr
