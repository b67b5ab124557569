"""Which of ECS's descriptions of a service mean that the deployed version runs."""

from __future__ import annotations

from typing import Any

import pytest

from driver.cloud.deploy.rollout import fault_of

ARN = "arn:aws:ecs:r:1:task-definition/mapreduce-mapper"
OLD, NEW = f"{ARN}:6", f"{ARN}:7"


def _deployment(arn: str, state: str, reason: str = "") -> Any:
    return {"taskDefinition": arn, "rolloutState": state, "rolloutStateReason": reason}


def test_one_complete_deployment_of_the_version_is_well() -> None:
    """The version that Terraform made is the only one, and complete."""
    assert fault_of([_deployment(NEW, "COMPLETED")], NEW) is None


@pytest.mark.parametrize(
    ("deployments", "why", "final"),
    [
        ([_deployment(OLD, "COMPLETED")], "runs mapreduce-mapper:6, and not mapreduce-mapper:7", 0),
        (
            [_deployment(NEW, "IN_PROGRESS"), _deployment(OLD, "COMPLETED")],
            "mapreduce-mapper:7 IN_PROGRESS, mapreduce-mapper:6 COMPLETED",
            False,
        ),
        (
            [_deployment(NEW, "COMPLETED"), _deployment(OLD, "COMPLETED")],
            "not complete",
            False,
        ),
        ([_deployment(NEW, "IN_PROGRESS")], "not complete", False),
        (
            [
                _deployment(OLD, "IN_PROGRESS", "rolling back"),
                _deployment(NEW, "FAILED", "circuit breaker: tasks failed to start."),
            ],
            "mapreduce-mapper:7 does not start: circuit breaker: tasks failed to start",
            True,
        ),
        ([_deployment(NEW, "FAILED")], "does not start: ECS gives no reason", True),
        ([_deployment(OLD, "COMPLETED", "rolling back to 6")], "rolling back to 6", False),
        ([], "no deployment", False),
    ],
    ids=[
        "before the update is seen",
        "old tasks are still there",
        "old tasks stop",
        "first deployment",
        "it fails and is rolled back",
        "a first one fails",
        "it was rolled back",
        "none",
    ],
)
def test_everything_else_is_not(deployments: list[Any], why: str, final: bool) -> None:
    """An old version, two versions, a deployment that goes on or has failed: each says so, and
    only a version that does not start ends the wait.
    """
    fault = fault_of(deployments, NEW)
    assert fault is not None
    assert why in fault.why
    assert fault.final == final
