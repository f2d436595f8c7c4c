"""How a run went: in a few lines, and as an exit code."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from ... import errors
from ...errors import BingImagesError
from ..exit_codes import Exit, exit_code
from ..parameter_options import in_options
from ..sanitize import visible
from .progress_display import duration
from .stats_sampler import Watch
from .tally import Failures, Totals

__all__ = ["Summary"]

_SHOWN = 160  # characters of a message


@frozen(kw_only=True)
class Summary:
    """All runs over the same output together, unless it says otherwise."""

    totals: Totals
    failures: Sequence[Failures]
    watch: Watch
    cost_per_1000: float | None
    stopped_by: BingImagesError | None
    """Why the last run ended early."""
    left: int | None
    """Queries that were not asked; `None` if nobody knows."""
    can_resume: bool

    @property
    def requests(self) -> int:
        """That were sent; those in the last moments of a run that was killed may not have been counted."""
        return max(self.watch.total.requests, self.totals.requests)

    @property
    def cost(self) -> float | None:
        """Of all requests."""
        return None if self.cost_per_1000 is None else self.requests * self.cost_per_1000 / 1000

    @property
    def exit(self) -> Exit:
        """The gravest that happened: stopped, failed (3 before 4 before 2), nothing found, found."""
        if self.stopped_by is not None:
            return exit_code(self.stopped_by)
        codes = {_exit_of(failures.kind) for failures in self.failures}
        for grave in (Exit.KEY, Exit.SERVICE, Exit.USAGE):
            if grave in codes:
                return grave
        return Exit.FOUND if self.totals.images else Exit.NOTHING

    def lines(self) -> list[str]:
        """For people."""
        totals, watch = self.totals, self.watch
        answered = totals.queries - totals.failed
        requests, total = self.requests, watch.total
        found = _count(totals.images, "image", "images")
        speed = f"{duration(watch.seconds)} ({requests / max(watch.seconds, 1e-9):.1f}/s)"
        troubles = f"{total.retries:,} of them retries, {total.throttled:,} throttled"
        cost = "" if self.cost is None else f"; cost {self.cost:,.2f}"
        answers = f"{answered:,} answered with {found} ({totals.empty:,} with none)"
        lines = [
            f"{_count(totals.queries, 'query', 'queries')}: {answers}, {totals.failed:,} failed.",
            f"{_count(requests, 'request', 'requests')} in {speed}, {troubles}{cost}.",
        ]
        lines += [self._failure(failures) for failures in self.failures]
        if self.failures and self.can_resume:
            lines.append("To ask again for what failed: the same command with --retry-failed.")
        if self.stopped_by is not None:
            left = "The rest" if self.left is None else _count(self.left, "query", "queries")
            lines.append(f"Stopped: {in_options(self.stopped_by)} {left} not asked.")
            if self.can_resume:
                lines.append("To go on: the same command with --resume.")
        return lines

    @staticmethod
    def _failure(failures: Failures) -> str:
        message = visible(failures.message)
        cut = f"{message[:_SHOWN]}…" if len(message) > _SHOWN else message
        examples = ", ".join(repr(query) for query in failures.examples if query)
        return f"  {failures.number:,} × {failures.kind}: {cut}" + (f" – {examples}" if examples else "")


def _exit_of(kind: str) -> Exit:
    """The exit code of an error that is known by its name only."""
    found = getattr(errors, kind, BingImagesError)
    return exit_code(found.__new__(found))


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
