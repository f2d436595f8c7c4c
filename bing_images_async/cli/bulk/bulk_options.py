"""What the options of `bulk` amount to, checked together before anything is opened or sent."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import click
from attrs import frozen

from ..._pipeline.budget import Budget
from ..._pipeline.rate_limit import RateLimit
from ...params import SearchParams
from ..parameter_options import given, option_name
from .apart import check_apart
from .input_file import Source, input_form
from .opening import journal_of
from .parquet import check_arrow, draft_of
from .run import Limits

__all__ = ["Job", "read_rate"]

_FORMS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
_RATE = re.compile(r"(?P<requests>\d+(?:\.\d+)?)(?:/(?P<seconds>\d+(?:\.\d+)?)s?)?")


@frozen(kw_only=True)
class Job:
    """One call of the command."""

    source: Source
    output: Path | None
    """`None` for stdout."""
    form: str
    """Of the output: `jsonl`, `csv` or `parquet`."""
    limits: Limits
    rate: RateLimit | str | None
    """`"default"` if nothing was said."""
    budget: Budget | None
    cost_per_1000: float | None
    resume: bool
    retry_failed: bool
    overwrite: bool
    report: Path | None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Job:
        """Read the options. Raises `click.UsageError` for those that do not go together."""
        queries: Path = options["queries"]
        if queries != Path("-") and not queries.exists():
            raise click.UsageError(f"there is no file {queries}.")
        output: Path | None = None if options["output"] == Path("-") else options["output"]
        form = options["output_format"] or _form_of(output)
        going_on = options["resume"] or options["retry_failed"]
        if going_on and options["overwrite"]:
            raise click.UsageError("--overwrite begins anew, --resume and --retry-failed do not: choose.")
        if output is None and (going_on or options["overwrite"] or form == "parquet"):
            said = "Parquet" if form == "parquet" else "--resume, --retry-failed and --overwrite"
            raise click.UsageError(f"{said} cannot be with results on stdout: give an --output.")
        for file in (output, options["report"]):
            if file is not None and not file.parent.is_dir():
                raise click.UsageError(f"{file}: there is no folder {file.parent}.")
        if form == "parquet":
            check_arrow()
        cost, requests = options["cost_per_1000"], options["budget"]
        job = cls(
            source=Source(
                path=queries,
                form=options["input_format"] or input_form(queries),
                common=given(SearchParams, options),
            ),
            output=output,
            form=form,
            limits=Limits(
                concurrency=options["concurrency"],
                pages=options["pages"],
                images=options["limit"],
                timeout=options["timeout"],
                on_outage=options["on_outage"],
            ),
            rate=options["rate"],
            budget=None if requests is None else Budget(requests, cost_per_1000=cost),
            cost_per_1000=cost,
            resume=going_on,
            retry_failed=options["retry_failed"],
            overwrite=options["overwrite"],
            report=options["report"],
        )
        check_apart(job.files())
        return job

    @property
    def log(self) -> Path | None:
        """Where results go while the run lasts: the output itself, or what a Parquet file is made of."""
        if self.output is None or self.form != "parquet":
            return self.output
        return self.output.with_name(f"{self.output.name}.part")

    def files(self) -> Iterator[tuple[str, Path | IO[str]]]:
        """All that is read and written, each with what to call it."""
        yield "the input", self.source.path if self.source.path != Path("-") else sys.stdin
        yield "--output", self.output or sys.stdout
        if self.report is not None:
            yield "--report", self.report
        if self.output is None:
            return
        journal = journal_of(self.output)
        yield f"the journal {journal.name}", journal
        yield f"{journal.name}-wal, a part of the journal,", journal.with_name(f"{journal.name}-wal")
        if self.log is not None and self.log != self.output:
            yield f"{self.log.name}, where the table is made,", self.log
            yield f"{draft_of(self.output).name}, where the table is made,", draft_of(self.output)

    @property
    def fixed(self) -> dict[str, Any]:
        """What must stay the same when a run goes on; the questions themselves are compared one by one."""
        return {"output-format": self.form, "limit": self.limits.images, "pages": self.limits.pages}

    @property
    def session(self) -> dict[str, Any]:
        """Settings of the session."""
        settings: dict[str, Any] = {
            "keep_raw": False,
            "priority": "bulk",
            "max_concurrency": self.limits.concurrency,
            "budget": self.budget,
        }
        return settings if self.rate == "default" else {**settings, "rate_limit": self.rate}

    def told(self) -> list[tuple[str, str]]:
        """Label and value of what was asked for, for people."""
        limits, rate = self.limits, self.rate
        paced = f"{rate.requests:,} in {rate.per:g} s" if isinstance(rate, RateLimit) else rate or "none"
        facts: list[tuple[str, object]] = [
            ("input", f"{self.source.name} ({self.source.form})"),
            ("output", f"{self.output or 'stdout'} ({self.form})"),
            ("per query", _per_query(limits)),
            ("concurrency", limits.concurrency),
            ("rate", paced),
            ("budget", None if self.budget is None else f"{self.budget.requests:,} requests"),
            ("timeout", None if limits.timeout is None else f"{limits.timeout:g} s"),
            ("on outage", limits.on_outage),
            *((option_name(name).removeprefix("--"), value) for name, value in self.source.common.items()),
        ]
        return [(label, str(value)) for label, value in facts if value is not None]


def read_rate(_: click.Context, parameter: click.Parameter, value: str | None) -> RateLimit | str | None:
    """`N`, `N/SECONDS` or `none`; "default" where nothing was said."""
    if value is None:
        return "default"
    if value.lower() == "none":
        return None
    match = _RATE.fullmatch(value.strip())
    requests, seconds = (float(match["requests"]), float(match["seconds"] or 1)) if match else (0.0, 0.0)
    if not requests or not seconds:
        raise click.BadParameter(f"{value!r} is not N requests per second, N/SECONDS, or none.", param=parameter)
    if requests.is_integer():
        return RateLimit(int(requests), per=seconds)
    return RateLimit(1, per=seconds / requests)  # half a request per second is one in two


def _form_of(output: Path | None) -> str:
    if output is None:
        return "jsonl"
    try:
        return _FORMS[output.suffix.lower()]
    except KeyError:
        raise click.UsageError(
            f"{output} ends in none of {', '.join(_FORMS)}: say which it is with --output-format."
        ) from None


def _per_query(limits: Limits) -> str:
    parts = [f"{limits.images:,} images"] if limits.images is not None else []
    parts += [f"{limits.pages:,} pages"] if limits.pages is not None else []
    return " or ".join(parts) + " at most" if parts else "one page"
