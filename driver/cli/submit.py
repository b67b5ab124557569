"""`submit`: a run whose driver runs in AWS, beside the data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from driver.cli.options import (
    CutOptions,
    FailureOptions,
    Given,
    JobOptions,
    PlaceOptions,
    PriceOptions,
    ResultOptions,
    SubmitOptions,
    run_config,
)
from driver.cli.plan import check_alone, command_line, kept_plan, may_begin, planned_of, priced
from driver.cli.progress import progress
from driver.cli.terminal import answer, can_answer, no_output_of_jobs, print_document, say
from driver.program.command_name import COMMAND
from mapreduce.errors import UsageError
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from driver.history.run_store import RunStore
    from driver.plan.config import RunConfig
    from driver.targets.plan_records import Planned
    from driver.targets.prepare import Prepared
    from driver.targets.submitting import Submission


class SubmittedRun(Message):
    """The answer of `submit`: the run's id, and the ECS task of its driver."""

    run_id: str
    task: str


def submit(
    *inputs: Given,
    job: JobOptions = JobOptions(),
    place: PlaceOptions = PlaceOptions(),
    cut: CutOptions = CutOptions(),
    result: ResultOptions = ResultOptions(),
    failures: FailureOptions = FailureOptions(),
    price: PriceOptions = PriceOptions(),
    again: SubmitOptions = SubmitOptions(),
) -> int:
    r"""Start a run in AWS whose driver runs there too, and print the run's id.

    The plan, the job's code, its packages and local inputs go to the stack's bucket, and a small
    Fargate task carries the run out: this machine may be closed. `attach` shows the run from any
    machine, `cancel` ends it.

        python -m driver submit s3://logs/2026/ --job errors.py
        python -m driver submit book.txt --retries 3 --max-usd 0.10
        python -m driver submit s3://logs/ --at 'rate(1 day)' --name nightly
        python -m driver submit --plan run-20261126-120000-brisk-owl
    """
    from driver.targets import prepare as targets
    from driver.targets.submitting import STARTS_S

    if price.plan is not None:
        check_alone(job, replace(place, store=None), cut, result.of_the_run, failures, again)
        if inputs or price.ask or price.max_usd is not None:
            raise UsageError("--plan: starts the driver of that plan as it is; give --store alone")
        return _again(price.plan, place.store, result)
    if result.output is not None:
        raise UsageError(
            "--output: a driver in AWS cannot write here; when the run is done, write it with: "
            f"{COMMAND} result RUN --output {result.output}"
        )
    job = job.with_inputs("submit", *inputs)
    place = replace(place, target="aws")
    config = run_config(job, place, cut, result, failures, price)
    with no_output_of_jobs():
        prepared = targets.prepare(config, "aws", place.store, command=command_line())
    for note in prepared.notes:
        say(note)
    prepared = priced(prepared, price)
    if not may_begin(prepared, price, asks=can_answer()):
        return 2
    if again.at is not None and again.name is not None:
        planned = planned_of(
            prepared, config, place, result, stored=True, retries=again.retries, starts_s=STARTS_S
        )
        return _schedule(prepared, planned, again.name, again.at, result)
    return _start(prepared, config, place, result, again.retries)


def _schedule(
    prepared: Prepared, planned: Planned, name: str, expression: str, result: ResultOptions
) -> int:
    """Keep what a schedule submits, and let Terraform make the schedule."""
    from driver.cli.schedules import (
        ScheduledRun,
        change_schedules,
        deployed_settings,
        schedules_of,
    )
    from driver.targets.schedules import check_schedule, keep_schedule

    check_schedule(name, planned.config.inputs)
    folder, settings = deployed_settings()
    command = ("scheduled", name, "--retries", str(planned.retries))
    keep_schedule(prepared, name, planned)
    made = {"expression": expression, "command": list(command)}
    change_schedules(settings, folder, schedules_of(settings) | {name: made})
    if result.as_document:
        found = ScheduledRun(name=name, expression=expression, command=command)
        print_document(found, result.fields)
    else:
        answer(f"{name} starts at {expression}; see: {COMMAND} schedules")
    return 0


def _start(
    prepared: Prepared,
    config: RunConfig,
    place: PlaceOptions,
    result: ResultOptions,
    retries: int,
) -> int:
    """Write a run's plan and all that it needs to the store, and start its driver."""
    from driver.targets.submitting import STARTS_S, start_driver_in_aws, with_inputs_sent

    with progress("submit", {}) as tell:
        prepared = with_inputs_sent(
            prepared, lambda name, done, size: tell(f"MiB sent of {name}", done >> 20)
        )
    with no_output_of_jobs():
        run = kept_plan(
            prepared, config, place, result, stored=True, retries=retries, starts_s=STARTS_S
        ).run
    say(f"{run} is planned; its driver starts")
    return _answer(start_driver_in_aws(prepared, run, retries), prepared.runs, result)


def _again(run: str, store: str | None, result: ResultOptions) -> int:
    """Start the driver of a plan whose driver has not begun, or is lost."""
    from driver.targets.submitting import start_again

    runs, submission = start_again(run, store)
    return _answer(submission, runs, result)


def _answer(submission: Submission, runs: RunStore, result: ResultOptions) -> int:
    run, option = submission.run, runs.option
    say(f"{run} is started in AWS; watch it: {COMMAND} attach {run}{option}")
    say(f"end it: {COMMAND} cancel {run}{option}")
    if result.as_document:
        print_document(SubmittedRun(run_id=run, task=submission.task), result.fields)
    else:
        answer(run)
    return 0
