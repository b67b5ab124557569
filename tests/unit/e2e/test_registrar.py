"""What the registrar of `make e2e` tells Cloud Map."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from tests.e2e import registrar
from tests.e2e.registrar import Container, Instance, Registrar

ARN = "arn:aws:ecs:us-east-1:000000000000"
TASK, OTHER = f"{ARN}:task/train/0a1b2c3d", f"{ARN}:task/train/4e5f6a7b"
DEFINITION = f"{ARN}:task-definition/train-parameter-server:3"
SERVICES: list[dict[str, Any]] = [
    {
        "serviceName": "parameter-server",
        "serviceRegistries": [
            {"registryArn": "arn:aws:servicediscovery:us-east-1:000000000000:service/srv-1"}
        ],
    },
    {"serviceName": "worker", "serviceRegistries": []},
]
ADDRESSES = {"c1": "172.17.0.5", "c2": "172.17.0.6"}


def _task(arn: str = TASK, containers: int = 1, **changed: str) -> dict[str, Any]:
    return {
        "taskArn": arn,
        "taskDefinitionArn": DEFINITION,
        "group": "service:parameter-server",
        "lastStatus": "RUNNING",
        "desiredStatus": "RUNNING",
        "availabilityZone": "us-east-1b",
        "containers": [{}] * containers,
        **changed,
    }


def _instances(
    tasks: list[dict[str, Any]], containers: list[Container]
) -> dict[tuple[str, str], Instance]:
    ports: dict[str, int | None] = {DEFINITION: 8000}
    return registrar.instances_of("train", SERVICES, tasks, ports, containers, ADDRESSES)


def test_a_task_is_an_instance_with_the_attributes_of_ecs() -> None:
    """The instance is named after the task, and has its address, port, place and origin."""
    found = _instances([_task()], [Container("c1", TASK, "parameter-server", healthy=True)])
    expected = {
        "AWS_INSTANCE_IPV4": "172.17.0.5",
        "AWS_INSTANCE_PORT": "8000",
        "AVAILABILITY_ZONE": "us-east-1b",
        "REGION": "us-east-1",
        "ECS_CLUSTER_NAME": "train",
        "ECS_SERVICE_NAME": "parameter-server",
        "ECS_TASK_DEFINITION_FAMILY": "train-parameter-server",
    }
    assert {("srv-1", "0a1b2c3d"): Instance(expected, healthy=True)} == found


def test_each_container_of_a_task_is_an_instance() -> None:
    """Two containers have two addresses and names; their health is their task's."""
    containers = [
        Container("c1", TASK, "model-1", healthy=True),
        Container("c2", TASK, "model-2", healthy=False),
    ]
    found = _instances([_task(containers=2)], containers)
    assert {("srv-1", "0a1b2c3d-model-1"), ("srv-1", "0a1b2c3d-model-2")} == found.keys()
    assert {"172.17.0.5", "172.17.0.6"} == {
        each.attributes["AWS_INSTANCE_IPV4"] for each in found.values()
    }
    assert not any(each.healthy for each in found.values())


def test_only_running_tasks_of_registered_services_are_instances() -> None:
    """A task that starts or stops, one of a service without a registry, and one without a
    container are none.
    """
    tasks = [
        _task(lastStatus="PENDING"),
        _task(desiredStatus="STOPPED"),
        _task(group="service:worker"),
        _task(group="family:by-hand"),
        _task(OTHER),
    ]
    assert {} == _instances(tasks, [Container("c1", TASK, "x", healthy=True)])


def test_only_changes_are_told() -> None:
    """What is new is registered, what is gone deregistered, and health told where it differs from
    what Cloud Map takes it for.
    """
    here, there = {"AWS_INSTANCE_IPV4": "1"}, {"AWS_INSTANCE_IPV4": "2"}
    known = {
        ("s", "same"): Instance(here, healthy=True),
        ("s", "gone"): Instance(here, healthy=True),
        ("s", "moved"): Instance(here, healthy=False),
        ("s", "worse"): Instance(here, healthy=True),
        ("s", "better"): Instance(here, healthy=False),
        ("s", "still"): Instance(here, healthy=False),
    }
    wanted = {
        ("s", "same"): Instance(here, healthy=True),
        ("s", "moved"): Instance(there, healthy=True),
        ("s", "worse"): Instance(here, healthy=False),
        ("s", "better"): Instance(here, healthy=True),
        ("s", "still"): Instance(here, healthy=False),
        ("s", "new"): Instance(here, healthy=True),
        ("s", "starting"): Instance(here, healthy=False),
    }
    told = registrar.changes(wanted, known)
    assert {"moved", "new", "starting"} == {name for _, name in told.register}
    assert (("s", "gone"),) == told.deregister
    expected = {"worse": False, "better": True, "starting": False}
    assert expected == {name: healthy for (_, name), healthy in told.health.items()}


def test_health_is_read_from_the_words_of_docker() -> None:
    """A container without a health check is healthy, one that starts is not yet."""
    expected = {
        "Up 3 seconds": True,
        "Up 3 seconds (health: starting)": False,
        "Up 2 minutes (healthy)": True,
        "Up 2 minutes (unhealthy)": False,
    }
    lines = [f"c1\t{TASK}\tmapper\t{status}" for status in expected]
    found = [registrar.container_of(line) for line in lines]
    assert list(expected.values()) == [each.healthy for each in found]
    assert {("c1", TASK, "mapper")} == {(each.id, each.task, each.name) for each in found}


class _Aws:
    """ECS with one service of one task, and Cloud Map."""

    def __init__(self) -> None:
        self.tasks = [_task()]
        self.told: list[str] = []
        self.is_deleted = False

    def __call__(self, service: str) -> _Aws:
        assert service in ("ecs", "servicediscovery")
        return self

    def list_clusters(self) -> dict[str, Any]:
        return {"clusterArns": [f"{ARN}:cluster/train"]}

    def get_paginator(self, name: str) -> _Pages:
        if name == "list_services":
            return _Pages([{"serviceArns": ["parameter-server", "worker"]}])
        return _Pages([{"taskArns": [task["taskArn"] for task in self.tasks]}])

    def describe_services(self, **_: object) -> dict[str, Any]:
        return {"services": SERVICES}

    def describe_tasks(self, **_: object) -> dict[str, Any]:
        return {"tasks": self.tasks}

    def describe_task_definition(self, **_: object) -> dict[str, Any]:
        container = {"portMappings": [{"containerPort": 8000}]}
        return {"taskDefinition": {"containerDefinitions": [container]}}

    def register_instance(self, **asked: Any) -> None:
        self._tell("registered", asked)

    def deregister_instance(self, **asked: Any) -> None:
        self._tell("deregistered", asked)

    def update_instance_custom_health_status(self, **asked: Any) -> None:
        self._tell(asked["Status"], asked)

    def _tell(self, what: str, asked: dict[str, Any]) -> None:
        if self.is_deleted:
            raise ClientError({"Error": {"Code": "ServiceNotFound"}}, "RegisterInstance")
        self.told.append(f"{what} {asked['InstanceId']}")


class _Pages:
    def __init__(self, pages: list[dict[str, Any]]) -> None:
        self.pages = pages

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        return self.pages


class _Docker:
    """Docker with the container of the task."""

    def __init__(self) -> None:
        self.status = "Up 1 second (health: starting)"
        self.inspected = 0

    def __call__(self, command: str, *_: str) -> str:
        if command == "ps":
            return f"c1\t{TASK}\tparameter-server\t{self.status}\n"
        self.inspected += 1
        return "172.17.0.5 \n"


def test_the_life_of_a_task() -> None:
    """A task is registered as it starts, healthy once it is, and gone when it stops; nothing is
    told or asked twice.
    """
    aws, docker = _Aws(), _Docker()
    keeper = Registrar(aws, docker)
    keeper.look()
    keeper.look()
    docker.status = "Up 9 seconds (healthy)"
    keeper.look()
    aws.tasks = []
    keeper.look()
    expected = ["registered", "UNHEALTHY", "HEALTHY", "deregistered"]
    assert [f"{each} 0a1b2c3d" for each in expected] == aws.told
    assert 1 == docker.inspected


def test_a_service_that_is_deleted_between_two_questions_is_passed_over() -> None:
    """A destroy is no error of the registrar."""
    aws = _Aws()
    aws.is_deleted = True
    Registrar(aws, _Docker()).look()
    assert [] == aws.told


def test_the_format_asks_for_what_is_read() -> None:
    """The template of `docker ps` names the labels that the emulator sets."""
    assert json.dumps(registrar.LISTED) == json.dumps(
        '{{.ID}}\t{{.Label "com.amazonaws.ecs.task-arn"}}\t'
        '{{.Label "com.amazonaws.ecs.container-name"}}\t{{.Status}}'
    )
