"""Pytest plugin: fixtures for tests of code that uses this library.

They need the extra `emulator`. Only pytest is imported before a test uses one of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .._session import ImageSearchSession
    from ..emulator import Catalogue

__all__ = ["bing_images_catalogue", "bing_images_session", "pytest_configure"]

MARKER = "bing_images(profile=None, **options): limits and faults, and session options, for bing_images_session"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(scope="session")
def bing_images_catalogue() -> Catalogue:
    """Catalogue of `bing_images_session`: a thousand generated pictures; every query finds all, in its own order.

    Define a fixture of this name to use another catalogue of `bing_images_async.emulator`.
    """
    from ..emulator import synthetic

    return synthetic()


@pytest.fixture
async def bing_images_session(
    anyio_backend: object, bing_images_catalogue: Catalogue, request: pytest.FixtureRequest
) -> AsyncIterator[ImageSearchSession]:
    """Session on the library's own service in the same process: no key, no network, no waiting.

        @pytest.mark.anyio
        async def test_gallery(bing_images_session):
            assert await gallery(bing_images_session, "paper boat") == ...

    A marker sets limits and faults of the service (docs/emulator.md), and options of the session:

        @pytest.mark.anyio
        @pytest.mark.bing_images("retired")
        async def test_gallery_without_a_service(bing_images_session): ...

    Only for tests that run with anyio's pytest plugin (`pytest.mark.anyio`). In tests that run with pytest-asyncio or
    pytest-trio, use `async with ImageSearchSession.local(catalogue=bing_images_catalogue)`.
    """
    from .._session import ImageSearchSession

    marker = request.node.get_closest_marker("bing_images")
    options: dict[str, Any] = {"catalogue": bing_images_catalogue}
    if marker is not None:
        options |= {"profile": next(iter(marker.args), None), **marker.kwargs}
    async with ImageSearchSession.local(**options) as session:
        yield session
