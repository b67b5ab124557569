"""The entry point of AWS: the addresses that Cloud Map has for a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from examples.serving.router.discovery import LookupFailed

MOST = 1000
"""Cloud Map's limit for one answer; without it, it names a hundred."""
CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 2},
    connect_timeout=2,
    read_timeout=5,
    # the router asks an address in its own network or AWS's; the prefix "data-" resolves in neither
    # an emulator nor an interface endpoint without private DNS
    inject_host_prefix=False,
)


def hosts_of(namespace: str, service: str, client: Any = None) -> Callable[[], list[str]]:
    """Return a function that asks Cloud Map for the addresses of a service.

    The answer names every registered task, whether Cloud Map takes it for healthy or not: the
    router asks each one itself. The function raises `LookupFailed` if AWS refuses, or throttles.

    Args:
        namespace: the namespace's name.
        service: the service's name in it.
        client: a client of Cloud Map; None makes one.
    """
    asked = client or boto3.Session().client("servicediscovery", config=CONFIG)

    def hosts() -> list[str]:
        try:
            answer = asked.discover_instances(
                NamespaceName=namespace,
                ServiceName=service,
                MaxResults=MOST,
                HealthStatus="ALL",
            )
        except (ClientError, BotoCoreError) as exc:
            raise LookupFailed(
                f"Cloud Map did not name the tasks of {service}.{namespace}: {exc}"
            ) from exc
        found = (each.get("Attributes", {}) for each in answer.get("Instances", ()))
        return [each["AWS_INSTANCE_IPV4"] for each in found if "AWS_INSTANCE_IPV4" in each]

    return hosts
