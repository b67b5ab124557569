"""The stack in every kind of account, planned by the real AWS provider on an emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.emulator import MINISTACK
from tests.e2e.processes import Shell
from tests.infrastructure.test_infrastructure import checker, passes
from tests.infrastructure.variants import NAMES, emulated_account

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def plans(terraform: tuple[Shell, Path]) -> Iterator[dict[str, Path]]:
    """The plan of each variant."""
    if missing := MINISTACK.missing:
        pytest.skip(missing)
    shell, _ = terraform
    with emulated_account(shell) as account:
        yield {name: account.plan(name) for name in NAMES}


def _resources(plan: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the values of the resources that a plan creates, by type."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(plan.read_text())["resource_changes"]:
        if one["change"]["actions"] == ["create"]:
            found.setdefault(one["type"], []).append(one["change"]["after"])
    return found


# variant -> further checks that cannot pass there
KNOWN = {"course": {"CKV_AWS_249"}}  # one role starts the tasks and runs in them: the lab has one


@pytest.mark.parametrize("name", NAMES)
def test_checkov_finds_nothing_in_a_plan(plans: dict[str, Path], name: str) -> None:
    """Checkov finds no failure in a variant's plan except those that .checkov.yaml lists."""
    config = ("--config-file", "terraform/.checkov.yaml", "--soft-fail", "--output", "json")
    plan = ("-f", str(plans[name]), "--framework", "terraform_plan")
    found = json.loads(passes(checker("checkov"), *plan, *config))
    assert found["summary"]["resource_count"] > 40
    failed = found["results"]["failed_checks"]
    assert KNOWN.get(name, set()) == {check["check_id"] for check in failed}, failed


def test_the_default_has_no_hosted_zone_and_no_option(plans: dict[str, Path]) -> None:
    """Nothing of the default stack costs while it stands stopped, but what is stored."""
    found = _resources(plans["default"])
    assert {"aws_vpc", "aws_service_discovery_http_namespace", "aws_iam_role"} <= found.keys()
    costly = {
        "aws_service_discovery_private_dns_namespace",
        "aws_secretsmanager_secret",
        "aws_nat_gateway",
        "aws_cloudwatch_dashboard",
        "aws_cloudwatch_metric_alarm",
    }
    assert not costly & found.keys()


def test_a_course_makes_no_role_and_no_namespace(plans: dict[str, Path]) -> None:
    """In the learner lab nothing of IAM or Cloud Map is made, and tasks have the lab's role."""
    found = _resources(plans["course"])
    assert [] == [kind for kind in found if kind.startswith(("aws_iam_", "aws_service_discovery_"))]
    roles = {one[key] for one in found["aws_ecs_task_definition"] for key in _ROLE_KEYS}
    assert {"LabRole"} == {role.rpartition("/")[2] for role in roles}


_ROLE_KEYS = ("task_role_arn", "execution_role_arn")
_NETWORK = ("aws_vpc", "aws_subnet", "aws_internet_gateway", "aws_route", "aws_default_security")


def test_a_company_keeps_its_network_and_limits_every_role(plans: dict[str, Path]) -> None:
    """In a company's account no network is made, no task has a public address, and every role has
    the path and the boundary.
    """
    found = _resources(plans["company"])
    assert [] == [kind for kind in found if kind.startswith(_NETWORK) and "_rule" not in kind]
    networks = [one["network_configuration"][0] for one in found["aws_ecs_service"]]
    assert [(False, 2)] * 4 == [(one["assign_public_ip"], len(one["subnets"])) for one in networks]
    assert {("/teams/data/", "arn:aws:iam::123456789012:policy/boundary")} == {
        (role["path"], role["permissions_boundary"]) for role in found["aws_iam_role"]
    }
    sources = {rule["cidr_ipv4"] for rule in found["aws_vpc_security_group_ingress_rule"]}
    assert {"172.30.0.0/16"} == sources


def test_the_key_is_in_no_plan(plans: dict[str, Path]) -> None:
    """The signing key's value is ephemeral: no plan has it, and none stores a secret."""
    for plan in plans.values():
        (parameter,) = _resources(plan)["aws_ssm_parameter"]
        assert "SecureString" == parameter["type"]
        assert (None, None) == (parameter.get("value_wo"), parameter.get("insecure_value"))
