"""`stack ...`: the steps of deploy.sh and destroy.sh that are written in Python."""

from __future__ import annotations

import json as jsonlib
import os
import platform as platform_module
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import App

from driver.cli.cloud import answer_finding
from driver.cli.options import Texts
from driver.cli.terminal import answer, say, write_line
from driver.program.command_name import COMMAND
from driver.text import plural
from mapreduce.errors import FleetError, UsageError

if TYPE_CHECKING:
    from driver.cloud.deploy.deployment import DeploySettings
    from driver.cloud.stack import StackIdentity

stack = App(name="stack", help="Start, stop and examine the stack; deploy.sh uses it too.")

BUILD_OPTIONS_VARIABLE = "MAPREDUCE_BUILD_OPTIONS"
ROOT = Path(__file__).resolve().parent.parent.parent


@stack.command
def settings(
    *,
    region: str | None = None,
    name: str | None = None,
    architecture: Literal["X86_64", "ARM64"] | None = None,
    mappers: int | None = None,
    role: str | None = None,
    allow: Texts = (),
) -> int:
    """Write the variables of the next deployment: terraform/deploy.next.tfvars.json.

    deploy.sh renames the file to deploy.auto.tfvars.json, which Terraform reads at every apply,
    when the images are pushed. Variables that are not given keep their values of the last
    deployment, also of one from another checkout that shares the state (`stack remote-state`); a
    name or region other than that of the stack in this checkout is refused.

        python -m driver stack settings --region us-east-1 --mappers 3
        python -m driver stack settings --role LabRole

    Args:
        region: The region (by default, that of the last deployment, or of the environment).
        name: The stack's name.
        architecture: X86_64, or ARM64 (by default, that of the last deployment, or of this
            machine).
        mappers: How many mappers.
        role: An existing IAM role for everything, e.g. LabRole.
        allow: An address range that may call the services (by default, this machine's public
            address).
    """
    from driver.cloud.deploy.deployment import (
        NEXT_FILE,
        architecture_of,
        check_is_same,
        content_tag,
        merged_settings,
    )
    from driver.cloud.terraform import terraform_folder

    folder = terraform_folder()
    before, deployed = _before(folder)
    built_for = str(
        architecture or before.get("architecture") or architecture_of(platform_module.machine())
    )
    made = merged_settings(
        before,
        region or (None if before.get("region") else _region_of_environment()),
        content_tag(ROOT, built_for, os.environ.get(BUILD_OPTIONS_VARIABLE, "")),
        None if allow or before.get("allowed_cidrs") else _own_address(),
        name=name,
        architecture=built_for,
        mapper_count=mappers,
        existing_role_name=role,
        allowed_cidrs=list(allow) or None,
    )
    check_is_same(made.identity, deployed)
    (folder / NEXT_FILE).write_text(made.model_dump_json(indent=2) + "\n")
    answer(made.summary)
    return 0


@stack.command
def preflight() -> int:
    """Check what a deployment needs, before it changes anything.

    Exit code 0 when every step works, else 3.
    """
    from driver.doctor import examine_before_deploy

    made = _settings()
    well = True
    for finding in examine_before_deploy(made):
        well = well and finding.ok
        answer_finding(finding)
    return 0 if well else 3


@stack.command
def platform() -> int:
    """Print Docker's name of the architecture."""
    write_line(_settings().platform)
    return 0


@stack.command
def images() -> int:
    """Print each service's role, image name in the registry, and `there` with its digest, or
    `missing`.
    """
    from driver.cloud.aws import Aws
    from driver.cloud.deploy.images import images_of

    made = _settings()
    for image in images_of(Aws(made.region), made.name, made.image_tag):
        write_line(f"{image.role} {image.reference} {image.state}")
    return 0


@stack.command
def registry_password() -> int:
    """Print the password for `docker login --username AWS --password-stdin`, valid for 12 hours."""
    from driver.cloud.aws import Aws
    from driver.cloud.deploy.images import registry_password as password

    write_line(password(Aws(_settings().region)))
    return 0


@stack.command
def wait(*, timeout_s: float = 600) -> int:
    """Wait until every service runs the deployed version alone, and every task answers.

    A version that does not start is an error at once, with the reason that ECS gives.

        python -m driver stack wait

    Args:
        timeout_s: How many seconds to wait at most.
    """
    answer(all_answer(timeout_s), style="green")
    return 0


def all_answer(timeout_s: float) -> str:
    """Wait as `stack wait` does, and return its answer; raises `FleetError`."""
    from driver.cloud.stack import read_stack
    from driver.cloud.terraform import terraform_folder
    from driver.doctor import examine_stack

    found = read_stack(terraform_folder())
    if found is None:
        raise FleetError("there is no deployed stack to wait for; run ./deploy.sh")
    deadline = time.monotonic() + timeout_s
    tasks = sum(service.desired_count for service in found.services.values())
    said = ""
    while True:
        findings = list(examine_stack(found))
        if any(finding.step == "services" for finding in findings):
            return _stopped(tasks)
        wrong = [finding for finding in findings if not finding.ok]
        if not wrong:
            return f"{plural(tasks, 'task')} answer, image {found.image_tag}"
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


def _stopped(tasks: int) -> str:
    """Return the answer for a stack that is meant to be stopped; raises `FleetError`."""
    if tasks:
        raise FleetError(
            "all tasks were stopped before they answered, by the idle guard or by hand; "
            f"run: {COMMAND} stack start, then {COMMAND} stack wait"
        )
    return "all tasks are stopped, as the variables say"


@stack.command
def cost() -> int:
    """Print what the stack costs an hour, and the next commands."""
    from driver.cloud.deploy.deployment import hourly_cost
    from driver.cloud.stack import read_stack
    from driver.cloud.terraform import terraform_folder
    from driver.forecast.pricing import standing_month

    found = read_stack(terraform_folder())
    if found is None:
        raise FleetError("there is no deployed stack; run ./deploy.sh")
    answer(
        f"costs      about ${hourly_cost(found):.3f} an hour while it runs (list prices of "
        "us-east-1)"
    )
    standing = standing_month(
        found.service_discovery, alarms=found.alarms, dashboard=found.dashboard
    )
    answer(f"           about ${standing:.2f} a month when stopped, and what is stored")
    answer(f"run        {COMMAND} run --input book.txt")
    answer("scale      make scale N=10")
    answer("stop       make stop, or ./destroy.sh to leave nothing")
    return 0


@stack.command
def leftovers(
    *,
    name: str | None = None,
    region: str | None = None,
    wait_s: float = 0,
    deregister: bool = False,
) -> int:
    """List the stack's resources that still exist, and what each costs a day.

    Exit code 0 when there is nothing, else 1. With name and region, no settings file is needed:
    the checkout that deployed the stack may be lost.

        python -m driver stack leftovers --wait-s 60
        python -m driver stack leftovers --name mapreduce --region eu-central-1

    Args:
        name: The stack's name (by default, that of this checkout).
        region: Its region (by default, that of this checkout).
        wait_s: How many seconds to wait for resources that are being deleted. Nothing is left when
            two looks in a row find nothing.
        deregister: Deregister task definitions that are still active when the cluster and its
            services are gone: Terraform's state does not name them.
    """
    from driver.cloud.aws import Aws
    from driver.cloud.leftovers import Leftover, deregister_orphans, find_leftovers, watch
    from driver.cloud.stack import StackIdentity

    if name is None or region is None:
        made = _settings()
        name, region = name or made.name, region or made.region
    of, aws = StackIdentity(name=name, region=region), Aws(region)

    def look() -> list[Leftover]:
        found = find_leftovers(of.name, aws)
        for arn in deregister_orphans(found, aws) if deregister else ():
            say(f"deregistered {arn}, which Terraform's state does not name")
        return found

    found = watch(look, wait_s=wait_s)
    if not found:
        answer(f"nothing is left of {of}", style="green")
        return 0
    answer(
        f"{plural(len(found), 'resource')} of {of.name} still in {of.region}, "
        "and what each costs a day:",
        style="red",
    )
    for left in found:
        answer(f"  {left.arn}: {left.costs_a_day}")
    return 1


def _settings() -> DeploySettings:
    """Return the settings of the deployment in progress, else of the last one."""
    return next_settings()[1]


def next_settings() -> tuple[Path, DeploySettings]:
    """Return the file of the deployment in progress, else of the last one, and its settings.

    Raises:
        UsageError: there was none.
    """
    from driver.cloud.deploy.deployment import NEXT_FILE, SETTINGS_FILE, DeploySettings
    from driver.cloud.terraform import terraform_folder

    folder = terraform_folder()
    path = _first_of(folder / NEXT_FILE, folder / SETTINGS_FILE)
    if path is None:
        raise UsageError(f"there is no {folder / SETTINGS_FILE}; ./deploy.sh writes it")
    return path, DeploySettings.model_validate_json(path.read_text())


def _before(folder: Path) -> tuple[dict[str, object], StackIdentity | None]:
    """Return the settings of the last deployment, and the stack that this checkout's state holds.

    If the state is in a bucket, they are of the last deployment from any checkout.
    """
    from driver.cloud.aws import Aws
    from driver.cloud.deploy.remote_state import remote_state, shared_settings
    from driver.cloud.stack import stack_of_state

    state = remote_state(folder)
    if state is None:
        return last_settings(folder), stack_of_state(folder)
    shared = shared_settings(Aws(state.bucket_region), state)
    before = jsonlib.loads(shared) if shared else last_settings(folder)
    return before | state.stack.model_dump(), state.stack


def last_settings(folder: Path) -> dict[str, object]:
    """Return the settings of the last deployment; of the first one also if it failed."""
    from driver.cloud.deploy.deployment import NEXT_FILE, SETTINGS_FILE

    path = _first_of(folder / SETTINGS_FILE, folder / NEXT_FILE)
    return jsonlib.loads(path.read_text()) if path else {}


def _first_of(*paths: Path) -> Path | None:
    """Return the first path that exists."""
    return next((path for path in paths if path.exists()), None)


def _region_of_environment() -> str | None:
    from driver.cloud.aws import Aws

    return Aws().region


def _own_address() -> str | None:
    """Return this machine's public address; say so when it is unknown."""
    from driver.cloud.own_address import own_address

    address = own_address()
    if address is None and not os.environ.get("AWS_ENDPOINT_URL"):
        say(
            "this machine's public address could not be found; "
            "name it, e.g. with --allow 203.0.113.7/32",
            style="yellow",
        )
    return address
