"""The OpenMoji catalogue of the tests: built once, and kept for later runs and other processes."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bing_images_async.emulator import catalogue as package, open_openmoji
from bing_images_async.emulator.catalogue.sqlite_catalogue import SqliteCatalogue

TODAY = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def catalogue() -> Iterator[SqliteCatalogue]:
    """All of OpenMoji. The index is kept under a hash of the code that builds it."""
    folder = Path(package.__file__).parent
    code = b"".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file())
    name = f"bing-images-tests-{getattr(os, 'getuid', int)()}-{hashlib.sha256(code).hexdigest()[:12]}"
    cache = Path(tempfile.gettempdir(), name)
    cache.mkdir(mode=0o700, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        _lock(lock.fileno())  # other workers wait for the one that builds
        built = open_openmoji(cache, today=TODAY)
    yield built
    built.close()


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: each worker builds
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)
