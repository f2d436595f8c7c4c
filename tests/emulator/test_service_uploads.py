"""Uploads: limits of pixels, memory and number, and requests that name an image instead."""

import io
import pickle
import subprocess
import sys
import textwrap
import zlib
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any

import anyio
import pytest
from PIL import Image
from service_kit import client, errors, pictures

from bing_images_async.emulator.api import details_endpoint
from bing_images_async.emulator.catalogue.image_decoding import UPLOAD_LIMIT, decode_image
from bing_images_async.testing import virtual_time


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Waiting takes no time."""
    return virtual_time(request.param)


@cache
def png(width: int, height: int, color_type: int = 2, depth: int = 8) -> bytes:
    """A black PNG, written without its pixels in memory."""
    channels = {0: 1, 2: 3, 3: 1, 6: 4}[color_type]
    row = b"\0" * (1 + (width * channels * depth + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, color_type, 0, 0, 0])
    chunks = [(b"IHDR", header), *([(b"PLTE", b"\0" * 3)] if color_type == 3 else []), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big") for kind, body in chunks
    )


def encoded(width: int, height: int, encoding: str, mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, encoding, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        lambda: png(13_000, 13_000),
        lambda: png(60_000, 300),
        lambda: png(4_000, 4_000, 6),
        lambda: png(8_000, 8_000, 3),
        lambda: png(6_000, 6_000, 0, 16),
        lambda: encoded(5_000, 5_000, "JPEG", progressive=True),
        lambda: encoded(5_000, 3_000, "WEBP"),
        lambda: encoded(4_000, 3_000, "AVIF", speed=10),
        lambda: encoded(8_000, 8_000, "GIF", "P"),
        lambda: encoded(4_000, 4_000, "TIFF", compression="tiff_deflate"),
        lambda: encoded(4_000, 4_000, "BMP"),
    ],
    ids=["png", "wide", "rgba", "palette", "16 bits", "progressive", "webp", "avif", "gif", "tiff", "bmp"],
)
def test_decode_image_with_too_many_pixels_is_refused(
    make: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before pixels are decoded."""
    data = make()
    monkeypatch.setattr(Image.Image, "load", None)
    with pytest.raises(ValueError, match="too many pixels"):
        decode_image(data, (192, 192), UPLOAD_LIMIT)


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoded(8_000, 6_000, "JPEG"),
        lambda: png(3_840, 2_160),
        lambda: png(3_840, 2_160, 6),
        lambda: png(3_840, 2_160, 2, 16),
        lambda: png(5_600, 5_600, 3),
        lambda: png(3_800, 3_800, 0, 16),
        lambda: encoded(1_500, 1_200, "WEBP"),
    ],
    ids=["jpeg of 48 MP", "png", "rgba", "48 bits", "palette", "16 bits", "webp"],
)
def test_decode_image_within_the_limit_is_reduced(make: Callable[[], bytes]) -> None:
    image = decode_image(make(), (192, 192), UPLOAD_LIMIT)
    assert image.mode in {"RGB", "RGBA"}
    assert 192 <= min(image.size) <= 1_200


@pytest.mark.parametrize("orientation", range(1, 9))
def test_decode_image_with_an_orientation_is_upright(orientation: int) -> None:
    """The red corner is where EXIF says that it is."""
    upright = Image.new("RGB", (60, 30), "white")
    upright.paste((255, 0, 0), (0, 0, 20, 10))
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # values of Image.Transpose
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(inverse[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    stored.save(out, "PNG", exif=exif)
    assert decode_image(out.getvalue(), (60, 30), UPLOAD_LIMIT).tobytes() == upright.tobytes()


@pytest.mark.parametrize("encoding", ["ICO", "PPM", "EPS", "PDF", "TGA"])
def test_decode_image_of_an_unknown_format_is_refused(encoding: str) -> None:
    """Some of Pillow's decoders start other programs."""
    with pytest.raises(ValueError, match="not supported"):
        decode_image(encoded(8, 8, encoding), (8, 8), UPLOAD_LIMIT)


@pytest.mark.anyio
@pytest.mark.parametrize("crop", [{}, {"cal": 0.25, "car": 0.5}])
async def test_details_of_a_bomb_states_the_reason(crop: dict[str, float]) -> None:
    async with client() as one:
        reply = await one.post("images/details", params=crop, files={"image": png(13_000, 13_000)})
    assert errors(reply) == [("ParameterInvalidValue", "image", "")]
    assert "too many pixels" in reply.json()["errors"][0]["moreDetails"]


def test_uploads_of_bombs_use_less_than_150_mib() -> None:
    """Four at a time, whatever the format: the whole process, measured from outside the interpreter's own caches."""
    bombs = [
        png(13_000, 13_000),
        png(3_840, 2_160),
        png(3_840, 2_160, 6),
        png(5_700, 5_700, 3),
        encoded(8_000, 6_000, "JPEG", quality=10),
        encoded(3_800, 2_900, "JPEG", progressive=True),
        encoded(1_500, 1_200, "WEBP"),
        encoded(1_600, 1_400, "AVIF", speed=10),
        encoded(5_700, 5_700, "GIF", "P"),
    ]
    code = """
        import sys, pickle, anyio, httpx
        from bing_images_async.emulator import create_app, synthetic
        from bing_images_async.emulator.catalogue.sqlite_catalogue import SqliteCatalogue
        catalogue = synthetic(20)
        catalogue.blocking = True  # in threads, as the catalogues in files
        catalogue.fingerprint = SqliteCatalogue.fingerprint.__get__(catalogue)
        async def main(bombs):
            transport = httpx.ASGITransport(create_app(catalogue))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
                async def post(data):
                    for crop in ({}, {"cal": 0.1, "cab": 0.7}):
                        reply = await client.post("/images/details", params=crop, files={"image": data})
                        assert reply.status_code in (200, 400), reply
                for data in bombs:
                    async with anyio.create_task_group() as tasks:
                        for _ in range(4):
                            tasks.start_soon(post, data)
        anyio.run(main, pickle.load(sys.stdin.buffer))
        status = open("/proc/self/status").read()
        print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
    """
    if not sys.platform.startswith("linux"):
        pytest.skip("reads the peak of memory from /proc")
    program = [sys.executable, "-c", textwrap.dedent(code)]
    ran = subprocess.run(program, check=False, input=pickle.dumps(bombs), capture_output=True)
    assert ran.stderr == b""
    assert int(ran.stdout) < 150


@pytest.mark.anyio
async def test_upload_that_stops_gives_up_its_place(anyio_backend: object) -> None:
    """A client that sends slowly must not keep others out for ever."""

    async def slowly() -> AsyncIterator[bytes]:
        yield b"--x\r\n"
        await anyio.sleep(1_000)

    async with client() as one:
        head = {"Content-Type": "multipart/form-data; boundary=x"}
        reply = await one.post("images/details", content=slowly(), headers=head)
    assert (reply.status_code, anyio.current_time() < 40) == (408, True)


@pytest.mark.anyio
async def test_uploads_beyond_the_limit_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most two bodies are in memory."""
    running = most = 0
    read = details_endpoint.read_upload

    async def counted(*given: Any, **options: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.lowlevel.checkpoint()
        data = await read(*given, **options)
        running -= 1
        return data

    monkeypatch.setattr(details_endpoint, "read_upload", counted)
    async with client() as one, anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(lambda: one.post("images/details", files={"image": png(9, 9)}))
    assert most == 2


# --- a POST that names an image


def some_image() -> dict[str, str]:
    image_id = next(iter(pictures()._ids))  # type: ignore[attr-defined]
    return {"id": image_id}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"json": {}},
        {"data": {"a": "b"}},
        {"files": {"note": (None, "no file")}},
        {"content": b"", "headers": {"Content-Type": "application/octet-stream"}},
    ],
    ids=["none", "json", "form", "multipart", "bytes"],
)
async def test_post_details_with_an_image_url_and_no_picture_is_answered(body: dict[str, Any]) -> None:
    """npm's `cognitive-services` sends `imgUrl` in the query of a POST."""
    async with client() as one:
        url = (await one.get("images/search", params={"q": "boat"})).json()["value"][0]["contentUrl"]
        posted = await one.post("images/details", params={"imgUrl": url}, **body)
        got = await one.get("images/details", params={"imgUrl": url})
    assert (posted.status_code, posted.json()) == (200, got.json())


@pytest.mark.anyio
async def test_post_details_with_an_image_url_and_a_picture_uses_the_picture() -> None:
    async with client() as one:
        images = (await one.get("images/search", params={"q": "boat"})).json()["value"]
        data = (await one.get(images[0]["contentUrl"])).content
        posted = await one.post(
            "images/details", params={"imgUrl": images[1]["contentUrl"], "modules": "BRQ"}, files={"image": data}
        )
    assert posted.json()["bestRepresentativeQuery"]["text"] == images[0]["name"]


@pytest.mark.anyio
@pytest.mark.parametrize("body", [{}, {"json": {}}, {"files": {"note": (None, "no file")}}])
async def test_post_details_without_any_image_is_refused(body: dict[str, Any]) -> None:
    async with client() as one:
        reply = await one.post("images/details", **body)
    assert errors(reply) == [("ParameterMissing", "image", "")]
