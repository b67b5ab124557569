"""AWS answers in pages, late, and with gaps; each list that the driver reads is read to its end.

The answers are those of AWS's API reference: a page may be empty and still have a successor, a
described task may be missing although it was listed, and lists of different services disagree for a
while. botocore checks the shape of each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from driver.cloud.aws import Aws
from driver.cloud.ecs import EcsFleet
from driver.cloud.leftovers import find_leftovers
from driver.cloud.logs import log_lines
from driver.cloud.stack import Stack
from tests.unit.driver.samples import STACK_VALUES

ECS = "arn:aws:ecs:eu-central-1:1"
LISTED = {"cluster": "mapreduce", "serviceName": "mapper", "desiredStatus": "RUNNING"}


@pytest.fixture
def stubs(aws: Aws) -> Iterator[dict[str, Stubber]]:
    """Every stubbed service; each must be asked for all of its answers."""
    with ExitStack() as ends:
        names = ("ecs", "discovery", "logs", "tagging", "iam", "cloudwatch", "sts", "budgets")
        made = {name: ends.enter_context(Stubber(getattr(aws, name))) for name in names}
        yield made
        for stub in made.values():
            stub.assert_no_pending_responses()


def _task(number: int) -> dict[str, Any]:
    address = f"10.20.0.{number}"
    return {
        "taskArn": f"{ECS}:task/mapreduce/{number:032x}",
        "lastStatus": "RUNNING",
        "containers": [{"networkInterfaces": [{"privateIpv4Address": address}]}],
    }


def _addresses(aws: Aws) -> list[str]:
    stack = Stack.model_validate(STACK_VALUES | {"address_kind": "private"})
    found = asyncio.run(EcsFleet(stack, aws).endpoints("map"))
    return [each.url.removeprefix("https://").partition(":")[0] for each in found]


def _instances(*addresses: str) -> dict[str, Any]:
    return {
        "Instances": [
            {"InstanceId": each, "Attributes": {"AWS_INSTANCE_IPV4": each}} for each in addresses
        ]
    }


def test_tasks_of_all_pages_are_endpoints(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """ListTasks answers with up to 100 tasks a page, also with none and a token."""
    tasks = [_task(number) for number in range(1, 4)]
    arns = [task["taskArn"] for task in tasks]
    ecs = stubs["ecs"]
    ecs.add_response("list_tasks", {"taskArns": arns[:2], "nextToken": "a"}, LISTED)
    ecs.add_response("list_tasks", {"taskArns": [], "nextToken": "b"}, LISTED | {"nextToken": "a"})
    ecs.add_response("list_tasks", {"taskArns": arns[2:]}, LISTED | {"nextToken": "b"})
    described = {"cluster": "mapreduce", "tasks": arns}
    ecs.add_response("describe_tasks", {"tasks": tasks, "failures": []}, described)
    stubs["discovery"].add_response("discover_instances", _instances())
    assert ["10.20.0.1", "10.20.0.2", "10.20.0.3"] == _addresses(aws)


def test_a_task_that_is_gone_when_it_is_described_is_left_out(
    aws: Aws, stubs: dict[str, Stubber]
) -> None:
    """DescribeTasks names a task that has gone since the list under `failures`, and is no error."""
    tasks = [_task(1), _task(2)]
    arns = [task["taskArn"] for task in tasks]
    gone = {"arn": arns[0], "reason": "MISSING"}
    stubs["ecs"].add_response("list_tasks", {"taskArns": arns}, LISTED)
    stubs["ecs"].add_response("describe_tasks", {"tasks": tasks[1:], "failures": [gone]})
    stubs["discovery"].add_response("discover_instances", _instances("10.20.0.2"))
    assert ["10.20.0.2"] == _addresses(aws)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        pytest.param(("10.20.0.1", "10.20.0.9"), ["10.20.0.1"], id="one has stopped, one is new"),
        pytest.param(("10.20.0.9",), ["10.20.0.1", "10.20.0.2"], id="only of earlier tasks"),
    ],
)
def test_cloud_map_and_ecs_disagree_for_a_while(
    aws: Aws, stubs: dict[str, Stubber], listed: tuple[str, ...], expected: list[str]
) -> None:
    """An address that Cloud Map still lists and ECS does not is no endpoint; while Cloud Map lists
    none of the running tasks, ECS's addresses count.
    """
    tasks = [_task(1), _task(2)]
    stubs["ecs"].add_response("list_tasks", {"taskArns": [task["taskArn"] for task in tasks]})
    stubs["ecs"].add_response("describe_tasks", {"tasks": tasks, "failures": []})
    stubs["discovery"].add_response("discover_instances", _instances(*listed))
    assert expected == _addresses(aws)


def test_a_service_without_tasks_has_no_endpoints(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """A stopped service lists nothing, and DescribeTasks, which refuses an empty list, is not
    called.
    """
    stubs["ecs"].add_response("list_tasks", {"taskArns": []}, LISTED)
    stubs["discovery"].add_response("discover_instances", _instances("10.20.0.9"))
    assert [] == _addresses(aws)


def test_log_lines_after_an_empty_page_are_read(
    aws: Aws, stubs: dict[str, Stubber], stack: Stack
) -> None:
    """FilterLogEvents searches for a limited time: a page without lines may have a successor."""
    event = {"timestamp": 1, "message": "late"}
    asked = {"logGroupName": ANY, "startTime": ANY, "filterPattern": ""}
    for lines in ([], [event], []):
        stubs["logs"].add_response("filter_log_events", {"events": [], "nextToken": "t"}, asked)
        rest = {"events": lines}
        stubs["logs"].add_response("filter_log_events", rest, asked | {"nextToken": "t"})
    found = log_lines(stack, aws, None, None, 0.0)
    assert [("mapper", "late")] == [(line.role, line.text) for line in found]


def test_leftovers_are_found_on_every_page(aws: Aws, stubs: dict[str, Stubber]) -> None:
    """Tagged resources, roles and task definitions of later pages are found too."""
    definition = f"{ECS}:task-definition/books-mapper:7"
    unknown = "arn:aws:athena:eu-central-1:1:workgroup/books"
    role = {
        "Path": "/",
        "RoleName": "books-eu-central-1-mapper",
        "RoleId": "A" * 16,
        "Arn": "arn:aws:iam::1:role/books-eu-central-1-mapper",
        "CreateDate": "2026-01-01T00:00:00Z",
    }
    tagging, iam, ecs = stubs["tagging"], stubs["iam"], stubs["ecs"]
    first: dict[str, Any] = {"ResourceTagMappingList": [], "PaginationToken": "more"}
    last = {"ResourceTagMappingList": [{"ResourceARN": unknown}], "PaginationToken": ""}
    tagging.add_response("get_resources", first)
    tagging.add_response("get_resources", last, {"TagFilters": ANY, "PaginationToken": "more"})
    iam.add_response("list_roles", {"Roles": [], "IsTruncated": True, "Marker": "m"}, {})
    iam.add_response("list_roles", {"Roles": [role], "IsTruncated": False}, {"Marker": "m"})
    stubs["cloudwatch"].add_response("list_dashboards", {"DashboardEntries": []})
    stubs["sts"].add_response("get_caller_identity", {"Account": "1" * 12})
    stubs["budgets"].add_client_error("describe_budget", "NotFoundException")
    for family in (
        f"books-{role}" for role in ("splitter", "mapper", "reducer", "guard", "driver")
    ):
        asked = {"familyPrefix": family, "status": "ACTIVE"}
        page: dict[str, Any] = {"taskDefinitionArns": [], "nextToken": "n"}
        ecs.add_response("list_task_definitions", page, asked)
        arns = [definition] if family == "books-mapper" else []
        ecs.add_response(
            "list_task_definitions", {"taskDefinitionArns": arns}, asked | {"nextToken": "n"}
        )
    expected = sorted([definition, unknown, role["Arn"]])
    assert expected == [
        left.arn
        for left in find_leftovers("books", ("splitter", "mapper", "reducer", "guard"), aws)
    ]
