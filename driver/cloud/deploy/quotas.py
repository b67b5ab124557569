"""The account's quotas that a deployment uses up, and what is in use. It asks, and decides nothing.

The codes are those of Service Quotas (docs.aws.amazon.com/general/latest/gr, the page of each
service; also `aws service-quotas list-service-quotas --service-code CODE`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from driver.cloud.aws import Aws, ClientError
from driver.cloud.deploy.needs import Needs
from driver.cloud.leftovers import PROJECT

MOST_CLUSTERS = 100
"""Clusters whose tasks are counted: more would take minutes."""
Capacity = Literal["on-demand", "spot"]
FARGATE_CODES: dict[Capacity, str] = {"on-demand": "L-3032A538", "spot": "L-36FBB829"}
"""Quotas of vCPUs that run at the same time, each its own."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource of which an account may have only so many.

    Attributes:
        what: its name, in the plural.
        service: the service's code at Service Quotas.
        code: the quota's code.
        wanted: returns the names of those that a deployment makes.
        existing: returns the names of those that exist.
        instead: what a user can do without a higher quota.
    """

    what: str
    service: str
    code: str
    wanted: Callable[[Needs, str], set[str]]
    existing: Callable[[Aws], Iterable[str]]
    instead: str = ""


def limit_of(aws: Aws, service: str, code: str) -> float:
    """Return the account's quota, or AWS's default while the account has none of its own.

    Raises:
        ClientError: the credentials may not ask.
    """
    try:
        found = aws.quotas.get_service_quota(ServiceCode=service, QuotaCode=code)
    except ClientError as exc:
        if exc.response.get("Error", {}).get("Code") != "NoSuchResourceException":
            raise
        default = aws.quotas.get_aws_default_service_quota(ServiceCode=service, QuotaCode=code)
        return float(default["Quota"]["Value"])
    return float(found["Quota"]["Value"])


def vcpus_in_use(aws: Aws, besides: str) -> tuple[dict[Capacity, float], bool]:
    """Return the vCPUs of the tasks on Fargate that run now, and whether all clusters were counted.

    Tasks of other stacks use the same quota. ECS itself is asked: the metric of the quota lags by
    minutes, and does not tell the stacks apart. Pods of EKS on Fargate are not seen.

    Args:
        aws: AWS in the region.
        besides: the name of the cluster that does not count: its tasks are replaced.
    """
    used: dict[Capacity, float] = {"on-demand": 0.0, "spot": 0.0}
    clusters = [arn for arn in _pages(aws.ecs, "list_clusters", "clusterArns") if arn]
    others = [arn for arn in clusters if arn.rpartition("/")[2] != besides]
    for cluster in others[:MOST_CLUSTERS]:
        tasks = list(_pages(aws.ecs, "list_tasks", "taskArns", cluster=cluster))
        for at in range(0, len(tasks), 100):
            answer = aws.ecs.describe_tasks(cluster=cluster, tasks=tasks[at : at + 100])
            for task in answer["tasks"]:
                if task.get("launchType") == "FARGATE":
                    is_spot = task.get("capacityProviderName") == "FARGATE_SPOT"
                    used["spot" if is_spot else "on-demand"] += int(task.get("cpu", 0)) / 1024
    return used, len(others) <= MOST_CLUSTERS


def roles_in_use(aws: Aws, names: Iterable[str]) -> tuple[int, int, int]:
    """Return how many roles the account has, how many it may have, and how many of the named ones
    do not exist yet.
    """
    summary = aws.iam.get_account_summary()["SummaryMap"]
    missing = 0
    for name in names:
        try:
            aws.iam.get_role(RoleName=name)
        except ClientError as exc:
            if exc.response.get("Error", {}).get("Code") != "NoSuchEntity":
                raise
            missing += 1
    return summary["Roles"], summary["RolesQuota"], missing


def _pages(client: Any, operation: str, key: str, **asked: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**asked):
        yield from page[key]


def _tagged_or_id(found: dict[str, Any], id_key: str) -> str:
    """Return the name of the stack to which a resource belongs, or its id."""
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
    return f"stack {tags['Stack']}" if tags.get("Project") == PROJECT else found[id_key]


OWN_NETWORK = "or use an existing network: vpc_id and subnet_ids in deploy.auto.tfvars.json"
KINDS = (
    Kind(
        "VPCs in the region",
        "vpc",
        "L-F678F1CE",
        lambda needs, _: {f"stack {needs.name}"} if needs.network else set(),
        lambda aws: [
            _tagged_or_id(vpc, "VpcId") for vpc in _pages(aws.ec2, "describe_vpcs", "Vpcs")
        ],
        OWN_NETWORK,
    ),
    Kind(
        "internet gateways in the region",
        "vpc",
        "L-A4707A72",
        lambda needs, _: {f"stack {needs.name}"} if needs.network else set(),
        lambda aws: [
            _tagged_or_id(gateway, "InternetGatewayId")
            for gateway in _pages(aws.ec2, "describe_internet_gateways", "InternetGateways")
        ],
        OWN_NETWORK,
    ),
    Kind(
        "S3 buckets in the account",
        "s3",
        "L-DC2B2D3D",
        lambda needs, account: (
            {f"{needs.name}-{account}-{needs.region}"} if needs.bucket else set()
        ),
        lambda aws: [bucket["Name"] for bucket in aws.s3.list_buckets()["Buckets"]],
    ),
    Kind(
        "Cloud Map namespaces in the region",
        "AWSCloudMap",
        "L-0FE3F50E",
        lambda needs, _: {needs.namespace} if needs.namespace else set(),
        lambda aws: [
            found["Name"] for found in _pages(aws.discovery, "list_namespaces", "Namespaces")
        ],
        'or do without: service_discovery = "none" in deploy.auto.tfvars.json',
    ),
    Kind(
        "ECS clusters in the region",
        "ecs",
        "L-21C621EB",
        lambda needs, _: {needs.name},
        lambda aws: [
            arn.rpartition("/")[2] for arn in _pages(aws.ecs, "list_clusters", "clusterArns")
        ],
    ),
    Kind(
        "ECR repositories in the region",
        "ecr",
        "L-CFEB8E8D",
        lambda needs, _: {f"{needs.name}/{role}" for role in needs.repositories},
        lambda aws: [
            found["repositoryName"]
            for found in _pages(aws.ecr, "describe_repositories", "repositories")
        ],
    ),
)
