"""Where the tasks of a deployed stack answer: Terraform knows the service, ECS its tasks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, ValidationError

from mapreduce.errors import FleetError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TaskTypeDef

TERRAFORM = Path(__file__).with_name("terraform")
TERRAFORM_LIMIT_S = 60
AT_ONCE = 100
"""Tasks in one call (AWS's limit)."""


class Service(BaseModel):
    """What the addresses need of an ECS service."""

    model_config = ConfigDict(frozen=True)

    service_name: str
    port: int


class Deployed(BaseModel):
    """What the addresses need of Terraform's outputs (terraform/outputs.tf has the same names)."""

    model_config = ConfigDict(frozen=True)

    region: str
    cluster: str
    services: Mapping[str, Service]
    load_balancer_url: str | None = None  # Terraform leaves an output that is null out


def deployed(folder: Path = TERRAFORM) -> Deployed:
    """Return the stack that Terraform has deployed from a folder.

    Raises:
        UsageError: there is none, or no Terraform.
    """
    command = ["terraform", f"-chdir={folder}", "output", "-json"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=TERRAFORM_LIMIT_S
        )
        values = {name: output["value"] for name, output in json.loads(done.stdout).items()}
        return Deployed.model_validate(values)
    except FileNotFoundError as exc:
        raise UsageError(
            "terraform is not on PATH; install it: developer.hashicorp.com/terraform/install"
        ) from exc
    except subprocess.SubprocessError as exc:
        reason = str(getattr(exc, "stderr", None) or exc).strip()
        raise UsageError(f"`{' '.join(command)}` failed: {reason}") from exc
    except (ValidationError, ValueError) as exc:
        raise UsageError(
            f"{folder} has no deployed stack; deploy it: ./deploy.sh --system albums"
        ) from exc


def look_up(stack: Deployed) -> Callable[[], Sequence[str]]:
    """Return a function that looks up the tasks' addresses, `http://ADDRESS:PORT` each.

    With a load balancer they are one: the balancer's.
    """
    if stack.load_balancer_url:
        balanced = [stack.load_balancer_url]
        return lambda: balanced
    session = boto3.Session(region_name=stack.region)
    ecs, ec2 = session.client("ecs"), session.client("ec2")
    service = stack.services["albums"]

    def look() -> list[str]:
        try:
            tasks = list(_running(ecs, stack.cluster, service.service_name))
            found = _addresses(ec2, tasks)
        except (BotoCoreError, ClientError, Boto3Error) as exc:
            raise FleetError(
                f"AWS does not tell the addresses of cluster {stack.cluster} in {stack.region}: "
                f"{exc}"
            ) from exc
        return [f"http://{address}:{service.port}" for address in found]

    return look


def _running(ecs: Any, cluster: str, service: str) -> Iterator[TaskTypeDef]:
    """Yield the running tasks, without those that have been told to stop."""
    pages = ecs.get_paginator("list_tasks").paginate(
        cluster=cluster, serviceName=service, desiredStatus="RUNNING"
    )
    arns = [arn for page in pages for arn in page["taskArns"]]
    for at in range(0, len(arns), AT_ONCE):
        answer = ecs.describe_tasks(cluster=cluster, tasks=arns[at : at + AT_ONCE])
        yield from (task for task in answer["tasks"] if task.get("lastStatus") == "RUNNING")


def _addresses(ec2: Any, tasks: Sequence[TaskTypeDef]) -> list[str]:
    """Return the tasks' addresses, sorted: the public one where there is one, else the private."""
    known = [(_detail(task, "networkInterfaceId"), _private(task)) for task in tasks]
    interfaces = [name for name, _ in known if name]
    public: dict[str, str] = {}
    for at in range(0, len(interfaces), AT_ONCE):
        # a filter: named as ids, one interface that is gone would fail the whole request
        asked = {"Name": "network-interface-id", "Values": interfaces[at : at + AT_ONCE]}
        for interface in ec2.describe_network_interfaces(Filters=[asked])["NetworkInterfaces"]:
            if address := interface.get("Association", {}).get("PublicIp"):
                public[interface["NetworkInterfaceId"]] = address
    found = [public.get(name or "") or address for name, address in known]
    return sorted(address for address in found if address)


def _private(task: TaskTypeDef) -> str | None:
    networks = (
        interface.get("privateIpv4Address")
        for container in task.get("containers", [])
        for interface in container.get("networkInterfaces", [])
    )
    return next(networks, None) or _detail(task, "privateIPv4Address")


def _detail(task: TaskTypeDef, name: str) -> str | None:
    """Return a detail of the task's network interface."""
    details = (
        detail
        for attachment in task.get("attachments", [])
        for detail in attachment.get("details", [])
    )
    return next((detail.get("value") for detail in details if detail.get("name") == name), None)
