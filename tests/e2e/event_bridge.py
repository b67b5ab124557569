"""EventBridge for the tasks that stop: the emulator's ECS sends it no events.

It reads the stack's own rules and targets from the emulator: which event a rule takes, what it
makes of the event, and which task it starts. The emulator's TestEventPattern matches the event.

    with event_bridge.delivering(cloud, made.name) as bridge:
        ...  # a task that stops becomes an event, and a rule that takes it starts another
        assert bridge.started
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.e2e import remains
from tests.e2e.emulator import REGION, Emulator
from tests.e2e.log import say

EVERY_S = 1.0
ACCOUNT_OF_ARN = 4
PATH = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]")
PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.-]+)>")
TOLD = (
    "attachments",
    "availabilityZone",
    "clusterArn",
    "containers",
    "cpu",
    "desiredStatus",
    "group",
    "lastStatus",
    "launchType",
    "memory",
    "overrides",
    "platformVersion",
    "startedBy",
    "stopCode",
    "stoppedReason",
    "taskArn",
    "taskDefinitionArn",
    "version",
)
"""The fields of a task that its event has, as AWS documents "ECS Task State Change"."""


def state_change(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of a task's change.

    Args:
        task: as DescribeTasks returns it.
    """
    arn = str(task["taskArn"])
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": arn.split(":")[ACCOUNT_OF_ARN],
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [arn],
        "detail": {name: task[name] for name in TOLD if name in task},
    }


def value_at(path: str, event: Mapping[str, Any]) -> Any:
    """Return the value of an event at a path such as $.detail.containers[0].name; None without it.

    Raises:
        ValueError: EventBridge knows no such path.
    """
    steps = PATH.findall(path)
    if path != "$" + "".join(f".{name}" if name else f"[{at}]" for name, at in steps):
        raise ValueError(f"no path of an input transformer: {path}")
    found: Any = event
    for name, at in steps:
        if at:
            found = found[int(at)] if isinstance(found, list) and int(at) < len(found) else None
        else:
            found = found.get(name) if isinstance(found, Mapping) else None
    return found


def transformed(transformer: Mapping[str, Any], event: Mapping[str, Any]) -> Any:
    """Return what an input transformer makes of an event, whose values it takes as JSON.

    Args:
        transformer: as ListTargetsByRule returns it.
        event: the event.

    Raises:
        ValueError: the result is no JSON; EventBridge then calls no target.
    """
    paths = transformer.get("InputPathsMap", {})
    values = {name: value_at(path, event) for name, path in paths.items()}

    def put(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise ValueError(f"the template has <{found[1]}>, of which there is no path")
        return json.dumps(values[found[1]])

    return json.loads(PLACEHOLDER.sub(put, transformer["InputTemplate"]))


def task_of(target: Mapping[str, Any], event: Mapping[str, Any], rule: str) -> dict[str, Any]:
    """Return the arguments of RunTask with which a target starts a task.

    Args:
        target: as ListTargetsByRule returns it; an ECS cluster.
        event: that its rule has taken.
        rule: the rule's name.
    """
    wanted = target["EcsParameters"]
    network = wanted["NetworkConfiguration"]["awsvpcConfiguration"]
    names = {"Subnets": "subnets", "SecurityGroups": "securityGroups"}
    return {
        "cluster": target["Arn"],
        "taskDefinition": wanted["TaskDefinitionArn"],
        "count": wanted.get("TaskCount", 1),
        "launchType": wanted["LaunchType"],
        "overrides": transformed(target["InputTransformer"], event),
        "startedBy": f"events-rule/{rule}",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                **{ours: network[theirs] for theirs, ours in names.items()},
                "assignPublicIp": network.get("AssignPublicIp", "DISABLED"),
            }
        },
    }


@dataclass
class EventBridge:
    """Takes the tasks of a cluster that have stopped to the rules of its stack.

    Attributes:
        client: makes a client of a service of AWS.
        stack: the name of the cluster, and how the names of its rules begin.
        started: the task ARNs that rules have started.
        seen: the task ARNs whose end was an event already.
    """

    client: Callable[[str], Any]
    stack: str
    started: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Look once for tasks that have stopped since the last look."""
        ecs = self.client("ecs")
        arns = ecs.list_tasks(cluster=self.stack, desiredStatus="STOPPED")["taskArns"]
        if new := [arn for arn in arns if arn not in self.seen]:
            for task in ecs.describe_tasks(cluster=self.stack, tasks=new)["tasks"]:
                if task["lastStatus"] == "STOPPED":
                    self.seen.add(task["taskArn"])
                    self._deliver(state_change(task))

    def _deliver(self, event: Mapping[str, Any]) -> None:
        events = self.client("events")
        for rule in events.list_rules(NamePrefix=self.stack)["Rules"]:
            if "EventPattern" in rule and rule["State"] == "ENABLED" and self._takes(rule, event):
                for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                    made = self.client("ecs").run_task(**task_of(target, event, rule["Name"]))
                    self.started += [task["taskArn"] for task in made["tasks"]]

    def _takes(self, rule: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
        answer = self.client("events").test_event_pattern(
            EventPattern=rule["EventPattern"], Event=json.dumps(event, default=str)
        )
        return bool(answer["Result"])


@contextmanager
def delivering(cloud: Emulator, stack: str) -> Iterator[EventBridge]:
    """Take the tasks of a stack that stop within the block to its rules, those before it not."""
    bridge = EventBridge(remains.cached_clients(cloud), stack)
    listed = bridge.client("ecs").list_tasks(cluster=stack, desiredStatus="STOPPED")
    bridge.seen.update(listed["taskArns"])
    stop = Event()
    thread = Thread(target=_deliver, args=(bridge, stop), daemon=True)
    thread.start()
    try:
        yield bridge
    finally:
        stop.set()
        thread.join()


def _deliver(bridge: EventBridge, stop: Event) -> None:
    """Look until `stop`. A failed look is reported, once for each cause, and made again."""
    said = ""
    while not stop.wait(EVERY_S):
        try:
            bridge.look()
        except (ClientError, BotoCoreError, ValueError) as exc:
            if str(exc) != said:
                said = str(exc)
                say(f"           EventBridge: {said}")
