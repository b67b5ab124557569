"""`stack end-drivers`: ends the runs in AWS before their stack is deleted."""

from __future__ import annotations

from driver.cli.options import SystemName
from driver.cli.terminal import say
from driver.text import plural
from mapreduce.errors import FleetError

STARTERS = ("module.schedule", "module.driver_retry")
"""Terraform's addresses of what starts drivers by itself."""


def end_drivers(*, system: SystemName = None) -> int:
    """Stop the drivers of runs in AWS, and delete what starts them; destroy.sh does this.

    ECS deletes no cluster in which a task runs. The schedules and the rule that goes on with lost
    runs are deleted first, so that no driver starts meanwhile; the next ./deploy.sh makes both
    again. Each run is interrupted as by `cancel`.

        python -m driver stack end-drivers

    Args:
        system: Another system than MapReduce, which has no drivers.
    """
    try:
        _end_drivers(system)
    except FleetError as exc:  # a stack that is half there must be deletable all the same
        say(f"drivers in AWS could not be stopped: {exc}", style="yellow")
    return 0


def _end_drivers(system: str | None) -> None:
    from driver.cloud.admission import delete_part
    from driver.cloud.aws import Aws
    from driver.cloud.driver_task import driver_tasks, run_of, stop_drivers
    from driver.cloud.stack import Stack, read_outputs
    from driver.cloud.terraform import terraform_folder

    folder = terraform_folder(system)
    stack = read_outputs(folder)
    if not isinstance(stack, Stack) or stack.driver_task_definition is None:
        return
    delete_part(folder, STARTERS)
    aws = Aws(stack.region)
    live = [task for task in driver_tasks(stack, aws) if task.get("desiredStatus") != "STOPPED"]
    for task in live:
        say(f"{run_of(task)} is ended: the task of its driver is stopped")
    if live:
        stop_drivers(stack, aws, live)
        say(f"{plural(len(live), 'driver')} stopped")
