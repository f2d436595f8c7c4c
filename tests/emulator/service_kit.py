"""What the tests of the service share: a client on the app, and walks through answers and pages."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx

from bing_images_async.emulator import Catalogue, create_app, synthetic

BASE = "http://local.bing-images"
NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)


@cache
def pictures(total: int = 120) -> Catalogue:
    return synthetic(total)


@asynccontextmanager
async def client(catalogue: Catalogue | None = None, **settings: Any) -> AsyncGenerator[httpx.AsyncClient]:
    """A client whose relative paths lie under `/v7.0/`. `settings` go to `create_app`."""
    app = create_app(catalogue or pictures(), **{"now": lambda: NOON, **settings})
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/v7.0/") as one:
        yield one


async def walk(one: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    """The pages of a search, following `nextOffset` to the first empty one (which is not among them)."""
    pages: list[dict[str, Any]] = []
    offset = 0
    while len(pages) < 500:
        page = (await one.get("images/search", params={**params, "offset": offset})).json()
        if not page["value"]:
            return pages
        assert page["nextOffset"] > offset
        pages.append(page)
        offset = page["nextOffset"]
    raise AssertionError("the walk does not end")


def ids(page: dict[str, Any]) -> list[str]:
    return [image["imageId"] for image in page["value"]]


def errors(response: httpx.Response) -> list[tuple[str, str, str | None]]:
    """(subCode, parameter, value) of each entry of an ErrorResponse."""
    body = response.json()
    assert body["_type"] == "ErrorResponse"
    return [(entry["subCode"], entry.get("parameter"), entry.get("value")) for entry in body["errors"]]


def urls(value: object) -> Iterator[str]:
    """Every absolute URL in a JSON value."""
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from urls(member)
    elif isinstance(value, list):
        for member in value:
            yield from urls(member)
