"""A stack of any system, as the outputs describe it that every Terraform root has."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from driver.forecast.pricing import (
    Architecture,
    ServiceDiscovery,
    ServiceSize,
    running_hour,
    standing_month,
)


class TaskOutputs(BaseModel):
    """The tasks of one service: their names in AWS, and their size (CPU units, MiB).

    `port` is None for a service that nothing calls.
    """

    model_config = ConfigDict(frozen=True)

    service_name: str
    task_definition_arn: str
    discovery_service_id: str | None
    discovery_service_name: str | None
    container_name: str
    port: int | None
    log_group: str
    desired_count: int
    cpu: int
    memory: int


class StackOutputs(BaseModel):
    """The outputs that every system has. Terraform leaves out an output that is null."""

    model_config = ConfigDict(frozen=True)

    region: str
    name: str
    system: str
    bucket: str | None = None
    cluster: str
    service_discovery: ServiceDiscovery
    namespace: str | None = None
    assign_public_ip: bool
    architecture: Architecture
    repository_urls: dict[str, str]
    image_tag: str
    services: dict[str, TaskOutputs]

    def sizes(self) -> list[ServiceSize]:
        """Return the sizes of all tasks."""
        return [
            size_of(service, self.spot_share_of(role), self.assign_public_ip)
            for role, service in self.services.items()
        ]

    def spot_share_of(self, role: str) -> int:
        """Return the percentage of a service's tasks on Fargate Spot."""
        return 0

    def hourly_cost(self) -> float:
        """Return the dollars an hour of the stack's tasks, at list prices."""
        return running_hour(self.sizes(), self.architecture)

    def standing_cost(self) -> float:
        """Return the dollars a month of the stack while it has no tasks, without what is stored."""
        return standing_month(self.service_discovery)

    def tasks(self) -> int:
        """Return the number of tasks that Terraform wants."""
        return sum(service.desired_count for service in self.services.values())


class SystemStack(StackOutputs):
    """The outputs of another system than MapReduce: a root may have more of its own.

    Attributes:
        spot_shares: percentages of the tasks on Fargate Spot by role; may be left out.
        load_balancer_url: of an Application Load Balancer; may be left out.
    """

    spot_shares: dict[str, int] = {}
    load_balancer_url: str | None = None

    def spot_share_of(self, role: str) -> int:
        """Return the percentage of a service's tasks on Fargate Spot."""
        return self.spot_shares.get(role, 0)

    def standing_cost(self) -> float:
        """Return the dollars a month of the stack while it has no tasks, without what is stored."""
        return standing_month(self.service_discovery, load_balancer=bool(self.load_balancer_url))


def size_of(service: TaskOutputs, spot_share: int, is_public: bool) -> ServiceSize:
    """Return the size of a service's tasks, as the price depends on it."""
    return ServiceSize(
        count=service.desired_count,
        cpu=service.cpu,
        memory=service.memory,
        spot_share=spot_share,
        is_public=is_public,
    )
