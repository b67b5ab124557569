"""What a schedule submits: a command and its job's code, planned anew each time it is due."""

from __future__ import annotations

import re
from dataclasses import replace

from pydantic import ValidationError

from driver.history.run_store import RunStore
from driver.packages.of_job import keep_packages
from driver.plan.origins import Origin
from driver.plan.tasks import RunPlan
from driver.program.command_name import COMMAND
from driver.targets.plan_records import Planned, keep_plan
from driver.targets.planning import plan_run
from driver.targets.prepare import FromPython, Prepared, prepare
from driver.targets.stored_code import stored_code
from driver.targets.written_plan import keep_code, plan_of
from mapreduce.errors import InputError, ObjectMissing, UsageError
from mapreduce.wire import keys
from mapreduce.wire.messages import Message

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
"""A schedule's name, as EventBridge Scheduler and terraform/variables.tf allow it."""


class Scheduled(Message):
    """What a schedule submits. `plan` has the job; its inputs are those of the day it was made."""

    planned: Planned
    plan: RunPlan
    origins: tuple[Origin, ...] = ()


def check_schedule(name: str, inputs: tuple[str, ...]) -> None:
    """Check a schedule's name, and that AWS reaches its inputs; raises `UsageError`."""
    if NAME.fullmatch(name) is None:
        raise UsageError(
            f"--name {name}: must be 1 to 64 letters, digits, hyphens, underscores and dots"
        )
    for text in inputs:
        if "s3://" not in text:
            raise UsageError(
                f"{text}: a schedule reads S3 alone; copy the file there, and name s3://..."
            )


def keep_schedule(prepared: Prepared, name: str, planned: Planned) -> None:
    """Write what a schedule submits to the store; an earlier one of that name is replaced."""
    code = keep_code(prepared)
    if prepared.packages is not None:
        keep_packages(prepared.packages, prepared.runs)
    plan = plan_of(prepared, code, prepared.inputs)
    content = Scheduled(planned=planned, plan=plan, origins=prepared.origins)
    url = keys.schedule(prepared.runs.store, name)
    prepared.runs.storage.write(url, content.model_dump_json().encode())


def submit_scheduled(runs: RunStore, name: str, store: str | None) -> str:
    """Plan what a schedule submits over the inputs of today; return the id of the plan.

    Raises:
        InputError: there is no such schedule.
        UsageError: the job or its inputs cannot be run any more.
    """
    try:
        data = runs.storage.read(keys.schedule(runs.store, name))
    except ObjectMissing as exc:
        raise InputError(
            f"there is no schedule {name!r} in {runs.store}; "
            f"make one with: {COMMAND} submit INPUT --at 'rate(1 day)' --name {name}"
        ) from exc
    try:
        kept = Scheduled.model_validate_json(data)
    except ValidationError as exc:
        raise InputError(
            f"the schedule {name} was made by another version of this program; submit it again"
        ) from exc
    unpacked = stored_code(runs, kept.plan)
    config = replace(kept.planned.config, job=unpacked.job)
    given = FromPython(
        written=kept.plan.job.parameters, origins=kept.origins, packages=kept.plan.job.packages
    )
    prepared = prepare(config, kept.planned.target, store, command=kept.plan.command, given=given)
    prepared = replace(prepared, unpacked=unpacked)
    made, forecast = plan_run(prepared)
    made = made.model_copy(update={"job_folder": kept.plan.job_folder})
    planned = kept.planned.model_copy(update={"inputs": prepared.inputs})
    return keep_plan(prepared, made, forecast, planned).run
