"""Links are tested in virtual time: waiting costs nothing and every figure is exact."""

from __future__ import annotations

from typing import Any

import pytest

from bing_images_async.testing import virtual_time


@pytest.fixture
def anyio_backend(backend: str) -> Any:
    """Both backends, each with a clock that jumps."""
    return virtual_time(backend, patience=0.2)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    """For tests that start the event loop themselves."""
    return request.param
