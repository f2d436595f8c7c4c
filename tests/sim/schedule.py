"""Makes trio take its tasks in an order that a seed decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trio._core import _run as scheduler


@contextmanager
def fixed_schedule(seed: int) -> Iterator[None]:
    """While the block runs, trio shuffles the tasks of each round by `seed`; asyncio has one order anyway.

    trio shuffles on purpose, and has no public way to seed it; these two names are what Hypothesis sets too.
    """
    state, fixed = scheduler._r.getstate(), scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    scheduler._r.seed(seed)
    vars(scheduler)["_ALLOW_DETERMINISTIC_SCHEDULING"] = True
    try:
        yield
    finally:
        scheduler._r.setstate(state)
        vars(scheduler)["_ALLOW_DETERMINISTIC_SCHEDULING"] = fixed
