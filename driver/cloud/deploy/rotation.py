"""Gives the stack another signing key, and replaces the tasks that have the old one.

Terraform does not take it back: it writes the parameter only when `value_wo_version` changes, and
keeps no value to compare with.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable

from driver.cloud.aws import Aws, explained
from driver.cloud.fleet.leases import Leases
from driver.cloud.stack import Stack
from mapreduce.errors import FleetError

KEY_LENGTH = 64
"""Letters and digits: 381 bits, and no character that a shell or a header would change."""


def new_key() -> str:
    """Return a new random key."""
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(KEY_LENGTH))


def needed_now(stack: Stack, aws: Aws) -> int:
    """Return how many leases hold the fleet: of runs in progress, or of --keep."""
    if not running_services(stack, aws):
        return 0
    leases, now = Leases(aws, stack.bucket, "rotate").others()
    return sum(lease.holds_at(now) for lease in leases)


def running_services(stack: Stack, aws: Aws) -> list[str]:
    """Return the names of the services that have tasks, or will."""
    names = [service.service_name for service in stack.services.values()]
    with explained():
        found = aws.ecs.describe_services(cluster=stack.cluster, services=names)["services"]
    return [each["serviceName"] for each in found if each["desiredCount"] or each["runningCount"]]


def rotate(stack: Stack, aws: Aws, running: Iterable[str]) -> None:
    """Write a new key, and replace the tasks of the services: a task reads the key at its start."""
    with explained():
        aws.ssm.put_parameter(
            Name=stack.signing_key_parameter, Value=new_key(), Type="SecureString", Overwrite=True
        )
    try:
        with explained():
            for name in running:
                aws.ecs.update_service(cluster=stack.cluster, service=name, forceNewDeployment=True)
    except FleetError as exc:
        raise FleetError(
            f"the key is replaced, and not all tasks are, so they refuse each request: {exc}; "
            "run this again"
        ) from exc
