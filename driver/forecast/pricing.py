"""The price of a stack, and of a run's requests to S3. Pure: sizes and counts in, dollars out.

List prices of us-east-1 for Linux, from aws.amazon.com/fargate/pricing, /vpc/pricing,
/secrets-manager/pricing, /route53/pricing and /s3/pricing; other regions differ by some percent,
and Spot by the hour. An estimate, not a bill.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mapreduce.storage import Requests

Architecture = Literal["X86_64", "ARM64"]
VCPU_HOUR: dict[Architecture, float] = {"X86_64": 0.04048, "ARM64": 0.03238}
GIB_HOUR: dict[Architecture, float] = {"X86_64": 0.004445, "ARM64": 0.00356}
SPOT_FACTOR = 0.3
"""Spot is up to 70 % cheaper."""
PUBLIC_ADDRESS_HOUR = 0.005
SECRET_MONTH = 0.40
ZONE_MONTH = 0.50
"""The private hosted zone of a Cloud Map namespace."""
STORAGE_GIB_MONTH = {"s3": 0.023, "ecr": 0.10, "logs": 0.03}
WRITING_REQUEST = 0.005 / 1000
"""PUT, COPY, POST and LIST, S3 Standard."""
READING_REQUEST = 0.0004 / 1000
"""GET, and all others but DELETE, which costs nothing."""


@dataclass(frozen=True, slots=True)
class ServiceSize:
    """Some tasks of one size: CPU units (1024 = 1 vCPU), memory in MiB, percentage on Spot."""

    count: int
    cpu: int
    memory: int
    spot_share: int = 0


GUARD = ServiceSize(count=1, cpu=256, memory=512)
"""The idle guard's task, which runs while the services run."""


def task_hour(size: ServiceSize, architecture: Architecture) -> float:
    """Return the dollars an hour of one task with its public address, averaged over Spot."""
    full = size.cpu / 1024 * VCPU_HOUR[architecture] + size.memory / 1024 * GIB_HOUR[architecture]
    spot = size.spot_share / 100
    return full * (1 - spot) + full * SPOT_FACTOR * spot + PUBLIC_ADDRESS_HOUR


def running_hour(sizes: list[ServiceSize], architecture: Architecture) -> float:
    """Return the dollars an hour of all tasks."""
    return sum(size.count * task_hour(size, architecture) for size in sizes)


def requests_price(requests: Requests) -> float:
    """Return the dollars for requests to S3."""
    writing = requests.put + requests.copy + requests.list
    return writing * WRITING_REQUEST + (requests.get + requests.head) * READING_REQUEST


def standing_month() -> float:
    """Return the dollars a month of a stack whose counts are 0, without storage: its secret and
    the hosted zone of its namespace.
    """
    return SECRET_MONTH + ZONE_MONTH


def resource_day(kind: str) -> str:
    """Return what a leftover resource costs a day, in words.

    Args:
        kind: the service part of its ARN; of a Cloud Map namespace that of its zone, route53.
    """
    if kind == "route53":
        return f"${ZONE_MONTH / 30:.3f}"
    if kind == "secretsmanager":
        return f"${SECRET_MONTH / 30:.3f}"
    if kind in STORAGE_GIB_MONTH:
        return f"${STORAGE_GIB_MONTH[kind] / 30:.4f} for each GiB in it"
    if kind == "ecs":
        return "what its running tasks cost"
    return "nothing by itself"
