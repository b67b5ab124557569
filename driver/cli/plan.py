"""`plan`: what a run will do, how long it takes and what it costs, without carrying it out."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from driver.cli.options import (
    BackgroundOptions,
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
from driver.cli.terminal import answer, answers_yes, no_output_of_jobs, print_document, say
from driver.program.command_name import COMMAND
from mapreduce.errors import UsageError

if TYPE_CHECKING:
    from driver.forecast.document import Forecast
    from driver.output.place import Output
    from driver.plan.config import RunConfig
    from driver.targets.plan_records import Planned
    from driver.targets.prepare import Prepared


def plan(
    *inputs: Given,
    job: JobOptions = JobOptions(),
    place: PlaceOptions = PlaceOptions(),
    cut: CutOptions = CutOptions(),
    result: ResultOptions = ResultOptions(),
    failures: FailureOptions = FailureOptions(),
    price: PriceOptions = PriceOptions(),
) -> int:
    r"""Show what a run will do, what it reuses, how long it takes and what it costs.

    The job's code runs on the beginnings of three splits; nothing is started. `run --plan` carries
    out exactly this plan.

        python -m driver plan book.txt
        python -m driver plan s3://logs/2026/ --job errors.py --target aws
        python -m driver run --plan run-20261126-120000-brisk-owl --max-usd 0.05
    """
    from driver.targets import prepare as targets

    if price.plan is not None or price.ask:
        raise UsageError("--plan and --ask are options of run; leave them out")
    job = job.with_inputs("plan", *inputs)
    wanted = result.place(result.other_answer)
    config = run_config(job, place, cut, result, failures, price)
    with no_output_of_jobs():
        prepared = targets.prepare(config, place.target, place.store, wanted, command_line())
        for note in prepared.notes:
            if not note.startswith("cut "):
                say(note)
        forecast = kept_plan(prepared, config, place, result)
    if result.as_document:
        print_document(forecast, result.fields)
        return 0
    for line in plan_lines_of(forecast):
        answer(line)
    return 0


def kept_plan(
    prepared: Prepared,
    config: RunConfig,
    place: PlaceOptions,
    result: ResultOptions,
    *,
    stored: bool = False,
    retries: int = 0,
    starts_s: float = 0.0,
) -> Forecast:
    """Plan a run, and write the plan to the store; the arguments are those of `planned_of`."""
    from driver.targets.plan_records import keep_plan
    from driver.targets.planning import plan_run

    made, forecast = plan_run(prepared)
    planned = planned_of(
        prepared, config, place, result, stored=stored, retries=retries, starts_s=starts_s
    )
    return keep_plan(prepared, made, forecast, planned)


def planned_of(
    prepared: Prepared,
    config: RunConfig,
    place: PlaceOptions,
    result: ResultOptions,
    *,
    stored: bool = False,
    retries: int = 0,
    starts_s: float = 0.0,
) -> Planned:
    """Return the record of a plan's command.

    Args:
        prepared: the run.
        config: the user's options.
        place: where it runs.
        result: what is written of its result.
        stored: the job's code goes to the store, and is carried out as it is now.
        retries: how often a driver in the background goes on with it.
        starts_s: seconds that its driver may take to begin.
    """
    from driver.targets.plan_records import Planned

    return Planned(
        config=config,
        target=place.target,
        store=place.store,
        output=result.output,
        output_format=result.output_format,
        columns=result.columns,
        header=result.header,
        partition_by=result.partition_by,
        inputs=prepared.inputs,
        folder=str(Path.cwd()),
        stored=stored,
        retries=retries,
        starts_s=starts_s,
    )


def command_line() -> str:
    """Return the command that the user gave, as it can be pasted."""
    if Path(sys.argv[0]).name not in ("__main__.py", "driver", "mapreduce"):
        return ""
    return f"{COMMAND} {shlex.join(sys.argv[1:])}"


def check_alone(
    *groups: JobOptions
    | PlaceOptions
    | CutOptions
    | ResultOptions
    | FailureOptions
    | BackgroundOptions
    | SubmitOptions,
) -> None:
    """Refuse options that `--plan` would not obey, because the plan has its own.

    Raises:
        UsageError: a group has an option that is not its default.
    """
    for group in groups:
        for each in dataclasses.fields(group):
            if getattr(group, each.name) != each.default:
                raise UsageError(
                    f"--{each.name.replace('_', '-')}: --plan carries out the plan as it is; "
                    "leave the option out, or make another plan with it"
                )


def prepared_plan(
    price: PriceOptions, inputs: tuple[str, ...], store: str | None
) -> tuple[Prepared, Output | None]:
    """Return the run of `--plan`, and its `--output`.

    Raises:
        UsageError: there are inputs beside it.
        InputError: there is no such plan, or something has changed since.
    """
    from driver.targets.plan_records import prepared_by

    if inputs:
        raise UsageError("--plan: the plan names the inputs; leave --input out, or --plan")
    with no_output_of_jobs():
        return prepared_by(price.plan or "", store, price.max_usd, command_line())


def priced(prepared: Prepared, price: PriceOptions) -> Prepared:
    """Return a run with its forecast, where it is needed: for `--ask` and `--max-usd`."""
    if prepared.forecast is None and (price.ask or price.max_usd is not None):
        from driver.targets.planning import plan_run

        with no_output_of_jobs():
            _, forecast = plan_run(prepared)
        prepared = replace(prepared, forecast=forecast)
    if price.ask and prepared.forecast is not None:
        for line in plan_lines_of(prepared.forecast):
            say(line)
    return prepared


def plan_lines_of(forecast: Forecast) -> list[str]:
    """Return a plan as lines of text; the templates of the report take their time to import."""
    from driver.report.plan_text import plan_lines

    return plan_lines(forecast)


def may_begin(prepared: Prepared, price: PriceOptions, *, asks: bool) -> bool:
    """Return whether a run may begin, by its forecast, its limit, and the user.

    Args:
        prepared: the run.
        price: the options.
        asks: the user can answer.

    Raises:
        PriceRefused: the low end of the price is above `--max-usd`.
        UsageError: `--ask`, and no user can answer.
    """
    if price.ask and not asks:
        raise UsageError(
            f"--ask: standard input is not a terminal; see the price first with: {COMMAND} plan"
        )
    limit, forecast = prepared.config.max_usd, prepared.forecast
    expected = forecast.money.together if forecast and forecast.money else None
    may_pass = False
    if limit is not None and expected is None:
        say(f"the price is not known before: the run pauses at --max-usd {limit:g}")
    if limit is not None and expected is not None:
        from driver.forecast.limit import check_limit

        check_limit(expected, limit)
        may_pass = expected.high > limit
    if not price.ask and not (may_pass and asks):
        return True
    if may_pass and expected is not None:
        say(f"the run may cost ${expected.high:.4f}, more than --max-usd {limit:g}: it then pauses")
    return answers_yes("go? [y/N] ")
