"""What a fleet uses while a run goes on, and its price: tasks x seconds x size. Pure.

AWS Fargate bills vCPU and memory by the second from a task's start to its end, and at least one
minute of each task that is started; an address by the hour, here by the second.
"""

from __future__ import annotations

from collections.abc import Mapping

from driver.forecast.pricing import (
    GIB_HOUR,
    GUARD,
    PUBLIC_ADDRESS_HOUR,
    SPOT_FACTOR,
    VCPU_HOUR,
    Architecture,
    ServiceSize,
    running_hour,
)
from driver.transport.endpoint import Role
from mapreduce.wire.messages import Message

LEAST_BILLED_S = 60.0
HOUR_S = 3600.0


class TaskSize(Message):
    """The size of a service's tasks: CPU units (1024 = 1 vCPU), memory in MiB."""

    cpu: int
    memory: int


class PricedFleet(Message):
    """The tasks of a stack that a run uses, and what their price depends on.

    `usual` is how many tasks each service has when nothing else is known. `guarded`: the idle
    guard's task runs beside them. `spot_share` is a percentage.
    """

    sizes: dict[Role, TaskSize]
    usual: dict[Role, int]
    architecture: Architecture = "X86_64"
    spot_share: int = 0
    is_public: bool = True
    guarded: bool = False

    def hour_usd(self, counts: Mapping[Role, int]) -> float:
        """Return the dollars an hour of so many tasks, with the guard's if there is one."""
        return running_hour(self._all(counts), self.architecture)

    def _all(self, counts: Mapping[Role, int]) -> list[ServiceSize]:
        sizes = [self._of(role, count) for role, count in counts.items() if role in self.sizes]
        if self.guarded and any(counts.values()):
            sizes.append(
                ServiceSize(1, GUARD.cpu, GUARD.memory, self.spot_share, is_public=self.is_public)
            )
        return sizes

    def _of(self, role: Role, count: int) -> ServiceSize:
        size = self.sizes[role]
        return ServiceSize(count, size.cpu, size.memory, self.spot_share, is_public=self.is_public)

    def usage(self, task_s: Mapping[Role, float], guard_s: float) -> Usage:
        """Return what so many seconds of each service's tasks use, and their price."""
        seconds = [(self.sizes[role], each) for role, each in task_s.items() if role in self.sizes]
        if self.guarded:
            seconds.append((TaskSize(cpu=GUARD.cpu, memory=GUARD.memory), guard_s))
        vcpu_s = sum(size.cpu / 1024 * each for size, each in seconds)
        gib_s = sum(size.memory / 1024 * each for size, each in seconds)
        full = vcpu_s / HOUR_S * VCPU_HOUR[self.architecture]
        full += gib_s / HOUR_S * GIB_HOUR[self.architecture]
        saved = full * (1 - SPOT_FACTOR) * self.spot_share / 100
        all_s = sum(each for _, each in seconds)
        addresses = all_s / HOUR_S * PUBLIC_ADDRESS_HOUR if self.is_public else 0.0
        return Usage(vcpu_s=vcpu_s, gib_s=gib_s, usd=full - saved + addresses, spot_saved_usd=saved)


class Usage(Message):
    """What tasks have used: vCPU- and GiB-seconds, dollars, and what Spot has saved of them."""

    vcpu_s: float = 0.0
    gib_s: float = 0.0
    usd: float = 0.0
    spot_saved_usd: float = 0.0

    def times(self, factor: float) -> Usage:
        """Return so many times as much."""
        return Usage(
            vcpu_s=self.vcpu_s * factor,
            gib_s=self.gib_s * factor,
            usd=self.usd * factor,
            spot_saved_usd=self.spot_saved_usd * factor,
        )
