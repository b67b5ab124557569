"""The resources that are left in the emulator and in Docker after a destroy, from each service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from tests.e2e.emulator import REGION, Emulator
from tests.e2e.stack import NAME

Client = Any  # types for nine clients would be longer than this module


def remains(emulator: Emulator) -> list[str]:
    """Return every resource of the stack that a service still lists."""
    client = clients(emulator)
    return [f"{what}: {one}" for what, ask in QUESTIONS.items() for one in ask(client)]


def register_again(emulator: Emulator, role: str) -> str:
    """Register a task definition a second time, as AWS's SDK does if the first answer is lost;
    return its ARN.
    """
    ecs = clients(emulator)("ecs")
    found = ecs.describe_task_definition(taskDefinition=f"{NAME}-{role}", include=["TAGS"])
    inputs = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    same = {key: value for key, value in found["taskDefinition"].items() if key in inputs and value}
    made = ecs.register_task_definition(**same, tags=found["tags"])
    return str(made["taskDefinition"]["taskDefinitionArn"])


@contextmanager
def other_version(emulator: Emulator, role: str) -> Iterator[None]:
    """Let a service run another revision of its task definition for the block."""
    ecs = clients(emulator)("ecs")
    (service,) = ecs.describe_services(cluster=NAME, services=[role])["services"]
    other = register_again(emulator, role)
    ecs.update_service(cluster=NAME, service=role, taskDefinition=other)
    try:
        yield
    finally:
        made = service["taskDefinition"]
        ecs.update_service(cluster=NAME, service=role, taskDefinition=made)
        ecs.deregister_task_definition(taskDefinition=other)


def objects(emulator: Emulator) -> set[str]:
    """Return every object in S3."""
    client = clients(emulator)
    pages = client("s3").get_paginator("list_objects_v2")
    found = (page for bucket in _buckets(client) for page in pages.paginate(Bucket=bucket))
    return {each["Key"] for page in found for each in page.get("Contents", ())}


def clients(emulator: Emulator) -> Callable[[str], Client]:
    """Return a function that makes a client of a service in the emulator."""
    session = boto3.Session("test", "test", region_name=REGION)

    def client(service: str) -> Client:
        return session.client(service, endpoint_url=emulator.endpoint)  # type: ignore[call-overload]

    return client


def _buckets(client: Callable[[str], Client]) -> Iterator[str]:
    return (bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"])


def _networks(client: Callable[[str], Client]) -> Iterator[str]:
    return (vpc["VpcId"] for vpc in client("ec2").describe_vpcs()["Vpcs"] if not vpc["IsDefault"])


def _clusters(client: Callable[[str], Client]) -> Iterator[str]:
    ecs = client("ecs")
    arns = ecs.list_clusters()["clusterArns"]
    found = ecs.describe_clusters(clusters=arns)["clusters"] if arns else []
    return (cluster["clusterArn"] for cluster in found if cluster["status"] == "ACTIVE")


def _roles(client: Callable[[str], Client]) -> Iterator[str]:
    names = (role["RoleName"] for role in client("iam").list_roles()["Roles"])
    return (name for name in names if name.startswith(f"{NAME}-"))


QUESTIONS: dict[str, Callable[[Callable[[str], Client]], Iterator[str] | list[str]]] = {
    "bucket": _buckets,
    "network": _networks,
    "cluster": _clusters,
    "role": _roles,
    "task definition": lambda client: client("ecs").list_task_definitions(status="ACTIVE")[
        "taskDefinitionArns"
    ],
    "repository": lambda client: [
        found["repositoryName"] for found in client("ecr").describe_repositories()["repositories"]
    ],
    "parameter": lambda client: [
        found["Name"] for found in client("ssm").describe_parameters()["Parameters"]
    ],
    "log group": lambda client: [
        found["logGroupName"] for found in client("logs").describe_log_groups()["logGroups"]
    ],
    "namespace": lambda client: [
        found["Name"] for found in client("servicediscovery").list_namespaces()["Namespaces"]
    ],
}
