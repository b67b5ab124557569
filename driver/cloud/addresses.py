"""The tasks of an ECS service, and their addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from driver.cloud.aws import Aws

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef
    from mypy_boto3_ecs.type_defs import TaskTypeDef

DESCRIBE_AT_ONCE = 100
"""Tasks, or interfaces, in one call (AWS's limit for DescribeTasks; a filter takes 200)."""


def tasks_of(
    aws: Aws, cluster: str, service: str, status: Literal["RUNNING", "STOPPED"] = "RUNNING"
) -> list[TaskTypeDef]:
    """Return the tasks of a service that ECS wants to have this status.

    Args:
        aws: AWS in the stack's region.
        cluster: the cluster's name.
        service: the service's name.
        status: what they are meant to be.
    """
    pages = aws.ecs.get_paginator("list_tasks").paginate(
        cluster=cluster, serviceName=service, desiredStatus=status
    )
    arns = [arn for page in pages for arn in page["taskArns"]]
    found: list[TaskTypeDef] = []
    for some in _batched(arns, DESCRIBE_AT_ONCE):
        found += aws.ecs.describe_tasks(cluster=cluster, tasks=some)["tasks"]
    return found


def public_addresses(aws: Aws, tasks: Iterable[TaskTypeDef]) -> dict[str, str]:
    """Return public addresses, by the ARN of the task."""
    interfaces = {
        detail: task["taskArn"]
        for task in tasks
        if (detail := attachment(task, "networkInterfaceId"))
    }
    found: dict[str, str] = {}
    pages = aws.ec2.get_paginator("describe_network_interfaces")
    for some in _batched(list(interfaces), DESCRIBE_AT_ONCE):
        # a filter: named as ids, one interface that is gone would fail the whole request
        asked: FilterTypeDef = {"Name": "network-interface-id", "Values": some}
        for page in pages.paginate(
            Filters=[asked], PaginationConfig={"PageSize": DESCRIBE_AT_ONCE}
        ):
            for interface in page["NetworkInterfaces"]:
                address = interface.get("Association", {}).get("PublicIp")
                if address:
                    found[interfaces[interface["NetworkInterfaceId"]]] = address
    return found


def attachment(task: TaskTypeDef, name: str) -> str | None:
    """Return a detail of the task's network interface."""
    details = (
        detail for found in task.get("attachments", []) for detail in found.get("details", [])
    )
    return next((detail.get("value") for detail in details if detail.get("name") == name), None)


def private_address(task: TaskTypeDef) -> str | None:
    """Return the task's address in the VPC."""
    networks = (
        interface
        for box in task.get("containers", [])
        for interface in box.get("networkInterfaces", [])
    )
    named = next((interface.get("privateIpv4Address") for interface in networks), None)
    return named or attachment(task, "privateIPv4Address")


def addresses_of(aws: Aws, cluster: str, service: str) -> list[str]:
    """Return the address of each running task of a service, public where there is one."""
    tasks = [
        task for task in tasks_of(aws, cluster, service) if task.get("lastStatus") == "RUNNING"
    ]
    public = public_addresses(aws, tasks)
    found = (public.get(task["taskArn"]) or private_address(task) for task in tasks)
    return sorted(address for address in found if address)


def _batched(items: Sequence[str], size: int) -> Iterator[list[str]]:
    return (list(items[at : at + size]) for at in range(0, len(items), size))
