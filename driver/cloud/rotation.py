"""Gives the stack another signing key, and replaces the tasks that have the old one.

Terraform does not take it back: it writes the parameter only when `value_wo_version` changes, and
keeps no value to compare with.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable

from driver.cloud.aws import Aws, explained
from driver.cloud.stack import Stack
from mapreduce.errors import FleetError
from mapreduce.storage import ObjectInfo, Storage
from mapreduce.wire import keys

KEY_LENGTH = 64
"""Letters and digits: 381 bits, and no character that a shell or a header would change."""
LEASES = "fleet/leases"
"""The folder of the leases of runs in progress."""
LEASE_S = 900.0
"""An older lease is that of a run whose driver has died: a live one is renewed every few minutes.
"""


def new_key() -> str:
    """Return a new random key."""
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(KEY_LENGTH))


def parameter_of(stack: Stack) -> str:
    """Return the name of the parameter that holds the key; raises `FleetError` without one."""
    name = stack.model_dump().get("signing_key_parameter")
    if not name:
        raise FleetError(
            "this stack keeps its key in Secrets Manager; run ./deploy.sh, then this again"
        )
    return str(name)


def runs_in_progress(leases: Iterable[ObjectInfo], now: float) -> list[str]:
    """Return the runs whose lease is not older than `LEASE_S`.

    Args:
        leases: the objects of the leases.
        now: in seconds since the epoch.
    """
    live = (lease for lease in leases if now - lease.modified < LEASE_S)
    return sorted({lease.url.rpartition("/")[2].removesuffix(".json") for lease in live})


def leases_of(stack: Stack, storage: Storage) -> list[ObjectInfo]:
    """Return the leases in the stack's bucket."""
    return list(storage.list(keys.join(stack.store, LEASES)))


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
            Name=parameter_of(stack), Value=new_key(), Type="SecureString", Overwrite=True
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
