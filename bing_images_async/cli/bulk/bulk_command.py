"""`bing-images bulk`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import anyio
import click
import cloup
from cloup import option, option_group

from ...params import SearchParams
from ..exit_codes import Exit
from ..formats import to_csv
from ..output_options import count_of, write_page
from ..parameter_options import params_options
from ..service_options import Service, folder_option, open_session, verbose_option
from ..streams import print_error, print_hint, write
from .bulk_options import BulkOptions, read_rate
from .checkpoint import Checkpoint
from .export import export
from .input_file import validate_input
from .input_rows import FORMATS
from .progress_display import ProgressDisplay
from .report_page import report_of, sample_cards
from .results import COLUMNS, encode, table_rows
from .run import Run
from .summary import Summary
from .termination import terminated_like_interrupt

__all__ = ["bulk"]

_NUMBER = click.IntRange(min=1)
_FILE = click.Path(path_type=Path, dir_okay=False)
_FILE_OR_DASH = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@cloup.command(short_help="Find images for many queries.")
@click.argument("queries", type=_FILE_OR_DASH)
@option_group(
    "Output",
    option("--output", default="-", type=_FILE_OR_DASH, metavar="FILE",
           help="Results: .jsonl, .csv or .parquet.  [default: -, stdout]"),
    option("--output-format", type=click.Choice(["jsonl", "csv", "parquet"]), help="Needed for other extensions."),
    option("--report", type=_FILE, metavar="FILE", help="Write an HTML report of the run, with sample pictures."),
    option("--resume", is_flag=True, help="Continue the run that wrote this output, or start one."),
    option("--retry-failed", is_flag=True, help="The same, and repeat queries that failed."),
    option("--overwrite", is_flag=True, help="Start over and remove the old results."),
)  # fmt: skip
@option_group(
    "Input",
    option("--input-format", type=click.Choice(list(FORMATS)),
           help="Needed for other extensions.  [default: text]"),
)  # fmt: skip
@option_group(
    "Amount",
    option("--limit", type=_NUMBER, metavar="N", help="Different images per query; as many pages as necessary are "
           "requested."),
    option("--pages", type=_NUMBER, metavar="N", help="Maximum pages per query.  [default: 1]"),
    option("--repeat", is_flag=True, help="Send a request for every row, even for equal ones."),
    option("--budget", type=click.IntRange(min=0), metavar="N",
           help="Maximum requests of this run, retries and pages included."),
    option("--cost-per-1000", type=click.FloatRange(min=0), metavar="PRICE",
           help="Price of a thousand requests, to print the sum."),
    option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
           help="Time limit of the whole run."),
)  # fmt: skip
@option_group(
    "Pace",
    option("--concurrency", default=32, show_default=True, type=click.IntRange(1, 1000), metavar="N",
           help="Queries in flight at once."),
    option("--rate", callback=read_rate, metavar="N[/SECONDS]", help="Requests per second, or N in so many seconds, "
           "or none for no limit.  [default: 3; no limit for pictures on this machine]"),
    option("--on-outage", default="wait", show_default=True, type=click.Choice(["wait", "fail"]),
           help="During an outage of the service, wait for its end or let queries fail."),
)  # fmt: skip
@params_options(SearchParams)
@option_group("Service", folder_option, verbose_option)
def bulk(folder: Path | None, verbose: bool, **options: Any) -> Exit:
    """Find images for many queries: those in the file QUERIES, - for stdin.

    A text file has one query per line. A .csv or .tsv has a column query, and optional columns named as the
    options below, which apply to that row. A .jsonl has an object per line, a .json an array of objects, with the
    same names. Lines that begin with # are comments. Search options apply to all rows that do not set them.

    \b
    Examples:
      bing-images bulk queries.txt --output images.jsonl --rate 50 --resume
      bing-images bulk products.csv --output images.csv --limit 5 --license share
      bing-images bulk queries.jsonl --output images.parquet --report report.html --budget 10000
      cut -f1 words.txt | bing-images bulk - | jq -r .images[0].contentUrl

    With --resume, a run that was interrupted or killed continues where it was. Exit codes: 0 all answered,
    1 nothing found at all, 2 wrong input or some queries refused, 3 key or quota, 4 network, service, budget or
    time; failed queries decide the code, even if others found images.
    """
    service = Service(folder, verbose=verbose)
    settings = BulkOptions.of(options, service)
    files, source = settings.files, settings.source
    is_resumed = files.check_existing(resume=settings.resume, overwrite=settings.values["overwrite"])
    # The input of a new run is validated before anything is created or removed.
    total = None if is_resumed else validate_input(source, {})
    with terminated_like_interrupt(), Checkpoint(files.lines) as checkpoint:
        if is_resumed:
            checkpoint.scan()
            total = validate_input(source, checkpoint.digests)
            checkpoint.repair(drop_failures=settings.values["retry_failed"])
        elif files.output is not None and files.lines is not None:
            checkpoint.clear()
            if files.output != files.lines:
                files.output.unlink(missing_ok=True)
        return _run(settings, service, checkpoint, total)


def _run(settings: BulkOptions, service: Service, checkpoint: Checkpoint, total: int | None) -> Exit:
    files = settings.files
    try:
        summary = anyio.run(_search, settings, service, checkpoint, total)
    except KeyboardInterrupt:
        checkpoint.sync()
        done = checkpoint.tally.queries
        of_total = f"{done:,} of {count_of(total, 'query', 'queries')}" if total else count_of(done, "query", "queries")
        where = f" in {files.lines}. To continue: the same command with --resume" if files.lines is not None else ""
        print_error(f"Interrupted: {of_total} done{where}.")
        return Exit.INTERRUPTED
    for line in summary.lines():
        print_error(line)
    if files.output is not None:
        print_hint(f"Wrote {files.output} ({files.output.stat().st_size / 1_000_000:,.1f} MB).")
    return summary.exit


async def _search(settings: BulkOptions, service: Service, checkpoint: Checkpoint, total: int | None) -> Summary:
    files, cost = settings.files, settings.values["cost_per_1000"]
    async with open_session(service, **settings.session) as session:
        with ProgressDisplay(cost) as display:
            run = Run(
                session,
                checkpoint,
                settings.source,
                settings.limits,
                total,
                settings.values["repeat"],
                show=display.show,
            )
            if files.output is None:
                write(to_csv(COLUMNS, []) if files.form == "csv" else "")
                run.write = _write_csv if files.form == "csv" else _write_line
            await run()
        checkpoint.sync()
        if files.output is not None and files.lines is not None and files.form != "jsonl":
            problems = export(files.lines, files.output, files.form)
            if problems:
                left_out = f"{count_of(len(problems), 'value')} beyond the range of the column left out"
                print_error(f"{files.output}: {left_out}; the first is in {problems[0]}.")
        summary = Summary(run, cost, can_resume=files.output is not None)
        if files.report is not None:
            queries = count_of(summary.tally.queries, "query", "queries")
            await write_page(
                files.report,
                session,
                f"Bulk search: {settings.source.name}",
                f"{queries} to {service.name}, {time.strftime('%Y-%m-%d %H:%M')}",
                [("A sample of the images", sample_cards(summary.tally))],
                service.credits,
                report_of(summary, [("service", service.name), *settings.described()]),
            )
        return summary


def _write_csv(line: dict[str, Any]) -> None:
    write(to_csv(COLUMNS, table_rows(line), header=False))


def _write_line(line: dict[str, Any]) -> None:
    write(encode(line).decode())
