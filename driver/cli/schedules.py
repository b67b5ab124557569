"""`schedules`: the runs that AWS starts by the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from driver.cli.options import Fields, Flag
from driver.cli.terminal import answer, print_document, say
from driver.program.command_name import COMMAND
from mapreduce.errors import FleetError, UsageError
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from pathlib import Path

    from driver.cloud.deploy.deployment import DeploySettings

MODULE = "module.schedule"
"""Terraform's address of the schedules."""


class ScheduledRun(Message):
    """A schedule, as `submit --at` makes it: its name, when it is due, and its command."""

    name: str
    expression: str
    command: tuple[str, ...]
    timezone: str = "UTC"


class ScheduleList(Message):
    """The answer of `schedules`."""

    schedules: tuple[ScheduledRun, ...]


def schedules(*, delete: str | None = None, json: Flag = False, fields: Fields = None) -> int:
    """List the runs that AWS starts by the clock, or delete one of them.

        python -m driver schedules
        python -m driver schedules --delete nightly

    Args:
        delete: The name of a schedule to delete; what it has run stays.
        json: Print one JSON document on standard output.
        fields: Print only these of its fields, with commas between.
    """
    folder, settings = deployed_settings()
    known = schedules_of(settings)
    if delete is not None:
        if delete not in known:
            raise UsageError(
                f"--delete {delete}: there is no such schedule; see: {COMMAND} schedules"
            )
        change_schedules(settings, folder, {k: v for k, v in known.items() if k != delete})
        say(f"{delete} is deleted; what it has run stays")
        _, settings = deployed_settings()
    found = tuple(
        ScheduledRun(name=name, **given) for name, given in sorted(schedules_of(settings).items())
    )
    if json or fields is not None:
        print_document(ScheduleList(schedules=found), fields)
        return 0
    for each in found:
        answer(f"{each.name}  {each.expression}  {each.timezone}")
    if not found and delete is None:
        say(f"no run is scheduled; see: {COMMAND} submit --help")
    return 0


def scheduled(name: str, /, *, retries: int = 0, store: str | None = None) -> int:
    """Submit what a schedule submits, and carry it out; this is the command of its driver.

    Args:
        name: The schedule's name.
        retries: How often to go on.
        store: Folder or URL of the store.
    """
    from driver.targets.background import keep_going
    from driver.targets.prepare import open_runs
    from driver.targets.schedules import submit_scheduled

    runs = open_runs(store)
    run = submit_scheduled(runs, name, store)
    say(f"{run} is what {name} submits now")
    return keep_going(runs, run, retries, sleep=time.sleep, say=say)


def deployed_settings() -> tuple[Path, DeploySettings]:
    """Return Terraform's folder, and the settings of the deployed stack; raises `FleetError`."""
    from driver.cloud.deploy.deployment import SETTINGS_FILE, DeploySettings
    from driver.cloud.stack import read_stack
    from driver.cloud.terraform import terraform_folder

    folder = terraform_folder()
    path = folder / SETTINGS_FILE
    if read_stack(folder) is None or not path.exists():
        raise FleetError("there is no stack here that could have a schedule; run ./deploy.sh")
    return folder, DeploySettings.model_validate_json(path.read_text())


def schedules_of(settings: DeploySettings) -> dict[str, dict[str, Any]]:
    """Return the schedules in the settings, by their names."""
    return dict((settings.model_extra or {}).get("schedules") or {})


def change_schedules(
    settings: DeploySettings, folder: Path, wanted: dict[str, dict[str, Any]]
) -> None:
    """Let Terraform make the schedules what is wanted; raises `FleetError`."""
    from driver.cli.stack_state import share_settings
    from driver.cloud.admission import apply_part
    from driver.cloud.deploy.deployment import DeploySettings

    values = settings.model_dump() | {"schedules": wanted}
    apply_part(DeploySettings.model_validate(values), folder, [MODULE])
    share_settings()
