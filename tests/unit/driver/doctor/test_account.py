"""The account before a deployment, from stubbed answers of AWS that botocore checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from botocore.stub import Stubber

from driver.cloud.aws import Aws
from driver.cloud.deploy.deployment import merged_settings
from driver.cloud.deploy.needs import Needs, needs_of
from driver.cloud.deploy.quotas import KINDS
from driver.doctor import account
from driver.doctor.finding import Finding
from mapreduce.errors import FleetError
from tests.unit.driver.doctor.conftest import IDENTITY, Answers, aws_with
from tests.unit.driver.samples import mapreduce

USER = "arn:aws:iam::123456789012:user/me"


@pytest.fixture
def aws() -> Aws:
    """AWS in one region."""
    return Aws("eu-central-1")


def _needs(**chosen: object) -> Needs:
    system = mapreduce()
    return needs_of(merged_settings(system, {}, "eu-central-1", "t", None, **chosen), system)


@contextmanager
def _stubbed(aws: Aws, **answers: list[tuple[str, Any]]) -> Iterator[None]:
    """Answer the operations of each client in this order; a text is an error's code."""
    with ExitStack() as stack:
        stubs = []
        for client, scripted in answers.items():
            stubs.append(stack.enter_context(Stubber(getattr(aws, client))))
            for operation, answer in scripted:
                if isinstance(answer, str):
                    stubs[-1].add_client_error(operation, answer)
                else:
                    stubs[-1].add_response(operation, answer)
        yield
        for stub in stubs:
            stub.assert_no_pending_responses()


def _quota(value: float) -> tuple[str, Any]:
    return "get_service_quota", {"Quota": {"Value": value}}


def test_the_account_of_the_credentials() -> None:
    """The credentials show the account, or why there is none."""
    found = account.identity(aws_with(sts=IDENTITY))[0]
    assert (True, "account 1, arn:aws:iam::1:user/me") == (found.ok, found.seen)
    assert not account.identity(aws_with(sts=Answers(FleetError("expired"))))[0].ok


# -- vCPUs -----------------------------------------------------------------------------------------


def _tasks(*tasks: tuple[str, str, str]) -> list[tuple[str, Any]]:
    """Return ECS's answers: a cluster of another stack with these tasks, and the stack's own."""
    described = [
        {"launchType": launch, "cpu": cpu, **({"capacityProviderName": name} if name else {})}
        for launch, cpu, name in tasks
    ]
    return [
        ("list_clusters", {"clusterArns": ["arn:x:cluster/other", "arn:x:cluster/mapreduce"]}),
        ("list_tasks", {"taskArns": [f"arn:{at}" for at in range(len(tasks))]}),
        *([("describe_tasks", {"tasks": described})] if tasks else []),
    ]


def test_tasks_on_demand_and_on_spot_have_quotas_of_their_own(aws: Aws) -> None:
    """Half of four mappers on Spot: each half counts against its quota, with what other stacks run
    there; the stack's own tasks, which are replaced, and those on EC2 do not count.
    """
    ecs = _tasks(("FARGATE", "1024", ""), ("FARGATE", "2048", "FARGATE_SPOT"), ("EC2", "4096", ""))
    needs = _needs(mapper_count=4, spot_share=50)
    with _stubbed(aws, ecs=ecs, quotas=[_quota(4.75), _quota(3.5)]):
        on_demand, spot = account.vcpus(aws, needs)
    assert (True, "4.75 vCPUs, 3.75 needed, 1 in use by other stacks") == (
        on_demand.ok,
        on_demand.seen,
    )
    assert (False, "3.5 vCPUs, 2 needed, 2 in use by other stacks") == (spot.ok, spot.seen)
    assert "lower spot_share" in spot.remedy
    assert "eu-central-1.console.aws.amazon.com" in spot.remedy
    assert spot.remedy.endswith("/fargate/quotas/L-36FBB829")


@pytest.mark.parametrize(("quota", "well"), [(4.75, True), (4.7, False)])
def test_without_spot_only_one_quota_counts(aws: Aws, quota: float, well: bool) -> None:
    """Without mappers on Spot its quota is not asked; tasks that cannot be counted are said."""
    ecs = [("list_clusters", "AccessDeniedException")]
    with _stubbed(aws, ecs=ecs, quotas=[_quota(quota)]):
        (found,) = account.vcpus(aws, _needs())
    assert (well, f"{quota:g} vCPUs, 4.75 needed, others unknown") == (found.ok, found.seen)


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(3, 0, (5.25, 0.0)), (3, 50, (3.25, 2.0)), (3, 100, (2.25, 3.0)), (0, 50, (2.25, 0.0))],
)
def test_vcpus_by_the_share_of_spot(count: int, share: int, expected: tuple[float, float]) -> None:
    """The mappers are divided to the nearest task; the other tasks never run on Spot."""
    needs = _needs(mapper_count=count, spot_share=share, splitter_cpu=1024)
    assert expected == (needs.on_demand_vcpus, needs.spot_vcpus)


# -- other quotas ----------------------------------------------------------------------------------


VPC = next(kind for kind in KINDS if kind.what.startswith("VPCs"))
OURS = [{"Key": "Project", "Value": "mapreduce-on-fargate"}, {"Key": "Stack", "Value": "mapreduce"}]
OTHERS = [*OURS[:1], {"Key": "Stack", "Value": "books"}]


@pytest.mark.parametrize(
    ("tags", "limit", "expected"),
    [
        ([[], OTHERS], 3, (True, "2 of 3, 1 more needed")),
        ([[], OTHERS], 2, (False, "2 of 2, 1 more needed")),
        ([[], OURS], 2, None),
    ],
)
def test_the_vpcs_of_the_region(
    aws: Aws, tags: list[Any], limit: int, expected: tuple[bool, str] | None
) -> None:
    """A VPC more must fit into the quota; that of a stack which exists already is no more."""
    vpcs = [{"VpcId": f"vpc-{at}", "Tags": each} for at, each in enumerate(tags)]
    answers = [("describe_vpcs", {"Vpcs": vpcs})]
    with _stubbed(aws, ec2=answers, quotas=[_quota(limit)]):
        found = account.resource_quota(aws, _needs(), "1", VPC)
    assert expected == (found and (found.ok, found.seen))
    assert found is None or "vpc_id and subnet_ids" in found.remedy


def test_a_quota_without_a_value_of_its_own_is_the_default(aws: Aws) -> None:
    """While an account has no value of its own, AWS's default counts."""
    default = ("get_aws_default_service_quota", {"Quota": {"Value": 5.0}})
    missing = ("get_service_quota", "NoSuchResourceException")
    with _stubbed(aws, ec2=[("describe_vpcs", {"Vpcs": []})], quotas=[missing, default]):
        found = account.resource_quota(aws, _needs(), "1", VPC)
    assert found is not None
    assert (True, "0 of 5, 1 more needed") == (found.ok, found.seen)


def test_what_may_not_be_asked_is_one_finding_that_is_well(aws: Aws) -> None:
    """Quotas that the credentials may not ask are named in one finding, and the deployment goes
    on.
    """
    denied = "AccessDeniedException"
    with _stubbed(
        aws,
        ecs=[("list_clusters", denied)] * 2,
        ec2=[("describe_vpcs", denied), ("describe_internet_gateways", denied)],
        s3=[("list_buckets", denied)],
        discovery=[("list_namespaces", denied)],
        ecr=[("describe_repositories", denied)],
        iam=[("get_account_summary", denied), ("simulate_principal_policy", denied)],
        quotas=[("get_service_quota", denied)] * 7,
    ):
        others, rights = account.examine_account(aws, _needs(), USER)
    assert (True, True) == (others.ok, rights.ok)
    for what in ("Fargate on-demand", *(kind.what for kind in KINDS), "IAM roles"):
        assert what in others.seen
    assert account.NOT_ASKED in rights.seen


@pytest.mark.parametrize(
    ("chosen", "absent"),
    [
        ({"vpc_id": "vpc-1"}, {"VPCs in the region", "internet gateways in the region"}),
        ({"service_discovery": "none"}, {"Cloud Map namespaces in the region"}),
        (
            {"existing_role_name": "LabRole"},
            {"Cloud Map namespaces in the region", "IAM roles in the account"},
        ),
    ],
)
def test_only_what_is_made_is_asked(chosen: dict[str, Any], absent: set[str]) -> None:
    """An existing network, role, or no Cloud Map need no quota of theirs."""

    def asked(needs: Needs) -> set[str]:
        every = {kind.what for kind in KINDS if kind.wanted(needs, "1")}
        return every | ({"IAM roles in the account"} if needs.role_names else set())

    assert absent == asked(_needs()) - asked(_needs(**chosen))


@pytest.mark.parametrize(
    ("there", "used", "expected"),
    [
        (0, 993, (True, "993 of 1000, 7 more needed")),
        (2, 999, (False, "999 of 1000, 5 more")),
        (7, 1000, None),
    ],
)
def test_the_roles_of_the_account(
    aws: Aws, there: int, used: int, expected: tuple[bool, str] | None
) -> None:
    """The roles that do not exist yet must fit into the account."""
    role = {
        "Path": "/",
        "RoleName": "x",
        "RoleId": "AROA0123456789012345",
        "Arn": "arn:aws:iam::123456789012:role/x",
        "CreateDate": 0,
    }
    summary = {"SummaryMap": {"Roles": used, "RolesQuota": 1000}}
    roles: list[tuple[str, Any]] = [("get_role", {"Role": role})] * there
    roles += [("get_role", "NoSuchEntity")] * (7 - there)
    with _stubbed(aws, iam=[("get_account_summary", summary), *roles]):
        found = account.role_quota(aws, _needs())
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert (expected[0], True) == (found.ok, found.seen.startswith(expected[1]))


# -- an existing role ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "region", "expected"),
    [
        ("NoSuchEntity", "us-east-1", [("existing role", False)]),
        ("AccessDenied", "us-west-2", [("existing role", True)]),
        ("AccessDenied", "eu-west-1", [("existing role", True), ("learner lab", True)]),
    ],
)
def test_the_role_of_a_learner_lab(
    answer: str, region: str, expected: list[tuple[str, bool]]
) -> None:
    """The role must exist, a region outside of the labs' is a warning, and IAM is not asked what a
    lab's student may do.
    """
    aws = Aws(region)
    system = mapreduce()
    settings = merged_settings(system, {}, region, "t", None, existing_role_name="LabRole")
    needs = needs_of(settings, system)
    with _stubbed(aws, iam=[("get_role", answer)]):
        findings = list(account.existing_role(aws, needs))
    assert expected == [(found.step, found.ok) for found in findings]
    assert "us-east-1" in findings[-1].seen + findings[-1].remedy or len(findings) == 1


# -- rights ----------------------------------------------------------------------------------------


def _simulated(aws: Aws, denied: dict[str, list[str]], caller: str = USER) -> tuple[Finding, Any]:
    """Return the finding when IAM denies these actions, for want of these values, and what IAM was
    asked.
    """
    asked: list[Any] = []

    def simulate(**request: Any) -> dict[str, Any]:
        asked.append(request)
        return {
            "EvaluationResults": [
                {
                    "EvalActionName": name,
                    "EvalDecision": "implicitDeny" if name in denied else "allowed",
                    "MissingContextValues": denied.get(name, []),
                }
                for name in request["ActionNames"]
            ],
            "IsTruncated": False,
        }

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aws.iam, "simulate_principal_policy", simulate)
        patch.setattr(
            aws.iam,
            "get_role",
            lambda RoleName: {"Role": {"Arn": f"arn:aws:iam::1:role/path/{RoleName}"}},
        )
        return account.rights(aws, _needs(), caller), asked


def test_each_denied_action_is_named(aws: Aws) -> None:
    """Every denied action is named; what only a condition decides is counted, and passes."""
    found, asked = _simulated(
        aws, {"iam:CreateRole": [], "ec2:CreateVpc": [], "s3:CreateBucket": ["aws:PrincipalTag/x"]}
    )
    assert not found.ok
    assert "IAM denies 2 of" in found.seen
    assert found.seen.endswith("actions: ec2:CreateVpc, iam:CreateRole")
    assert account.SKIP_RIGHTS_VARIABLE in found.remedy
    assert {USER} == {each["PolicySourceArn"] for each in asked}
    bucket = next(each for each in asked if "s3:CreateBucket" in each["ActionNames"])
    assert ["arn:aws:s3:::mapreduce-123456789012-eu-central-1"] == bucket["ResourceArns"]
    found, _ = _simulated(aws, {"s3:CreateBucket": ["aws:PrincipalTag/x"]})
    assert (True, True) == (found.ok, "1 depend on conditions" in found.seen)


@pytest.mark.parametrize(
    ("caller", "source"),
    [
        ("arn:aws:sts::1:assumed-role/Admin/me@x", "arn:aws:iam::1:role/path/Admin"),
        ("arn:aws:iam::1:user/path/me", "arn:aws:iam::1:user/path/me"),
        ("arn:aws:sts::1:federated-user/me", None),
        ("arn:aws:iam::1:root", None),
    ],
)
def test_whose_policies_decide(aws: Aws, caller: str, source: str | None) -> None:
    """The session of a role is simulated as its role, with the role's path; of the root user and
    of federated users no policy can be simulated.
    """
    found, asked = _simulated(aws, {"iam:CreateRole": []}, caller)
    assert ({source} if source else set()) == {each["PolicySourceArn"] for each in asked}
    assert found.ok == (source is None)


def test_the_question_can_be_left_out(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable leaves out the simulation, which may know less than IAM itself."""
    monkeypatch.setenv(account.SKIP_RIGHTS_VARIABLE, "1")
    found, asked = _simulated(aws, {"iam:CreateRole": []})
    assert (True, []) == (found.ok, asked)


def test_rights_follow_what_is_made() -> None:
    """An own network needs no VPC, an existing role no role, and Cloud Map its kind of
    namespace.
    """
    from driver.cloud.deploy.rights import rights_for

    def actions(**chosen: object) -> set[str]:
        return {action for each in rights_for(_needs(**chosen)) for action in each.actions}

    every = actions()
    assert {"ec2:CreateVpc", "iam:CreateRole", "servicediscovery:CreateHttpNamespace"} <= every
    assert "ec2:CreateVpc" not in actions(vpc_id="vpc-1")
    lab = actions(existing_role_name="LabRole")
    assert not [each for each in lab if each.startswith(("iam:", "servicediscovery:"))]
    assert "servicediscovery:CreatePrivateDnsNamespace" in actions(service_discovery="dns")
