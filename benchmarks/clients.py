"""The candidates of `pages`: other ways to get a page of images, one file for each family, and ours.

A candidate is a function that opens a client: an async context manager around a function that gets page `number`, and
raises unless that is the whole page. The official SDK blocks; it runs in threads.
"""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from attrs import frozen

__all__ = [
    "CANDIDATES",
    "GATHERED",
    "HEADERS",
    "IMAGES",
    "KEY",
    "PATH",
    "Candidate",
    "Fetch",
    "Open",
    "OpenBlocking",
    "Setting",
    "check",
    "query",
]

KEY = "0123456789abcdef0123456789abcdef"
HEADERS = {"Ocp-Apim-Subscription-Key": KEY}
PATH = "/v7.0/images/search"
IMAGES = 35


@frozen
class Setting:
    """What a client is told."""

    url: str
    ca: str | None
    """The file with the certificate authority to trust; `None` for plain HTTP."""
    in_flight: int

    def tls(self) -> ssl.SSLContext | None:
        return None if self.ca is None else ssl.create_default_context(cafile=self.ca)


Fetch = Callable[[int], Awaitable[None]]
Open = Callable[[Setting], AbstractAsyncContextManager[Fetch]]
OpenBlocking = Callable[[Setting], AbstractContextManager[Callable[[int], None]]]


@frozen
class Candidate:
    """Where a client is found; its module is imported in the worker alone."""

    module: str
    function: str
    in_threads: bool = False
    is_main: bool = True
    """Whether the short run has it."""

    def load(self) -> Any:
        """The function: `Open`, or `OpenBlocking` if it runs in threads."""
        return getattr(importlib.import_module(f"{__name__}.{self.module}"), self.function)


CANDIDATES = {
    "ours": Candidate("ours", "default"),
    "ours, paced": Candidate("ours", "paced", is_main=False),
    "official SDK, threads": Candidate("sdk", "official", in_threads=True),
    "httpx": Candidate("over_httpx", "defaults"),
    "httpx, tuned": Candidate("over_httpx", "tuned"),
    "httpx2": Candidate("over_httpx2", "defaults", is_main=False),
    "httpx2, tuned": Candidate("over_httpx2", "tuned"),
    "httpx over aiohttp": Candidate("over_httpx", "over_aiohttp"),
    "aiohttp + pydantic": Candidate("over_aiohttp", "pydantic"),
    "aiohttp + msgspec": Candidate("over_aiohttp", "msgspec"),
    "aiohttp, bytes alone": Candidate("over_aiohttp", "bytes_alone"),
}
"""By the name in the tables. Those that start with "ours" are of this library."""

GATHERED = {
    "ours": Candidate("ours", "default"),
    "httpx, max_connections": Candidate("over_httpx", "unguarded"),
}
"""The candidates of the measurement in which all calls are made at once."""


def query(number: int) -> str:
    """What page `number` is asked for: each its own, so that nobody gains by remembering a URL."""
    return f"paper boat {number}"


def check(images: int) -> None:
    """Raises unless the page was whole."""
    if images != IMAGES:
        raise ValueError(f"{images} images instead of {IMAGES}")
