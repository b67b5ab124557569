"""`stack ...`: the steps of deploy.sh and destroy.sh that are written in Python."""

from __future__ import annotations

import json as jsonlib
import os
import platform as platform_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import App

from driver.cli.cloud import answer_finding
from driver.cli.options import SystemName, Texts
from driver.cli.terminal import answer, say, write_line
from driver.text import plural
from mapreduce.errors import UsageError

if TYPE_CHECKING:
    from driver.cloud.deploy.deployment import DeploySettings
    from driver.cloud.stack import StackIdentity
    from driver.cloud.system import System

stack = App(name="stack", help="Start, stop and examine the stack; deploy.sh uses it too.")

BUILD_OPTIONS_VARIABLE = "MAPREDUCE_BUILD_OPTIONS"
ROOT = Path(__file__).resolve().parent.parent.parent


@stack.command
def folder(*, system: SystemName = None) -> int:
    """Print the folder of a system's Terraform, as deploy.sh and destroy.sh use it.

        python -m driver stack folder --system albums

    Args:
        system: Another system than MapReduce: a folder of examples/ (by default, that whose
            Terraform MAPREDUCE_TERRAFORM names).
    """
    from driver.cloud.system import system_of
    from driver.cloud.terraform import terraform_folder

    found = terraform_folder(system)
    system_of(found)  # a wrong description is said before anything is made
    write_line(str(found))
    return 0


@stack.command
def settings(
    *,
    system: SystemName = None,
    region: str | None = None,
    name: str | None = None,
    architecture: Literal["X86_64", "ARM64"] | None = None,
    mappers: int | None = None,
    role: str | None = None,
    allow: Texts = (),
    var: Texts = (),
) -> int:
    """Write the variables of the next deployment: deploy.next.tfvars.json, beside Terraform.

    deploy.sh renames the file to deploy.auto.tfvars.json, which Terraform reads at every apply,
    when the images are pushed. Variables that are not given keep their values of the last
    deployment, also of one from another checkout that shares the state (`stack remote-state`); a
    name or region other than that of the stack in this checkout is refused.

        python -m driver stack settings --region us-east-1 --mappers 3
        python -m driver stack settings --role LabRole
        python -m driver stack settings --system albums --var album_count=3

    Args:
        system: Another system than MapReduce, e.g. albums.
        region: The region (by default, that of the last deployment, or of the environment).
        name: The stack's name.
        architecture: X86_64, or ARM64 (by default, that of the last deployment, or of this
            machine).
        mappers: How many mappers; of MapReduce alone.
        role: An existing IAM role for everything, e.g. LabRole.
        allow: An address range that may call the services (by default, this machine's public
            address); none closes the port to all outside the VPC.
        var: Another of Terraform's variables, NAME=VALUE; the value as JSON, or as a text. null
            removes what an earlier deployment set.
    """
    from driver.cloud.terraform import terraform_folder

    wanted: dict[str, object] = {
        "name": name,
        "architecture": architecture,
        "mapper_count": mappers,
        "existing_role_name": role,
        "allowed_cidrs": _ranges(allow),
    }
    return _write_settings(terraform_folder(system), region, wanted, var)


def _write_settings(
    folder: Path, region: str | None, wanted: dict[str, object], more: Texts
) -> int:
    """Write the settings of the next deployment of the system in a folder."""
    from driver.cloud.deploy.deployment import (
        NEXT_FILE,
        architecture_of,
        check_is_same,
        content_tag,
        merged_settings,
    )
    from driver.cloud.system import system_of

    of = system_of(folder)
    if wanted["mapper_count"] is not None and "mapper_count" not in of.variables:
        raise UsageError(f"--mappers: {of.title} has none; use --var NAME=VALUE")
    given = _variables(of, more)
    wanted |= given
    before, deployed = _before(folder)
    before = {name: value for name, value in before.items() if given.get(name, "") is not None}
    built_for = str(
        wanted["architecture"]
        or before.get("architecture")
        or architecture_of(platform_module.machine())
    )
    knows = wanted["allowed_cidrs"] is not None or bool(before.get("allowed_cidrs"))
    made = merged_settings(
        of,
        before,
        region or (None if before.get("region") else _region_of_environment()),
        content_tag(ROOT, of.sources, built_for, os.environ.get(BUILD_OPTIONS_VARIABLE, "")),
        None if knows else _own_address(),
        **(wanted | {"architecture": built_for}),
    )
    check_is_same(of.system, made.identity, deployed)
    (folder / NEXT_FILE).write_text(made.model_dump_json(indent=2) + "\n")
    answer(made.summary)
    return 0


def _ranges(allow: Texts) -> list[str] | None:
    """Return the ranges of `--allow`, none of `--allow none`, or None without the option."""
    if "none" not in allow:
        return list(allow) or None
    if len(allow) > 1:
        raise UsageError("--allow none: it stands alone; leave it out, or the other ranges")
    return []


def _variables(of: System, texts: Texts) -> dict[str, object]:
    """Return the variables of `--var`; raises `UsageError`."""
    from driver.cli.values import assignments
    from driver.cloud.deploy.deployment import CHOSEN
    from driver.cloud.system import check_variables

    given = assignments("--var", texts)
    check_variables(of, given, CHOSEN)
    return {name: _parsed(text) for name, text in given.items()}


def _parsed(text: str) -> object:
    """Return a value of `--var`. Terraform makes numbers of texts, but no 1.10 of the number 1.1:
    a number that JSON would write otherwise stays a text.
    """
    try:
        return jsonlib.loads(text, parse_float=str, parse_int=_whole, parse_constant=str)
    except ValueError:
        return text


def _whole(text: str) -> int | str:
    number = int(text)
    return number if str(number) == text else text


@stack.command
def preflight(*, system: SystemName = None) -> int:
    """Check what a deployment needs, before it changes anything.

    Exit code 0 when every step works, else 3.

    Args:
        system: Another system than MapReduce, e.g. albums.
    """
    from driver.doctor import examine_before_deploy

    of, _, made = next_settings(system)
    well = True
    for finding in examine_before_deploy(made, of):
        well = well and finding.ok
        answer_finding(finding)
    return 0 if well else 3


@stack.command
def platform(*, system: SystemName = None) -> int:
    """Print Docker's name of the architecture.

    Args:
        system: Another system than MapReduce, e.g. albums.
    """
    write_line(next_settings(system)[2].platform)
    return 0


@stack.command
def images(*, system: SystemName = None) -> int:
    """Print of each image its role, Dockerfile, name in the registry, and `there` with its digest,
    or `missing`.

    Args:
        system: Another system than MapReduce, e.g. albums.
    """
    from driver.cloud.aws import Aws
    from driver.cloud.deploy.images import images_of

    of, _, made = next_settings(system)
    for image in images_of(Aws(made.region), of.images, made.name, made.image_tag):
        write_line(f"{image.role} {of.dockerfile(image.role)} {image.reference} {image.state}")
    return 0


@stack.command
def registry_password(*, system: SystemName = None) -> int:
    """Print the password for `docker login --username AWS --password-stdin`, valid for 12 hours.

    Args:
        system: Another system than MapReduce, e.g. albums.
    """
    from driver.cloud.aws import Aws
    from driver.cloud.deploy.images import registry_password as password

    write_line(password(Aws(next_settings(system)[2].region)))
    return 0


@stack.command
def leftovers(
    *,
    system: SystemName = None,
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
        system: The system of the stack, if it is not MapReduce, e.g. albums.
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
    from driver.cloud.system import system_of
    from driver.cloud.terraform import terraform_folder

    if name is None or region is None:
        made = next_settings(system)[2]
        name, region = name or made.name, region or made.region
    services = list(system_of(terraform_folder(system)).roles())
    of, aws = StackIdentity(name=name, region=region), Aws(region)

    def look() -> list[Leftover]:
        found = find_leftovers(of.name, services, aws)
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


def next_settings(system: str | None) -> tuple[System, Path, DeploySettings]:
    """Return a system, the file of its deployment in progress, else of the last one, and the
    settings in it.

    Raises:
        UsageError: there was none.
    """
    from driver.cloud.deploy.deployment import NEXT_FILE, SETTINGS_FILE, DeploySettings
    from driver.cloud.system import system_of
    from driver.cloud.terraform import terraform_folder

    folder = terraform_folder(system)
    of = system_of(folder)
    path = _first_of(folder / NEXT_FILE, folder / SETTINGS_FILE)
    if path is None:
        raise UsageError(f"there is no {folder / SETTINGS_FILE}; {of.deploy} writes it")
    values = {"name": of.name} | jsonlib.loads(path.read_text())
    return of, path, DeploySettings.model_validate(values)


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
