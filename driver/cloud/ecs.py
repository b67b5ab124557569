"""The services as Fargate tasks: their addresses, and why a task has stopped.

From outside the VPC a task is found by its network interface's public address; inside, Cloud Map
knows the private ones. ECS lists a task some seconds before Cloud Map does, so ECS's private
addresses are used while Cloud Map has none, and in a stack without Cloud Map.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from driver.cloud.addresses import private_address, public_addresses, tasks_of
from driver.cloud.aws import Aws, explained
from driver.cloud.own_address import own_address, why_unreached
from driver.cloud.stack import ServiceOutputs, Stack
from driver.transport.endpoint import ROLES, Endpoint, SignInEnded
from mapreduce.wire.messages import StageName

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TaskTypeDef

Answer = TypeVar("Answer")

MOST_INSTANCES = 1000
"""Instances in one answer of Cloud Map (its limit, also for the instances of a service)."""


class EcsFleet:
    """The tasks of a stack's three services; at most `most_mappers` mappers."""

    refresh_s = 5.0

    def __init__(self, stack: Stack, aws: Aws, most_mappers: int | None = None) -> None:
        self._stack = stack
        self._aws = aws
        self._most_mappers = most_mappers

    async def endpoints(self, stage: StageName) -> list[Endpoint]:
        found = await asyncio.to_thread(self._signed_in, self._find, stage)
        return found[: self._most_mappers] if stage == "map" else found

    async def why_gone(self, stage: StageName, names: Sequence[str]) -> dict[str, str]:
        return await asyncio.to_thread(self._signed_in, self._deaths, stage, names)

    async def why_unreached(self, stage: StageName, names: Sequence[str]) -> str:
        if self._stack.address_kind == "private":
            return ""
        address = await asyncio.to_thread(own_address)
        return why_unreached(len(names), ROLES[stage], address, self._stack.allowed_cidrs)

    def signing_key(self) -> str:
        """Return the key that signs requests; it is in no output, no state, no log."""
        with explained():
            answer = self._aws.ssm.get_parameter(
                Name=self._stack.signing_key_parameter, WithDecryption=True
            )
        return answer["Parameter"]["Value"]

    def _signed_in(self, look: Callable[..., Answer], *asked: object) -> Answer:
        """Look, again with other credentials if those in use have ended and there are others."""
        try:
            return look(*asked)
        except SignInEnded:
            if not self._aws.renew():
                raise
            return look(*asked)

    def _find(self, stage: StageName) -> list[Endpoint]:
        service = self._stack.services[ROLES[stage]]
        with explained():
            cluster = self._stack.cluster
            tasks = [
                task
                for task in tasks_of(self._aws, cluster, service.service_name)
                if task.get("lastStatus") == "RUNNING"
            ]
            is_public = self._stack.address_kind == "public"
            addresses = (
                public_addresses(self._aws, tasks) if is_public else self._private(tasks, service)
            )
        found = [
            Endpoint(
                endpoint_name(ROLES[stage], task),
                f"https://{address}:{service.port}",
                service.slots,
                ROLES[stage],
            )
            for task in tasks
            if (address := addresses.get(task["taskArn"]))
        ]
        return sorted(found, key=lambda endpoint: endpoint.name)

    def _deaths(self, stage: StageName, names: Sequence[str]) -> dict[str, str]:
        service = self._stack.services[ROLES[stage]]
        with explained():
            cluster = self._stack.cluster
            stopped = {
                endpoint_name(ROLES[stage], task): task
                for task in tasks_of(self._aws, cluster, service.service_name, "STOPPED")
            }
        return {name: cause_of_stop(stopped[name]) for name in names if name in stopped}

    def _private(self, tasks: Iterable[TaskTypeDef], service: ServiceOutputs) -> dict[str, str]:
        """Return private addresses, by the ARN of the task: Cloud Map's, else ECS's."""
        of_ecs = {task["taskArn"]: address for task in tasks if (address := private_address(task))}
        if self._stack.namespace is None or service.discovery_service_name is None:
            return of_ecs
        answer = self._aws.discovery.discover_instances(
            NamespaceName=self._stack.namespace,
            ServiceName=service.discovery_service_name,
            HealthStatus="ALL",
            MaxResults=MOST_INSTANCES,  # 100 of them at random otherwise
        )
        listed = {
            instance.get("Attributes", {}).get("AWS_INSTANCE_IPV4")
            for instance in answer["Instances"]
        }
        known = {arn: address for arn, address in of_ecs.items() if address in listed}
        return known or of_ecs


def endpoint_name(role: str, task: TaskTypeDef) -> str:
    """Return a task's name for people: its role and the first eight characters of its id."""
    return f"{role}-{task['taskArn'].rpartition('/')[2][:8]}"


def cause_of_stop(task: TaskTypeDef) -> str:
    """Return why a task has stopped, in words: out of memory, Spot, scaled in, or ECS's reason."""
    reason = task.get("stoppedReason", "") or "ECS gives no reason"
    boxes = task.get("containers", [])
    codes = [box["exitCode"] for box in boxes if box.get("exitCode") is not None]
    words = [box["reason"] for box in boxes if box.get("reason")]
    if task.get("stopCode") == "SpotInterruption" or "Spot" in reason:
        return f"AWS took the Spot capacity back ({reason})"
    out_of_memory = any("OutOfMemory" in word for word in words)
    # before the exit code: a task that its service stops, and that takes longer than stopTimeout,
    # ends with 137 too
    by_service = task.get("stopCode") == "ServiceSchedulerInitiated" or "Scaling activity" in reason
    if by_service and not out_of_memory:
        return f"stopped by its service: scaled in or replaced ({reason})"
    if out_of_memory or 137 in codes:
        return (
            "killed, exit code 137: most likely out of memory; "
            f"raise the service's memory ({reason})"
        )
    details = "; ".join([*(f"exit code {code}" for code in codes), *words])
    return f"{reason} ({details})" if details else reason
