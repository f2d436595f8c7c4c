"""The pytest plugin: fixtures for tests of code that uses this library.

They need the extra `emulator`. Nothing but pytest is imported before a test asks for one of them.
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
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(scope="session")
def bing_images_catalogue() -> Catalogue:
    """What `bing_images_session` searches: a thousand made-up pictures, which any query finds, in an order of its own.

    A fixture of yours with this name takes its place, with any catalogue of `bing_images_async.emulator`.
    """
    from ..emulator import synthetic

    return synthetic()


@pytest.fixture
async def bing_images_session(
    anyio_backend: object, bing_images_catalogue: Catalogue, request: pytest.FixtureRequest
) -> AsyncIterator[ImageSearchSession]:
    """A session on the library's own service inside this process: no key, no network, nothing to wait for.

        @pytest.mark.anyio
        async def test_gallery(bing_images_session):
            assert await gallery(bing_images_session, "paper boat") == ...

    A marker gives the service limits and faults (docs/emulator.md), and the session its options:

        @pytest.mark.anyio
        @pytest.mark.bing_images("retired")
        async def test_gallery_without_a_service(bing_images_session): ...

    For tests that anyio's own pytest plugin runs (`pytest.mark.anyio`). A test run by pytest-asyncio or
    pytest-trio enters `ImageSearchSession.local(catalogue=bing_images_catalogue)` itself.
    """
    from .._session import ImageSearchSession

    marker = request.node.get_closest_marker("bing_images")
    options: dict[str, Any] = {"catalogue": bing_images_catalogue}
    if marker is not None:
        options |= {"profile": next(iter(marker.args), None), **marker.kwargs}
    async with ImageSearchSession.local(**options) as session:
        yield session
