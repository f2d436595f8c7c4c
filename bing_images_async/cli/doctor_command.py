"""`bing-images doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import click
from rich.table import Table
from rich.text import Text

from .diagnostics import Finding, Health, examine_machine, examine_service
from .exit_codes import Exit
from .parameter_options import Command
from .sanitize import visible
from .service_options import Service, service_options
from .table import show

__all__ = ["doctor"]

_MARKS = {Health.GOOD: ("ok", "green"), Health.NOTE: ("note", "yellow"), Health.BAD: ("BAD", "bold red")}


@click.command(cls=Command, short_help="Check that all is well.")
@service_options
def doctor(folder: Path | None, timeout: float | None) -> Exit:
    """Check that all is well, and say what to do where it is not.

    Looks at Python, packages, environment variables (never showing a key), the catalogue, the configured
    service, and makes one real search. Exit codes: 0 all is well, else that of the first thing that is
    not: 2 settings or packages, 3 key or quota, 4 network or service.

    \b
    Examples:
      bing-images doctor
      BING_IMAGES_URL=https://images.example.com bing-images doctor
    """
    service = Service(folder=folder, timeout=timeout)
    findings = examine_machine(service)
    if not any(finding.health is Health.BAD for finding in findings):
        findings += anyio.run(examine_service, service)
    show([_table(findings)])
    first = next((finding for finding in findings if finding.health is Health.BAD), None)
    return Exit.FOUND if first is None else first.exit


def _table(findings: Sequence[Finding]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mark, style = _MARKS[finding.health]
        table.add_row(Text(mark, style), Text(finding.subject), Text(visible(finding.text)))
    return table
