"""Fixes the order of trio's tasks by a seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trio._core import _run as scheduler


@contextmanager
def fixed_schedule(seed: int) -> Iterator[None]:
    """In the block, trio shuffles the tasks of each round by `seed`; asyncio always has one order.

    trio shuffles on purpose, and has no public way to set the seed; Hypothesis sets these two names as well.
    """
    state, fixed = scheduler._r.getstate(), scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    scheduler._r.seed(seed)
    vars(scheduler)["_ALLOW_DETERMINISTIC_SCHEDULING"] = True
    try:
        yield
    finally:
        scheduler._r.setstate(state)
        vars(scheduler)["_ALLOW_DETERMINISTIC_SCHEDULING"] = fixed
