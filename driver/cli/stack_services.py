"""`stack wait` and `cost`: the services of a stack of any system, after its deployment."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from driver.cli.options import SystemName
from driver.cli.terminal import answer, say
from driver.program.command_name import COMMAND
from driver.text import plural
from mapreduce.errors import FleetError

if TYPE_CHECKING:
    from driver.cloud.outputs import StackOutputs
    from driver.cloud.system import System
    from driver.doctor import Finding


def wait(*, system: SystemName = None, timeout_s: float = 600) -> int:
    """Wait until every service runs the deployed version alone, and every task answers.

    A version that does not start is an error at once, with the reason that ECS gives. The tasks of
    another system than MapReduce are not called: ECS tells whether they run, and whether one fails
    its health check.

        python -m driver stack wait

    Args:
        system: Another system than MapReduce, e.g. albums.
        timeout_s: How many seconds to wait at most.
    """
    answer(all_answer(timeout_s, system), style="green")
    return 0


def all_answer(timeout_s: float, system: str | None = None) -> str:
    """Wait as `stack wait` does, and return its answer; raises `FleetError`."""
    from driver.doctor.stack import CLOSED

    of, found = _deployed(system)
    deadline = time.monotonic() + timeout_s
    tasks, said = found.tasks(), ""
    while True:
        findings = list(_examined(of, found))
        if any(finding.step == "services" for finding in findings):
            return _stopped(tasks)
        wrong = [finding for finding in findings if not finding.ok]
        if not wrong:
            called = of.is_default and not any(finding.step == CLOSED for finding in findings)
            does = "answer" if called else "run"
            return f"{plural(tasks, 'task')} {does}, image {found.image_tag}"
        if hopeless := next((finding for finding in wrong if finding.final), None):
            raise FleetError(f"{hopeless.step}: {hopeless.seen}; {hopeless.remedy}")
        if time.monotonic() > deadline:
            raise FleetError(
                f"after {timeout_s:.0f} s: {wrong[0].step}: {wrong[0].seen}; {wrong[0].remedy}"
            )
        if wrong[0].seen != said:
            said = wrong[0].seen
            say(f"  waiting: {wrong[0].step}: {said}")
        time.sleep(3)


def _examined(of: System, found: StackOutputs) -> Iterator[Finding]:
    """Return the findings of a stack: of MapReduce's all, of another system's those of ECS."""
    from driver.cloud.stack import Stack
    from driver.doctor import examine_services, examine_stack

    if isinstance(found, Stack):
        return iter(examine_stack(found))
    return examine_services(found, of.deploy)


def _stopped(tasks: int) -> str:
    """Return the answer for a stack that is meant to be stopped; raises `FleetError`."""
    if tasks:
        raise FleetError(
            "all tasks were stopped before they answered, by the idle guard or by hand; "
            f"run: {COMMAND} stack start, then {COMMAND} stack wait"
        )
    return "all tasks are stopped, as the variables say"


def cost(*, system: SystemName = None) -> int:
    """Print what the stack costs an hour, where its tasks answer, and the next commands.

    Args:
        system: Another system than MapReduce, e.g. albums.
    """
    of, found = _deployed(system)
    answer(
        f"costs      about ${found.hourly_cost():.3f} an hour while it runs (list prices of "
        "us-east-1)"
    )
    answer(
        f"           about ${found.standing_cost():.2f} a month when stopped, and what is stored"
    )
    for url in _urls(of, found):
        answer(f"address    {url}")
    for line in of.next:
        answer(_filled(line, command=COMMAND, name=found.name, region=found.region))
    return 0


def _urls(of: System, found: StackOutputs) -> list[str]:
    """Return the URL of each task that the system's description gives one."""
    from driver.cloud.addresses import addresses_of
    from driver.cloud.aws import Aws, explained
    from driver.cloud.outputs import SystemStack

    wanted = [
        (service, described.url)
        for role, described in of.services.items()
        if described.url and (service := found.services.get(role)) is not None
    ]
    of_all = found.load_balancer_url if isinstance(found, SystemStack) else None
    urls = [of_all] if of_all else []
    for service, url in wanted:
        with explained():
            addresses = addresses_of(Aws(found.region), found.cluster, service.service_name)
        urls += [_filled(url, address=each, port=str(service.port)) for each in addresses]
    return urls


def _filled(text: str, **values: str) -> str:
    """Return a text of a description with its places filled; other braces stay."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _deployed(system: str | None) -> tuple[System, StackOutputs]:
    """Return a system and its deployed stack; raises `FleetError`."""
    from driver.cloud.stack import read_outputs
    from driver.cloud.system import system_of
    from driver.cloud.terraform import terraform_folder

    folder = terraform_folder(system)
    of, found = system_of(folder), read_outputs(folder)
    if found is None:
        raise FleetError(f"there is no deployed stack of {of.title}; run {of.deploy}")
    return of, found
