"""The resources that are left in the emulator and in Docker after a destroy, from each service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import boto3

from tests.e2e.emulator import REGION, Emulator

Client = Any  # types for nine clients would be longer than this module


def remains(emulator: Emulator, stack: str) -> list[str]:
    """Return every resource that a service still lists; roles only if they are the stack's."""
    client = clients(emulator)
    return [f"{what}: {one}" for what, ask in QUESTIONS.items() for one in ask(client, stack)]


def register_again(emulator: Emulator, stack: str, role: str) -> str:
    """Register a task definition a second time, as AWS's SDK does if the first answer is lost;
    return its ARN.
    """
    ecs = clients(emulator)("ecs")
    found = ecs.describe_task_definition(taskDefinition=f"{stack}-{role}", include=["TAGS"])
    inputs = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    same = {key: value for key, value in found["taskDefinition"].items() if key in inputs and value}
    made = ecs.register_task_definition(**same, tags=found["tags"])
    return str(made["taskDefinition"]["taskDefinitionArn"])


@contextmanager
def other_version(emulator: Emulator, stack: str, role: str) -> Iterator[None]:
    """Let a service run another revision of its task definition for the block."""
    ecs = clients(emulator)("ecs")
    (service,) = ecs.describe_services(cluster=stack, services=[role])["services"]
    other = register_again(emulator, stack, role)
    ecs.update_service(cluster=stack, service=role, taskDefinition=other)
    try:
        yield
    finally:
        made = service["taskDefinition"]
        ecs.update_service(cluster=stack, service=role, taskDefinition=made)
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


def cached_clients(emulator: Emulator) -> Callable[[str], Client]:
    """Return a function that makes one client of each service, for several threads."""
    make, lock = clients(emulator), Lock()
    made: dict[str, Client] = {}

    def client(service: str) -> Client:
        with lock:
            if service not in made:
                made[service] = make(service)
            return made[service]

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


def _roles(client: Callable[[str], Client], stack: str) -> Iterator[str]:
    names = (role["RoleName"] for role in client("iam").list_roles()["Roles"])
    return (name for name in names if name.startswith(f"{stack}-"))


QUESTIONS: dict[str, Callable[[Callable[[str], Client], str], Iterable[str]]] = {
    "bucket": lambda client, _: _buckets(client),
    "network": lambda client, _: _networks(client),
    "cluster": lambda client, _: _clusters(client),
    "role": _roles,
    "task definition": lambda client, _: client("ecs").list_task_definitions(status="ACTIVE")[
        "taskDefinitionArns"
    ],
    "repository": lambda client, _: [
        found["repositoryName"] for found in client("ecr").describe_repositories()["repositories"]
    ],
    "parameter": lambda client, _: [
        found["Name"] for found in client("ssm").describe_parameters()["Parameters"]
    ],
    "log group": lambda client, _: [
        found["logGroupName"] for found in client("logs").describe_log_groups()["logGroups"]
    ],
    "namespace": lambda client, _: [
        found["Name"] for found in client("servicediscovery").list_namespaces()["Namespaces"]
    ],
}
