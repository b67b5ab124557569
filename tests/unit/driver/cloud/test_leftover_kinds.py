"""`stack leftovers` asks for every kind of resource that Terraform makes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from driver.cloud import leftovers

TERRAFORM = Path(__file__).resolve().parents[4] / "terraform"

ASKED: dict[str, tuple[str, str]] = {
    "aws_cloudwatch_event_rule": ("events", "rule"),
    "aws_cloudwatch_log_group": ("logs", ""),
    "aws_cloudwatch_metric_alarm": ("cloudwatch", ""),
    "aws_ecr_repository": ("ecr", "repository"),
    "aws_ecs_cluster": ("ecs", "cluster"),
    "aws_ecs_service": ("ecs", "service"),
    "aws_ecs_task_definition": ("ecs", "task-definition"),
    "aws_lb": ("elasticloadbalancing", "loadbalancer"),
    "aws_lb_listener": ("elasticloadbalancing", "listener"),
    "aws_lb_target_group": ("elasticloadbalancing", "targetgroup"),
    "aws_internet_gateway": ("ec2", "internet-gateway"),
    "aws_route_table": ("ec2", "route-table"),
    "aws_s3_bucket": ("s3", ""),
    "aws_scheduler_schedule_group": ("scheduler", "schedule-group"),
    "aws_secretsmanager_secret": ("secretsmanager", ""),
    "aws_security_group": ("ec2", "security-group"),
    "aws_service_discovery_http_namespace": ("servicediscovery", "namespace"),
    "aws_service_discovery_private_dns_namespace": ("servicediscovery", "namespace"),
    "aws_service_discovery_service": ("servicediscovery", "service"),
    "aws_sns_topic": ("sns", ""),
    "aws_ssm_parameter": ("ssm", "parameter"),
    "aws_subnet": ("ec2", "subnet"),
    "aws_vpc": ("ec2", "vpc"),
    "aws_vpc_endpoint": ("ec2", "vpc-endpoint"),
    "aws_vpc_security_group_egress_rule": ("ec2", "security-group-rule"),
    "aws_vpc_security_group_ingress_rule": ("ec2", "security-group-rule"),
}
"""Resource types by the question that asks for them: the service and the kind in an ARN."""

BY_NAME = {
    "aws_budgets_budget": "_budgets",
    "aws_cloudwatch_dashboard": "_dashboards",
    "aws_iam_role": "_roles",
}
"""Types that the tagging API may not list, by the function that looks for their names."""

PARTS = {
    "aws_cloudwatch_event_target": "aws_cloudwatch_event_rule",
    "aws_cloudwatch_log_metric_filter": "aws_cloudwatch_log_group",
    "aws_default_security_group": "aws_vpc",
    "aws_ecr_lifecycle_policy": "aws_ecr_repository",
    "aws_ecs_cluster_capacity_providers": "aws_ecs_cluster",
    "aws_iam_role_policy": "aws_iam_role",
    "aws_route": "aws_route_table",
    "aws_route_table_association": "aws_route_table",
    "aws_s3_bucket_lifecycle_configuration": "aws_s3_bucket",
    "aws_s3_bucket_ownership_controls": "aws_s3_bucket",
    "aws_s3_bucket_policy": "aws_s3_bucket",
    "aws_s3_bucket_public_access_block": "aws_s3_bucket",
    "aws_s3_bucket_server_side_encryption_configuration": "aws_s3_bucket",
    "aws_scheduler_schedule": "aws_scheduler_schedule_group",
    "aws_secretsmanager_secret_version": "aws_secretsmanager_secret",
    "aws_sns_topic_policy": "aws_sns_topic",
    "aws_sns_topic_subscription": "aws_sns_topic",
}
"""Types that are part of another one in AWS, and end with it."""


def _types() -> list[str]:
    texts = (path.read_text() for path in TERRAFORM.rglob("*.tf"))
    found = {name for text in texts for name in re.findall(r'^resource "(\w+)"', text, re.M)}
    return sorted(found)


def test_terraform_is_read() -> None:
    """The resource types are found in the files."""
    assert {"aws_ecs_service", "aws_s3_bucket", "aws_iam_role"} <= set(_types())


@pytest.mark.parametrize("kind", _types())
def test_each_resource_type_is_asked_for(kind: str) -> None:
    """A resource type of Terraform is asked for by itself, looked for by its name, or is part of
    one that is; a new type has no place in these tables yet, and fails here.
    """
    whole = PARTS.get(kind, kind)
    if whole in BY_NAME:
        assert callable(getattr(leftovers, BY_NAME[whole]))
    else:
        assert ASKED[whole] in leftovers._QUESTIONS
