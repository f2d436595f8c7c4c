"""Uploading an image to `details`: every source gives the same part of a form, within the limit."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import httpx
import pytest
from session_kit import HOST, KEY, Service, session_with

from bing_images_async._upload import LARGEST_UPLOAD
from bing_images_async.errors import InvalidRequestError
from bing_images_async.testing import virtual_time

pytestmark = pytest.mark.anyio

PICTURE = b"\x89PNG\r\n\x1a\n--boundary\r\n" + bytes(range(256))


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return virtual_time(request.param)


def _parts(request: httpx.Request) -> list[Message]:
    """The parts of a multipart form, read by the standard library."""
    head = b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
    form = message_from_bytes(head + request.content)
    assert form.is_multipart()
    return [part for part in form.walk() if not part.is_multipart()]


def _opened(folder: Path, name: str, content: bytes) -> Any:
    path = folder / name
    path.write_bytes(content)
    return path.open("rb")


class _Drip(io.RawIOBase):
    """A raw stream that gives one byte at a time, as pipes may."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def read(self, size: int = -1) -> bytes:
        part, self._rest = self._rest[:1], self._rest[1:]
        return part


def _path(folder: Path, name: str = "boat.png") -> Path:
    path = folder / name
    path.write_bytes(PICTURE)
    return path


SOURCES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "bytes": (lambda _: PICTURE, "image"),
    "bytearray": (lambda _: bytearray(PICTURE), "image"),
    "memoryview": (lambda _: memoryview(PICTURE), "image"),
    "path": (_path, "boat.png"),
    "file": (lambda folder: _opened(folder, "boat.png", PICTURE), "boat.png"),
    "buffer": (lambda _: io.BytesIO(PICTURE), "image"),
    "pipe": (lambda _: _Drip(PICTURE), "image"),
}


@pytest.mark.parametrize("kind", SOURCES)
async def test_an_image_is_one_part_of_a_form(kind: str, tmp_path: Path) -> None:
    """POST, the parameters in the URL, and in the body one part `image` with the very bytes."""
    make, filename = SOURCES[kind]
    service = Service()
    source = make(tmp_path)
    async with session_with(service) as session:
        await session.details(image=source, modules="Tags", market="en-US")
    if isinstance(source, io.IOBase):
        assert not source.closed  # it is the caller's
        source.close()
    request = service.last
    assert request.method == "POST"
    assert str(request.url) == f"{HOST}/v7.0/images/details?modules=Tags&mkt=en-US"
    assert request.headers["ocp-apim-subscription-key"] == KEY
    assert int(request.headers["content-length"]) == len(request.content)
    assert "transfer-encoding" not in request.headers
    (part,) = _parts(request)
    assert part.get_param("name", header="content-disposition") == "image"
    assert part.get_filename() == filename
    assert part.get_content_type() == "application/octet-stream"
    assert part.get_payload(decode=True) == PICTURE


async def test_an_open_file_is_read_from_where_it_stands() -> None:
    """The caller may have skipped a header of his own."""
    file = io.BytesIO(b"skipped" + PICTURE)
    file.seek(7)
    service = Service()
    async with session_with(service) as session:
        await session.details(image=file)
    (part,) = _parts(service.last)
    assert part.get_payload(decode=True) == PICTURE


async def test_names_of_files_that_are_no_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, quotes and line breaks in a name break neither the form nor the call."""
    service = Service()
    async with session_with(service) as session:
        for name in (b"b\xffat.png", b'a"b\r\nX-Evil: 1.png'):
            await session.details(image=_path(tmp_path, os.fsdecode(name)))
            (part,) = _parts(service.last)
            assert part.get_payload(decode=True) == PICTURE
            assert part["X-Evil"] is None


async def test_the_limit_is_a_mebibyte() -> None:
    """Exactly that much is sent, one byte more is refused before anything is."""
    service = Service()
    async with session_with(service) as session:
        await session.details(image=bytes(LARGEST_UPLOAD))
        (part,) = _parts(service.last)
        assert len(part.get_payload(decode=True)) == LARGEST_UPLOAD == 2**20  # type: ignore[arg-type]  # bytes, decoded
        for source in (bytes(LARGEST_UPLOAD + 1), io.BytesIO(bytes(LARGEST_UPLOAD + 1))):
            with pytest.raises(InvalidRequestError, match="1,048,576") as caught:
                await session.details(image=source)
    assert caught.value.parameter == "image"
    assert len(service.requests) == 1


async def test_a_large_file_is_not_read_to_its_end() -> None:
    """Reading stops a byte beyond the limit, even where the source never ends."""

    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            assert size > 0
            self.given += size
            return bytes(size)

    source = Endless()
    async with session_with(Service()) as session:
        with pytest.raises(InvalidRequestError, match="too large"):
            await session.details(image=source)  # type: ignore[arg-type]  # wrong on purpose
    assert source.given == LARGEST_UPLOAD + 1


def _closed() -> io.BytesIO:
    file = io.BytesIO(PICTURE)
    file.close()
    return file


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"", "empty"),
        (io.BytesIO(), "empty"),
        (Path("missing") / "boat.png", "No such file"),
        (Path(), "directory"),
        (Path("a\0b"), "null byte"),
        (io.StringIO("text"), "mode 'rb'"),
        (_closed(), "closed file"),
        ("boat.png", "image_url="),
        (7, "pathlib.Path"),
    ],
)
async def test_what_cannot_be_uploaded(source: Any, words: str) -> None:
    """The error names the parameter and the reason; nothing is sent."""
    service = Service()
    async with session_with(service) as session:
        with pytest.raises(InvalidRequestError, match=words) as caught:
            await session.details(image=source)
    assert caught.value.parameter == "image"
    assert caught.value.__cause__ is None
    assert service.requests == []


async def test_an_image_beside_another_source() -> None:
    """Token, address and upload exclude each other."""
    async with session_with(Service()) as session:
        with pytest.raises(InvalidRequestError, match="exactly one"):
            await session.details(image=PICTURE, insights_token="t")
