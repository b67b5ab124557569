"""Where the deployed server 0 answers, and the key that signs calls to it.

Terraform's outputs name the service and the key's parameter, ECS the task, Systems Manager the key.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, ValidationError

from mapreduce.errors import FleetError, UsageError

TERRAFORM: Final = Path(__file__).with_name("terraform")
TERRAFORM_LIMIT_S: Final = 60
SERVER: Final = "parameter-server"


class Service(BaseModel):
    """What is needed of an ECS service."""

    model_config = ConfigDict(frozen=True)

    service_name: str
    port: int | None


class Stack(BaseModel):
    """What is needed of Terraform's outputs (terraform/outputs.tf has the same names)."""

    model_config = ConfigDict(frozen=True)

    region: str
    cluster: str
    bucket: str
    signing_key_parameter: str
    services: Mapping[str, Service]


def deployed(folder: Path = TERRAFORM) -> Stack:
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
        return Stack.model_validate(values)
    except FileNotFoundError as exc:
        raise UsageError(
            "terraform is not on PATH; install it: developer.hashicorp.com/terraform/install"
        ) from exc
    except subprocess.SubprocessError as exc:
        reason = str(getattr(exc, "stderr", None) or exc).strip()
        raise UsageError(f"`{' '.join(command)}` failed: {reason}") from exc
    except (ValidationError, ValueError, KeyError, TypeError) as exc:
        raise UsageError(
            f"{folder} has no deployed stack; deploy it: ./deploy.sh --system parameter_server"
        ) from exc


def server_address(stack: Stack, session: Any = None) -> str:
    """Return host:port of the running server 0: its public address, if it has one.

    Args:
        stack: the deployed stack.
        session: a session of boto3; None makes one.

    Raises:
        FleetError: no task runs, or AWS does not tell.
    """
    session = session or boto3.Session(region_name=stack.region)
    service = stack.services[SERVER]
    ecs, ec2 = session.client("ecs"), session.client("ec2")
    try:
        arns = ecs.list_tasks(
            cluster=stack.cluster, serviceName=service.service_name, desiredStatus="RUNNING"
        )["taskArns"]
        tasks = ecs.describe_tasks(cluster=stack.cluster, tasks=arns)["tasks"] if arns else []
        found = next((_address(task, ec2) for task in tasks if _runs(task)), None)
    except (BotoCoreError, ClientError) as exc:
        raise FleetError(f"AWS does not tell the address of {SERVER}: {exc}") from exc
    if not found:
        raise FleetError(
            f"no {SERVER} runs in cluster {stack.cluster} in {stack.region}; its log and "
            "`python -m driver stack wait --system parameter_server` say why"
        )
    return f"{found}:{service.port}"


def signing_key(stack: Stack, session: Any = None) -> str:
    """Return the key that signs calls.

    Args:
        stack: the deployed stack.
        session: a session of boto3; None makes one.

    Raises:
        FleetError: Systems Manager does not tell it.
    """
    session = session or boto3.Session(region_name=stack.region)
    try:
        found = session.client("ssm").get_parameter(
            Name=stack.signing_key_parameter, WithDecryption=True
        )
    except (BotoCoreError, ClientError) as exc:
        raise FleetError(
            f"the signing key cannot be read ({exc}); you need ssm:GetParameter on "
            f"{stack.signing_key_parameter}"
        ) from exc
    return str(found["Parameter"]["Value"])


def credentials() -> Any:
    """Return this machine's credentials for the object store: SSO, profile, role or keys.

    Raises:
        FleetError: there are none.
    """
    from obstore.auth.boto3 import Boto3CredentialProvider

    session = boto3.Session()
    try:
        if session.get_credentials() is None:
            raise FleetError("there are no AWS credentials; run: aws configure, or aws sso login")
    except BotoCoreError as exc:
        raise FleetError(f"the AWS credentials cannot be read: {exc}") from exc
    return Boto3CredentialProvider(session)


def _runs(task: Mapping[str, Any]) -> bool:
    return bool(task.get("lastStatus") == "RUNNING")


def _address(task: Mapping[str, Any], ec2: Any) -> str | None:
    details = {
        detail["name"]: detail.get("value")
        for attachment in task.get("attachments", [])
        for detail in attachment.get("details", [])
    }
    private = details.get("privateIPv4Address") or next(
        (
            interface.get("privateIpv4Address")
            for container in task.get("containers", [])
            for interface in container.get("networkInterfaces", [])
        ),
        None,
    )
    if not (name := details.get("networkInterfaceId")):
        return private
    # a filter: named as an id, an interface that is gone would be an error
    asked = {"Name": "network-interface-id", "Values": [name]}
    for interface in ec2.describe_network_interfaces(Filters=[asked])["NetworkInterfaces"]:
        if address := interface.get("Association", {}).get("PublicIp"):
            return str(address)
    return private
