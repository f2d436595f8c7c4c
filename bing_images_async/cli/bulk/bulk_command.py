"""`bing-images bulk`."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click

from ..._session import ImageSearchSession
from ...params import SearchParams
from ..exit_codes import Exit
from ..output_options import write_page
from ..parameter_options import Command, Option, params_options
from ..progress_bar import Bar
from ..service_options import OPENMOJI, Service, folder_option, open_session
from ..streams import notice, say, say_indented
from ..thumbnail_download import fetch_thumbnails
from .bulk_options import Job, read_rate
from .checkpoint import Store
from .opening import journal_of, open_store
from .parquet import write_parquet
from .progress_display import Board
from .report_page import Report, render_report, sample_cards
from .results import csv_header
from .run import Run
from .stats_sampler import Watch
from .summary import Summary
from .tally import JournalError
from .validate_input import examine

__all__ = ["bulk"]

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLES = 3  # queries of each kind of failure


class _StorageError(click.ClickException):
    exit_code = Exit.SERVICE


def _option(name: str, section: str, text: str, **settings: Any) -> Callable[[F], F]:
    return click.option(name, cls=Option, section=section, help=text, **settings)


_NUMBER = {"type": click.IntRange(min=1), "metavar": "N"}
_FILE = {"type": click.Path(path_type=Path, dir_okay=False), "metavar": "FILE"}


@click.command(cls=Command, short_help="Find images for many queries.")
@click.argument("queries", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@_option("--output", "Output", "Where results go: .jsonl, .csv or .parquet.  [default: -, stdout]", default="-",
         type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), metavar="FILE")  # fmt: skip
@_option("--output-format", "Output", "If the extension does not say.", type=click.Choice(["jsonl", "csv", "parquet"]))
@_option("--report", "Output", "Write an HTML page about the run, with sample pictures.", **_FILE)
@_option("--resume", "Output", "Go on with the run that wrote this output; with none, begin.", is_flag=True)
@_option("--retry-failed", "Output", "The same, and ask again what failed.", is_flag=True)
@_option("--overwrite", "Output", "Begin anew, without what is there.", is_flag=True)
@_option("--input-format", "Input", "If the extension does not say.  [default: text]",
         type=click.Choice(["text", "csv", "jsonl"]))  # fmt: skip
@_option("--limit", "How much", "Different images per query, from as many pages as it takes.", **_NUMBER)
@_option("--pages", "How much", "Pages per query, at most.  [default: 1]", **_NUMBER)
@_option("--concurrency", "How fast", "Queries under way at once.", default=32, show_default=True,
         type=click.IntRange(1, 1000), metavar="N")  # fmt: skip
@_option("--rate", "How fast", "Requests per second, or N in so many seconds, or none for no pace.  "
         "[default: 3; no pace for pictures on this machine]", callback=read_rate, metavar="N[/SECONDS]")  # fmt: skip
@_option("--budget", "How much", "Requests to send in this run, at most, retries and pages included.",
         type=click.IntRange(min=0), metavar="N")  # fmt: skip
@_option("--cost-per-1000", "How much", "What a thousand requests cost, to be told the sum.",
         type=click.FloatRange(min=0), metavar="PRICE")  # fmt: skip
@_option("--timeout", "How much", "End the run after this time.", type=click.FloatRange(min=0, min_open=True),
         metavar="SECONDS")  # fmt: skip
@_option("--on-outage", "How fast", "While the service is down, wait for it or fail what is asked.", default="wait",
         show_default=True, type=click.Choice(["wait", "fail"]))  # fmt: skip
@params_options(SearchParams)
@folder_option
def bulk(**options: Any) -> Exit:
    """Find images for many queries: those in the file QUERIES, - for stdin.

    A text has one query per line. A .csv has a column query, and more columns named as the options below, which
    then count for that row. A .jsonl has an object per line, with the same names. Lines that begin with # are
    comments. Options for searching count for all rows that do not say otherwise.

    \b
    Examples:
      bing-images bulk queries.txt --output images.jsonl --rate 50 --resume
      bing-images bulk products.csv --output images.csv --limit 5 --license share
      bing-images bulk queries.jsonl --output images.parquet --report report.html --budget 10000
      cut -f1 words.tsv | bing-images bulk - | jq -r .images[0].contentUrl

    With --resume, a run that was interrupted or killed goes on where it was; its journal lies beside the output.
    Exit codes: 0 all answered, 1 nothing found at all, 2 wrong input or some queries refused, 3 key or quota,
    4 network, service, budget or time; queries that failed count as well, whatever the others found.
    """
    service = Service(folder=options["folder"], timeout=None)
    job = Job.of(options)
    try:
        with _begun(job) as (store, total):
            return _run(job, service, store, total)
    except JournalError as error:
        raise _StorageError(str(error)) from None


@contextmanager
def _begun(job: Job) -> Generator[tuple[Store, int | None]]:
    """The store, and the number of queries if that can be known, once it is clear that there is something to do.

    A run that is gone on with says what the input has to be. Any other is begun only with an input that is good:
    until then nothing is made that a second try would stumble over, and nothing removed.
    """
    header = csv_header() if job.form == "csv" else b""
    goes_on = job.resume and job.output is not None and journal_of(job.output).exists()
    total = None if goes_on else examine(job.source, None)
    store = open_store(job.output, job.log, job.fixed, header, resume=job.resume, overwrite=job.overwrite)
    with closing(store):
        yield store, examine(job.source, store) if goes_on else total


def _run(job: Job, service: Service, store: Store, total: int | None) -> Exit:
    store.repair()
    try:
        summary = anyio.run(_search, job, service, store, total)
    except Exception:
        with suppress(OSError, JournalError):  # may be what it is about
            store.seal()
        raise
    except KeyboardInterrupt:
        done = store.journal.totals().queries
        store.seal()
        where = f" and in {job.log}" if job.log is not None else ""
        how = " To go on: the same command with --resume." if job.log is not None else ""
        say(f"Interrupted: {done:,}{'' if total is None else f' of {total:,}'} queries are done{where}.{how}")
        return Exit.INTERRUPTED
    for line in summary.lines():
        say_indented(line)
    if job.output is not None:
        notice(f"Wrote {job.output} ({job.output.stat().st_size / 1_000_000:,.1f} MB).")
    return summary.exit


async def _search(job: Job, service: Service, store: Store, total: int | None) -> Summary:
    async with open_session(service, **job.session) as session:
        watch = Watch.going_on(time.monotonic, store.journal.fact("watch"))
        with Board(job.cost_per_1000) as board:
            run = Run(
                session=session,
                store=store,
                source=job.source,
                limits=job.limits,
                form=job.form,
                total=total,
                retry_failed=job.retry_failed,
                watch=watch,
                show=board.show,
            )
            await run()
        store.seal()
        if job.form == "parquet":
            assert job.log is not None
            assert job.output is not None
            write_parquet(job.log, job.output)
        summary = _summary(job, run)
        if job.report is not None:
            await _report(job, job.report, service, session, store, summary)
        return summary


def _summary(job: Job, run: Run) -> Summary:
    journal = run.store.journal
    totals = journal.totals()
    return Summary(
        totals=totals,
        failures=journal.failures_by_kind(_EXAMPLES),
        watch=run.watch,
        cost_per_1000=job.cost_per_1000,
        stopped_by=run.stopped_by,
        left=None if run.total is None else run.total - totals.queries,
        can_resume=job.output is not None,
    )


async def _report(
    job: Job, file: Path, service: Service, session: ImageSearchSession, store: Store, summary: Summary
) -> None:
    cards = sample_cards(store.journal)
    with Bar("Fetching thumbnails") as bar:
        pictures = await fetch_thumbnails(session, [card.thumbnail for card in cards], bar.report)
    report = Report(
        title=f"Bulk search: {job.source.name}",
        subtitle=f"{summary.totals.queries:,} queries to {service.name}, {time.strftime('%Y-%m-%d %H:%M')}",
        summary=summary,
        settings=[("service", service.name), *job.told()],
        credits=OPENMOJI if service.is_catalogue else "",
    )
    await write_page(file, render_report(report, store.journal, cards, pictures), len(cards))
