"""The names that a VPC's resolver knows: those of Cloud Map's DNS namespaces."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.e2e import dns, remains
from tests.e2e.dns import MOST_ADDRESSES, Addresses, CannotLook
from tests.e2e.emulator import Emulator
from tests.e2e.machine import Engine

Client = Any
Shuffle = Callable[[Sequence[str], int], list[str]]


@contextmanager
def resolved(cloud: Emulator, engine: Engine) -> Iterator[None]:
    """Answer the containers' questions for names until the end of the block.

    Raises:
        CannotRun: the port of DNS is in use on the bridge's address.
    """
    clients = remains.cached_clients(cloud)

    def look(name: str) -> Addresses | None:
        try:
            return addresses(clients("servicediscovery"), name)
        except (BotoCoreError, ClientError) as exc:
            raise CannotLook(str(exc)) from exc

    with dns.serving(engine.gateway, look):
        yield


def addresses(discovery: Client, name: str, shuffle: Shuffle = random.sample) -> Addresses | None:
    """Return the healthy instances that a name stands for, as Route 53 has them; None for no name.

    Args:
        discovery: a client of Cloud Map.
        name: in lower case, without a dot at its end.
        shuffle: chooses so many of the addresses, in any order.
    """
    for service in _services(discovery, name):
        ttl_s = ttl_of(service)
        if ttl_s is None:  # of a namespace without DNS
            continue
        identifier = service["Id"]
        listed = discovery.list_instances(ServiceId=identifier)["Instances"]
        health = discovery.get_instances_health_status(ServiceId=identifier)["Status"]
        found = healthy(listed, health)
        if not found:  # a name without a record does not exist
            return None
        return Addresses(tuple(shuffle(found, min(len(found), MOST_ADDRESSES))), ttl_s)
    return None


def ttl_of(service: Mapping[str, Any]) -> int | None:
    """Return the seconds that a service's A records may be kept, or None if it has none."""
    records = (service.get("DnsConfig") or {}).get("DnsRecords") or ()
    return next((int(record["TTL"]) for record in records if record["Type"] == "A"), None)


def healthy(instances: Iterable[Mapping[str, Any]], health: Mapping[str, str]) -> list[str]:
    """Return the addresses of the instances that are healthy."""
    return [
        each["Attributes"]["AWS_INSTANCE_IPV4"]
        for each in instances
        if health.get(each["Id"]) == "HEALTHY" and "AWS_INSTANCE_IPV4" in each["Attributes"]
    ]


def _services(discovery: Client, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the services that a name stands for."""
    for zone in discovery.list_namespaces()["Namespaces"]:
        label, dot, rest = name.partition(".")
        if not dot or rest != zone["Name"].lower():
            continue
        for listed in discovery.list_services()["Services"]:
            if listed["Name"].lower() == label:
                # the list does not name the namespace of a service
                service = discovery.get_service(Id=listed["Id"])["Service"]
                if service["NamespaceId"] == zone["Id"]:
                    yield service
