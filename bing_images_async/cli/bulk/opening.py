"""Finding what an earlier run has left, and taking it over, or away, without anybody losing a result.

Nothing is removed before the journal is held: another run may be writing. The journal itself is emptied and not
replaced, for the lock is on the file; a new one in its place would be a lock that nobody else knows of.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from .checkpoint import File, Stdout, Store
from .tally import Journal

__all__ = ["journal_of", "open_store"]


def journal_of(output: Path) -> Path:
    """Where the journal of an output lies."""
    return output.with_name(f"{output.name}.journal")


def open_store(
    output: Path | None, log: Path | None, settings: Mapping[str, Any], header: bytes, *, resume: bool, overwrite: bool
) -> Store:
    """The store of an output, which is kept in the file `log` while the run lasts; `None` for stdout.

    `settings` are what must not change when a run goes on. Raises `click.UsageError` if there is a run and it is
    not said what to do with it, or if it is another; `JournalError` if another process holds it. Whatever is raised,
    the files of an earlier run are as they were.
    """
    if output is None or log is None:
        return Store(Stdout(), Journal(None), header)
    if not overwrite:
        _check(output, log, resume=resume)
    journal = Journal(journal_of(output), anew=overwrite)  # before the output: one without is taken for somebody else's
    try:
        if overwrite:
            output.unlink(missing_ok=True)
            log.unlink(missing_ok=True)
        _compare(journal, settings)
        return Store(File(log), journal, header)
    except BaseException:
        journal.close()
        raise


def _check(output: Path, log: Path, *, resume: bool) -> None:
    journal = journal_of(output)
    has_output = any(file.exists() and file.stat().st_size for file in (output, log))
    if not resume and (has_output or journal.exists()):
        there = output if has_output else journal
        raise click.UsageError(f"{there} exists: --resume goes on with it, --overwrite begins anew.")
    if has_output and not journal.exists():
        raise click.UsageError(f"{output} has no journal ({journal.name}), so it cannot be gone on with; "
                               "--overwrite begins anew.")  # fmt: skip


def _compare(journal: Journal, settings: Mapping[str, Any]) -> None:
    known = journal.fact("settings")
    if known is None:
        journal.note(settings=dict(settings))
    elif known != settings:
        changed = " and ".join(f"--{name}" for name in settings if known.get(name) != settings[name])
        raise click.UsageError(f"the run was begun with another {changed}. Say the same, or --overwrite.")
