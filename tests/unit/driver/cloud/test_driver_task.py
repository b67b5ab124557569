"""Drivers in AWS as Fargate tasks, from stubbed answers that botocore checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from driver.cloud.aws import Aws
from driver.cloud.driver_task import (
    STOPS_S,
    driver_tasks,
    drivers_of,
    run_of,
    start_driver_task,
    stop_drivers,
    why_stopped,
)
from driver.cloud.stack import Stack
from mapreduce.errors import FleetError
from tests.unit.driver.samples import STACK_VALUES

FAMILY = "arn:aws:ecs:eu-central-1:1:task-definition/mapreduce-driver:3"
WITH_DRIVER = Stack.model_validate(
    STACK_VALUES
    | {
        "driver_task_definition": FAMILY,
        "driver_subnets": ["subnet-1"],
        "driver_security_group": "sg-1",
        "driver_log_group": "/ecs/mapreduce/driver",
    }
)
TASK = "arn:aws:ecs:eu-central-1:1:task/mapreduce/0123"
COMMAND = ["keep", "run-1", "--retries", "2"]


@pytest.fixture
def ecs(aws: Aws) -> Iterator[Stubber]:
    """A stubbed ECS."""
    with Stubber(aws.ecs) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def _started(**answer: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    asked = {
        "cluster": "mapreduce",
        "taskDefinition": FAMILY,
        "launchType": "FARGATE",
        "count": 1,
        "clientToken": "run-1.0",
        "startedBy": "run-1",
        "overrides": {"containerOverrides": [{"name": "driver", "command": COMMAND}]},
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-1"],
                "securityGroups": ["sg-1"],
                "assignPublicIp": "ENABLED",
            }
        },
    }
    return "run_task", {"tasks": [], "failures": []} | answer, asked


def _task(number: int, desired: str = "RUNNING", run: str = "run-1", **more: Any) -> dict[str, Any]:
    return {
        "taskArn": f"{TASK}{number}",
        "desiredStatus": desired,
        "lastStatus": desired,
        "startedBy": run,
        "overrides": {"containerOverrides": [{"name": "driver", "command": ["keep", run]}]},
    } | more


def _listed(stubber: Stubber, status: str, *tasks: dict[str, Any]) -> None:
    arns = [task["taskArn"] for task in tasks]
    asked = {"cluster": "mapreduce", "family": "mapreduce-driver", "desiredStatus": status}
    stubber.add_response("list_tasks", {"taskArns": arns}, asked)
    if tasks:
        _described(stubber, *tasks)


def _described(stubber: Stubber, *tasks: dict[str, Any]) -> None:
    arns = [task["taskArn"] for task in tasks]
    stubber.add_response(
        "describe_tasks",
        {"tasks": list(tasks), "failures": []},
        {"cluster": "mapreduce", "tasks": arns},
    )


def test_a_driver_is_a_task_of_its_family(aws: Aws, ecs: Stubber) -> None:
    """It has the command, the run's name, the token, and the network of the stack."""
    ecs.add_response(*_started(tasks=[{"taskArn": TASK}]))
    assert TASK == start_driver_task(WITH_DRIVER, aws, "run-1", COMMAND, "run-1.0")


def test_the_reason_of_ecs_is_told(aws: Aws, ecs: Stubber) -> None:
    """So is that of a request that is refused, and that there is none."""
    ecs.add_response(*_started(failures=[{"reason": "RESOURCE:FARGATE"}]))
    with pytest.raises(FleetError, match="AWS started no driver: RESOURCE:FARGATE"):
        start_driver_task(WITH_DRIVER, aws, "run-1", COMMAND, "run-1.0")
    ecs.add_response(*_started())
    with pytest.raises(FleetError, match="ECS gives no reason"):
        start_driver_task(WITH_DRIVER, aws, "run-1", COMMAND, "run-1.0")
    ecs.add_client_error("run_task", "AccessDeniedException", "may not")
    with pytest.raises(FleetError, match="may not"):
        start_driver_task(WITH_DRIVER, aws, "run-1", COMMAND, "run-1.0")


def test_a_stack_without_drivers_is_an_error(aws: Aws, ecs: Stubber, stack: Stack) -> None:
    """The message names the variable; no request is sent."""
    with pytest.raises(FleetError, match="--var driver=true"):
        start_driver_task(stack, aws, "run-1", COMMAND, "run-1.0")
    assert [] == driver_tasks(stack, aws)


def test_the_drivers_of_a_run_are_those_that_carry_it_out(aws: Aws, ecs: Stubber) -> None:
    """Those that live are told from the others; one that EventBridge has started counts too."""
    _listed(ecs, "RUNNING", _task(1), _task(2, run="run-2"))
    _listed(ecs, "STOPPED", _task(3, "STOPPED"), _task(4, "STOPPED", startedBy="events-rule/x"))
    assert ([f"{TASK}1"], [f"{TASK}3", f"{TASK}4"]) == drivers_of(WITH_DRIVER, aws, "run-1")


def test_a_task_names_what_it_carries_out() -> None:
    """By its command; one without by who started it."""
    named: Any = _task(1, overrides={"containerOverrides": [{"command": ["scheduled", "nightly"]}]})
    assert "nightly" == run_of(named)
    assert "run-1" == run_of({"taskArn": TASK, "startedBy": "run-1"})
    assert TASK == run_of({"taskArn": TASK})


def test_stopped_drivers_are_waited_for(aws: Aws, ecs: Stubber) -> None:
    """Each may write its records before."""
    live: list[Any] = [_task(1), _task(2)]
    for task in live:
        asked = {"cluster": "mapreduce", "task": task["taskArn"], "reason": "the stack is deleted"}
        ecs.add_response("stop_task", {}, asked)
    stopped = [task | {"lastStatus": "STOPPED"} for task in live]
    for look in ([live[0], stopped[1]], stopped):
        for each in look:
            _described(ecs, each)
    waits: list[float] = []
    stop_drivers(WITH_DRIVER, aws, live, sleep=waits.append, now=lambda: 0.0)
    assert len(waits) == 1


def test_a_driver_that_does_not_stop_is_an_error(aws: Aws, ecs: Stubber) -> None:
    """After more than its stopTimeout."""
    task: Any = _task(1)
    ecs.add_response("stop_task", {})
    _described(ecs, task)
    times = iter([0.0, STOPS_S + 1])
    with pytest.raises(FleetError, match=f"has not stopped after 240 s: {TASK}1"):
        stop_drivers(WITH_DRIVER, aws, [task], sleep=lambda _: None, now=lambda: next(times))


def test_a_task_that_ecs_does_not_know_any_more_has_stopped(aws: Aws, ecs: Stubber) -> None:
    """ECS forgets a stopped task after an hour."""
    arns = {"cluster": "mapreduce", "tasks": [TASK]}
    ecs.add_response("describe_tasks", {"tasks": [], "failures": []}, arns)
    assert "does not know" in str(why_stopped(WITH_DRIVER, aws, TASK))
