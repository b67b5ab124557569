"""Checks the services of a stack of any system, as far as ECS knows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from driver.cloud.outputs import StackOutputs
from driver.doctor.account import signed_in
from driver.doctor.finding import Finding
from mapreduce.errors import FleetError

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ServiceTypeDef

    from driver.cloud.aws import Aws

STOPPED = "0 of 0 tasks run: it is stopped"


class Running(Protocol):
    """What ECS runs for a service: its names."""

    @property
    def service_name(self) -> str:
        """The name of the ECS service."""

    @property
    def task_definition_arn(self) -> str:
        """The version that Terraform made."""

    @property
    def log_group(self) -> str:
        """The name of the log group."""


@dataclass(frozen=True, slots=True)
class Remedies:
    """What a system's user can do: see the logs, start the tasks, deploy."""

    logs: str
    start: str
    deploy: str


def examine_services(stack: StackOutputs, deploy: str) -> Iterator[Finding]:
    """Yield findings of the credentials, and of each service: its version, its tasks, and their
    health as ECS tells it.

    Args:
        stack: of any system.
        deploy: the command that deploys it.
    """
    finding, aws = signed_in(stack.region)
    yield finding
    if aws is None:
        return
    for role, service in stack.services.items():
        see = f"see: aws logs tail {service.log_group} --since 30m"
        remedies = Remedies(logs=see, start=deploy, deploy=deploy)
        finding = running(f"{role} service", service, stack.cluster, aws, remedies)
        if finding.seen == STOPPED and not service.desired_count:
            yield Finding(finding.step, True, "no tasks, as the variables say")
        elif finding.ok:
            yield health(finding, service.service_name, stack.cluster, aws, see)
        else:
            yield finding


def running(step: str, service: Running, cluster: str, aws: Aws, remedies: Remedies) -> Finding:
    """Check that an ECS service runs all its tasks, of the version that Terraform made."""
    from driver.cloud.deploy.rollout import fault_of

    try:
        found = _described(cluster, aws, service.service_name, remedies.deploy)
    except FleetError as exc:
        return Finding(step, False, str(exc), remedies.logs)
    if fault := fault_of(found["deployments"], service.task_definition_arn):
        remedy = f"see: aws logs tail {service.log_group} --since 30m; then run "
        return Finding(
            step, False, fault.why, f"{remedy}{remedies.deploy} again", final=fault.final
        )
    seen = f"{found['runningCount']} of {found['desiredCount']} tasks run"
    if found["runningCount"] < found["desiredCount"]:
        last = next(
            (event["message"] for event in found.get("events", [])), "ECS has said nothing yet"
        )
        return Finding(step, False, f"{seen}: {last}", remedies.logs)
    if not found["desiredCount"]:
        return Finding(step, False, STOPPED, remedies.start)
    return Finding(step, True, seen)


def health(finding: Finding, service_name: str, cluster: str, aws: Aws, see: str) -> Finding:
    """Return a service's finding with the health of its tasks: none may be unhealthy.

    A task without a health check has the health UNKNOWN, which is no failure; one that still starts
    has it too, and ECS's deployment is not complete until then.
    """
    from driver.cloud.addresses import tasks_of
    from driver.cloud.aws import explained

    try:
        with explained():
            tasks = tasks_of(aws, cluster, service_name)
    except FleetError as exc:
        return Finding(finding.step, False, str(exc), see)
    sick = [task["taskArn"] for task in tasks if task.get("healthStatus") == "UNHEALTHY"]
    if not sick:
        return finding
    name = sick[0].rpartition("/")[2]
    seen = f"{finding.seen}, and {len(sick)} fail their health check: {name}"
    return Finding(finding.step, False, seen, see)


def _described(cluster: str, aws: Aws, name: str, deploy: str) -> ServiceTypeDef:
    from driver.cloud.aws import explained

    with explained():
        services = aws.ecs.describe_services(cluster=cluster, services=[name])["services"]
    if not services:
        raise FleetError(f"there is no service {name}; run {deploy}")
    return services[0]
