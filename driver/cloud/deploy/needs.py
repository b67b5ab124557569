"""What a deployment will make, from its settings. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from driver.cloud.deploy.deployment import (
    COUNT_DEFAULTS,
    CPU_DEFAULTS,
    IDLE_STOP_MINUTES,
    DeploySettings,
)
from driver.forecast.pricing import GUARD
from driver.transport.endpoint import Role

Discovery = Literal["api", "dns", "none"]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a deployment makes in the account; what exists of it already is not subtracted.

    Attributes:
        name: the stack's name.
        region: its region.
        on_demand_vcpus: of all tasks that do not run on Fargate Spot.
        spot_vcpus: of the mappers on Fargate Spot.
        network: a VPC of its own, with an internet gateway.
        discovery: the kind of the Cloud Map namespace.
        existing_role: the role that serves instead of new ones; "" if roles are made.
        guard: the idle guard.
        alarms: alarms or a dashboard.
        nightly_stop: a schedule that stops the services.
        budget: a budget.
    """

    name: str
    region: str
    on_demand_vcpus: float
    spot_vcpus: float
    network: bool
    discovery: Discovery
    existing_role: str
    guard: bool = True
    alarms: bool = False
    nightly_stop: bool = False
    budget: bool = False

    @property
    def role_names(self) -> tuple[str, ...]:
        """The names of the roles that are made."""
        others = {"guard": self.guard, "nightly-stop": self.nightly_stop}
        roles = (*get_args(Role), "execution", *(role for role, made in others.items() if made))
        prefix = f"{self.name}-{self.region}"
        return () if self.existing_role else tuple(f"{prefix}-{role}" for role in roles)


def needs_of(settings: DeploySettings) -> Needs:
    """Return what a deployment with these settings makes."""
    chosen = settings.model_extra or {}
    share = int(chosen.get("spot_share", 0))
    on_demand = spot = 0.0
    for role, cpu_default in CPU_DEFAULTS.items():
        count = int(chosen.get(f"{role}_count", COUNT_DEFAULTS[role]))
        vcpus = int(chosen.get(f"{role}_cpu", cpu_default)) / 1024
        # ECS divides the tasks by the weights of both providers; rounded to the nearest task
        on_spot = (count * share + 50) // 100 if role == "mapper" else 0
        spot += on_spot * vcpus
        on_demand += (count - on_spot) * vcpus
    guard = bool(int(chosen.get("idle_stop_minutes", IDLE_STOP_MINUTES)))
    on_demand += GUARD.cpu / 1024 if guard and on_demand + spot else 0
    role_name = str(chosen.get("existing_role_name") or "")
    discovery: Discovery = chosen.get("service_discovery") or ("none" if role_name else "api")
    return Needs(
        name=settings.name,
        region=settings.region,
        on_demand_vcpus=on_demand,
        spot_vcpus=spot,
        network=not chosen.get("vpc_id"),
        discovery=discovery,
        existing_role=role_name,
        guard=guard,
        alarms=bool(chosen.get("alarms") or chosen.get("dashboard")),
        nightly_stop=bool(chosen.get("nightly_stop")),
        budget=bool(chosen.get("monthly_budget_usd")),
    )
