"""The price of a stack, and of a run's requests to S3. Pure: sizes and counts in, dollars out.

List prices of us-east-1 for Linux in November 2026, from aws.amazon.com/fargate/pricing,
/vpc/pricing, /route53/pricing, /elasticloadbalancing/pricing, /s3/pricing, /ecr/pricing,
/cloudwatch/pricing and /ec2/pricing/on-demand; other regions differ by some percent, and Spot by
the hour. An estimate, not a bill. Without a price: parameters of the standard tier, Cloud Map's
registrations by ECS, budgets without actions, and schedules below 14 million calls a month.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mapreduce.storage import Requests

Architecture = Literal["X86_64", "ARM64"]
VCPU_HOUR: dict[Architecture, float] = {"X86_64": 0.04048, "ARM64": 0.03238}
GIB_HOUR: dict[Architecture, float] = {"X86_64": 0.004445, "ARM64": 0.00356}
SPOT_FACTOR = 0.3
"""Spot is up to 70 % cheaper."""
PUBLIC_ADDRESS_HOUR = 0.005
ServiceDiscovery = Literal["api", "dns", "none"]
ZONE_MONTH = 0.50
"""The private hosted zone of a Cloud Map namespace with DNS."""
ALARM_METRIC_MONTH = 0.10
ALARM_METRICS = 7
"""Metrics that the optional alarms evaluate; an account's first ten are free."""
DASHBOARD_MONTH = 3.00
"""A dashboard in CloudWatch; an account's first three are free."""
LOG_METRIC_MONTH = 0.30
"""A metric counted in logs, prorated for the hours in which it has data."""
LOGS_GB = 0.50
"""Logs that CloudWatch takes in; an account's first 5 GB a month are free."""
DATA_OUT_GB = 0.09
"""Data from AWS to the internet, and so to a laptop, beyond the first 100 GB a month."""
DATA_OUT_FREE_GB = 100
LOAD_BALANCER_HOUR = 0.0225 + 2 * PUBLIC_ADDRESS_HOUR
"""An Application Load Balancer in two zones, each with a public address, without traffic."""
HOURS_A_MONTH = 730
STORAGE_GIB_MONTH = {"s3": 0.023, "ecr": 0.10, "logs": 0.03}
WRITING_REQUEST = 0.005 / 1000
"""PUT, COPY, POST and LIST, S3 Standard."""
READING_REQUEST = 0.0004 / 1000
"""GET, and all others but DELETE, which costs nothing."""


@dataclass(frozen=True, slots=True)
class ServiceSize:
    """Some tasks of one size: CPU units (1024 = 1 vCPU), memory in MiB, percentage on Spot, and
    whether each has a public address.
    """

    count: int
    cpu: int
    memory: int
    spot_share: int = 0
    is_public: bool = field(default=True, kw_only=True)


GUARD = ServiceSize(count=1, cpu=256, memory=512)
"""The idle guard's task, which runs while the services run."""


def task_hour(size: ServiceSize, architecture: Architecture) -> float:
    """Return the dollars an hour of one task with its address, averaged over Spot."""
    full = size.cpu / 1024 * VCPU_HOUR[architecture] + size.memory / 1024 * GIB_HOUR[architecture]
    spot = size.spot_share / 100
    address = PUBLIC_ADDRESS_HOUR if size.is_public else 0.0
    return full * (1 - spot) + full * SPOT_FACTOR * spot + address


def running_hour(sizes: list[ServiceSize], architecture: Architecture) -> float:
    """Return the dollars an hour of all tasks."""
    return sum(size.count * task_hour(size, architecture) for size in sizes)


def requests_price(requests: Requests) -> float:
    """Return the dollars for requests to S3."""
    writing = requests.put + requests.copy + requests.list
    return writing * WRITING_REQUEST + (requests.get + requests.head) * READING_REQUEST


def standing_month(
    service_discovery: ServiceDiscovery,
    *,
    alarms: bool = False,
    dashboard: bool = False,
    load_balancer: bool = False,
) -> float:
    """Return the dollars a month of a stack whose counts are 0, without what is stored.

    Args:
        service_discovery: kind of its Cloud Map namespace; only that with DNS has a hosted zone.
        alarms: whether it has the optional alarms.
        dashboard: whether it has the optional dashboard.
        load_balancer: whether it has an Application Load Balancer, which nothing calls.
    """
    zone = ZONE_MONTH if service_discovery == "dns" else 0.0
    alarming = ALARM_METRICS * ALARM_METRIC_MONTH if alarms else 0.0
    balancing = LOAD_BALANCER_HOUR * HOURS_A_MONTH if load_balancer else 0.0
    return zone + alarming + balancing + (DASHBOARD_MONTH if dashboard else 0.0)


def resource_day(kind: str) -> str:
    """Return what a leftover resource costs a day, in words.

    Args:
        kind: the service part of its ARN; of a hosted zone, a dashboard and a load balancer, the
            word for it.
    """
    if kind == "route53":
        return f"${ZONE_MONTH / 30:.3f}"
    if kind == "dashboard":
        return f"${DASHBOARD_MONTH / 30:.3f}"
    if kind == "load balancer":
        return f"${LOAD_BALANCER_HOUR * 24:.2f}"
    if kind == "cloudwatch":
        return f"${ALARM_METRIC_MONTH / 30:.4f} for each metric of the alarm"
    if kind in STORAGE_GIB_MONTH:
        return f"${STORAGE_GIB_MONTH[kind] / 30:.4f} for each GiB in it"
    if kind == "ecs":
        return "what its running tasks cost"
    return "nothing by itself"
