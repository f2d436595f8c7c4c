"""What the doctor looks at: each finding says what is, and where it is amiss, what to do."""

from __future__ import annotations

import os
import platform
import re
from enum import Enum
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import click
from attrs import frozen

from .._config import environment
from .._protocol.request_building import Service as Address
from .._session import DEFAULT_BASE_URL
from .._version import __version__
from ..errors import BingImagesError
from .exit_codes import Exit, exit_code
from .parameter_options import in_options
from .service_options import Service, emulator_needed, open_session

__all__ = ["Finding", "Health", "examine_machine", "examine_service"]

_DISTRIBUTION = "bing-images-async"
_PATIENCE = 5.0  # seconds for a connection
_VARIABLES = ("BING_IMAGES_URL", "BING_IMAGES_KEY", "BING_IMAGES_KEY_FILE", "BING_IMAGES_CACHE")
_REQUIREMENT = re.compile(r"""(?P<package>[\w.-]+)[^;]*(?:;.*extra\s*==\s*["'](?P<extra>\w+)["'])?""")


class Health(Enum):
    """How grave a finding is."""

    GOOD = "good"
    NOTE = "note"
    """Worth knowing; everything works."""
    BAD = "bad"


@frozen
class Finding:
    """One line of the report."""

    health: Health
    subject: str
    text: str
    exit: Exit = Exit.USAGE
    """The exit code, if this is the first that is bad."""


def examine_machine(service: Service) -> list[Finding]:
    """Python, packages, environment and cache; nothing is sent."""
    findings = [
        Finding(Health.GOOD, "python", f"{platform.python_version()} on {platform.platform(terse=True)}"),
        Finding(Health.GOOD, "library", f"bing-images-async {__version__}"),
        *_environment(),
    ]
    try:
        is_local = service.is_local
    except BingImagesError as error:
        return [*findings, Finding(Health.BAD, "settings", in_options(error))]
    return [*findings, *_packages(emulator_is_needed=is_local), *(_catalogue() if service.is_catalogue else [])]


def _packages(*, emulator_is_needed: bool) -> list[Finding]:
    """One finding for the core and for each extra that users install."""
    try:
        requirements = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return [Finding(Health.NOTE, "packages", "run from its source, so what it needs is not known to pip")]
    groups: dict[str, list[str]] = {"": [], "cli": [], "emulator": []}
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is not None and (match["extra"] or "") in groups:
            groups[match["extra"] or ""].append(match["package"])
    return [
        _group(extra, packages, needed=extra != "emulator" or emulator_is_needed) for extra, packages in groups.items()
    ]


def _group(extra: str, packages: list[str], *, needed: bool) -> Finding:
    versions = {package: _version(package) for package in packages}
    missing = [package for package, version in versions.items() if version is None]
    subject = f"extra {extra}" if extra else "packages"
    if not missing:
        return Finding(Health.GOOD, subject, ", ".join(f"{name} {version}" for name, version in versions.items()))
    line = f'pip install "{_DISTRIBUTION}[{extra}]"' if extra else f"pip install {_DISTRIBUTION}"
    return Finding(Health.BAD if needed else Health.NOTE, subject, f"without {', '.join(missing)}: {line}")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _environment() -> list[Finding]:
    """The variables that are read; of the key, only that it is there."""
    findings: list[Finding] = []
    for name in _VARIABLES:
        value = os.environ.get(name)
        shown = "not set" if not value else "set (not shown)" if name == "BING_IMAGES_KEY" else _plain(value)
        findings.append(Finding(Health.GOOD, name, shown))
    proxies = [name for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") if os.environ.get(name)]
    if proxies:
        findings.append(Finding(Health.NOTE, "proxy", f"{', '.join(proxies)} is set, and not used by this library"))
    return findings


def _plain(value: str) -> str:
    """An address without the password that somebody may have put into it."""
    return re.sub(r"//[^/@]*@", "//***@", value)


def _catalogue() -> list[Finding]:
    try:
        with emulator_needed():
            from ..emulator import store
    except click.UsageError:
        return []  # said under the packages already
    folder = store.cache_folder()
    built = sorted(folder.glob("openmoji-*.sqlite3")) if folder.is_dir() else []
    findings = [
        Finding(Health.GOOD, "cache", str(folder))
        if _can_write(folder)
        else Finding(Health.NOTE, "cache", f"{folder} cannot be written: every run reads the pictures again. "
                     "Set BING_IMAGES_CACHE to a folder of yours.")
    ]  # fmt: skip
    if built:
        sizes = ", ".join(f"{file.name} ({file.stat().st_size / 1_000_000:.1f} MB)" for file in built)
        return [*findings, Finding(Health.GOOD, "catalogue", sizes)]
    return [
        *findings,
        Finding(Health.NOTE, "catalogue", "not built yet; the first search does it, in some seconds"),
    ]


def _can_write(folder: Path) -> bool:
    """Could a file be made in this folder, and the folder itself if it is not there?"""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


async def examine_service(service: Service) -> list[Finding]:
    """Can it be reached, and does it answer a search?"""
    if service.is_local:
        reached = Finding(Health.GOOD, "service", f"{service.name}, within this process")
    else:
        reached = await _reach()
    return [reached] if reached.health is Health.BAD else [reached, await _search(service)]


async def _reach() -> Finding:
    """A connection to the configured service, without TLS and without a request."""
    try:
        address = Address.at(environment()[1] or DEFAULT_BASE_URL)
        address.check_key(environment()[0] is not None, allow_http=False)
    except BingImagesError as error:
        return Finding(Health.BAD, "service", in_options(error))
    port = urlsplit(address.base).port or (443 if address.secure else 80)
    try:
        with anyio.fail_after(_PATIENCE):
            stream = await anyio.connect_tcp(address.host, port)
            await stream.aclose()
    except (OSError, TimeoutError) as fault:
        reason = f"{fault}" or f"no answer within {_PATIENCE:g} seconds"
        text = f"{address.host}:{port} cannot be reached ({reason}). Check BING_IMAGES_URL, network and firewall."
        return Finding(Health.BAD, "service", text, Exit.SERVICE)
    if address.is_microsoft:
        return Finding(Health.NOTE, "service", f"{address.base} (closed on 2025-08-11 to all but contract keys)")
    return Finding(Health.GOOD, "service", address.base)


async def _search(service: Service) -> Finding:
    try:
        async with open_session(service) as session:
            answer = await session.search("cat", count=3)
    except BingImagesError as error:
        return Finding(Health.BAD, "a search", in_options(error), exit_code(error))
    except click.UsageError as error:
        return Finding(Health.BAD, "a search", error.format_message())
    took = f"in {answer.meta.elapsed * 1_000:,.0f} ms"
    if answer.problems:
        place = f"{answer.problems[0].path}: {answer.problems[0].reason}"
        return Finding(Health.NOTE, "a search", f"answered {took}; {len(answer.problems)} places differ: {place}")
    if not answer.value:
        return Finding(Health.NOTE, "a search", f'answered {took}, but it found nothing for "cat"')
    return Finding(Health.GOOD, "a search", f'"cat" found {len(answer.value)} images {took}')
