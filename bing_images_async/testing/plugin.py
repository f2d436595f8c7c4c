"""The pytest plugin: fixtures for tests of code that uses this library.

They need the extra `emulator`. Nothing but pytest is imported before a test asks for one of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .._session import ImageSearchSession
    from ..emulator import Catalogue

__all__ = ["bing_images_catalogue", "bing_images_session"]


@pytest.fixture(scope="session")
def bing_images_catalogue() -> Catalogue:
    """What `bing_images_session` searches: a thousand made-up pictures, which any query finds, in an order of its own.

    A fixture of yours with this name takes its place, with any catalogue of `bing_images_async.emulator`.
    """
    from ..emulator import synthetic

    return synthetic()


@pytest.fixture
async def bing_images_session(
    anyio_backend: object, bing_images_catalogue: Catalogue
) -> AsyncIterator[ImageSearchSession]:
    """A session on the library's own service inside this process: no key, no network, nothing to wait for.

        @pytest.mark.anyio
        async def test_gallery(bing_images_session):
            assert await gallery(bing_images_session, "paper boat") == ...

    For tests that anyio's own pytest plugin runs (`pytest.mark.anyio`). A test run by pytest-asyncio or
    pytest-trio enters `ImageSearchSession.local(catalogue=bing_images_catalogue)` itself.
    """
    from .._session import ImageSearchSession

    async with ImageSearchSession.local(catalogue=bing_images_catalogue) as session:
        yield session
