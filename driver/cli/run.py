"""`run`: one job over its inputs, from the command to the result."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from driver.cli.options import (
    CutOptions,
    FailureOptions,
    JobOptions,
    PlaceOptions,
    PriceOptions,
    ResultOptions,
    run_config,
)
from driver.cli.plan import command_line, is_asked, may_begin, prepared_plan, priced
from driver.cli.streams import unhurried
from driver.cli.terminal import console, no_output_of_jobs, print_document, say
from driver.report.document import Report
from mapreduce.errors import JobFailed, NotWritten, UserCodeError

NOT_BEGUN = 2
"""The exit code of `--ask` after a no."""

if TYPE_CHECKING:
    from driver.output.place import Output
    from driver.targets.prepare import Prepared


def run(
    job: JobOptions = JobOptions(),
    place: PlaceOptions = PlaceOptions(),
    cut: CutOptions = CutOptions(),
    result: ResultOptions = ResultOptions(),
    failures: FailureOptions = FailureOptions(),
    price: PriceOptions = PriceOptions(),
) -> int:
    r"""Run a job: split, map, reduce, and check by the ledger that nothing is lost.

    Finished tasks of earlier runs are reused; after a crash, give the same command again.

        python -m driver run --input book.txt
        python -m driver run --input logs/ --job grep --param pattern=ERROR
        python -m driver run --input 's3://bucket/day=*/' --job mine.py:Mine \
            --reducers 8 --output out/
    """
    started = time.monotonic()
    from driver.output.place import Output
    from driver.targets import prepare as targets

    if price.plan is not None:
        prepared, wanted = prepared_plan(price, job.input, place.store)
    else:
        wanted = Output.parse(result.output, result.output_format)
        config = run_config(job, place, cut, result, failures, price)
        with no_output_of_jobs():
            prepared = targets.prepare(config, place.target, place.store, wanted, command_line())
    for note in prepared.notes:
        say(note)
    prepared = priced(prepared, price)
    if not may_begin(prepared, price, asks=is_asked()):
        return NOT_BEGUN
    try:
        with no_output_of_jobs(), unhurried():
            report = _watched(prepared, started)
    except (JobFailed, UserCodeError) as exc:
        _say_failure(exc)
        return exc.exit_code
    show_summary(report)
    _write(report, prepared, wanted, json=result.json)
    return 0


def _write(report: Report, prepared: Prepared, wanted: Output | None, *, json: bool) -> None:
    """Write the result to `--output` and print the report; raises `NotWritten`."""
    try:
        if wanted is not None:
            wanted.write(report.result_urls, prepared.runs, report.run_id)
            say(f"written   {wanted.path}")
        if json:
            print_document(report)
    except NotWritten as exc:
        see = f"python -m driver status {report.run_id}"
        raise NotWritten(f"{exc}; the result is committed, see: {see}") from exc


def show_summary(report: Report) -> None:
    """Show the summary of a run that is done."""
    try:
        from driver.report.summary import print_summary

        print_summary(report, console())
    except Exception as exc:  # noqa: BLE001 - the result is committed already
        say(f"{report.run_id} is done; its summary could not be shown: {exc}", style="yellow")


def _watched(prepared: Prepared, started: float) -> Report:
    from driver.plan.events import EventLog
    from driver.report.console import RunView
    from driver.targets.start import carry_out

    view = RunView(console())
    log = EventLog([view])
    unseen = "an event could not be shown"

    def uploading(name: str, sent: int, size: int) -> None:
        log.contain(unseen, view.uploading, name, sent, size)

    log.contain(unseen, view.start)
    try:
        with no_output_of_jobs():  # again: prints must not disturb the progress bars
            return asyncio.run(carry_out(prepared, log, uploading, started))
    except BaseException:
        log.contain(unseen, view.stop)
        for note in log.notes:
            say(f"note: {note}", style="yellow")
        raise
    finally:
        log.contain(unseen, view.stop)


def _say_failure(exc: JobFailed | UserCodeError) -> None:
    """Show the run's record of its failure."""
    from driver.report.failure import failure_lines

    lines = failure_lines(exc.failure) if exc.failure else [(f"error: {exc}", "red")]
    for text, style in lines:
        say(text, style=style)
