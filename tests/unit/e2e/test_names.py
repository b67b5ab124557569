"""The names of Cloud Map as DNS has them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e import names
from tests.e2e.dns import Addresses

A = {"DnsRecords": [{"Type": "A", "TTL": 10}]}
SERVICES: dict[str, dict[str, Any]] = {
    "srv-1": {"Name": "mapper", "NamespaceId": "ns-other", "DnsConfig": A},
    "srv-2": {"Name": "mapper", "NamespaceId": "ns-1", "DnsConfig": A},
    "srv-3": {"Name": "router", "NamespaceId": "ns-api"},
    "srv-4": {"Name": "srv-only", "NamespaceId": "ns-1", "DnsConfig": {"DnsRecords": []}},
    "srv-5": {"Name": "idle", "NamespaceId": "ns-1", "DnsConfig": A},
}


class _Discovery:
    """Cloud Map with three namespaces, of which one has no DNS."""

    def list_namespaces(self) -> dict[str, Any]:
        return {
            "Namespaces": [
                {"Id": "ns-1", "Name": "Stack.internal", "Type": "DNS_PRIVATE"},
                {"Id": "ns-other", "Name": "other.internal", "Type": "DNS_PRIVATE"},
                {"Id": "ns-api", "Name": "api", "Type": "HTTP"},
            ]
        }

    def list_services(self) -> dict[str, Any]:
        return {"Services": [{"Id": key, "Name": each["Name"]} for key, each in SERVICES.items()]}

    def get_service(self, Id: str) -> dict[str, Any]:  # boto3's name
        return {"Service": SERVICES[Id] | {"Id": Id}}

    def list_instances(self, ServiceId: str) -> dict[str, Any]:
        found = {"srv-2": range(12), "srv-1": range(90, 91)}.get(ServiceId, range(0))
        return {
            "Instances": [
                {"Id": f"i{n}", "Attributes": {"AWS_INSTANCE_IPV4": f"10.0.0.{n}"}} for n in found
            ]
        }

    def get_instances_health_status(self, ServiceId: str) -> dict[str, Any]:
        return {"Status": {f"i{n}": "UNHEALTHY" if n < 2 else "HEALTHY" for n in range(99)}}


def _first(addresses: Any, number: int) -> list[str]:
    return list(addresses[:number])


def test_a_name_is_its_healthy_instances() -> None:
    """At most eight of the healthy instances of the service in this namespace, with its TTL."""
    found = names.addresses(_Discovery(), "mapper.stack.internal", _first)
    assert Addresses(tuple(f"10.0.0.{n}" for n in range(2, 10)), 10) == found


def test_the_addresses_are_chosen_at_random() -> None:
    """Asked again and again, every healthy instance is named."""
    every = {
        address
        for _ in range(200)
        for address in (names.addresses(_Discovery(), "mapper.stack.internal") or A).addresses  # type: ignore[union-attr]
    }
    assert {f"10.0.0.{n}" for n in range(2, 12)} == every


@pytest.mark.parametrize(
    "name",
    [
        "mapper",
        "mapper.internal",
        "nothing.stack.internal",
        "x.mapper.stack.internal",
        "router.api",
        "srv-only.stack.internal",
        "idle.stack.internal",
        "stack.internal",
        "",
    ],
)
def test_other_names_do_not_exist(name: str) -> None:
    """No service, no namespace, no DNS, no A record, or no healthy instance: no name."""
    assert names.addresses(_Discovery(), name) is None
