"""The options of `bulk`, validated together before a file is opened or a request sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from attrs import frozen

from ..._pipeline.budget import Budget
from ..._pipeline.rate_limit import RateLimit
from ...params import SearchParams
from ..parameter_options import option_name, selected
from ..service_options import Service
from .export import check_arrow
from .input_file import INPUT_FORMATS, Source
from .output_files import OUTPUT_FORMATS, OutputFiles

__all__ = ["BulkOptions", "read_rate"]

_RATE = re.compile(r"(?P<requests>\d+(?:\.\d+)?)(?:/(?P<seconds>\d+(?:\.\d+)?)s?)?")


@frozen(kw_only=True)
class BulkOptions:
    """The options of one call of the command."""

    source: Source
    files: OutputFiles
    values: Mapping[str, Any]
    """The options by name."""

    @classmethod
    def of(cls, options: Mapping[str, Any], service: Service) -> BulkOptions:
        """Read the options. Raises `click.UsageError` if they contradict each other."""
        queries: Path = options["queries"]
        if queries != Path("-") and not queries.exists():
            raise click.UsageError(f"there is no file {queries}.")
        output: Path | None = None if options["output"] == Path("-") else options["output"]
        form = options["output_format"] or ("jsonl" if output is None else OUTPUT_FORMATS.get(output.suffix.lower()))
        if form is None:
            known = ", ".join(OUTPUT_FORMATS)
            raise click.UsageError(f"{output} ends in none of {known}: name the format with --output-format.")
        resume = options["resume"] or options["retry_failed"]
        if resume and options["overwrite"]:
            raise click.UsageError("--overwrite starts over, --resume and --retry-failed do not: choose one.")
        if output is None and (resume or options["overwrite"] or form == "parquet"):
            named = "Parquet" if form == "parquet" else "--resume, --retry-failed and --overwrite"
            raise click.UsageError(f"{named} cannot be used with results on stdout: add --output.")
        report = options["report"]
        if report is not None and not report.parent.is_dir():
            raise click.UsageError(f"{report}: there is no folder {report.parent}.")
        if form == "parquet":
            check_arrow()
        files = OutputFiles.at(output, form, report)
        files.check_distinct(queries)
        source = Source(
            path=queries,
            form=options["input_format"] or INPUT_FORMATS.get(queries.suffix.lower(), "text"),
            common=selected(SearchParams, options),
            address=service.address,
            limits=(options["pages"], options["limit"]),
        )
        return cls(source=source, files=files, values=options)

    @property
    def resume(self) -> bool:
        """Whether an earlier run may be continued."""
        return bool(self.values["resume"] or self.values["retry_failed"])

    @property
    def limits(self) -> dict[str, Any]:
        """Arguments of `fan_out`."""
        return {name: self.values[name] for name in ("concurrency", "pages", "limit", "timeout", "on_outage")}

    @property
    def session(self) -> dict[str, Any]:
        """Arguments of the session."""
        rate, budget = self.values["rate"], self.values["budget"]
        settings = {"keep_raw": False, "priority": "bulk", "max_concurrency": self.values["concurrency"]}
        settings["budget"] = None if budget is None else Budget(budget)
        return settings if rate == "default" else {**settings, "rate_limit": rate}

    def described(self) -> list[tuple[str, str]]:
        """Return name and value of each setting, for people."""
        rate = self.values["rate"]
        pace = f"{rate.requests:,} in {rate.per:g} s" if isinstance(rate, RateLimit) else rate or "none"
        facts = {
            "input": f"{self.source.name} ({self.source.form})",
            "output": f"{self.files.output or 'stdout'} ({self.files.form})",
            **{name: self.values[name] for name in ("limit", "pages", "concurrency", "budget", "timeout")},
            "rate": pace,
            "on_outage": self.values["on_outage"],
            **self.source.common,
        }
        return [
            (option_name(name).removeprefix("--"), str(value)) for name, value in facts.items() if value is not None
        ]


def read_rate(_: click.Context, parameter: click.Parameter, value: str | None) -> RateLimit | str | None:
    """Read `N`, `N/SECONDS` or `none`; return "default" if the option was not used."""
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
    return RateLimit(1, per=seconds / requests)  # 0.5 per second is one in two seconds
