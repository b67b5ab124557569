"""What a deployment of a system needs, from its description and its variables."""

from __future__ import annotations

from typing import Any

import pytest

from driver.cloud.deploy.deployment import merged_settings
from driver.cloud.deploy.needs import Needs, needs_of
from driver.cloud.deploy.quotas import KINDS
from driver.cloud.deploy.rights import resources_of, rights_for
from driver.cloud.system import System
from tests.unit.driver.samples import mapreduce

TRAINER = System.model_validate(
    {
        "system": "trainer",
        "name": "trainer",
        "title": "Trainer",
        "sources": ["examples/trainer"],
        "images": {"trainer": {"dockerfile": "examples/trainer/Dockerfile"}},
        "services": {
            "server": {"cpu": 1024, "memory": 2048, "numbered": 4},
            "worker": {"count": 8, "cpu": 256, "memory": 512, "spot_variable": "spot_share"},
        },
        "service_discovery": "dns",
        "dns_namespace": "{name}.local",
        "rights": [
            {"actions": ["sns:CreateTopic"], "when": "topic"},
            {"actions": ["sqs:CreateQueue"]},
        ],
        "modules": ["network", "registry", "cluster", "service"],
    }
)


def _needs(system: System = TRAINER, **chosen: Any) -> Needs:
    return needs_of(merged_settings(system, {}, "eu-west-1", "t", None, **chosen), system)


def _actions(needs: Needs) -> set[str]:
    return {action for rights in rights_for(needs) for action in rights.actions}


def test_vcpus_of_any_system() -> None:
    """The vCPUs follow the variables that the description names; a share of the workers alone is
    on Spot.
    """
    needs = _needs(server_count=2, worker_count=4, worker_cpu=512, spot_share=50)
    assert (2 + 2 * 0.5, 2 * 0.5) == (needs.on_demand_vcpus, needs.spot_vcpus)


def test_the_remedy_names_the_service_that_takes_the_most() -> None:
    """Which variables lower the vCPUs depends on which service has the most of them."""
    assert ("spot_share", "worker_count", "worker_cpu") == _needs().fewer
    assert ("server_count", "server_cpu") == _needs(server_count=3).fewer
    assert ("spot_share", "mapper_count", "mapper_cpu") == _needs(mapreduce()).fewer


def test_names_of_any_system() -> None:
    """Services, roles, repositories and the namespace have the system's names; numbered services
    are as many as the variable says.
    """
    needs = _needs(server_count=2)
    assert ("server", "server-1", "worker") == needs.services
    assert {
        f"trainer-eu-west-1-{role}" for role in ("server", "server-1", "worker", "execution")
    } == set(needs.role_names)
    wanted = {kind.what: kind.wanted(needs, "1") for kind in KINDS}
    assert {"trainer/trainer"} == wanted["ECR repositories in the region"]
    assert {"trainer.local"} == wanted["Cloud Map namespaces in the region"]
    assert set() == wanted["S3 buckets in the account"]


def test_rights_follow_the_modules_of_the_root() -> None:
    """A system without a bucket or key needs no right to make one; what a variable or the system
    itself adds is checked too, for its own names.
    """
    needs = _needs()
    found = _actions(needs)
    assert {"ec2:CreateVpc", "ecs:CreateService", "sqs:CreateQueue"} <= found
    assert not [action for action in found if action.startswith(("s3:", "ssm:", "sns:"))]
    assert "sns:CreateTopic" in _actions(_needs(topic="x"))
    arns = {arn for rights in rights_for(needs) for arn in resources_of(rights, needs, "1", "aws")}
    assert "arn:aws:ecs:eu-west-1:1:service/trainer/server" in arns
    assert {"s3:CreateBucket", "ssm:PutParameter"} <= _actions(_needs(mapreduce()))


def test_options_of_modules_that_a_root_does_not_have_are_none() -> None:
    """A variable that happens to have the name of an option is none without its module."""
    options: dict[str, Any] = {"alarms": True, "nightly_stop": "cron(x)", "monthly_budget_usd": 5}
    needs = _needs(TRAINER, **options, load_balancer=True)
    assert (False, False, False, False) == (
        needs.alarms,
        needs.nightly_stop,
        needs.budget,
        needs.load_balancer,
    )
    balanced = TRAINER.model_copy(update={"modules": frozenset({"load_balancer"})})
    assert "elasticloadbalancing:CreateLoadBalancer" in _actions(
        _needs(balanced, load_balancer=True)
    )
    assert not _needs(balanced).load_balancer


@pytest.mark.parametrize(("minutes", "expected"), [(30, True), (0, False)])
def test_a_service_that_is_off_is_not_made(minutes: int, expected: bool) -> None:
    """The idle guard has a role while its variable is not 0, also in a stopped stack."""
    counts = dict.fromkeys(("splitter_count", "mapper_count", "reducer_count"), 0)
    needs = _needs(mapreduce(), idle_stop_minutes=minutes, **counts)
    assert expected == ("guard" in needs.services)
    assert 0 == needs.on_demand_vcpus


def test_a_driver_in_aws_and_its_schedules_have_roles() -> None:
    """A stack that can run its driver has two roles for it unless that is off, and one for its
    schedules; what a notice and a schedule need is checked too.
    """
    roles = {f"mapreduce-eu-west-1-{role}" for role in ("driver", "driver-execution")}
    assert roles < set(_needs(mapreduce()).role_names)
    assert not roles & set(_needs(mapreduce(), driver=False).role_names)
    chosen: dict[str, Any] = {"schedules": {"daily": {}}, "end_notice": "you@example.com"}
    needs = _needs(mapreduce(), **chosen)
    assert "mapreduce-eu-west-1-schedule" in needs.role_names
    assert {"scheduler:CreateSchedule", "events:PutRule", "sns:CreateTopic"} <= _actions(needs)
    assert () == _needs(mapreduce(), existing_role_name="LabRole").role_names
    assert not _needs(driver=True, schedules={"a": {}}).driver


def test_a_namespace_is_left_out_only_where_the_root_can_do_without() -> None:
    """With an existing role MapReduce's root makes no namespace; one that has no such variable
    makes it all the same.
    """
    assert ("none", "") == _discovery(_needs(mapreduce(), existing_role_name="LabRole"))
    assert ("dns", "trainer.local") == _discovery(_needs(existing_role_name="LabRole"))


def _discovery(needs: Needs) -> tuple[str, str]:
    return needs.discovery, needs.namespace
