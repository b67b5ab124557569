"""A deployed stack of an example: what its Terraform root says of it, and where its tasks answer.

For the commands of a laptop. No image has this module, nor the AWS client.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, ValidationError

from mapreduce.errors import FleetError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TaskTypeDef

TERRAFORM_LIMIT_S = 60
AT_ONCE = 100
"""Tasks in one call (AWS's limit)."""
_STATES = ("terraform.tfstate", ".terraform/terraform.tfstate", "backend_override.tf.json")
"""One of these is in a folder that has been applied: the state, or what names its bucket."""


class Service(BaseModel):
    """What the addresses need of an ECS service; a service that nothing calls has no port."""

    model_config = ConfigDict(frozen=True)

    service_name: str
    port: int | None


class StackOutputs(BaseModel):
    """The outputs that every root has, as far as the addresses need them.

    An example adds its own. Terraform leaves out an output that is null, so such a one has a
    default.
    """

    model_config = ConfigDict(frozen=True)

    region: str
    cluster: str
    services: Mapping[str, Service]


Outputs = TypeVar("Outputs", bound=StackOutputs)


def read_outputs(folder: Path, kind: type[Outputs], system: str) -> Outputs:
    """Return the stack that is deployed from a folder.

    Args:
        folder: of the Terraform root.
        kind: the outputs that are read.
        system: the name for `./deploy.sh --system`.

    Raises:
        UsageError: there is none, or no Terraform.
    """
    nothing = UsageError(
        f"there is no deployed stack in {folder}; run ./deploy.sh --system {system}"
    )
    if not any((folder / name).exists() for name in _STATES):
        raise nothing
    try:
        done = subprocess.run(
            ["terraform", f"-chdir={folder}", "output", "-no-color", "-json"],
            capture_output=True,
            text=True,
            check=True,
            timeout=TERRAFORM_LIMIT_S,
        )
        found = {name: output["value"] for name, output in json.loads(done.stdout).items()}
        return kind.model_validate(found)
    except FileNotFoundError as exc:
        raise UsageError(
            "terraform is not on PATH; install it: developer.hashicorp.com/terraform/install"
        ) from exc
    except subprocess.CalledProcessError as exc:
        hint = f"; run: terraform -chdir={folder} init" if "terraform init" in exc.stderr else ""
        raise UsageError(
            f"terraform output failed in {folder}: {_cause(exc.stderr)}{hint}"
        ) from exc
    except subprocess.TimeoutExpired as exc:
        raise UsageError(
            f"terraform output took more than {TERRAFORM_LIMIT_S} s in {folder}; "
            "is the bucket of its state there?"
        ) from exc
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise nothing from exc


def _cause(text: str) -> str:
    """Return the line of Terraform's message that says what is wrong."""
    lines = [line.strip(" │╷╵") for line in text.splitlines()]
    errors = (line for line in lines if line.startswith("Error"))
    return next(errors, next(filter(None, lines), "it printed nothing"))


@contextmanager
def aws_asked(what: str) -> Iterator[None]:
    """Turn an error of AWS or its client, in the block, into a `FleetError` that begins so."""
    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as exc:
        raise FleetError(f"{what}: {exc}") from exc


def look_up(stack: StackOutputs, role: str, session: Any = None) -> Callable[[], list[str]]:
    """Return a function that looks up where the running tasks of a service answer: ADDRESS:PORT
    each, sorted.

    Args:
        stack: the stack.
        role: of the service.
        session: a session of boto3; None makes one.

    Raises:
        FleetError: AWS does not tell; the function raises it too.
    """
    service = stack.services[role]
    what = f"AWS does not tell the addresses of cluster {stack.cluster} in {stack.region}"
    with aws_asked(what):
        session = session or boto3.Session(region_name=stack.region)
        ecs, ec2 = session.client("ecs"), session.client("ec2")

    def look() -> list[str]:
        with aws_asked(what):
            found = _addresses(ec2, list(_running(ecs, stack.cluster, service.service_name)))
        return [f"{address}:{service.port}" for address in found]

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
