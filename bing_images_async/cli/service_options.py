"""Options that select the service: the one in the environment, a folder of pictures, or the local catalogue."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
from attrs import frozen
from cloup import option, option_group

from .._config import LOCAL_URL, environment
from .._protocol.request_building import Service as Address
from .._session import DEFAULT_BASE_URL, LOCAL_ORIGIN, ImageSearchSession
from .progress_bar import ProgressBar
from .streams import print_error
from .verbose_observer import print_event

__all__ = [
    "OPENMOJI",
    "Service",
    "emulator_required",
    "folder_option",
    "open_session",
    "service_options",
    "verbose_option",
]

F = TypeVar("F", bound=Callable[..., Any])

OPENMOJI = "All emojis designed by OpenMoji – the open-source emoji and icon project. License: CC BY-SA 4.0"
"""The attribution that OpenMoji asks for."""


@frozen
class Service:
    """The service that answers, the timeout of a call, and whether events are printed."""

    folder: Path | None
    timeout: float | None = None
    verbose: bool = False

    @property
    def is_local(self) -> bool:
        """Whether it runs in this process. Raises `InvalidRequestError` if the environment contradicts itself."""
        if self.folder is not None:
            return True
        key, url = environment()
        return url == LOCAL_URL or (key is None and url is None)

    @property
    def is_catalogue(self) -> bool:
        """Whether it is the catalogue that comes with the library."""
        return self.folder is None and self.is_local

    @property
    def name(self) -> str:
        """Its name in one or two words."""
        if self.folder is not None:
            return self.folder.resolve().name or str(self.folder)
        if self.is_catalogue:
            return "OpenMoji"
        url = environment()[1] or DEFAULT_BASE_URL
        return urlsplit(url if "://" in url else f"https://{url}").hostname or url

    @property
    def address(self) -> Address:
        """Its base URL. Raises `InvalidRequestError` if it is not valid."""
        return Address.at(f"{LOCAL_ORIGIN}/v7.0" if self.is_local else environment()[1] or DEFAULT_BASE_URL)

    @property
    def credits(self) -> str:
        """The attribution of all its pictures; "" for none."""
        return OPENMOJI if self.is_catalogue else ""


def folder_option(command: F) -> F:
    """Add the option that selects a folder of pictures."""
    folder = click.Path(path_type=Path, exists=True, file_okay=False)
    text = "Search the pictures in this folder, on this machine."
    return option("--folder", type=folder, metavar="DIR", help=text)(command)


def verbose_option(command: F) -> F:
    """Add the option that prints events."""
    return option("--verbose", is_flag=True, help="Print waits, retries and throttled requests on stderr.")(command)


def service_options(command: F) -> F:
    """Add the options of a `Service`."""
    timeout = click.FloatRange(min=0, min_open=True)
    return option_group(
        "Service",
        folder_option,
        option("--timeout", type=timeout, metavar="SECONDS", help="Time limit of a call.  [default: 30]"),
        verbose_option,
    )(command)


@asynccontextmanager
async def open_session(service: Service, **settings: Any) -> AsyncGenerator[ImageSearchSession]:
    """Open a session with the service. It keeps the JSON of answers unless the `settings` disable that.

    A progress bar is shown while the index of a local catalogue is built. Raises `click.UsageError` if the
    extra `emulator` is needed and missing.
    """
    options: dict[str, Any] = {"keep_raw": True, **settings}
    if service.timeout is not None:
        options["timeout"] = service.timeout
    if service.verbose:
        options["observers"] = [print_event]
    async with AsyncExitStack() as stack:
        with ProgressBar("Indexing the pictures (only once)") as bar:
            if not service.is_local:
                session = ImageSearchSession.from_env(trust_env=True, **options)
            else:
                with emulator_required():
                    session = ImageSearchSession.local(service.folder, progress=bar.report, **options)
            if service.is_catalogue and environment()[1] is None:
                print_error("No key and no URL are set: searching the local catalogue (OpenMoji artwork).")
            await stack.enter_async_context(session)
        yield session


@contextmanager
def emulator_required() -> Generator[None]:
    """Translate an ImportError of the extra `emulator` into a usage error."""
    try:
        yield
    except ModuleNotFoundError:
        raise
    except ImportError as error:
        raise click.UsageError(f"{error}, or set BING_IMAGES_URL to a service that is running.") from None
