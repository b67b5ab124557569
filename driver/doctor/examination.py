"""Checks every step from this machine to a service's answer; each finding has a remedy."""

from __future__ import annotations

from collections.abc import Iterator

from driver.cloud.deploy.deployment import DeploySettings
from driver.cloud.deploy.needs import needs_of
from driver.cloud.stack import read_stack
from driver.cloud.system import System
from driver.cloud.terraform import terraform_folder
from driver.doctor import account, machine
from driver.doctor.finding import Finding
from driver.doctor.stack import examine_stack
from mapreduce.errors import FleetError


def examine() -> Iterator[Finding]:
    """Yield findings of this machine, then of the stack; stop at a step that others need."""
    yield machine.python()
    yield machine.native_extension()
    yield machine.scratch()
    folder = terraform_folder()
    try:
        stack = read_stack(folder)
    except FleetError as exc:
        yield Finding("stack", False, str(exc), "repair it, or use --target local")
        return
    if stack is None:
        yield Finding(
            "stack",
            True,
            "nothing is deployed; --target local and inline work, ./deploy.sh deploys",
        )
        return
    yield Finding("stack", True, f"{stack.name} in {stack.region}, images {stack.image_tag}")
    yield from examine_stack(stack)


def examine_before_deploy(settings: DeploySettings, system: System) -> Iterator[Finding]:
    """Yield findings of all that deploy.sh needs before it changes anything.

    Args:
        settings: of the deployment.
        system: what is deployed.
    """
    from driver.cloud.aws import Aws

    yield machine.python()
    yield machine.terraform()
    yield machine.docker()
    try:
        aws = Aws(settings.region)
    except FleetError as exc:
        yield Finding("credentials", False, str(exc), "sign in to AWS")
        return
    yield Finding("region", True, settings.region)
    identity, caller = account.identity(aws)
    yield identity
    if identity.ok:
        yield from account.examine_account(aws, needs_of(settings, system), caller)
