"""Fargate tasks as endpoints, from stubbed answers of AWS that botocore checks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from driver.cloud.aws import Aws
from driver.cloud.ecs import EcsFleet, cause_of_stop
from driver.cloud.stack import Stack
from driver.transport.endpoint import Endpoint
from mapreduce.errors import FleetError
from tests.unit.driver.samples import STACK_VALUES

CLUSTER = "arn:aws:ecs:eu-central-1:1:task/mapreduce"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    """AWS with invented credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return Aws("eu-central-1")


@pytest.fixture
def ecs(aws: Aws) -> Iterator[Stubber]:
    """A stubbed ECS."""
    with Stubber(aws.ecs) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def _stack(**changes: object) -> Stack:
    return Stack.model_validate(STACK_VALUES | changes)


def _task(number: int, status: str = "RUNNING", **more: object) -> dict[str, Any]:
    return {
        "taskArn": f"{CLUSTER}/{number:032x}",
        "lastStatus": status,
        "attachments": [
            {
                "type": "ElasticNetworkInterface",
                "details": [
                    {"name": "networkInterfaceId", "value": f"eni-{number}"},
                    {"name": "privateIPv4Address", "value": f"10.20.0.{number}"},
                ],
            }
        ],
        "containers": [{"networkInterfaces": [{"privateIpv4Address": f"10.20.0.{number}"}]}],
        **more,
    }


def _script_tasks(ecs: Stubber, tasks: list[dict[str, Any]], status: str = "RUNNING") -> None:
    arns = [task["taskArn"] for task in tasks]
    ecs.add_response(
        "list_tasks",
        {"taskArns": arns},
        {"cluster": "mapreduce", "serviceName": "mapper", "desiredStatus": status},
    )
    for at in range(0, len(arns), 100):
        some = arns[at : at + 100]
        ecs.add_response(
            "describe_tasks",
            {"tasks": tasks[at : at + 100]},
            {"cluster": "mapreduce", "tasks": some},
        )


def _endpoints(stack: Stack, aws: Aws, most: int | None = None) -> list[Endpoint]:
    return asyncio.run(EcsFleet(stack, aws, most).endpoints("map"))


class _Ec2:
    """Network interfaces with public addresses, as EC2 answers for them: in pages, and with an
    error for an id that is gone.
    """

    def __init__(self, numbers: Iterable[int], private: Iterable[int] = ()) -> None:
        self.there = {f"eni-{n}": f"203.0.113.{n}" for n in numbers}
        self.there |= {f"eni-{n}": "" for n in private}
        self.calls = 0

    def describe_network_interfaces(self, **request: Any) -> dict[str, Any]:
        """Answer a request."""
        self.calls += 1
        if gone := set(request.get("NetworkInterfaceIds", ())) - self.there.keys():
            error: Any = {"Code": "InvalidNetworkInterfaceID.NotFound", "Message": str(gone)}
            raise ClientError({"Error": error}, "DescribeNetworkInterfaces")
        (only,) = request.get("Filters", [{"Values": request.get("NetworkInterfaceIds", ())}])
        assert only.get("Name", "network-interface-id") == "network-interface-id"
        assert len(only["Values"]) <= 200
        size, start = request.get("MaxResults", 1000), int(request.get("NextToken", 0))
        assert 5 <= size <= 1000
        size = min(size, 60)  # AWS may return fewer than asked for
        found = sorted(self.there.keys() & set(only["Values"]))
        more = {"NextToken": str(start + size)} if start + size < len(found) else {}
        return more | {
            "NetworkInterfaces": [
                {"NetworkInterfaceId": name, "Association": {"PublicIp": ip} if ip else {}}
                for name in found[start : start + size]
                for ip in [self.there[name]]
            ]
        }


def _answering(aws: Aws, monkeypatch: pytest.MonkeyPatch, ec2: _Ec2) -> _Ec2:
    monkeypatch.setattr(aws.ec2, "describe_network_interfaces", ec2.describe_network_interfaces)
    return ec2


def test_from_outside_a_task_is_its_interfaces_public_address(
    aws: Aws, ecs: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of the VPC an endpoint is a running task with a public address."""
    _script_tasks(ecs, [_task(1), _task(2, "PENDING"), _task(3), _task(4)])
    _answering(aws, monkeypatch, _Ec2((1, 2, 3), private=(4,)))
    assert [(endpoint.url, endpoint.slots) for endpoint in _endpoints(_stack(), aws)] == [
        ("https://203.0.113.1:8080", 2),
        ("https://203.0.113.3:8080", 2),
    ]


def test_an_interface_that_is_gone_fails_no_look_up(
    aws: Aws, ecs: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that ECS still lists, whose interface EC2 has deleted, is left out; the others stay
    endpoints.
    """
    _script_tasks(ecs, [_task(1), _task(2), _task(3)])
    _answering(aws, monkeypatch, _Ec2((1, 3)))
    assert [endpoint.url for endpoint in _endpoints(_stack(), aws)] == [
        "https://203.0.113.1:8080",
        "https://203.0.113.3:8080",
    ]


@pytest.mark.parametrize(
    ("listed", "expected"), [([], ["10.20.0.1", "10.20.0.2"]), (["10.20.0.2"], ["10.20.0.2"])]
)
def test_from_inside_cloud_map_counts_and_before_it_knows_ecs(
    aws: Aws, ecs: Stubber, listed: list[str], expected: list[str]
) -> None:
    """Inside of the VPC the endpoints are Cloud Map's, or ECS's while Cloud Map has none."""
    _script_tasks(ecs, [_task(1), _task(2)])
    instances = [{"InstanceId": ip, "Attributes": {"AWS_INSTANCE_IPV4": ip}} for ip in listed]
    with Stubber(aws.discovery) as discovery:
        discovery.add_response("discover_instances", {"Instances": instances})
        found = _endpoints(_stack(address_kind="private"), aws)
    assert [endpoint.url for endpoint in found] == [f"https://{ip}:8080" for ip in expected]


def test_without_cloud_map_the_addresses_are_those_of_ecs(aws: Aws, ecs: Stubber) -> None:
    """A stack without Cloud Map is found by ECS alone: Cloud Map gets no request."""
    _script_tasks(ecs, [_task(1), _task(2)])
    services = STACK_VALUES["services"]
    assert isinstance(services, dict)
    gone = {"discovery_service_id": None, "discovery_service_name": None}
    bare = {role: {**service, **gone} for role, service in services.items()}
    stack = _stack(address_kind="private", service_discovery="none", namespace=None, services=bare)
    with Stubber(aws.discovery) as discovery:  # it answers no request
        found = _endpoints(stack, aws)
        discovery.assert_no_pending_responses()
    assert [endpoint.url for endpoint in found] == [
        "https://10.20.0.1:8080",
        "https://10.20.0.2:8080",
    ]


def test_the_signing_key_is_the_decrypted_parameter(aws: Aws) -> None:
    """The key is read from the parameter that Terraform names, and decrypted."""
    asked = {"Name": "/mapreduce/signing-key", "WithDecryption": True}
    with Stubber(aws.ssm) as ssm:
        ssm.add_response("get_parameter", {"Parameter": {"Value": "k" * 64}}, asked)
        assert EcsFleet(_stack(), aws).signing_key() == "k" * 64


def test_a_missing_signing_key_names_the_next_step(aws: Aws) -> None:
    """Without the parameter the message says where to look: another region, or destroyed."""
    with Stubber(aws.ssm) as ssm:
        ssm.add_client_error("get_parameter", "ParameterNotFound")
        with pytest.raises(FleetError, match="another region or account, or destroyed"):
            EcsFleet(_stack(), aws).signing_key()


def test_cloud_map_is_asked_for_all_mappers(
    aws: Aws, ecs: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """150 mappers in Cloud Map are 150 endpoints: without `MaxResults` it answers with 100
    of them.
    """
    tasks = [_task(number) for number in range(150)]
    _script_tasks(ecs, tasks)

    def discover_instances(**request: Any) -> dict[str, Any]:
        listed = range(150)[: request.get("MaxResults", 100)]
        return {
            "Instances": [
                {"InstanceId": str(n), "Attributes": {"AWS_INSTANCE_IPV4": f"10.20.0.{n}"}}
                for n in listed
            ]
        }

    monkeypatch.setattr(aws.discovery, "discover_instances", discover_instances)
    assert len(_endpoints(_stack(address_kind="private"), aws)) == 150


@pytest.mark.parametrize("most", [None, 7])
def test_many_tasks_are_described_in_batches_and_mappers_can_be_limited(
    aws: Aws, ecs: Stubber, monkeypatch: pytest.MonkeyPatch, most: int | None
) -> None:
    """250 tasks are described in three calls, and their interfaces in pages; `--mappers 7` uses
    seven.
    """
    _script_tasks(ecs, [_task(number) for number in range(250)])
    ec2 = _answering(aws, monkeypatch, _Ec2(range(250)))
    found = _endpoints(_stack(), aws, most)
    assert (len({endpoint.url for endpoint in found}), ec2.calls) == (most or 250, 5)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (
            {"stoppedReason": "Essential container exited", "containers": [{"exitCode": 137}]},
            "out of memory",
        ),
        (
            {"containers": [{"reason": "OutOfMemoryError: Container killed due to memory usage"}]},
            "out of memory",
        ),
        (
            {"stopCode": "SpotInterruption", "stoppedReason": "Your Spot Task was interrupted."},
            "Spot",
        ),
        (
            {
                "stopCode": "ServiceSchedulerInitiated",
                "stoppedReason": "Scaling activity initiated by (x)",
            },
            "scaled in",
        ),
        (
            {
                "stopCode": "ServiceSchedulerInitiated",
                "stoppedReason": "Scaling activity initiated by (x)",
                "containers": [{"exitCode": 137}],
            },
            "scaled in",
        ),
        (
            {
                "stopCode": "ServiceSchedulerInitiated",
                "containers": [{"exitCode": 137, "reason": "OutOfMemoryError: memory usage"}],
            },
            "out of memory",
        ),
        (
            {"stoppedReason": "Essential container exited", "containers": [{"exitCode": 1}]},
            "exit code 1",
        ),
        (
            {"stoppedReason": "CannotPullContainerError: pull image manifest has been retried"},
            "CannotPullContainerError",
        ),
        ({}, "no reason"),
    ],
)
def test_cause_of_a_stopped_task(task: dict[str, Any], words: str) -> None:
    """The cause of a stopped task is in words with a remedy, if there is one."""
    assert words in cause_of_stop(task)  # type: ignore[arg-type]


def test_why_an_endpoint_is_gone(aws: Aws, ecs: Stubber) -> None:
    """The cause of a lost endpoint is found by its name."""
    arn = f"{CLUSTER}/abcdef0123456789"
    stopped = {"taskArn": arn, "stopCode": "SpotInterruption", "stoppedReason": "taken back"}
    _script_tasks(ecs, [stopped], "STOPPED")
    why = asyncio.run(
        EcsFleet(_stack(), aws).why_gone("map", ["mapper-abcdef01", "mapper-99999999"])
    )
    assert list(why) == ["mapper-abcdef01"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExpiredTokenException", "expired"),
        ("UnrecognizedClientException", "does not accept the credentials"),
        ("AccessDeniedException", "may not do ListTasks"),
        ("ClusterNotFoundException", "another region or account"),
        ("ServerException", "ListTasks failed"),
    ],
)
def test_aws_errors_are_a_line_with_a_remedy(aws: Aws, ecs: Stubber, code: str, words: str) -> None:
    """Wrong credentials, a wrong region and a missing stack give one line with the remedy."""
    ecs.add_client_error("list_tasks", code, "said AWS")
    with pytest.raises(FleetError, match=words) as caught:
        _endpoints(_stack(), aws)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "own", "certain"),
    [
        ({}, "198.51.100.9", True),
        ({}, "203.0.113.7", False),
        ({}, None, False),
        ({"address_kind": "private"}, "198.51.100.9", False),
    ],
)
def test_why_no_task_can_be_reached(
    aws: Aws,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, object],
    own: str | None,
    certain: bool,
) -> None:
    """This machine's address is the cause when the stack does not admit it, unless it does not
    count; it is asked anew each time.
    """
    monkeypatch.setattr("driver.cloud.ecs.own_address", lambda: own)
    why = asyncio.run(EcsFleet(_stack(**changes), aws).why_unreached("map", ["a", "b"]))
    assert certain == why.startswith("2 mappers run and none answers from this address")
