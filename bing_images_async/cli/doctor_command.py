"""`bing-images doctor`. Each finding states a fact; for a problem, also how to fix it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import anyio
import click
import cloup
from attrs import frozen
from rich.table import Table
from rich.text import Text

from .._config import environment
from .._protocol.request_building import Service as Address
from .._session import DEFAULT_BASE_URL
from .._version import __version__
from ..errors import BingImagesError
from .exit_codes import Exit, exit_code
from .output_options import count_of
from .parameter_options import as_options
from .sanitize import visible
from .service_options import Service, emulator_required, open_session, service_options
from .table import show

__all__ = ["doctor"]

_STYLES = {"ok": "green", "note": "yellow", "BAD": "bold red"}
_DISTRIBUTION = "bing-images-async"
_CONNECT_TIMEOUT = 5.0  # seconds
_VARIABLES = ("BING_IMAGES_URL", "BING_IMAGES_KEY", "BING_IMAGES_KEY_FILE", "BING_IMAGES_CACHE", "BING_IMAGES_LOG")
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_REQUIREMENT = re.compile(r"""(?P<package>[\w.-]+)[^;]*(?:;.*extra\s*==\s*["'](?P<extra>\w+)["'])?""")


@frozen
class Finding:
    """One line of the report."""

    state: Literal["ok", "note", "BAD"]
    subject: str
    text: str
    exit: Exit = Exit.USAGE
    """The exit code if this is the first problem."""


@cloup.command(short_help="Check settings, packages and service.")
@service_options
def doctor(folder: Path | None, timeout: float | None, verbose: bool) -> Exit:
    """Check settings, packages and service, and print how to fix each problem.

    Checks Python, packages, environment variables (a key is never shown), the catalogue and the configured
    service, and makes one search. Exit codes: 0 no problem, else that of the first problem: 2 settings or
    packages, 3 key or quota, 4 network or service.

    \b
    Examples:
      bing-images doctor
      BING_IMAGES_URL=https://images.example.com bing-images doctor
    """
    service = Service(folder, timeout, verbose)
    findings = list(_check_machine(service))
    if not any(finding.state == "BAD" for finding in findings):
        findings += anyio.run(_check_service, service)
        findings += _check_folder(folder)
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        state = Text(finding.state, _STYLES[finding.state])
        table.add_row(state, Text(finding.subject), Text(visible(finding.text)))
    show([table])
    return next((finding.exit for finding in findings if finding.state == "BAD"), Exit.FOUND)


def _check_machine(service: Service) -> Iterator[Finding]:
    """Check Python, packages, environment and cache; nothing is sent."""
    yield Finding("ok", "python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield Finding("ok", "library", f"bing-images-async {__version__}")
    yield from _environment()
    try:
        is_local, is_catalogue = service.is_local, service.is_catalogue
    except BingImagesError as error:
        yield Finding("BAD", "settings", as_options(error))
        return
    yield from _packages(emulator_is_required=is_local)
    if is_catalogue:
        yield from _catalogue()


def _packages(*, emulator_is_required: bool) -> Iterator[Finding]:
    """Yield a finding for the core and for each extra that users install."""
    try:
        requirements = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding("note", "packages", "run from a source tree, so its requirements are unknown")
        return
    groups: dict[str, dict[str, str]] = {"": {}, "cli": {}, "emulator": {}}
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is not None and (match["extra"] or "") in groups:
            groups[match["extra"] or ""][match["package"]] = _version(match["package"])
    for extra, versions in groups.items():
        subject = f"extra {extra}" if extra else "packages"
        missing = [package for package, version in versions.items() if not version]
        if not missing:
            yield Finding("ok", subject, ", ".join(f"{name} {version}" for name, version in versions.items()))
            continue
        install = f'pip install "{_DISTRIBUTION}[{extra}]"' if extra else f"pip install {_DISTRIBUTION}"
        state: Literal["note", "BAD"] = "note" if extra == "emulator" and not emulator_is_required else "BAD"
        yield Finding(state, subject, f"without {', '.join(missing)}: {install}")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _environment() -> Iterator[Finding]:
    """Yield a finding per variable; a key is never shown, nor a password in a URL."""
    for name in _VARIABLES:
        value = _without_password(os.environ.get(name) or "not set")
        yield Finding("ok", name, "set (not shown)" if name.endswith("_KEY") and value != "not set" else value)
    for name in (*_PROXIES, "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        used = os.environ.get(name) or os.environ.get(name.lower())
        if used:
            yield Finding("ok", name, _without_password(used))


def _without_password(value: str) -> str:
    return re.sub(r"[^/@\s]*@", "***@", value)


def _catalogue() -> Iterator[Finding]:
    try:
        with emulator_required():
            from ..emulator.catalogue.index_file import cache_folder
    except click.UsageError:
        return  # reported with the packages already
    folder = cache_folder()
    # A file can be created there, or the folder itself if it does not exist yet.
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        yield Finding("ok", "cache", str(folder))
    else:
        text = f"{folder} cannot be written, so every run indexes the pictures again. "
        yield Finding("note", "cache", f"{text}Set BING_IMAGES_CACHE to a writable folder.")
    built = sorted(folder.glob("openmoji-*.sqlite3")) if folder.is_dir() else []
    sizes = ", ".join(f"{file.name} ({file.stat().st_size / 1_000_000:.1f} MB)" for file in built)
    if sizes:
        yield Finding("ok", "catalogue", sizes)
    else:
        yield Finding("note", "catalogue", "not built yet; the first search builds it, in some seconds")


def _check_folder(folder: Path | None) -> Iterator[Finding]:
    """Yield the files of a folder that are left out, with the reasons."""
    if folder is None:
        return
    with emulator_required():
        from ..emulator import open_folder
    with closing(open_folder(folder)) as catalogue:
        for line in catalogue.report(most=10_000):
            yield Finding("note", "folder", line.strip())


async def _check_service(service: Service) -> list[Finding]:
    """Check that the service can be reached and answers a search."""
    reached = Finding("ok", "service", f"{service.name}, in this process") if service.is_local else await _reach()
    return [reached] if reached.state == "BAD" else [reached, await _search(service)]


async def _reach() -> Finding:
    """Connect to the configured service, without TLS and without a request."""
    try:
        address = Address.at(environment()[1] or DEFAULT_BASE_URL)
        address.check_key(environment()[0] is not None, allow_http=False)
    except BingImagesError as error:
        return Finding("BAD", "service", as_options(error))
    if any(os.environ.get(name) or os.environ.get(name.lower()) for name in _PROXIES):
        return Finding(
            "ok", "service", f"{address.base} (proxies are set, so the search below is the first connection)"
        )
    port = urlsplit(address.base).port or (443 if address.secure else 80)
    try:
        with anyio.fail_after(_CONNECT_TIMEOUT):
            stream = await anyio.connect_tcp(address.host, port)
            await stream.aclose()
    except (OSError, TimeoutError) as error:
        reason = f"{error}" or f"no answer within {_CONNECT_TIMEOUT:g} seconds"
        text = f"{address.host}:{port} cannot be reached ({reason}). Check BING_IMAGES_URL, network and firewall."
        return Finding("BAD", "service", text, Exit.SERVICE)
    if address.is_microsoft:
        return Finding("note", "service", f"{address.base} (closed on 2025-08-11 to all but contract keys)")
    return Finding("ok", "service", address.base)


async def _search(service: Service) -> Finding:
    try:
        async with open_session(service) as session:
            answer = await session.search("cat", count=3)
    except BingImagesError as error:
        return Finding("BAD", "a search", as_options(error), exit_code(error))
    except click.UsageError as error:
        return Finding("BAD", "a search", error.format_message())
    took = f"in {answer.meta.elapsed * 1_000:,.0f} ms"
    if answer.problems:
        text = f"answered {took}; {count_of(len(answer.problems), 'value')} not decoded: "
        return Finding("note", "a search", f"{text}{answer.problems[0].path}: {answer.problems[0].reason}")
    if not answer.value:
        return Finding("note", "a search", f'answered {took}, but found nothing for "cat"')
    return Finding("ok", "a search", f'"cat" found {count_of(len(answer.value), "image")} {took}')
