"""Reading the whole input once, before anything is made, removed or sent."""

from __future__ import annotations

import click

from ..streams import say_indented
from .checkpoint import Store
from .input_file import Source

__all__ = ["examine"]

_SHOWN = 10  # bad rows


def examine(source: Source, store: Store | None) -> int | None:
    """The number of queries; `None` for an input that cannot be read twice, which is left alone.

    Raises `click.UsageError` if rows cannot be asked, if there is none, or if it is not the input of the run in
    `store`, which is gone on with.
    """
    if not source.is_file:
        return None
    bad: list[str] = []
    count = number = 0
    for row in source.rows():
        count += 1
        if store is not None:
            store.done(row.index, row.digest)
        if row.params is None:
            number += 1
            if len(bad) < _SHOWN:
                bad.append(f"  line {row.line}: {row.fault}")
    if bad:
        for line in bad:
            say_indented(line)
        more = "" if number == len(bad) else f", of which the first {len(bad)} are above"
        raise click.UsageError(f"{number:,} of {count:,} queries cannot be asked{more}; nothing was sent.")
    if not count:
        raise click.UsageError(f"{source.name} holds no query.")
    if store is not None and store.journal.last_index() >= count:
        raise click.UsageError(f"{source.name} holds fewer queries than were asked before; --overwrite begins anew.")
    return count
