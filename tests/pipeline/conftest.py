"""Fixtures: tests of steps run in virtual time, so that waiting takes no real time and every figure is exact."""

from __future__ import annotations

from typing import Any

import pytest

from bing_images_async.testing import virtual_time


@pytest.fixture
def anyio_backend(backend: str) -> Any:
    """Return either backend in virtual time."""
    return virtual_time(backend, patience=0.2)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    """Return the backend, for tests that start the event loop themselves."""
    return request.param
