"""The result of a run: a few lines for people, and the exit code."""

from __future__ import annotations

from attrs import frozen

from ... import errors
from ...errors import BingImagesError
from ..exit_codes import Exit, exit_code
from ..output_options import count_of
from ..parameter_options import as_options
from ..sanitize import visible
from .progress_display import duration
from .run import Run
from .tally import Failures, Tally
from .timeline import Bucket

__all__ = ["Summary"]

_MAX_MESSAGE = 160  # characters


@frozen
class Summary:
    """The result of a run that has ended: all runs over the same output together, unless stated otherwise."""

    run: Run
    cost_per_1000: float | None
    can_resume: bool

    @property
    def tally(self) -> Tally:
        """All results."""
        return self.run.tally

    @property
    def sent(self) -> Bucket:
        """All requests."""
        return self.run.sent

    @property
    def cost(self) -> float | None:
        """Of all requests."""
        return None if self.cost_per_1000 is None else self.sent.requests * self.cost_per_1000 / 1000

    @property
    def speed(self) -> float:
        """Requests per second."""
        return self.sent.requests / max(self.tally.timeline.seconds, 1e-9)

    @property
    def exit(self) -> Exit:
        """The most severe: stopped, failed (3 before 4 before 2), nothing found, found."""
        if self.run.stopped_by is not None:
            return exit_code(self.run.stopped_by)
        codes = {_exit_of(kind) for kind in self.tally.kinds}
        for code in (Exit.KEY, Exit.SERVICE, Exit.USAGE):
            if code in codes:
                return code
        return Exit.FOUND if self.tally.images else Exit.NOTHING

    @property
    def stopped(self) -> str:
        """Why the last run ended early, and what is missing; "" if it did not."""
        if self.run.stopped_by is None:
            return ""
        total = self.run.total
        left = "Some queries" if total is None else count_of(total - self.tally.queries, "query", "queries")
        return f"Stopped: {as_options(self.run.stopped_by)} {left} not sent."

    def lines(self) -> list[str]:
        """Return the lines for people."""
        tally, sent = self.tally, self.sent
        answered, images = tally.queries - tally.failed, count_of(tally.images, "image")
        answers = f"{answered:,} answered with {images} ({tally.empty:,} with none), {tally.failed:,} failed"
        time = f"{duration(tally.timeline.seconds)} ({self.speed:.1f}/s)"
        troubles = f"{sent.retries:,} of them retries, {sent.throttled:,} throttled"
        cost = "" if self.cost is None else f"; cost {self.cost:,.2f}"
        lines = [
            f"{count_of(tally.queries, 'query', 'queries')}: {answers}.",
            f"{count_of(sent.requests, 'request')} in {time}, {troubles}{cost}.",
            *map(_line, tally.failures),
        ]
        if tally.failed and self.can_resume:
            lines.append("To repeat the failed queries: the same command with --retry-failed.")
        if self.stopped:
            lines.append(self.stopped)
            if self.can_resume:
                lines.append("To continue: the same command with --resume.")
        return lines


def _line(failures: Failures) -> str:
    message = visible(failures.message)
    cut = f"{message[:_MAX_MESSAGE]}…" if len(message) > _MAX_MESSAGE else message
    examples = ", ".join(repr(query) for query in failures.examples if query)
    return f"  {failures.number:,} × {failures.kind}: {cut}" + (f" – {examples}" if examples else "")


def _exit_of(kind: str) -> Exit:
    """Return the exit code of an error of which only the name is known."""
    found = getattr(errors, kind, BingImagesError)
    return exit_code(found.__new__(found))
