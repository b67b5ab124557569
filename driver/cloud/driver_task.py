"""Drivers that run in AWS: each is a Fargate task of its own, which RunTask starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from driver.cloud.aws import Aws, explained
from driver.cloud.ecs import cause_of_stop
from driver.cloud.stack import Stack
from driver.cloud.system import script
from mapreduce.errors import FleetError

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TaskTypeDef

CONTAINER = "driver"
"""The container of the task definition, as Terraform names it."""
STOPS_S = 240.0
"""How long a driver may take to stop: two minutes (stopTimeout), and Fargate's own time."""
POLL_S = 3.0


def start_driver_task(stack: Stack, aws: Aws, run: str, command: Sequence[str], token: str) -> str:
    """Start a driver in AWS; return the ARN of its task.

    Args:
        stack: the deployed stack.
        aws: AWS in its region.
        run: the run's id, by which the end notice names it.
        command: what follows `python -m driver`.
        token: names the request, so that one that is sent twice starts one task.

    Raises:
        FleetError: the stack has no drivers, or AWS starts none.
    """
    family = stack.driver_task_definition
    if family is None or not stack.driver_subnets or stack.driver_security_group is None:
        raise FleetError(
            "this stack has no driver in AWS (its variable `driver` is false); "
            f"run {script('deploy', stack.system)} --var driver=true, or use run"
        )
    with explained():
        answer = aws.ecs.run_task(
            cluster=stack.cluster,
            taskDefinition=family,
            launchType="FARGATE",
            count=1,
            clientToken=token,
            startedBy=run,
            overrides={"containerOverrides": [{"name": CONTAINER, "command": list(command)}]},
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": list(stack.driver_subnets),
                    "securityGroups": [stack.driver_security_group],
                    "assignPublicIp": "ENABLED" if stack.assign_public_ip else "DISABLED",
                }
            },
        )
    for task in answer.get("tasks", []):
        return task["taskArn"]
    reasons = "; ".join(
        str(failure.get("reason") or failure.get("detail")) for failure in answer["failures"]
    )
    raise FleetError(f"AWS started no driver: {reasons or 'ECS gives no reason'}")


def drivers_of(stack: Stack, aws: Aws, run: str) -> tuple[list[str], list[str]]:
    """Return the ARNs of the tasks of a run's drivers: those that live, and the others.

    ECS knows a stopped task for an hour.
    """
    found: tuple[list[str], list[str]] = [], []
    for task in driver_tasks(stack, aws):
        if run_of(task) == run:
            found[task.get("desiredStatus") == "STOPPED"].append(task["taskArn"])
    return found


def driver_tasks(stack: Stack, aws: Aws) -> list[TaskTypeDef]:
    """Return the tasks of the stack's drivers that ECS knows, also those that have stopped."""
    if stack.driver_task_definition is None:
        return []
    family = f"{stack.name}-driver"
    found: list[TaskTypeDef] = []
    with explained():
        for status in ("RUNNING", "STOPPED"):
            pages = aws.ecs.get_paginator("list_tasks").paginate(
                cluster=stack.cluster, family=family, desiredStatus=status
            )
            for page in pages:
                if page["taskArns"]:
                    answer = aws.ecs.describe_tasks(cluster=stack.cluster, tasks=page["taskArns"])
                    found += answer["tasks"]
    return found


def run_of(task: TaskTypeDef) -> str:
    """Return what the task of a driver carries out: a run's id, or the name of a schedule."""
    for given in task.get("overrides", {}).get("containerOverrides", []):
        if len(command := given.get("command", [])) > 1:
            return command[1]
    return task.get("startedBy", "") or task["taskArn"]


def stop_drivers(
    stack: Stack,
    aws: Aws,
    tasks: Sequence[TaskTypeDef],
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Stop drivers, and wait until they are: each writes how its run ended, and gives up its fleet.

    EventBridge starts no other one after StopTask (terraform/modules/driver_retry).

    Raises:
        FleetError: AWS refuses, or a task takes too long.
    """
    arns = [task["taskArn"] for task in tasks]
    with explained():
        for arn in arns:
            aws.ecs.stop_task(cluster=stack.cluster, task=arn, reason="the stack is deleted")
    until = now() + STOPS_S
    while live := [arn for arn in arns if why_stopped(stack, aws, arn) is None]:
        if now() > until:
            raise FleetError(f"a driver has not stopped after {STOPS_S:.0f} s: {live[0]}")
        sleep(POLL_S)


def why_stopped(stack: Stack, aws: Aws, task: str) -> str | None:
    """Return why the task of a driver has stopped, in words; None while it has not.

    ECS knows a stopped task for an hour; one that it does not know any more has stopped too.
    """
    with explained():
        answer = aws.ecs.describe_tasks(cluster=stack.cluster, tasks=[task])
    for found in answer["tasks"]:
        return cause_of_stop(found) if found.get("lastStatus") == "STOPPED" else None
    return "ECS does not know its task any more"
