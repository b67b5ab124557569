"""`run`: one job over its inputs, from the command to the result."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from driver.cli.detach import detach
from driver.cli.export import WriteBlocks, answers_aside, check_stdout, write_export
from driver.cli.options import (
    BackgroundOptions,
    CutOptions,
    FailureOptions,
    Given,
    JobOptions,
    PlaceOptions,
    PriceOptions,
    ResultOptions,
    run_config,
)
from driver.cli.plan import check_alone, command_line, may_begin, prepared_plan, priced
from driver.cli.streams import unhurried
from driver.cli.terminal import (
    answer,
    answer_table,
    can_answer,
    no_output_of_jobs,
    print_document,
    say,
    working,
)
from driver.program.command_name import COMMAND
from driver.report.document import Report
from driver.report.standard_error import console
from mapreduce.errors import DataError, NotWritten, UsageError

LOOKING = "the job and its inputs are checked"
NOT_BEGUN = 2
"""The exit code of `--ask` after a no."""

if TYPE_CHECKING:
    from driver.history.run_store import RunStore
    from driver.output.place import Output
    from driver.targets.prepare import Prepared


def run(
    *inputs: Given,
    job: JobOptions = JobOptions(),
    place: PlaceOptions = PlaceOptions(),
    cut: CutOptions = CutOptions(),
    result: ResultOptions = ResultOptions(),
    failures: FailureOptions = FailureOptions(),
    price: PriceOptions = PriceOptions(),
    background: BackgroundOptions = BackgroundOptions(),
) -> int:
    r"""Run a job over files, and show its top keys.

    The ledger checks that nothing is lost before the result is committed. Finished tasks of earlier
    runs are reused; after a crash, give the same command again.

        python -m driver run book.txt
        python -m driver run logs/ --job grep --param pattern=ERROR
        python -m driver run 's3://bucket/day=*/' --job mine.py:Mine \
            --reducers 8 --output out/
        python -m driver run logs/ --detach
    """
    started = time.monotonic()
    from driver.targets import prepare as targets

    config = run_config(job, place, cut, result, failures, price)
    if price.plan is not None:
        check_alone(background)
        check_alone(job, replace(place, store=None), cut, result.of_the_run, failures)
        prepared, wanted = prepared_plan(price, (*inputs, *job.input), place.store)
        check_stdout(wanted, other_answer=result.other_answer)
    else:
        job = job.with_inputs("run", *inputs)
        wanted = result.place(result.other_answer)
        config = run_config(job, place, cut, result, failures, price)
        # inline, the author's debugger may open in the job's import
        looking = nullcontext() if place.target == "inline" else working(LOOKING)
        with looking, no_output_of_jobs():
            prepared = targets.prepare(config, place.target, place.store, wanted, command_line())
    for note in prepared.notes:
        say(note)
    prepared = priced(prepared, price)
    if not may_begin(prepared, price, asks=can_answer()):
        return NOT_BEGUN
    if background.detach:
        return detach(prepared, config, place, result, background.retries)
    if price.ask or price.max_usd is not None:
        started = time.monotonic()  # neither the plan nor the user's thinking is part of the run
    with no_output_of_jobs(), unhurried():
        report, notes = _watched(prepared, started)
    _show(report, prepared, result, wanted, notes)
    return 0


def _show(
    report: Report,
    prepared: Prepared,
    result: ResultOptions,
    wanted: Output | None,
    notes: list[str],
) -> None:
    """Write the result of a run to its place, and print the run's answer."""
    try:
        with answers_aside(wanted) as write_blocks:
            written = _written(report, prepared, wanted, write_blocks)
            more = [*written, *notes, *next_lines(prepared.runs, report)]
            _answer(report, result, prepared.runs, more)
    except NotWritten as exc:
        see = f"{COMMAND} status {report.run_id}{prepared.runs.option}"
        raise NotWritten(f"{exc}; the result is committed, see: {see}") from exc
    except (DataError, UsageError) as exc:
        again = f"{COMMAND} result {report.run_id}{prepared.runs.option} --output FILE"
        exc.add_note(f"the result is committed; write it again with: {again}")
        raise
    if result.as_document:
        for text in (*written, *(f"note: {note}" for note in report.notes)):
            say(text)


def _answer(report: Report, result: ResultOptions, runs: RunStore, more: list[str]) -> None:
    """Print the document of a run, or its summary with more lines; raises `NotWritten`."""
    if result.as_document:
        print_document(report, result.fields)
        return
    answer_summary(report, [*more, *page_lines(runs, report)], urls=result.urls)


def _written(
    report: Report, prepared: Prepared, wanted: Output | None, write_blocks: WriteBlocks
) -> list[str]:
    """Write the result to `--output`, and return the line that says so; raises `NotWritten`."""
    if wanted is None:
        return []
    urls, run = tuple(report.result_urls), report.run_id
    made = write_export(wanted, urls, prepared.runs, run, write_blocks)
    if wanted.to_stdout:
        return ["written   to standard output"]
    return [f"written   {wanted.path}{f', in the new folder {made}' if made else ''}"]


def next_lines(runs: RunStore, report: Report) -> list[str]:
    """Return the line with the next command."""
    return [f"next      {COMMAND} result {report.run_id}{runs.option} --output result.csv"]


def page_lines(runs: RunStore, report: Report) -> list[str]:
    """Return the lines with the place of a run's page, which people open in a browser."""
    from driver.targets.watched import page_place

    return [f"{label:<9} {text}" for label, text in page_place(runs, report.run_id)]


def answer_summary(report: Report, more: Sequence[str], *, urls: bool = False) -> None:
    """Show the summary, and more lines below it; raises `NotWritten`."""
    try:
        from driver.report.summary import summary

        made = summary(report, urls=urls)
        if made.top is not None:
            answer_table(made.top)
            answer("")
        for text in (*made.lines, *more):
            answer(text)
    except NotWritten:
        raise
    except Exception as exc:  # noqa: BLE001 - the result is committed already
        say(f"{report.run_id} is done; its summary could not be shown: {exc}", style="yellow")


def _watched(prepared: Prepared, started: float) -> tuple[Report, list[str]]:
    """Carry out a run and show its progress; return its report, and what was noted after it."""
    import asyncio

    from driver.report.console import RunView
    from driver.targets.watched import watched

    def drive(run: Coroutine[Any, Any, Report]) -> Report:
        # again, now that the bars are there: prints must not disturb them
        with no_output_of_jobs():
            return asyncio.run(run)

    report, later = watched(prepared, RunView(console()), started, drive)
    return report, [f"note      {note}" for note in later]
