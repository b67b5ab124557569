"""Checks every step from this machine to a service's answer; each finding has a remedy."""

from __future__ import annotations

from collections.abc import Iterator

from driver.cloud.stack import read_stack
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


def examine_before_deploy(region: str | None, vcpus_needed: float) -> Iterator[Finding]:
    """Yield findings of all that deploy.sh needs before it changes anything.

    Args:
        region: the region to deploy to; None for the environment's.
        vcpus_needed: vCPUs of all tasks together.
    """
    from driver.cloud.aws import Aws

    yield machine.python()
    yield machine.terraform()
    yield machine.docker()
    try:
        aws = Aws(region)
    except FleetError as exc:
        yield Finding("credentials", False, str(exc), "sign in to AWS")
        return
    if not aws.region:
        yield Finding("region", False, "no region is set", "export AWS_REGION=us-east-1")
        return
    yield Finding("region", True, aws.region)
    identity = account.credentials(aws)
    yield identity
    if identity.ok:
        yield account.fargate_quota(aws, vcpus_needed)
