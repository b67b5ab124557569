"""What a deployment will make, from its settings and the description of its system. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from driver.cloud.deploy.deployment import DeploySettings
from driver.cloud.system import System, Tasks, numbered, tasks_of

Discovery = Literal["api", "dns", "none"]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a deployment makes in the account; what exists of it already is not subtracted.

    Attributes:
        name: the stack's name.
        region: its region.
        deploy: the command that deploys it.
        on_demand_vcpus: of all tasks that do not run on Fargate Spot.
        spot_vcpus: of those on Fargate Spot.
        fewer: the variables that lower the number of vCPUs the most: of a service's count and
            size, and its share on Spot if it has one.
        services: the ECS services.
        repositories: the roles with an image of their own.
        network: a VPC of its own, with an internet gateway.
        bucket: a bucket of its own.
        key: a signing key.
        discovery: the kind of the Cloud Map namespace.
        namespace: its name; "" without one.
        existing_role: the role that serves instead of new ones; "" if roles are made.
        alarms: alarms or a dashboard.
        nightly_stop: a schedule that stops the services.
        driver: a task definition of a driver in AWS, with two roles.
        schedules: schedules that start it.
        budget: a budget.
        load_balancer: an Application Load Balancer.
        actions: further actions that it needs.
    """

    name: str
    region: str
    deploy: str
    on_demand_vcpus: float
    spot_vcpus: float
    fewer: tuple[str, ...]
    services: tuple[str, ...]
    repositories: tuple[str, ...]
    network: bool
    bucket: bool
    key: bool
    discovery: Discovery
    namespace: str
    existing_role: str
    alarms: bool = False
    nightly_stop: bool = False
    driver: bool = False
    schedules: bool = False
    budget: bool = False
    load_balancer: bool = False
    actions: tuple[str, ...] = ()

    @property
    def role_names(self) -> tuple[str, ...]:
        """The names of the roles that are made."""
        if self.existing_role:
            return ()
        driver = ("driver", "driver-execution") if self.driver else ()
        nightly = ("nightly-stop",) if self.nightly_stop else ()
        schedule = ("schedule",) if self.schedules else ()
        roles = (*self.services, "execution", *driver, *nightly, *schedule)
        return tuple(f"{self.name}-{self.region}-{role}" for role in roles)


def needs_of(settings: DeploySettings, system: System) -> Needs:
    """Return what a deployment of a system with these settings makes."""
    chosen = settings.model_extra or {}
    tasks = tasks_of(system, chosen)
    role_name = str(chosen.get("existing_role_name") or "")
    # a role that exists may not create a namespace, so a root that can do without does
    does_without = bool(role_name) and "service_discovery" in system.variables
    discovery: Discovery = chosen.get("service_discovery") or (
        "none" if does_without else system.service_discovery
    )
    namespaces: dict[Discovery, str] = {
        "api": settings.name,
        "dns": system.dns_namespace.format(name=settings.name),
        "none": "",
    }
    return Needs(
        name=settings.name,
        region=settings.region,
        deploy=system.deploy,
        on_demand_vcpus=sum((each.count - each.on_spot) * each.vcpus for each in tasks),
        spot_vcpus=sum(each.on_spot * each.vcpus for each in tasks),
        fewer=_fewer(tasks),
        services=tuple(_services(system, chosen)),
        repositories=tuple(system.images),
        network="network" in system.modules and not chosen.get("vpc_id"),
        bucket="storage" in system.modules,
        key="signing_key" in system.modules,
        discovery=discovery,
        namespace=namespaces[discovery],
        existing_role=role_name,
        alarms="monitoring" in system.modules
        and bool(chosen.get("alarms") or chosen.get("dashboard")),
        nightly_stop="nightly_stop" in system.modules and bool(chosen.get("nightly_stop")),
        driver="driver" in system.modules and chosen.get("driver") is not False,
        schedules="schedule" in system.modules and bool(chosen.get("schedules")),
        budget="budget" in system.modules and bool(chosen.get("monthly_budget_usd")),
        load_balancer="load_balancer" in system.modules and bool(chosen.get("load_balancer")),
        actions=tuple(
            action
            for extra in system.rights
            if not extra.when or chosen.get(extra.when)
            for action in extra.actions
        ),
    )


def _fewer(tasks: list[Tasks]) -> tuple[str, ...]:
    """Return the variables of the service that takes the most vCPUs."""
    most = max(tasks, key=lambda each: each.count * each.vcpus)
    names = (most.spot_variable, most.count_variable, most.cpu_variable)
    return tuple(name for name in names if name)


def _services(system: System, chosen: dict[str, object]) -> list[str]:
    """Return the names of the ECS services; those beside the others are not made while their
    variable is 0.
    """
    counts = {each.role: each.count for each in tasks_of(system, chosen)}
    return [
        name
        for role, service in system.services.items()
        if not service.beside or not _is_off(service.beside, chosen)
        for name in numbered(role, min(service.numbered, max(1, counts.get(role, 1))))
    ]


def _is_off(beside: dict[str, int], chosen: dict[str, object]) -> bool:
    return any(not int(str(chosen.get(name, default))) for name, default in beside.items())
