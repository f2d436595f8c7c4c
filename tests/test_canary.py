"""The test tools themselves: what is meant to run on trio does, and two async plugins live side by side."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import anyio
import pytest
import sniffio

seen: set[str] = set()


@pytest.mark.anyio
async def test_each_backend_is_the_one_it_says(anyio_backend_name: str) -> None:
    """In pytest-asyncio's mode `auto` the trio half would silently run on asyncio."""
    assert sniffio.current_async_library() == anyio_backend_name
    assert (anyio_backend_name == "asyncio") == _runs_on_asyncio()
    if anyio_backend_name == "trio":
        trio = sys.modules["trio"]
        assert trio.lowlevel.current_task() is not None
    await anyio.lowlevel.checkpoint()
    seen.add(anyio_backend_name)


def _runs_on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def test_both_backends_ran(request: pytest.FixtureRequest) -> None:
    """Not one of them twice, and not one of them only."""
    chosen = {item.name for item in request.session.items if item.path == request.path}
    if not {f"test_each_backend_is_the_one_it_says[{name}]" for name in ("asyncio", "trio")} <= chosen:
        pytest.skip("only a part of this file was chosen")
    assert seen == {"asyncio", "trio"}


def test_pytest_asyncio_is_strict(pytestconfig: pytest.Config) -> None:
    """It runs what carries its marker, and leaves everything else alone."""
    assert pytestconfig.getini("asyncio_mode") == "strict"
    assert pytestconfig.getoption("asyncio_mode") in {None, "strict"}


@pytest.mark.asyncio
async def test_pytest_asyncio_runs_its_own() -> None:
    """With the marker, on asyncio."""
    assert sniffio.current_async_library() == "asyncio"


@pytest.fixture
async def backend_of_a_fixture() -> Any:
    return sniffio.current_async_library()


@pytest.mark.anyio
async def test_async_fixtures_run_where_the_test_runs(backend_of_a_fixture: str, anyio_backend_name: str) -> None:
    """A plain async fixture belongs to anyio's plugin."""
    assert backend_of_a_fixture == anyio_backend_name
