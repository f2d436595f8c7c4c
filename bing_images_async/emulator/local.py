"""The service inside a session's process: an ASGI app with a catalogue that is open while the session is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from anyio import to_thread

from .app import create_app
from .catalogue.factories import open_folder, open_openmoji
from .catalogue.interface import Catalogue
from .faults.emulator import Emulator
from .faults.profiles import Profile

__all__ = ["LocalService"]


class LocalService:
    """An ASGI app. Entering it opens the catalogue, or builds it on first use, in a worker thread.

    catalogue: used instead of opening one; it is not closed.
    profile: limits, latency and faults. Raises ValueError for an unknown one.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        catalogue: Catalogue | None = None,
        progress: Callable[[int, int], None] | None = None,
        profile: Profile | str | None = None,
    ) -> None:
        self._folder = None if folder is None else Path(folder)
        self._borrowed = catalogue
        self._progress = progress
        self._profile = Profile.of(profile)
        self._owned: Catalogue | None = None
        self._app: Any = None

    async def __aenter__(self) -> Self:
        catalogue = self._borrowed
        if catalogue is None:
            catalogue = self._owned = await to_thread.run_sync(self._open_catalogue)
        self._app = create_app(catalogue, profile=self._profile)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owned is not None:
            await to_thread.run_sync(self._owned.close)

    @property
    def emulator(self) -> Emulator:
        """Journal and profile of the service. Precondition: it has been entered."""
        emulator = self._app.state.emulator
        assert isinstance(emulator, Emulator)
        return emulator

    def _open_catalogue(self) -> Catalogue:
        if self._folder is None:
            return open_openmoji(progress=self._progress)
        return open_folder(self._folder, progress=self._progress)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)
