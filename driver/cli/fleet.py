"""`stack start`, `stack stop`: the tasks of the stack, without Terraform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driver.cli.terminal import answer, say
from driver.program.command_name import COMMAND
from driver.text import plural
from mapreduce.errors import FleetError

if TYPE_CHECKING:
    from driver.cloud.fleet.fleet_use import Services
    from driver.cloud.fleet.leases import Leases
    from driver.cloud.stack import Stack


def start(*, mappers: int | None = None) -> int:
    """Start the tasks of the stack, and its idle guard.

    A run starts by itself what is stopped: this is for several runs in a row. The idle guard stops
    the tasks after `idle_stop_minutes` without a run.

        python -m driver stack start
        python -m driver stack start --mappers 20

    Args:
        mappers: How many mappers at least (by default as many as Terraform's variables say).
    """
    from driver.cloud.fleet.fleet_use import start_fleet
    from driver.plan.config import at_least_one

    at_least_one("--mappers", mappers)
    made, services, leases = _deployed()
    scaling = start_fleet(services, leases, made, mappers)
    counts = services.desired()
    tasks = ", ".join(plural(count, role) for role, count in counts.items())
    answer(f"{'starting' if scaling else 'started before'}: {tasks}")
    idle = plural(made.idle_stop_minutes, "minute")
    if made.guard is None:
        say(f"there is no idle guard; stop them: {COMMAND} stack stop", style="yellow")
    else:
        answer(f"the idle guard stops them after {idle} without a run")
    return 0


def stop() -> int:
    """Stop all tasks of the stack, and its idle guard; stored data stays.

    The next run starts them again, and so does `terraform apply`.

        python -m driver stack stop
    """
    from driver.cloud.fleet.fleet_use import stop_fleet

    _, services, leases = _deployed()
    before = stop_fleet(services, leases)
    tasks = ", ".join(plural(count, role) for role, count in before.items() if count)
    answer(f"stopping: {tasks}" if tasks else "all tasks were stopped before")
    return 0


def _deployed() -> tuple[Stack, Services, Leases]:
    from driver.cloud.aws import Aws
    from driver.cloud.fleet.fleet_use import Services
    from driver.cloud.fleet.leases import LAST, Leases
    from driver.cloud.stack import read_stack
    from driver.cloud.terraform import terraform_folder

    made = read_stack(terraform_folder())
    if made is None:
        raise FleetError("there is no deployed stack; run ./deploy.sh")
    aws = Aws(made.region)
    return made, Services(made, aws), Leases(aws, made.bucket, LAST)
