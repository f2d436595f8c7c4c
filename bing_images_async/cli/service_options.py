"""Who answers: the service that the environment names, a folder of pictures, or the local catalogue."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
from attrs import frozen

from .._config import environment
from .._session import DEFAULT_BASE_URL, ImageSearchSession
from .parameter_options import Option
from .progress_bar import Bar
from .streams import say

__all__ = ["OPENMOJI", "Service", "emulator_needed", "folder_option", "open_session", "service_options"]

F = TypeVar("F", bound=Callable[..., Any])

OPENMOJI = "All emojis designed by OpenMoji – the open-source emoji and icon project. License: CC BY-SA 4.0"
"""The attribution that OpenMoji asks for."""


@frozen(kw_only=True)
class Service:
    """Where to ask, and for how long."""

    folder: Path | None
    timeout: float | None

    @property
    def is_local(self) -> bool:
        """Is it in this process? Raises `InvalidRequestError` if the environment contradicts itself."""
        return self.folder is not None or environment() == (None, None)

    @property
    def is_catalogue(self) -> bool:
        """Is it the catalogue that comes with the library?"""
        return self.folder is None and self.is_local

    @property
    def name(self) -> str:
        """Who answers, in a word or two."""
        if self.folder is not None:
            return self.folder.resolve().name or str(self.folder)
        if self.is_catalogue:
            return "OpenMoji"
        url = environment()[1] or DEFAULT_BASE_URL
        return urlsplit(url if "://" in url else f"https://{url}").hostname or url


def service_options(command: F) -> F:
    """Options that make a `Service`."""
    timeout = click.option(
        "--timeout",
        cls=Option,
        section="Service",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="How long a call may take.  [default: 30]",
    )
    return folder_option(timeout(command))


def folder_option(command: F) -> F:
    """Whose pictures to search, if it is not a service that answers."""
    return click.option(
        "--folder",
        cls=Option,
        section="Service",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        metavar="DIR",
        help="Search the pictures in this folder, on this machine.",
    )(command)


@asynccontextmanager
async def open_session(service: Service, **settings: Any) -> AsyncGenerator[ImageSearchSession]:
    """A session with the service, which keeps the JSON of answers unless the `settings` say otherwise.

    While the index of a local catalogue is built, there is a progress bar. Raises `click.UsageError` if the
    extra `emulator` is needed and missing.
    """
    bar = Bar("Reading the pictures, this once")
    options: dict[str, Any] = {"keep_raw": True, **settings}
    if service.timeout is not None:
        options["timeout"] = service.timeout
    if not service.is_local:
        session = ImageSearchSession.from_env(**options)
    else:
        with emulator_needed():
            session = ImageSearchSession.local(service.folder, progress=bar.report, **options)
    if service.is_catalogue:
        say("No key and no URL are set, so the local catalogue (OpenMoji artwork) answers.")
    async with AsyncExitStack() as stack:
        with bar:
            await stack.enter_async_context(session)
        yield session


@contextmanager
def emulator_needed() -> Generator[None]:
    """Turns the missing extra into a usage error that says what to do."""
    try:
        yield
    except ModuleNotFoundError:
        raise
    except ImportError as error:
        raise click.UsageError(f"{error}, or set BING_IMAGES_URL to a service that is running.") from None
