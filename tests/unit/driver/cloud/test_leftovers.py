"""Which resources count as leftovers, and which task definitions are orphans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.stub import Stubber

from driver.cloud.aws import Aws
from driver.cloud.leftovers import (
    PAUSE_S,
    Leftover,
    deregister_orphans,
    find_leftovers,
    orphans,
    watch,
)
from mapreduce.errors import FleetError

ECS = "arn:aws:ecs:eu-central-1:1"
SERVICES = ("splitter", "mapper", "reducer", "guard")
_ROLES = (
    *("driver", "driver-execution", "execution", "guard", "mapper", "nightly-stop", "reducer"),
    *("schedule", "splitter"),
)
DEFINITION = f"{ECS}:task-definition/books-mapper"
SERVICE = f"{ECS}:service/books/mapper"


def _left(*arns: str) -> list[Leftover]:
    return [Leftover(arn=arn, costs_a_day="") for arn in arns]


class Clock:
    """A clock that advances only by `sleep`."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def _watched(looks: Sequence[int], wait_s: float) -> tuple[int, int]:
    """Return the leftovers of the last look, and the number of looks; the last entry of `looks`
    repeats.
    """
    clock, made = Clock(), list[int]()

    def look() -> list[Leftover]:
        made.append(looks[min(len(made), len(looks) - 1)])
        return _left(*(f"{DEFINITION}:{number}" for number in range(made[-1])))

    return len(watch(look, wait_s=wait_s, now=clock.now, sleep=clock.sleep)), len(made)


@pytest.mark.parametrize(
    ("looks", "wait_s", "expected"),
    [
        pytest.param([0], 0, (0, 1), id="without waiting there is one look"),
        pytest.param([2], 0, (2, 1), id="and it says what it found"),
        pytest.param([0], 60, (0, 2), id="a clean look is confirmed"),
        pytest.param([0, 1, 0, 0], 60, (0, 4), id="what shows up late is waited for"),
        pytest.param(
            [0, 1], 60, (1, 2 + 60 // PAUSE_S - 1), id="what shows up late and stays is reported"
        ),
        pytest.param([3], 60, (3, 60 // PAUSE_S + 1), id="what stays is reported at the end"),
        pytest.param(
            [*[1] * int(60 // PAUSE_S), 0],
            60,
            (0, 60 // PAUSE_S + 2),
            id="clean in time is confirmed after it",
        ),
    ],
)
def test_nothing_is_left_when_two_looks_in_a_row_say_so(
    looks: list[int], wait_s: float, expected: tuple[int, int]
) -> None:
    """No leftovers are reported only after two clean looks, because the list may lag behind."""
    assert expected == _watched(looks, wait_s)


def test_a_definition_is_an_orphan_only_without_a_cluster() -> None:
    """A task definition is an orphan only if no cluster, service or task is left."""
    bucket = "arn:aws:s3:::books"
    assert [f"{DEFINITION}:1"] == orphans(_left(f"{DEFINITION}:1", bucket))
    assert [] == orphans(_left(f"{DEFINITION}:1", SERVICE))
    assert [] == orphans(_left(f"{DEFINITION}:1", f"{ECS}:cluster/books"))
    assert [] == orphans(_left(f"{DEFINITION}:1", f"{ECS}:task/books/1"))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    """AWS with invented credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return Aws("eu-central-1")


@pytest.fixture
def stubs(aws: Aws) -> Iterator[dict[str, Stubber]]:
    """The stubbed services that are asked by name."""
    with ExitStack() as ends:
        made = {
            name: ends.enter_context(Stubber(getattr(aws, name)))
            for name in ("tagging", "ecs", "iam", "cloudwatch", "sts", "budgets")
        }
        yield made
        for stub in made.values():
            stub.assert_no_pending_responses()


def _script(
    stubs: dict[str, Stubber],
    *,
    tagged: Sequence[str] = (),
    roles: Sequence[str] = (),
    active: Sequence[str] = (),
    dashboards: Sequence[str] = (),
    budget: bool = False,
) -> None:
    """Stub the lists; `active` are the task definitions that ECS lists for each of the families."""
    mapping = [{"ResourceARN": arn, "Tags": []} for arn in tagged]
    stubs["tagging"].add_response("get_resources", {"ResourceTagMappingList": mapping})
    rows = [_role(name) for name in roles]
    stubs["iam"].add_response("list_roles", {"Roles": rows, "IsTruncated": False})
    for family in (f"books-{role}" for role in (*SERVICES, "driver")):
        arns = [arn for arn in active if f"/{family}" in arn]
        expected = {"familyPrefix": family, "status": "ACTIVE"}
        stubs["ecs"].add_response("list_task_definitions", {"taskDefinitionArns": arns}, expected)
    boards = [
        {"DashboardName": name, "DashboardArn": f"arn:aws:cloudwatch::1:dashboard/{name}"}
        for name in dashboards
    ]
    stubs["cloudwatch"].add_response(
        "list_dashboards",
        {"DashboardEntries": boards},
        {"DashboardNamePrefix": "books-eu-central-1"},
    )
    _script_budget(stubs, there=budget)


def _script_budget(stubs: dict[str, Stubber], *, there: bool) -> None:
    stubs["sts"].add_response("get_caller_identity", {"Account": "1" * 12})
    asked = {"AccountId": "1" * 12, "BudgetName": "books-monthly"}
    if there:
        budget = {"BudgetName": "books-monthly", "TimeUnit": "MONTHLY", "BudgetType": "COST"}
        stubs["budgets"].add_response("describe_budget", {"Budget": budget}, asked)
    else:
        stubs["budgets"].add_client_error("describe_budget", "NotFoundException")


def _role(name: str) -> dict[str, Any]:
    arn = f"arn:aws:iam::1:role/{name}"
    return {
        "Path": "/",
        "RoleName": name,
        "RoleId": "A" * 16,
        "Arn": arn,
        "CreateDate": "2026-01-01T00:00:00Z",
    }


def _found(aws: Aws) -> list[str]:
    return [left.arn for left in find_leftovers("books", SERVICES, aws)]


def test_an_active_revision_is_found_by_its_family(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """Every active revision of the stack's families is found, and none of another stack's."""
    other = f"{ECS}:task-definition/books-mapper-two:1"
    _script(stubs, active=[f"{DEFINITION}:1", f"{DEFINITION}:12", other])
    assert [f"{DEFINITION}:1", f"{DEFINITION}:12"] == _found(aws)


@pytest.mark.parametrize(
    ("status", "expected"), [("ACTIVE", True), ("INACTIVE", False), ("DELETE_IN_PROGRESS", False)]
)
def test_a_tagged_definition_is_left_while_it_is_active(
    aws: Aws, stubs: dict[str, Stubber], status: str, expected: bool
) -> None:
    """A tagged task definition counts while it is active: AWS keeps inactive ones, which cost
    nothing.
    """
    old = f"{ECS}:task-definition/books-worker:3"
    answer: Any = {"taskDefinition": {"status": status}}
    stubs["ecs"].add_response("describe_task_definition", answer, {"taskDefinition": old})
    _script(stubs, tagged=[old])
    assert ([old] if expected else []) == _found(aws)


def test_a_deleted_definition_is_gone(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """A deleted task definition does not count, although the tagging API still lists it."""
    stubs["ecs"].add_client_error(
        "describe_task_definition", "ClientException", "Unable to describe task definition."
    )
    _script(stubs, tagged=[f"{DEFINITION}:1"])
    assert [] == _found(aws)


@pytest.mark.parametrize(
    ("status", "expected"), [("RUNNING", True), ("STOPPING", True), ("STOPPED", False)]
)
def test_a_task_is_left_until_it_has_stopped(
    aws: Aws, stubs: dict[str, Stubber], status: str, expected: bool
) -> None:
    """A task counts until it has stopped, because a stopping task is billed."""
    task = f"{ECS}:task/books/1"
    answer: Any = {"tasks": [{"lastStatus": status}]}
    stubs["ecs"].add_response("describe_tasks", answer, {"cluster": "books", "tasks": [task]})
    _script(stubs, tagged=[task])
    assert ([task] if expected else []) == _found(aws)


def test_a_draining_service_is_left(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """A draining service counts, because its last tasks still run."""
    answer: Any = {"services": [{"status": "DRAINING"}]}
    stubs["ecs"].add_response(
        "describe_services", answer, {"cluster": "books", "services": [SERVICE]}
    )
    _script(stubs, tagged=[SERVICE])
    assert [SERVICE] == _found(aws)


def test_only_the_stacks_own_roles_are_left(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """Only roles of this stack in this region count, not those of another stack or region, and
    not those of a stack whose name begins with this one's and the region.
    """
    ours = [f"books-eu-central-1-{role}" for role in _ROLES]
    others = (
        "books-two-eu-central-1-mapper",
        "books-us-east-1-mapper",
        "books-eu-central-1-eu-central-1-mapper",
        "books-eu-central-1-mapper-of-mine",
    )
    _script(stubs, roles=[*ours, *others])
    assert [f"arn:aws:iam::1:role/{name}" for name in ours] == _found(aws)


def test_orphans_are_deregistered(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """Orphans are deregistered one by one, and none while a service is left."""
    for revision in (1, 2):
        answer: Any = {"taskDefinition": {"status": "INACTIVE"}}
        asked = {"taskDefinition": f"{DEFINITION}:{revision}"}
        stubs["ecs"].add_response("deregister_task_definition", answer, asked)
    found = _left(f"{DEFINITION}:1", f"{DEFINITION}:2")
    assert [f"{DEFINITION}:1", f"{DEFINITION}:2"] == deregister_orphans(found, aws)
    assert [] == deregister_orphans([*found, *_left(SERVICE)], aws)


CLOUD_MAP = "arn:aws:servicediscovery:eu-central-1:1"
EC2 = "arn:aws:ec2:eu-central-1:1"
BALANCING = "arn:aws:elasticloadbalancing:eu-central-1:1"
REPOSITORY = "arn:aws:ecr:eu-central-1:1:repository/books/mapper"
GROUP = "arn:aws:logs:eu-central-1:1:log-group:/ecs/books:*"
PARAMETER = "arn:aws:ssm:eu-central-1:1:parameter/books/signing-key"
ALARM = "arn:aws:cloudwatch:eu-central-1:1:alarm:books-errors"
RULE = "arn:aws:events:eu-central-1:1:rule/books-driver-ended"
TOPIC = "arn:aws:sns:eu-central-1:1:books-driver-ended"
SCHEDULES = "arn:aws:scheduler:eu-central-1:1:schedule-group/books"
BUDGET = f"arn:aws:budgets::{'1' * 12}:budget/books-monthly"


@pytest.mark.parametrize(
    ("arn", "client", "operation", "there", "gone"),
    [
        (
            f"{ECS}:cluster/books",
            "ecs",
            "describe_clusters",
            {"clusters": [{"status": "ACTIVE"}]},
            {"clusters": [{"status": "INACTIVE"}]},
        ),
        (
            GROUP,
            "logs",
            "describe_log_groups",
            {"logGroups": [{"logGroupName": "/ecs/books"}]},
            {"logGroups": [{"logGroupName": "/ecs/books-two"}]},
        ),
        (
            PARAMETER,
            "ssm",
            "describe_parameters",
            {"Parameters": [{"Name": "/books/signing-key"}]},
            {"Parameters": []},
        ),
        (
            ALARM,
            "cloudwatch",
            "describe_alarms",
            {"MetricAlarms": [{"AlarmName": "books-errors"}]},
            {"MetricAlarms": []},
        ),
        (
            SCHEDULES,
            "scheduler",
            "get_schedule_group",
            {"State": "ACTIVE"},
            "ResourceNotFoundException",
        ),
        (RULE, "eventbridge", "describe_rule", {"Name": "books-driver-ended"}, "NotFoundException"),
        (TOPIC, "sns", "get_topic_attributes", {"Attributes": {"TopicArn": "x"}}, "NotFound"),
        (
            REPOSITORY,
            "ecr",
            "describe_repositories",
            {"repositories": [{"repositoryName": "books/mapper"}]},
            "RepositoryNotFoundException",
        ),
        (
            f"{BALANCING}:loadbalancer/app/books/1",
            "balancing",
            "describe_load_balancers",
            {"LoadBalancers": [{}]},
            "LoadBalancerNotFound",
        ),
        (
            f"{BALANCING}:listener/app/books/1/2",
            "balancing",
            "describe_listeners",
            {"Listeners": [{}]},
            "ListenerNotFound",
        ),
        (
            f"{BALANCING}:targetgroup/books/1",
            "balancing",
            "describe_target_groups",
            {"TargetGroups": [{}]},
            "TargetGroupNotFound",
        ),
        ("arn:aws:s3:::books", "s3", "head_bucket", {}, "404"),
        (
            f"{CLOUD_MAP}:namespace/ns-1",
            "discovery",
            "get_namespace",
            {"Namespace": {"Id": "ns-1"}},
            "NamespaceNotFound",
        ),
        (
            f"{CLOUD_MAP}:service/srv-1",
            "discovery",
            "get_service",
            {"Service": {"Id": "srv-1"}},
            "ServiceNotFound",
        ),
        (
            "arn:aws:route53:::hostedzone/Z1",
            "route53",
            "get_hosted_zone",
            {"HostedZone": {"Id": "/hostedzone/Z1", "Name": "books.", "CallerReference": "1"}},
            "NoSuchHostedZone",
        ),
        (
            f"{EC2}:security-group-rule/sgr-1",
            "ec2",
            "describe_security_group_rules",
            {"SecurityGroupRules": [{}]},
            "InvalidSecurityGroupRuleId.NotFound",
        ),
        (
            f"{EC2}:network-interface/eni-1",
            "ec2",
            "describe_network_interfaces",
            {"NetworkInterfaces": [{}]},
            "InvalidNetworkInterfaceID.NotFound",
        ),
        (f"{EC2}:vpc/v", "ec2", "describe_vpcs", {"Vpcs": [{}]}, "InvalidVpcID.NotFound"),
        (f"{EC2}:subnet/s", "ec2", "describe_subnets", {"Subnets": [{}]}, {"Subnets": []}),
        (
            f"{EC2}:security-group/g",
            "ec2",
            "describe_security_groups",
            {"SecurityGroups": [{}]},
            {"SecurityGroups": []},
        ),
        (
            f"{EC2}:internet-gateway/g",
            "ec2",
            "describe_internet_gateways",
            {"InternetGateways": [{}]},
            {"InternetGateways": []},
        ),
        (
            f"{EC2}:route-table/t",
            "ec2",
            "describe_route_tables",
            {"RouteTables": [{}]},
            {"RouteTables": []},
        ),
        (
            f"{EC2}:vpc-endpoint/e",
            "ec2",
            "describe_vpc_endpoints",
            {"VpcEndpoints": [{"State": "available"}]},
            {"VpcEndpoints": [{"State": "deleting"}]},
        ),
    ],
)
def test_each_tagged_thing_is_asked_for_by_itself(
    aws: Aws,
    stubs: dict[str, Stubber],
    arn: str,
    client: str,
    operation: str,
    there: dict[str, Any],
    gone: dict[str, Any] | str,
) -> None:
    """A tagged resource that the tagging API lists is looked up, and does not count if it is
    missing.
    """
    found = []
    with ExitStack() as ends:
        asked = stubs.get(client) or ends.enter_context(Stubber(getattr(aws, client)))
        asked.add_response(operation, there)
        if ":namespace/" in arn:  # asked a second time, for its price
            asked.add_response(operation, there)
        _script(stubs, tagged=[arn])
        found.append(_found(aws))
        if isinstance(gone, str):
            asked.add_client_error(operation, gone)
        else:
            asked.add_response(operation, gone)
        _script(stubs, tagged=[arn])
        found.append(_found(aws))
        asked.assert_no_pending_responses()
    assert [[arn], []] == found


def test_resources_of_unknown_services_count_as_left(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """A resource of an unknown service counts as left."""
    queue = "arn:aws:sqs:eu-central-1:1:books"
    _script(stubs, tagged=[queue])
    assert [queue] == _found(aws)


@pytest.mark.parametrize(
    ("kind", "costs"), [("DNS_PRIVATE", "$0.017"), ("HTTP", "nothing by itself")]
)
def test_a_namespace_costs_what_its_zone_does(
    aws: Aws, stubs: dict[str, Stubber], monkeypatch: pytest.MonkeyPatch, kind: str, costs: str
) -> None:
    """A namespace with DNS that is left costs its hosted zone, $0.50 a month; another is free."""
    namespace = "arn:aws:servicediscovery:eu-central-1:1:namespace/ns-1"
    answer = {"Namespace": {"Id": "ns-1", "Type": kind}}
    monkeypatch.setattr(aws.discovery, "get_namespace", lambda **_: answer)
    _script(stubs, tagged=[namespace])
    assert [costs] == [left.costs_a_day for left in find_leftovers("books", SERVICES, aws)]


def test_a_dashboard_and_a_budget_are_found_by_name(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """What the tagging API does not list is found by its name, and not another stack's."""
    ours, other = "books-eu-central-1", "books-eu-central-1-two"
    _script(stubs, dashboards=[ours, other], budget=True)
    found = find_leftovers("books", SERVICES, aws)
    dashboard = f"arn:aws:cloudwatch::1:dashboard/{ours}"
    assert [(BUDGET, "nothing by itself"), (dashboard, "$0.100")] == [
        (left.arn, left.costs_a_day) for left in found
    ]


def test_a_tagged_budget_that_is_deleted_is_gone(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """A budget that the tagging API still lists is looked up, and found missing."""
    stubs["budgets"].add_client_error("describe_budget", "NotFoundException")
    _script(stubs, tagged=[BUDGET])
    assert [] == _found(aws)


def test_credentials_that_may_not_look_have_made_none(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """An account that may not list dashboards and budgets has none of them left."""
    stubs["tagging"].add_response("get_resources", {"ResourceTagMappingList": []})
    stubs["iam"].add_response("list_roles", {"Roles": [], "IsTruncated": False})
    for _ in (*SERVICES, "driver"):
        stubs["ecs"].add_response("list_task_definitions", {"taskDefinitionArns": []})
    stubs["cloudwatch"].add_client_error("list_dashboards", "AccessDenied")
    stubs["sts"].add_response("get_caller_identity", {"Account": "1" * 12})
    stubs["budgets"].add_client_error("describe_budget", "AccessDeniedException")
    assert [] == _found(aws)


def test_a_look_up_that_fails_otherwise_is_an_error(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """A failed look-up of dashboards does not count as none."""
    stubs["tagging"].add_response("get_resources", {"ResourceTagMappingList": []})
    stubs["iam"].add_response("list_roles", {"Roles": [], "IsTruncated": False})
    for _ in (*SERVICES, "driver"):
        stubs["ecs"].add_response("list_task_definitions", {"taskDefinitionArns": []})
    stubs["cloudwatch"].add_client_error("list_dashboards", "InternalServiceFault")
    with pytest.raises(FleetError, match="InternalServiceFault"):
        find_leftovers("books", SERVICES, aws)


def test_another_error_does_not_mean_gone(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """A look-up that is denied raises, and does not count as missing."""
    mapping = [{"ResourceARN": SERVICE, "Tags": []}]
    stubs["tagging"].add_response("get_resources", {"ResourceTagMappingList": mapping})
    stubs["ecs"].add_client_error("describe_services", "AccessDeniedException")
    with pytest.raises(FleetError, match="may not do DescribeServices"):
        find_leftovers("books", SERVICES, aws)


def test_an_account_that_may_not_list_roles_has_none(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """An account that may not list roles has no leftover roles, as in AWS's courses."""
    stubs["tagging"].add_response("get_resources", {"ResourceTagMappingList": []})
    stubs["iam"].add_client_error("list_roles", "AccessDenied")
    for _ in (*SERVICES, "driver"):
        stubs["ecs"].add_response("list_task_definitions", {"taskDefinitionArns": []})
    stubs["cloudwatch"].add_response("list_dashboards", {"DashboardEntries": []})
    _script_budget(stubs, there=False)
    assert [] == _found(aws)
