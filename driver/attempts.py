"""What a stage knows of its tasks while they are open: their attempts, their failures, and who carries them out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from driver.fleet.base import Endpoint
from driver.planning import AnyTask, TaskSpec
from driver.policy import RetryPolicy
from mapreduce.messages import MapResult, MapTask, ReduceResult, SplitResult, TaskError

AnyResult = SplitResult | MapResult | ReduceResult


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished task: its result, and who did it in how many attempts; `reused` when an earlier run did."""

    spec: TaskSpec
    result: AnyResult
    attempts: int
    endpoint: str
    seconds: float
    reused: bool = False


@dataclass(slots=True)
class Attempt:
    """One attempt that runs."""

    number: int
    endpoint: str
    started: float
    handle: asyncio.Task[None] | None = None


@dataclass(slots=True)
class OpenTask:
    """A task without a result yet."""

    spec: TaskSpec
    attempts: int = 0
    failures: list[TaskError] = field(default_factory=list)
    failed_on: set[str] = field(default_factory=set)
    not_before: float = 0.0
    running: dict[int, Attempt] = field(default_factory=dict)
    skip: list[str] = field(default_factory=list)

    def message(self, number: int, policy: RetryPolicy) -> AnyTask:
        """What an attempt is asked."""
        asked = self.spec.attempt(number)
        skipping = policy.skip_bad_records and isinstance(asked, MapTask)
        return asked.model_copy(update={"skip": tuple(self.skip)}) if skipping else asked


@dataclass(slots=True)
class Slots:
    """An endpoint, and how it has done."""

    endpoint: Endpoint
    busy: int = 0
    failures: int = 0
    quiet_until: float = 0.0
