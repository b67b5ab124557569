"""The services of a stack of any system, as ECS tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from driver.cloud.outputs import SystemStack
from driver.doctor import examine_services
from mapreduce.errors import FleetError
from tests.unit.driver.doctor.conftest import IDENTITY, Answers, aws_with
from tests.unit.driver.samples import ALBUMS_VALUES

STACK = SystemStack.model_validate(ALBUMS_VALUES)
DEPLOY = "./deploy.sh --system albums"


class _Ecs:
    """ECS with two services, of which a test changes the tasks and their health."""

    def __init__(self) -> None:
        self.running = {"albums": 2, "worker": 1}
        self.desired = dict(self.running)
        self.health: list[str] = ["HEALTHY", "UNKNOWN"]
        self.state = "COMPLETED"

    def describe_services(self, services: Sequence[str], **_: Any) -> dict[str, Any]:
        """Return the one service asked for."""
        (name,) = services
        arn = STACK.services[name].task_definition_arn
        deployment = {"taskDefinition": arn, "rolloutState": self.state, "rolloutStateReason": "w"}
        found = {
            "runningCount": self.running[name],
            "desiredCount": self.desired[name],
            "deployments": [deployment],
        }
        return {"services": [found]}

    def get_paginator(self, _: str) -> Any:
        """Return one page of tasks."""
        arns = [f"arn:task/albums/{at}" for at in range(len(self.health))]
        return SimpleNamespace(paginate=lambda **_: [{"taskArns": arns}])

    def describe_tasks(self, tasks: Sequence[str], **_: Any) -> dict[str, Any]:
        """Return the tasks with their health."""
        pairs = zip(tasks, self.health, strict=True)
        return {"tasks": [{"taskArn": arn, "healthStatus": health} for arn, health in pairs]}


@pytest.fixture
def ecs(monkeypatch: pytest.MonkeyPatch) -> _Ecs:
    """An ECS in which all is well."""
    made = _Ecs()
    monkeypatch.setattr("driver.cloud.aws.Aws", lambda _: aws_with(sts=IDENTITY, ecs=made))
    return made


def _found() -> list[tuple[str, bool, str]]:
    return [(one.step, one.ok, one.seen) for one in examine_services(STACK, DEPLOY)]


def test_a_stack_whose_tasks_run_is_well(ecs: _Ecs) -> None:
    """Each service runs its tasks; those without a health check are no failure."""
    assert [
        ("credentials", True, "account 1, arn:aws:iam::1:user/me"),
        ("albums service", True, "2 of 2 tasks run"),
        ("worker service", True, "1 of 1 tasks run"),
    ] == _found()


def test_a_task_that_fails_its_health_check_is_named(ecs: _Ecs) -> None:
    """A task that runs and is unhealthy is not well, with its name and where its log is."""
    ecs.health[1] = "UNHEALTHY"
    found = list(examine_services(STACK, DEPLOY))[1]
    assert (False, "2 of 2 tasks run, and 1 fail their health check: 1") == (found.ok, found.seen)
    assert "aws logs tail /ecs/mapreduce/albums" in found.remedy


def test_a_service_that_is_stopped_by_hand_is_not_well(ecs: _Ecs) -> None:
    """A service without tasks, where Terraform wants some, is deployed again; one that is meant to
    have none is well.
    """
    ecs.running["worker"] = ecs.desired["worker"] = 0
    assert ("worker service", False, "0 of 0 tasks run: it is stopped") == _found()[2]
    assert DEPLOY == list(examine_services(STACK, DEPLOY))[2].remedy
    service = STACK.services["worker"].model_copy(update={"desired_count": 0})
    stopped = STACK.model_copy(update={"services": {"worker": service}})
    assert [True, True] == [one.ok for one in examine_services(stopped, DEPLOY)]


def test_a_version_that_does_not_start_is_final(ecs: _Ecs) -> None:
    """A version that does not start will not by itself; the remedy has the system's command."""
    ecs.state = "FAILED"
    found = list(examine_services(STACK, DEPLOY))[1]
    assert (False, True) == (found.ok, found.final)
    assert found.remedy.endswith(f"then run {DEPLOY} again")


def test_without_credentials_no_service_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The examination ends at credentials that do not work, or cannot be made."""
    monkeypatch.setattr(
        "driver.cloud.aws.Aws", lambda _: aws_with(sts=Answers(FleetError("expired")))
    )
    assert [("credentials", False)] == [pair[:2] for pair in _found()]

    def broken(_: str) -> None:
        raise FleetError("no such profile")

    monkeypatch.setattr("driver.cloud.aws.Aws", broken)
    assert [("credentials", False, "no such profile")] == _found()
