"""What the plan of the album service pins beside its outputs: no request is lost in a deployment,
and the tasks may do no more than albums need.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.infrastructure.conftest import FOLDERS, initialised
from tests.policies.planned import STORE, planned_resources

pytestmark = pytest.mark.timeout(600)
BUCKET = f"arn:aws:s3:::{STORE}"


@pytest.fixture(scope="module")
def planned_albums(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The planned resources of the stack without options."""
    shell, _ = initialised(FOLDERS["albums"], tmp_path_factory.mktemp("albums"))
    return planned_resources(shell, "albums", "output_shapes")


def test_a_new_task_answers_before_an_old_one_stops(planned_albums: dict[str, Any]) -> None:
    """ECS never has less tasks than wanted, may start as many more, and rolls a bad version back;
    a task has longer to stop than it lingers and drains.
    """
    service = planned_albums["module.albums.aws_ecs_service.this"]
    assert (100, 200) == (
        service["deployment_minimum_healthy_percent"],
        service["deployment_maximum_percent"],
    )
    assert [{"enable": True, "rollback": True}] == service["deployment_circuit_breaker"]
    task = planned_albums["module.albums.aws_ecs_task_definition.this"]
    (container,) = json.loads(task["container_definitions"])
    assert container["stopTimeout"] >= 5 + 20
    assert ["CMD", "python", "-m", "services.healthcheck", "ALBUMS"] == (
        container["healthCheck"]["command"]
    )


def test_only_the_given_ranges_reach_a_task(planned_albums: dict[str, Any]) -> None:
    """Clients and the VPC call the port of the service; a task calls out by HTTPS alone."""
    rules = {
        (direction, rule["cidr_ipv4"], rule["from_port"], rule["to_port"], rule["ip_protocol"])
        for direction in ("ingress", "egress")
        for address, rule in planned_albums.items()
        if f".aws_vpc_security_group_{direction}_rule." in address
    }
    assert {
        ("ingress", "203.0.113.7/32", 8080, 8080, "tcp"),
        ("ingress", "10.21.0.0/24", 8080, 8080, "tcp"),
        ("egress", "0.0.0.0/0", 443, 443, "tcp"),
    } == rules


def test_a_task_reads_and_writes_albums_alone(planned_albums: dict[str, Any]) -> None:
    """It deletes nothing, and sees no other object of the bucket."""
    policy = json.loads(planned_albums["module.albums.aws_iam_role_policy.task[0]"]["policy"])
    granted = {
        (each["Effect"], action, resource, json.dumps(each.get("Condition")))
        for each in policy["Statement"]
        for action in each["Action"]
        for resource in each["Resource"]
    }
    listed = json.dumps({"StringLike": {"s3:prefix": ["albums/*"]}})
    assert {
        ("Allow", "s3:GetObject", f"{BUCKET}/albums/*", "null"),
        ("Allow", "s3:ListBucket", BUCKET, listed),
        ("Allow", "s3:PutObject", f"{BUCKET}/albums/*.json", "null"),
        ("Allow", "s3:AbortMultipartUpload", f"{BUCKET}/albums/*.json", "null"),
    } == granted
