"""Register the tasks of ECS services in Cloud Map, as ECS does: the emulator's ECS registers none.

On Fargate a task has one address. In the emulator each container has its own, which only Docker
tells, so each becomes an instance; all name the task's first port, as ECS does.

Health is Docker's: the image's HEALTHCHECK stands for the task definition's health check, which the
emulator does not run. An instance is healthy once all containers of its task are.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.e2e import remains
from tests.e2e.emulator import REGION, Emulator
from tests.e2e.log import say
from tests.e2e.machine import Engine
from tests.e2e.stack import CONTAINER_LABEL, TASK_LABEL

EVERY_S = 1.0
AT_ONCE = 10
"""Services in one DescribeServices, AWS's limit; DescribeTasks takes 100."""

DESCRIBED = 100
LISTED = "\t".join(
    (
        "{{.ID}}",
        f'{{{{.Label "{TASK_LABEL}"}}}}',
        f'{{{{.Label "{CONTAINER_LABEL}"}}}}',
        "{{.Status}}",
    )
)
ADDRESS = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
NOT_HEALTHY = ("(unhealthy)", "(health: starting)")
GONE = {"ServiceNotFound", "InstanceNotFound", "ClusterNotFoundException"}
"""What was found, and has been deleted since: the next look does not find it."""

Key = tuple[str, str]
"""The ids of a Cloud Map service and of an instance in it."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container that Docker runs for a task: its id, its task's ARN, its name in the task, and
    whether its health check succeeds, if it has one.
    """

    id: str
    task: str
    name: str
    healthy: bool


@dataclass(frozen=True, slots=True)
class Instance:
    """What Cloud Map stores of one instance."""

    attributes: Mapping[str, str]
    healthy: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between the tasks and Cloud Map."""

    register: Mapping[Key, Instance]
    deregister: tuple[Key, ...]
    health: Mapping[Key, bool]


def instances_of(
    cluster: str,
    services: Iterable[Mapping[str, Any]],
    tasks: Iterable[Mapping[str, Any]],
    ports: Mapping[str, int | None],
    containers: Iterable[Container],
    addresses: Mapping[str, str],
) -> dict[Key, Instance]:
    """Return the instances that Cloud Map must list.

    Args:
        cluster: name of the cluster.
        services: of ECS, as DescribeServices returns them.
        tasks: of the cluster, as DescribeTasks returns them.
        ports: the first port of each task definition, by its ARN.
        containers: those that run.
        addresses: of the containers, by their ids.
    """
    of_task: dict[str, list[Container]] = {}
    for container in containers:
        of_task.setdefault(container.task, []).append(container)
    registries = {
        f"service:{service['serviceName']}": service["serviceRegistries"]
        for service in services
        if service.get("serviceRegistries")
    }
    found = {}
    for task in tasks:
        if not task["lastStatus"] == task["desiredStatus"] == "RUNNING":
            continue
        for registry in registries.get(task.get("group", ""), ()):
            service = registry["registryArn"].rpartition("/")[2]
            port = registry.get("containerPort") or ports.get(task["taskDefinitionArn"])
            own = of_task.get(task["taskArn"], [])
            for container in own:
                attributes = _attributes(cluster, task, addresses[container.id], port)
                instance = task["taskArn"].rpartition("/")[2]
                if len(task["containers"]) > 1:
                    instance += f"-{container.name}"
                healthy = all(each.healthy for each in own)
                found[service, instance] = Instance(attributes, healthy)
    return found


def changes(wanted: Mapping[Key, Instance], known: Mapping[Key, Instance]) -> Changes:
    """Return what must be told to Cloud Map.

    Args:
        wanted: the instances that it must list.
        known: those that it was told.
    """
    new = {
        key: each
        for key, each in wanted.items()
        if key not in known or known[key].attributes != each.attributes
    }
    return Changes(
        register=new,
        deregister=tuple(key for key in known if key not in wanted),
        # a new instance is healthy to Cloud Map until it hears otherwise
        health={
            key: each.healthy
            for key, each in wanted.items()
            if each.healthy != (True if key in new else known[key].healthy)
        },
    )


@dataclass
class Registrar:
    """Keeps Cloud Map as the tasks are.

    Attributes:
        client: makes a client of a service of AWS.
        docker: returns the output of a docker command.
        known: what Cloud Map was told.
        ports: the first port of each task definition that was seen.
        addresses: of the containers that were seen, by their ids.
    """

    client: Callable[[str], Any]
    docker: Callable[..., str]
    known: dict[Key, Instance] = field(default_factory=dict)
    ports: dict[str, int | None] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    def look(self) -> None:
        """Look once, and tell Cloud Map what differs."""
        wanted: dict[Key, Instance] = {}
        ecs = self.client("ecs")
        for cluster in ecs.list_clusters()["clusterArns"]:
            with _deleted_meanwhile():
                wanted |= self._wanted(ecs, cluster)
        self._tell(changes(wanted, self.known))
        self.known = wanted

    def _wanted(self, ecs: Any, cluster: str) -> dict[Key, Instance]:
        services = _services(ecs, cluster)
        if not any(service.get("serviceRegistries") for service in services):
            return {}
        tasks = _tasks(ecs, cluster)
        containers = [each for each in self._containers() if each.id in self.addresses]
        for arn in {task["taskDefinitionArn"] for task in tasks} - self.ports.keys():
            self.ports[arn] = _first_port(ecs, arn)
        name = cluster.rpartition("/")[2]
        return instances_of(name, services, tasks, self.ports, containers, self.addresses)

    def _containers(self) -> list[Container]:
        """Return the containers that run, and learn the addresses of new ones."""
        listed = self.docker(
            "ps", "--filter", f"label={TASK_LABEL}", "--format", LISTED, "--no-trunc"
        )
        found = [container_of(line) for line in listed.splitlines()]
        for each in found:
            if each.id not in self.addresses:
                # one that ends between the two questions is left out of this look
                with suppress(subprocess.CalledProcessError):
                    told = self.docker("inspect", "--format", ADDRESS, each.id).split()
                    if told:
                        self.addresses[each.id] = told[0]
        return found

    def _tell(self, told: Changes) -> None:
        discovery = self.client("servicediscovery")
        for service, instance in told.deregister:
            with _deleted_meanwhile():
                discovery.deregister_instance(ServiceId=service, InstanceId=instance)
        for (service, instance), each in told.register.items():
            with _deleted_meanwhile():
                discovery.register_instance(
                    ServiceId=service, InstanceId=instance, Attributes=dict(each.attributes)
                )
        for (service, instance), healthy in told.health.items():
            with _deleted_meanwhile():
                discovery.update_instance_custom_health_status(
                    ServiceId=service,
                    InstanceId=instance,
                    Status="HEALTHY" if healthy else "UNHEALTHY",
                )


@contextmanager
def registering(cloud: Emulator, engine: Engine) -> Iterator[Registrar]:
    """Keep the emulator's Cloud Map as its tasks are, until the end of the block."""
    clients = remains.cached_clients(cloud)
    registrar = Registrar(clients, partial(_docker, engine))
    stop = Event()
    thread = Thread(target=_register, args=(registrar, stop), daemon=True)
    thread.start()
    try:
        yield registrar
    finally:
        stop.set()
        thread.join()


def container_of(line: str) -> Container:
    """Return a container from its line of `docker ps`: id, task, name and status between tabs."""
    container, task, name, status = line.split("\t")
    return Container(container, task, name, not status.endswith(NOT_HEALTHY))


def _register(registrar: Registrar, stop: Event) -> None:
    """Look until `stop`. A failed look is reported, once for each cause, and made again."""
    said = ""
    while not stop.wait(EVERY_S):
        try:
            registrar.look()
        except (ClientError, BotoCoreError, subprocess.SubprocessError) as exc:
            if str(exc) != said:
                said = str(exc)
                say(f"           registrar: {said}")


def _docker(engine: Engine, *arguments: str) -> str:
    # not by Engine.docker, which keeps two files of each command's output
    environment = engine.shell.environment
    return subprocess.run(
        ("docker", *arguments), env=environment, capture_output=True, text=True, check=True
    ).stdout


def _services(ecs: Any, cluster: str) -> list[dict[str, Any]]:
    pages = ecs.get_paginator("list_services").paginate(cluster=cluster)
    arns = [arn for page in pages for arn in page["serviceArns"]]
    found: list[dict[str, Any]] = []
    for at in range(0, len(arns), AT_ONCE):
        some = arns[at : at + AT_ONCE]
        found += ecs.describe_services(cluster=cluster, services=some)["services"]
    return found


def _tasks(ecs: Any, cluster: str) -> list[dict[str, Any]]:
    pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster)
    arns = [arn for page in pages for arn in page["taskArns"]]
    found: list[dict[str, Any]] = []
    for at in range(0, len(arns), DESCRIBED):
        some = arns[at : at + DESCRIBED]
        found += ecs.describe_tasks(cluster=cluster, tasks=some)["tasks"]
    return found


def _first_port(ecs: Any, definition: str) -> int | None:
    found = ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]
    mappings = (
        mapping
        for container in found["containerDefinitions"]
        for mapping in container.get("portMappings", ())
    )
    return next((int(mapping["containerPort"]) for mapping in mappings), None)


def _attributes(
    cluster: str, task: Mapping[str, Any], address: str, port: int | None
) -> dict[str, str]:
    """Return the attributes that ECS gives an instance."""
    found = {
        "AWS_INSTANCE_IPV4": address,
        "AVAILABILITY_ZONE": task.get("availabilityZone") or f"{REGION}a",
        "REGION": REGION,
        "ECS_CLUSTER_NAME": cluster,
        "ECS_SERVICE_NAME": str(task["group"]).removeprefix("service:"),
        "ECS_TASK_DEFINITION_FAMILY": task["taskDefinitionArn"].rpartition("/")[2].split(":")[0],
    }
    return found | ({"AWS_INSTANCE_PORT": str(port)} if port else {})


@contextmanager
def _deleted_meanwhile() -> Iterator[None]:
    """Pass over an answer that the cluster, service or instance is gone."""
    try:
        yield
    except ClientError as exc:
        if exc.response["Error"]["Code"] not in GONE:
            raise
