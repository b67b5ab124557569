"""`stack allow`, `rotate-key` and `selftest`: for a deployed stack, without a new deployment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from driver.cli.options import Fields, Flag
from driver.cli.stack_services import all_answer
from driver.cli.stack_state import share_settings
from driver.cli.terminal import answer, print_document, say
from driver.program.command_name import COMMAND
from driver.text import plural
from mapreduce.errors import FleetError, UsageError
from mapreduce.wire.messages import Message

if TYPE_CHECKING:
    from driver.cloud.aws import Aws
    from driver.cloud.stack import Stack
    from driver.doctor.selftest import Step

MARKS = {
    "ok": ("✓", ""),
    "failed": ("✗", "red"),
    "not asked": ("-", "yellow"),
}


class SelfTest(Message):
    """All steps of `stack selftest`; `state` is ok, failed or not asked."""

    well: bool
    steps: tuple[dict[str, str], ...]


def allow(*cidr: str) -> int:
    """Set the address ranges that may call the services; change nothing else of the stack.

    Without a range, this machine's public address replaces the single addresses of before, and
    ranges stay. Later applies keep what is set here.

        python -m driver stack allow
        python -m driver stack allow 203.0.113.7/32 198.51.100.0/24

    Args:
        cidr: The ranges, instead of those of before.
    """
    for line in admitted_ranges(*cidr):
        answer(line)
    return 0


def admitted_ranges(*cidr: str) -> list[str]:
    """Set the address ranges as `stack allow` does, and return the lines that say so."""
    from driver.cloud.admission import admit
    from driver.cloud.deploy.deployment import SETTINGS_FILE, DeploySettings, check_ranges
    from driver.cloud.own_address import OWN_ADDRESS_URL, admitting, own_address
    from driver.cloud.stack import read_stack
    from driver.cloud.terraform import terraform_folder

    folder = terraform_folder()
    path = folder / SETTINGS_FILE
    found = read_stack(folder)
    if found is None or not path.exists():
        raise FleetError("there is no stack here whose rules could change; run ./deploy.sh")
    before = DeploySettings.model_validate_json(path.read_text())
    wanted = cidr
    if not wanted:
        own = own_address()
        if own is None:
            raise UsageError(
                "this machine's public address could not be found; name it, for example: "
                f"{COMMAND} stack allow $(curl -s {OWN_ADDRESS_URL})/32"
            )
        wanted = admitting(own, before.allowed_cidrs)
    check_ranges(wanted)
    made = before.model_copy(update={"allowed_cidrs": tuple(wanted)})
    admit(made, folder, found.services)
    share_settings()
    gone = [each for each in before.allowed_cidrs if each not in made.allowed_cidrs]
    lines = [f"callable by {', '.join(made.allowed_cidrs)}"]
    return [*lines, f"no longer by {', '.join(gone)}"] if gone else lines


def rotate_key(*, yes: Flag = False, timeout_s: float = 600) -> int:
    """Replace the stack's signing key, and the tasks that have the old one; wait until all answer.

    Without --yes, only show what would be done. Refused while a run is in progress: its requests
    would be refused, and its tasks stopped.

        python -m driver stack rotate-key --yes

    Args:
        yes: Replace the key.
        timeout_s: How many seconds to wait at most for the new tasks.
    """
    from driver.cloud.aws import Aws
    from driver.cloud.deploy.rotation import needed_now, rotate, running_services
    from driver.cloud.stack import read_stack
    from driver.cloud.terraform import terraform_folder

    found = read_stack(terraform_folder())
    if found is None:
        raise FleetError("there is no deployed stack; run ./deploy.sh")
    aws, parameter = Aws(found.region), found.signing_key_parameter
    if live := needed_now(found, aws):
        raise UsageError(
            f"{plural(live, 'run')} in progress, or kept by --keep; a new key would end them. Wait "
            f"for their end, or run: {COMMAND} stack stop"
        )
    running = running_services(found, aws)
    if not yes:
        tasks = f", and replace the tasks of {plural(len(running), 'service')}" if running else ""
        answer(
            f"would write a new key to {parameter}{tasks}; a run that another version of the driver"
            " has started would fail; do it with --yes"
        )
        return 0
    rotate(found, aws, running)
    answer(f"the key in {parameter} is replaced")
    if not running:
        answer("the stack is stopped; tasks read the new key at their start")
        return 0
    answer(all_answer(timeout_s), style="green")
    return 0


def selftest(*, json: Flag = False, fields: Fields = None) -> int:
    """Check what only a real account can show: rights, addresses, logs, and a small run.

    Needs a started stack, takes about ten minutes, and deletes what it has written. Steps that need
    a hand are named with their commands. Exit code 0 when no step failed, else 3.

        python -m driver stack selftest

    Args:
        json: Print one JSON document on standard output.
        fields: Print only these of its fields, with commas between.
    """
    json = json or fields is not None
    from driver.cloud.aws import Aws
    from driver.cloud.stack import read_stack
    from driver.cloud.terraform import terraform_folder
    from driver.doctor import selftest as checks

    found = read_stack(terraform_folder())
    if found is None:
        raise FleetError("there is no deployed stack; run ./deploy.sh")
    steps, aws = [], Aws(found.region)
    with _started(found, aws):
        for step in checks.selftest(found, aws):
            steps.append(step)
            if not json:
                _answer_step(step)
    well = not any(step.state == "failed" for step in steps)
    if json:
        print_document(SelfTest(well=well, steps=tuple(map(asdict, steps))), fields)
    return 0 if well else 3


def _answer_step(step: Step) -> None:
    mark, style = MARKS[step.state]
    answer(f"{mark} {step.name}: {step.seen}", style=style)
    if step.remedy:
        answer(f"    {step.remedy}")


@contextmanager
def _started(stack: Stack, aws: Aws) -> Iterator[None]:
    """Start a stopped stack for the block, and stop it afterwards."""
    from driver.cloud.fleet.fleet_use import Services, start_fleet, stop_fleet
    from driver.cloud.fleet.leases import LAST, Leases

    services, leases = Services(stack, aws), Leases(aws, stack.bucket, LAST)
    if any(services.desired().values()):
        yield
        return
    say("the stack is stopped: starting it for the test")
    start_fleet(services, leases, stack, None)
    try:
        say(all_answer(600))
        yield
    finally:
        stop_fleet(services, leases)
