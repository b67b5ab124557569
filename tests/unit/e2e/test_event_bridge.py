"""EventBridge as the proof plays it: the event of a task, and what a target makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e import event_bridge
from tests.e2e.event_bridge import EventBridge

CLUSTER = "arn:aws:ecs:us-east-1:000000000000:cluster/mapreduce-e2e"
FAMILY = "arn:aws:ecs:us-east-1:000000000000:task-definition/mapreduce-e2e-driver"
COMMAND = ["keep", "run-1", "--retries", "2"]
TASK = {
    "taskArn": "arn:aws:ecs:us-east-1:000000000000:task/mapreduce-e2e/1",
    "taskDefinitionArn": f"{FAMILY}:1",
    "clusterArn": CLUSTER,
    "lastStatus": "STOPPED",
    "containers": [{"name": "driver", "exitCode": 137}],
    "overrides": {"containerOverrides": [{"name": "driver", "command": COMMAND}]},
    "tags": [],
}
TARGET = {
    "Arn": CLUSTER,
    "EcsParameters": {
        "TaskDefinitionArn": FAMILY,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {
            "awsvpcConfiguration": {
                "Subnets": ["subnet-1"],
                "SecurityGroups": ["sg-1"],
                "AssignPublicIp": "ENABLED",
            }
        },
    },
    "InputTransformer": {
        "InputPathsMap": {"command": "$.detail.overrides.containerOverrides[0].command"},
        "InputTemplate": '{"containerOverrides": [{"name": "driver", "command": <command>}]}\n',
    },
}
OVERRIDES = {"containerOverrides": [{"name": "driver", "command": COMMAND}]}


def test_the_event_of_a_task_is_as_aws_documents_it() -> None:
    """Its detail is the task, without fields that ECS sends in no event."""
    event = event_bridge.state_change(TASK)
    assert ("aws.ecs", "ECS Task State Change") == (event["source"], event["detail-type"])
    assert ("000000000000", [TASK["taskArn"]]) == (event["account"], event["resources"])
    assert {name: value for name, value in TASK.items() if name != "tags"} == event["detail"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.source", "aws.ecs"),
        ("$.detail.containers[0].exitCode", 137),
        ("$.detail-type", "ECS Task State Change"),
        ("$.detail.containers[1].exitCode", None),
        ("$.detail.nothing.more", None),
        ("$.source.more", None),
    ],
)
def test_values_of_an_event(path: str, expected: object) -> None:
    """A path that leads nowhere is no error: EventBridge takes null."""
    assert expected == event_bridge.value_at(path, event_bridge.state_change(TASK))


@pytest.mark.parametrize("path", ["detail", "$..detail", "$.detail[*]", "$.detail[0", "$.a b"])
def test_a_path_that_eventbridge_does_not_know_is_an_error(path: str) -> None:
    """It knows names and indexes alone."""
    with pytest.raises(ValueError, match="no path"):
        event_bridge.value_at(path, {})


def test_a_target_starts_a_task_with_the_command_of_the_event() -> None:
    """RunTask gets the names of the ECS API, and the network of the target."""
    event = event_bridge.state_change(TASK)
    assert {
        "cluster": CLUSTER,
        "taskDefinition": FAMILY,
        "count": 1,
        "launchType": "FARGATE",
        "overrides": OVERRIDES,
        "startedBy": "events-rule/lost",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-1"],
                "securityGroups": ["sg-1"],
                "assignPublicIp": "ENABLED",
            }
        },
    } == event_bridge.task_of(TARGET, event, "lost")


@pytest.mark.parametrize("template", ['{"a": <b>}', '{"a": "<command>"}', '{"a": <command>'])
def test_a_template_that_makes_no_json_is_an_error(template: str) -> None:
    """A place without a path, and a list between quotation marks, make none."""
    transformer = {**TARGET["InputTransformer"], "InputTemplate": template}  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"path|delimiter|double quotes"):
        event_bridge.transformed(transformer, event_bridge.state_change(TASK))


class _Cloud:
    """ECS with stopped tasks, and EventBridge with rules that take all events or none."""

    def __init__(self, tasks: list[dict[str, Any]], rules: dict[str, bool]) -> None:
        self.tasks, self.rules = tasks, rules
        self.started: list[dict[str, Any]] = []

    def list_tasks(self, cluster: str, desiredStatus: str) -> dict[str, Any]:
        """List the stopped tasks."""
        assert ("mapreduce-e2e", "STOPPED") == (cluster, desiredStatus)
        return {"taskArns": [task["taskArn"] for task in self.tasks]}

    def describe_tasks(self, cluster: str, tasks: list[str]) -> dict[str, Any]:
        """Describe tasks."""
        return {"tasks": [task for task in self.tasks if task["taskArn"] in tasks]}

    def list_rules(self, NamePrefix: str) -> dict[str, Any]:
        """List the rules: one is disabled, and one is a schedule."""
        known = [{"Name": name, "EventPattern": name, "State": "ENABLED"} for name in self.rules]
        off = {"Name": "off", "EventPattern": "off", "State": "DISABLED"}
        return {"Rules": [*known, off, {"Name": "clock", "State": "ENABLED"}]}

    def test_event_pattern(self, EventPattern: str, Event: str) -> dict[str, Any]:
        """Tell whether a rule takes an event."""
        assert json.loads(Event)["source"] == "aws.ecs"
        return {"Result": self.rules[EventPattern]}

    def list_targets_by_rule(self, Rule: str) -> dict[str, Any]:
        """List the targets of a rule."""
        return {"Targets": [TARGET]}

    def run_task(self, **request: Any) -> dict[str, Any]:
        """Start a task."""
        self.started.append(request)
        return {"tasks": [{"taskArn": f"new-{len(self.started)}"}]}


def _bridge(cloud: _Cloud) -> EventBridge:
    client: Callable[[str], Any] = lambda _: cloud  # noqa: E731  # one stands for all services
    return EventBridge(client, "mapreduce-e2e")


def test_each_stopped_task_is_delivered_once_to_the_rules_that_take_it() -> None:
    """A task that still stops is delivered later."""
    stopping = {**TASK, "taskArn": f"{TASK['taskArn']}2", "lastStatus": "STOPPING"}
    cloud = _Cloud([TASK, stopping], {"lost": True, "other": False})
    bridge = _bridge(cloud)
    bridge.look()
    bridge.look()
    assert ["new-1"] == bridge.started
    assert ["events-rule/lost"] == [each["startedBy"] for each in cloud.started]
    stopping["lastStatus"] = "STOPPED"
    bridge.look()
    bridge.look()
    assert ["new-1", "new-2"] == bridge.started
