"""The stack in every kind of account, planned by the real AWS provider on an emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.emulator import MINISTACK
from tests.e2e.processes import Shell
from tests.infrastructure.conftest import ROOT, initialised
from tests.infrastructure.test_infrastructure import checker, passes
from tests.infrastructure.variants import EXAMPLES, NAMES, emulated_account

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def plans(terraform: tuple[Shell, Path]) -> Iterator[dict[str, Path]]:
    """The plan of each variant."""
    if missing := MINISTACK.missing:
        pytest.skip(missing)
    shell, _ = terraform
    with emulated_account(shell) as account:
        yield {name: account.plan(name) for name in NAMES}


@pytest.fixture(scope="module", params=EXAMPLES)
def example(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """The name of each example in turn, and the plan of its stack."""
    if missing := MINISTACK.missing:
        pytest.skip(missing)
    variant: str = request.param
    root = EXAMPLES[variant].relative_to(ROOT).as_posix()
    shell, _ = initialised(root, tmp_path_factory.mktemp("example"))
    with emulated_account(shell) as account:
        yield variant.removeprefix("examples/"), account.plan(variant)


def _resources(plan: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the values of the resources that a plan creates, by type."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(plan.read_text())["resource_changes"]:
        if one["change"]["actions"] == ["create"]:
            found.setdefault(one["type"], []).append(one["change"]["after"])
    return found


# variant -> further checks that cannot pass there
KNOWN = {"course": {"CKV_AWS_249"}}  # one role starts the tasks and runs in them: the lab has one

# check and resource, as a comment in the module says too, which a plan does not have
REASONED = {("CKV2_AWS_5", "module.driver[0].aws_security_group.this")}


@pytest.mark.parametrize("name", NAMES)
def test_checkov_finds_nothing_in_a_plan(plans: dict[str, Path], name: str) -> None:
    """Checkov finds no failure in a variant's plan except those that .checkov.yaml lists."""
    assert KNOWN.get(name, set()) == _failed(plans[name], 40)


def _failed(plan: Path, least: int) -> set[str]:
    """Return the checks that a plan fails; there must be more than `least` resources in it."""
    config = ("--config-file", "terraform/.checkov.yaml", "--soft-fail", "--output", "json")
    options = ("-f", str(plan), "--framework", "terraform_plan")
    found = json.loads(passes(checker("checkov"), *options, *config))
    assert found["summary"]["resource_count"] > least
    failed = found["results"]["failed_checks"]
    return {
        check["check_id"]
        for check in failed
        if (check["check_id"], check["resource"]) not in REASONED
    }


def test_an_example_passes_the_same_checks(example: tuple[str, Path]) -> None:
    """Checkov finds nothing in the plan of an example with all of its options."""
    _, plan = example
    assert set() == _failed(plan, 20)


def test_an_example_can_be_found_by_its_tags(example: tuple[str, Path]) -> None:
    """All that can have tags has those by which a destroy proves that nothing is left."""
    name, plan = example
    tagged = [
        one["tags_all"] for every in _resources(plan).values() for one in every if "tags_all" in one
    ]
    assert len(tagged) > 10
    wanted = {"Project": "mapreduce-on-fargate", "System": name, "ManagedBy": "terraform"}
    assert [wanted] == [
        dict(pairs) for pairs in {tuple((key, tags.get(key)) for key in wanted) for tags in tagged}
    ]
    assert all(tags.get("Stack") for tags in tagged)


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
    assert {"172.30.0.0/16", None} == sources  # None: the driver's group


def test_the_key_is_in_no_plan(plans: dict[str, Path]) -> None:
    """The signing key's value is ephemeral: no plan has it, and none stores a secret."""
    for plan in plans.values():
        (parameter,) = _resources(plan)["aws_ssm_parameter"]
        assert "SecureString" == parameter["type"]
        assert (None, None) == (parameter.get("value_wo"), parameter.get("insecure_value"))
