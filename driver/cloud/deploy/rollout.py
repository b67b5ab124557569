"""Whether an ECS service runs the version that Terraform made. Pure: ECS's answer in, words out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import DeploymentTypeDef


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a service does not run the wanted version alone; with `final`, waiting does not help."""

    why: str
    final: bool


def fault_of(deployments: Sequence[DeploymentTypeDef], wanted: str) -> Fault | None:
    """Return why a service does not run the wanted version alone, or None if it does.

    A service has several deployments while tasks of two versions exist. When a version does not
    start, ECS's circuit breaker brings the last one back: all tasks run, of the wrong version.

    Args:
        deployments: of the service, as ECS describes them.
        wanted: the ARN of the task definition that Terraform made.
    """
    for each in deployments:
        if each.get("taskDefinition") == wanted and each.get("rolloutState") == "FAILED":
            return Fault(f"{_name(wanted)} does not start: {_reason(each)}", final=True)
    if not deployments:
        return Fault(f"no deployment of {_name(wanted)}", final=False)
    first = deployments[0]
    running = first.get("taskDefinition", "")
    if len(deployments) == 1 and running != wanted:
        seen = f"it runs {_name(running)}, and not {_name(wanted)}: {_reason(first)}"
        return Fault(seen, final=False)
    if len(deployments) > 1 or first.get("rolloutState") != "COMPLETED":
        versions = ", ".join(
            f"{_name(each.get('taskDefinition', ''))} {each.get('rolloutState', 'UNKNOWN')}"
            for each in deployments
        )
        return Fault(f"its deployment is not complete ({versions})", final=False)
    return None


def _name(arn: str) -> str:
    """Return family and revision."""
    return arn.rpartition("/")[2] or "an unknown task definition"


def _reason(deployment: DeploymentTypeDef) -> str:
    return deployment.get("rolloutStateReason") or "ECS gives no reason"
