"""The service on a real socket, behind middleware, mounted, and without what it needs."""

import os
import signal
import socket
import subprocess
import sys
import threading
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image, Image as Pillow
from service_kit import NOON, client, pictures
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bing_images_async.emulator import create_app, running_server, serve, server


def test_running_server_answers_search_details_and_images() -> None:
    """URLs name the real address, so whatever an answer links to can be fetched."""
    with running_server(create_app(pictures(), now=lambda: NOON)) as base, httpx.Client() as one:
        image = one.get(f"{base}/v7.0/images/search", params={"q": "boat"}).json()["value"][0]
        assert image["contentUrl"].startswith(f"{base}/content/")
        original = one.get(image["contentUrl"]).content
        with Pillow.open(BytesIO(original)) as picture:
            assert picture.size == (image["width"], image["height"])
        answer = one.post(f"{base}/bing/v7.0/images/details?modules=BRQ", files={"image": ("a", original)})
        assert answer.json()["bestRepresentativeQuery"]["text"]


def test_running_server_after_the_block_refuses() -> None:
    with running_server(create_app(pictures())) as base:
        assert httpx.get(f"{base}/favicon.ico").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{base}/favicon.ico")


def test_serve_calls_bound_and_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It serves from the moment the callback is called."""
    made = []
    original = server._server
    monkeypatch.setattr(server, "_server", lambda app: made.append(original(app)) or made[-1])
    answers: list[int] = []
    clients: list[threading.Thread] = []

    def visit(base: str) -> None:
        answers.append(httpx.get(f"{base}/favicon.ico").status_code)
        made[0].should_exit = True

    def bound(base: str) -> None:
        clients.append(threading.Thread(target=visit, args=(base,)))
        clients[0].start()

    serve(create_app(pictures()), bound=bound)
    clients[0].join()
    assert answers == [200]
    assert capfd.readouterr() == ("", "")


def test_running_server_replies_without_nagles_delay() -> None:
    """asyncio turns off Nagle's algorithm for sockets that are named as TCP only; with it a reply takes 40 ms."""
    with server._listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_serve_on_a_used_port_raises() -> None:
    with running_server(create_app(pictures())) as base, pytest.raises(OSError, match="in use"):
        serve(create_app(pictures()), port=int(base.rpartition(":")[2]))


@pytest.mark.anyio
async def test_middleware_receives_final_replies_and_errors() -> None:
    """The slot for limits, faults and records of requests."""
    seen: list[int] = []

    class Watch:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    seen.append(message["status"])
                await send(message)

            await self.app(scope, receive, watched)

    async with client(middleware=[Middleware(Watch)], keys=["key"]) as one:
        one.headers["Ocp-Apim-Subscription-Key"] = "key"
        for path in ("images/search?q=boat", "images/search", "nowhere"):
            await one.get(path)
        del one.headers["Ocp-Apim-Subscription-Key"]
        await one.get("images/search?q=boat")
    assert seen == [200, 400, 404, 401]


@pytest.mark.anyio
async def test_mounted_app_keeps_its_path_in_urls() -> None:
    outer = Starlette(routes=[Mount("/pictures", create_app(pictures()))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://host") as one:
        image = (await one.get("/pictures/v7.0/images/search?q=boat")).json()["value"][0]
        assert image["contentUrl"].startswith("http://host/pictures/content/")
        assert (await one.get(image["contentUrl"])).status_code == 200


def test_import_without_the_extra_says_what_to_install() -> None:
    """In a process of its own, as modules once imported stay imported."""
    code = (
        "import sys; sys.modules['starlette'] = None\n"
        "try:\n    import bing_images_async.emulator\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "bing-images-async[emulator]"' in done.stdout


def test_serve_command_with_left_out_files_and_hosts_reports_and_answers(tmp_path: Path) -> None:
    """`bing-images serve --folder` says what is missing; `--allowed-host` is one more name."""
    Image.new("RGB", (40, 30), "red").save(tmp_path / "boat.png")
    (tmp_path / "photo.heic").write_bytes(b"anything")
    arguments = ["serve", "--port", "0", "--folder", str(tmp_path), "--allowed-host", "mybox.test"]
    environment = {**os.environ, "BING_IMAGES_CACHE": str(tmp_path / ".cache")}
    command = [sys.executable, "-m", "bing_images_async", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip().partition("=")[2]
        codes = [
            httpx.get(f"{url}/images/search?q=boat", headers={"Host": host}).status_code
            for host in ("mybox.test", "evil.test")
        ]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert codes == [200, 421]
    assert "1 file was left out:\n  photo.heic: the format heic is not supported\n" in errors


def test_doctor_command_with_an_empty_folder_says_so(tmp_path: Path) -> None:
    environment = {**os.environ, "BING_IMAGES_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"}
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    command = [sys.executable, "-m", "bing_images_async", "doctor", "--folder", str(tmp_path / "album")]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert "The folder has no picture that can be read." in ran.stdout
    assert "broken.jpg: it is no picture" in ran.stdout
