"""What the tests of the command line share: an environment of their own, pictures, and a service that misbehaves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image as Pillow
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bing_images_async.cli.program import program
from bing_images_async.emulator import create_app, running_server, synthetic

Invoke = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No settings from outside, and a cache of the tests' own."""
    for name in [name for name in os.environ if name.startswith("BING_IMAGES_")]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BING_IMAGES_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures: three boats, one of them tall, and a tree; each has a pattern, so that it can be recognised."""
    place = tmp_path_factory.mktemp("pictures")
    for name, color, size in (
        ("paper boat", "red", (300, 200)),
        ("sailing boat", "blue", (640, 480)),
        ("tall boat", "green", (200, 600)),
        ("tree", "brown", (64, 64)),
    ):
        pattern = Pillow.frombytes("L", (12, 12), Random(name).randbytes(144)).resize(size, Pillow.Resampling.BICUBIC)
        picture = Pillow.new("RGB", size, color)
        Pillow.blend(picture, pattern.convert("RGB"), 0.7).save(place / f"{name}.png")
    return place


@pytest.fixture
def invoke() -> Invoke:
    """The command line within this process."""

    def run(*arguments: str, **settings: Any) -> Result:
        result = CliRunner().invoke(program, list(arguments), **settings)
        assert "Traceback" not in result.stderr
        return result

    return run


@pytest.fixture
def run() -> Run:
    """The command line in a process of its own."""

    def start(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "bing_images_async", *arguments]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False, **settings)
        assert b"Traceback" not in done.stderr
        return done

    return start


@pytest.fixture(scope="session")
def deep_url() -> Iterator[str]:
    """A service with 400 pictures for any query; pages overlap as its seed has it."""
    with running_server(create_app(synthetic(400))) as url:
        yield url


EVIL = "\x1b[31mred\x1b]0;title\x07 [bold]markup[/bold] <script>alert(1)</script>\u202egpj.\x9b2J"
"""A name that tries all at once."""


def evil_images() -> list[dict[str, Any]]:
    """Images that a hostile service might send."""
    return [
        {
            "name": EVIL,
            "imageId": "A",
            "contentUrl": "javascript:alert(1)",
            "hostPageUrl": 'http://host/"><script>alert(2)</script>',
            "hostPageDomainFriendlyName": "<b>\x1b[5mhost",
            "creativeCommons": "<i>",
            "accentColor": "red;background:url(http://track/)",
            "thumbnailUrl": "file:///etc/passwd",
            "encodingFormat": "\x1b[7m",
            "width": 3,
            "height": 4,
        },
        {"name": '=HYPERLINK("http://x","y")', "imageId": "B", "contentUrl": "http://host/b.png", "width": -5},
        {"name": '\'quoted, "name"\nof two lines', "imageId": "C", "contentUrl": "http://host/c.png"},
    ]


REFUSALS: dict[str, tuple[int, dict[str, Any]]] = {
    "400": (400, {"errors": [{"code": "InvalidRequest", "message": "a parameter is wrong"}]}),
    "401": (401, {"error": {"code": "401", "message": "unknown key"}}),
    "403": (403, {"errors": [{"code": "InsufficientAuthorization", "message": "not yours"}]}),
    "quota": (403, {"error": {"code": "403", "message": "Out of call volume quota."}}),
    "404": (404, {"error": {"code": "404", "message": "Resource not found"}}),
    "410": (410, {"error": {"code": "410", "message": "Gone"}}),
    "429": (429, {"error": {"code": "429", "message": "Rate limit is exceeded."}}),
    "500": (500, {"errors": [{"code": "ServerError", "message": "\x1b[31mfailed\nbadly"}]}),
}


def _number(text: str) -> str:
    image = f'{{"imageId": "A", "contentUrl": "http://h/a", "width": {text}, "height": 7}}'
    return f'{{"_type": "Images", "value": [{image}]}}'


NUMBERS = {f"width {text}": _number(text) for text in (
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1" + "0" * 300,
)}  # fmt: skip
"""Answers whose width may be beyond the range of a column."""


async def _answer(request: Request) -> Response:
    query = request.query_params.get("q", "")
    if query in REFUSALS:
        status, body = REFUSALS[query]
        return JSONResponse(body, status)
    if query == "malformed":
        return Response(b"<html>", media_type="text/html")
    if query == "same":  # every page is the same, and each names a next one
        offset = int(request.query_params.get("offset", 0))
        return JSONResponse({"_type": "Images", "value": evil_images(), "nextOffset": offset + 3})
    if query in NUMBERS:
        return Response(NUMBERS[query], media_type="application/json")
    if query == "nothing":
        return JSONResponse({"_type": "Images", "value": []})
    return JSONResponse({"_type": "Images", "value": evil_images(), "totalEstimatedMatches": 3})


@pytest.fixture
def numbers() -> dict[str, str]:
    """Queries that the service below answers with a number that may be beyond the range of a column."""
    return NUMBERS


@pytest.fixture
def refusals() -> dict[str, tuple[int, dict[str, Any]]]:
    """The queries that the service below refuses, and how; to be changed for a test by `monkeypatch` only."""
    return REFUSALS


@pytest.fixture(scope="session")
def evil_url() -> Iterator[str]:
    """A service that answers as the query says: with an error, or with images that attack."""
    with running_server(Starlette(routes=[Route("/v7.0/images/search", _answer)])) as url:
        yield url
