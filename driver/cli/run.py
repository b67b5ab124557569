"""`run`: one job over some inputs, from the command to the result."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from driver.cli.streams import unhurried
from driver.cli.terminal import console, no_output_of_jobs, print_document, say
from driver.cli.values import assignments, at_least_one, size_bytes
from driver.plan.config import DEFAULT_JOB, DEFAULT_SPARK_MASTER, RunConfig
from driver.plan.target import WantedTarget
from driver.report.document import Report
from mapreduce.errors import JobFailed, NotWritten, UsageError, UserCodeError
from mapreduce.formats.output import FileFormat
from mapreduce.wire.messages import MOST_SKIPPED, SplitMode

if TYPE_CHECKING:
    from driver.targets.prepare import Prepared


def run(
    *,
    input: Annotated[  # noqa: A002
        tuple[str, ...], Parameter(name="--input", negative="", consume_multiple=True)
    ],
    job: str = DEFAULT_JOB,
    param: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    mappers: int | None = None,
    reducers: int | None = None,
    chunks: int | None = None,
    chunk_size: str | None = None,
    split_mode: SplitMode = "range",
    target: WantedTarget = "auto",
    output: str | None = None,
    output_format: FileFormat | None = None,
    top: int = 10,
    json: Annotated[bool, Parameter(negative="")] = False,
    fresh: Annotated[bool, Parameter(negative="")] = False,
    sort: Annotated[bool, Parameter(negative="")] = False,
    task_memory: str | None = None,
    skip_bad_records: int = 0,
    stage_timeout: float | None = None,
    chaos: str | None = None,
    chaos_seed: int = 0,
    spark_master: str = DEFAULT_SPARK_MASTER,
    store: str | None = None,
) -> int:
    """Runs a job: split, map, reduce, and the proof that nothing was lost.

    What an earlier run has already done of the same work is reused; after a crash the same command goes on.

    Args:
        input: A file, folder, glob or URL (s3://...), or NAME=one of these for a job that declares input names; may be
            given several times. Of a folder, what begins with . or _ is left out.
        job: The job: a module or a file, and `:Class` when it holds several.
        param: A parameter of the job, as name=value; may be given several times.
        mappers: How many mappers to use (by default, all that there are; locally one for each processor).
        reducers: How many reduce tasks, and so parts of the result (by default 1; inline 2).
        chunks: How many splits to cut the input into.
        chunk_size: How long a split is, e.g. 64MiB (the default; less where that keeps all mappers busy).
        split_mode: range: mappers read byte ranges of the input; copy: the splitter writes chunk files first.
        target: local: services on this machine; inline: one process, for a debugger; aws: the deployed stack;
            auto: aws if there is one, else local. spark: Apache Spark.
        output: Write the whole result to this file too, in key order; its ending says the format: .json, .jsonl, .csv,
            .tsv or .parquet. A folder, `out/`, gets a file for each part.
        output_format: The format of the files in the folder (by default jsonl).
        top: How many of the heaviest keys to show.
        json: Print one JSON document on standard output.
        fresh: Reuse nothing of earlier runs.
        task_memory: What a task may use on this machine, e.g. 512MiB; beyond it, it spills to disk (by default a share
            of half the machine's memory; in AWS the service's size decides).
        skip_bad_records: How many records that the job's code fails on, or that are not of their format, may be set
            aside as dead letters; one more, and the job fails.
        stage_timeout: How many seconds a stage may take; then the job fails.
        chaos: A fault drill: how often attempts are made to go wrong, e.g. kill=0.2,hang=0.05,slow=0.1,error=0.1,
            duplicate=0.05,corrupt=0.02. The answer must be the same.
        chaos_seed: Another seed breaks other attempts.
        sort: Make the parts ranges of keys, so that part after part the whole result is in key order.
        spark_master: With --target spark, the master: local[*] is this machine; else as spark-submit takes it.
        store: Folder or URL that everything is written to (by default .mapreduce in this folder).
    """
    started = time.monotonic()
    from driver.output.place import Output
    from driver.plan.fault_rates import parse_chaos
    from driver.targets import prepare as targets

    wanted = Output.parse(output, output_format)
    if top < 0:
        raise UsageError(f"--top {top}: must not be negative")
    if chunks is not None and chunk_size is not None:
        raise UsageError("--chunks and --chunk-size say the same thing twice; give one of them")
    if skip_bad_records < 0:
        raise UsageError(f"--skip-bad-records {skip_bad_records}: must not be negative")
    if skip_bad_records > MOST_SKIPPED:
        raise UsageError(
            f"--skip-bad-records {skip_bad_records}: at most {MOST_SKIPPED:,} can be set aside in a run"
        )
    if chaos is not None and target in ("inline", "spark"):
        raise UsageError(f"--chaos breaks the services of a fleet, and --target {target} has none")
    config = RunConfig(
        inputs=input,
        job=job,
        parameters=assignments("--param", param),
        mappers=at_least_one("--mappers", mappers),
        reducers=at_least_one("--reducers", reducers),
        chunks=at_least_one("--chunks", chunks),
        chunk_bytes=size_bytes("--chunk-size", chunk_size) if chunk_size is not None else None,
        mode=split_mode,
        top=top,
        fresh=fresh,
        sort=sort,
        spark_master=spark_master,
        skip_bad_records=skip_bad_records,
        stage_timeout_s=stage_timeout,
        chaos=parse_chaos(chaos, chaos_seed) if chaos is not None else None,
        task_memory_bytes=size_bytes("--task-memory", task_memory)
        if task_memory is not None
        else None,
    )
    with no_output_of_jobs():
        prepared = targets.prepare(config, target, store, wanted)
    for note in prepared.notes:
        say(note)
    try:
        with no_output_of_jobs():
            report = _shown(prepared, started)
    except (JobFailed, UserCodeError) as exc:
        _say_failure(exc)
        return exc.exit_code
    _show_summary(report)
    try:
        if wanted is not None:
            wanted.write(report.result_urls, prepared.runs, report.run_id)
            say(f"written   {wanted.path}")
        if json:
            print_document(report)
    except NotWritten as exc:
        raise NotWritten(
            f"{exc}; the result is committed, see: python -m driver status {report.run_id}"
        ) from exc
    return 0


def _show_summary(report: Report) -> None:
    try:
        from driver.report.summary import print_summary

        print_summary(report, console())
    except Exception as exc:  # noqa: BLE001 - the result is committed, whatever cannot be shown of it
        say(f"{report.run_id} is done; its summary could not be shown: {exc}", style="yellow")


def _shown(prepared: Prepared, started: float) -> Report:
    with unhurried():
        return _watched(prepared, started)


def _watched(prepared: Prepared, started: float) -> Report:
    from driver.plan.events import EventLog
    from driver.report.console import RunView
    from driver.targets.start import carry_out

    view = RunView(console())
    log = EventLog([view])
    unseen = "what happened could not be shown"

    def uploading(name: str, sent: int, size: int) -> None:
        log.contain(unseen, view.uploading, name, sent, size)

    log.contain(unseen, view.start)
    try:
        with no_output_of_jobs():  # once more: what is printed now must not disturb the bars
            return asyncio.run(carry_out(prepared, log, uploading, started))
    except BaseException:
        log.contain(unseen, view.stop)
        for note in log.notes:
            say(f"note: {note}", style="yellow")
        raise
    finally:
        log.contain(unseen, view.stop)


def _say_failure(exc: JobFailed | UserCodeError) -> None:
    """Show what the run's records say of its failure."""
    from driver.report.failure import failure_lines

    lines = failure_lines(exc.failure) if exc.failure else [(f"error: {exc}", "red")]
    for text, style in lines:
        say(text, style=style)
